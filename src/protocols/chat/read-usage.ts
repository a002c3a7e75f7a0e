import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { mediaUsage, tokenCount, type Usage } from '../../core/usage.ts';

const empty: JsonObject = {};

/**
 * Undefined: no usage. A figure that makes no sense counts as 0 and marks the whole as an estimate.
 * xAI counts reasoning beside `completion_tokens`, all others within: the total tells which.
 */
export function readUsage(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const prompt = tokenCount(value['prompt_tokens']);
  const completion = tokenCount(value['completion_tokens']);
  if (prompt === undefined && completion === undefined) return undefined;
  const promptDetails = isJsonObject(value['prompt_tokens_details']) ? value['prompt_tokens_details'] : empty;
  const completionDetails = isJsonObject(value['completion_tokens_details'])
    ? value['completion_tokens_details']
    : empty;
  const inputTokens = prompt ?? 0;
  const reasoning = tokenCount(completionDetails['reasoning_tokens']) ?? 0;
  const reasoningBeside =
    reasoning > (completion ?? 0) || tokenCount(value['total_tokens']) === inputTokens + (completion ?? 0) + reasoning;
  const cachedTokens = Math.min(
    inputTokens,
    // DeepSeek's name, and Moonshot's place.
    tokenCount(promptDetails['cached_tokens']) ??
      tokenCount(value['prompt_cache_hit_tokens']) ??
      tokenCount(value['cached_tokens']) ??
      0,
  );
  return {
    inputTokens,
    cachedTokens,
    cacheWriteTokens: Math.min(inputTokens - cachedTokens, tokenCount(promptDetails['cache_write_tokens']) ?? 0),
    cacheWriteHourTokens: 0,
    outputTokens: (completion ?? 0) + (reasoningBeside ? reasoning : 0),
    reasoningTokens: reasoning,
    estimated: prompt === undefined || completion === undefined,
    ...mediaUsage({
      input: (modality) => tokenCount(promptDetails[`${modality}_tokens`]),
      output: (modality) => tokenCount(completionDetails[`${modality}_tokens`]),
    }),
  };
}
