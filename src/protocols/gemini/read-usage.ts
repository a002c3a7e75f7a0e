import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { mediaUsage, type Modality, tokenCount, type Usage } from '../../core/usage.ts';

/**
 * `usageMetadata` of a chunk: what the whole reply has taken so far. The prompt holds what was cached; what tools of Google's
 * own brought in is counted beside it, and thoughts beside the answer. Undefined: the input is not counted yet.
 * @see https://ai.google.dev/api/generate-content#UsageMetadata
 */
export function readUsage(metadata: unknown): Usage | undefined {
  if (!isJsonObject(metadata)) return undefined;
  const prompt = tokenCount(metadata['promptTokenCount']);
  if (prompt === undefined) return undefined;
  const inputTokens = prompt + (tokenCount(metadata['toolUsePromptTokenCount']) ?? 0);
  const reasoningTokens = tokenCount(metadata['thoughtsTokenCount']) ?? 0;
  return {
    inputTokens,
    cachedTokens: Math.min(tokenCount(metadata['cachedContentTokenCount']) ?? 0, inputTokens),
    cacheWriteTokens: 0,
    cacheWriteHourTokens: 0,
    outputTokens: (tokenCount(metadata['candidatesTokenCount']) ?? 0) + reasoningTokens,
    reasoningTokens,
    estimated: false,
    ...mediaUsage({
      input: countsOf(metadata, 'promptTokensDetails'),
      cached: countsOf(metadata, 'cacheTokensDetails'),
      output: countsOf(metadata, 'candidatesTokensDetails'),
    }),
  };
}

/** The details of a count: `{ "modality": "AUDIO", "tokenCount": 9 }` for each kind of content. */
function countsOf(metadata: JsonObject, field: string): (modality: Modality) => number | undefined {
  const details: unknown = metadata[field];
  const all = Array.isArray(details) ? details.filter(isJsonObject) : [];
  return (modality) => tokenCount(all.find((each) => each['modality'] === modality.toUpperCase())?.['tokenCount']);
}
