import type { ResponseState } from '../../core/response.ts';
import { noUsage, type Usage } from '../../core/usage.ts';

/** JSON members of a `usage`: Anthropic counts what was cached beside the input, not in it. */
function tokensOf(usage: Usage): string {
  const { inputTokens, cachedTokens, cacheWriteTokens, outputTokens, reasoningTokens } = usage;
  const details = reasoningTokens > 0 ? `,"output_tokens_details":{"thinking_tokens":${reasoningTokens}}` : '';
  return (
    `"input_tokens":${Math.max(inputTokens - cachedTokens - cacheWriteTokens, 0)}` +
    `,"cache_creation_input_tokens":${cacheWriteTokens},"cache_read_input_tokens":${cachedTokens}` +
    `,"output_tokens":${outputTokens}${details}`
  );
}

/** Of a message, as it begins or as it ended. */
export function usageOf({ serviceTier }: ResponseState, usage: Usage = noUsage): string {
  const { cacheWriteTokens, cacheWriteHourTokens } = usage;
  const short = cacheWriteTokens - cacheWriteHourTokens;
  const written = `{"ephemeral_5m_input_tokens":${short},"ephemeral_1h_input_tokens":${cacheWriteHourTokens}}`;
  const tier = serviceTier === 'priority' ? serviceTier : 'standard';
  return `{${tokensOf(usage)},"cache_creation":${written},"service_tier":"${tier}"}`;
}

/** What `message_delta` says: the whole, since no more is said after it. */
export function deltaUsageOf(usage: Usage = noUsage): string {
  return `{${tokensOf(usage)}}`;
}
