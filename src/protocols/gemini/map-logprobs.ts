import { isJsonObject, type JsonObject } from '../../core/json-object.ts';

const entry = ({ token, logProbability }: JsonObject) => ({
  token,
  logprob: logProbability,
  bytes: typeof token === 'string' ? [...Buffer.from(token)] : [],
});

function listOf(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

/**
 * A candidate's `logprobsResult` as the Responses API writes it on an output text; undefined for none.
 * @see https://ai.google.dev/api/generate-content#LogprobsResult
 */
export function mapLogprobs(result: unknown): unknown[] | undefined {
  if (!isJsonObject(result)) return undefined;
  const top = listOf(result['topCandidates']);
  const chosen = listOf(result['chosenCandidates']);
  if (chosen.length === 0) return undefined;
  return chosen.map((each, at) => ({ ...entry(each), top_logprobs: listOf(top[at]?.['candidates']).map(entry) }));
}
