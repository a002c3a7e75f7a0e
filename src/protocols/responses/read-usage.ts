import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { tokenCount, type Usage } from '../../core/usage.ts';

const empty: JsonObject = {};

/** Undefined: no usage. A figure that makes no sense counts as 0 and marks the whole as an estimate. */
export function readUsage(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const input = tokenCount(value['input_tokens']);
  const output = tokenCount(value['output_tokens']);
  if (input === undefined && output === undefined) return undefined;
  const inputDetails = isJsonObject(value['input_tokens_details']) ? value['input_tokens_details'] : empty;
  const outputDetails = isJsonObject(value['output_tokens_details']) ? value['output_tokens_details'] : empty;
  const inputTokens = input ?? 0;
  const outputTokens = output ?? 0;
  const cachedTokens = Math.min(inputTokens, tokenCount(inputDetails['cached_tokens']) ?? 0);
  return {
    inputTokens,
    cachedTokens,
    cacheWriteTokens: Math.min(inputTokens - cachedTokens, tokenCount(inputDetails['cache_write_tokens']) ?? 0),
    cacheWriteHourTokens: 0,
    outputTokens,
    reasoningTokens: Math.min(outputTokens, tokenCount(outputDetails['reasoning_tokens']) ?? 0),
    estimated: input === undefined || output === undefined,
  };
}
