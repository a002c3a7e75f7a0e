import { isJsonObject, type JsonObject } from '../../core/json-object.ts';

/** Chat may write null where Responses wants a list of bytes. */
const entry = ({ token, logprob, bytes }: JsonObject) => ({ token, logprob, bytes: bytes ?? [] });

/**
 * A choice's `logprobs` as the Responses API writes them on an output text; undefined for none.
 * @see https://platform.openai.com/docs/api-reference/chat/object
 */
export function mapLogprobs(logprobs: unknown): unknown[] | undefined {
  if (!isJsonObject(logprobs) || !Array.isArray(logprobs['content']) || logprobs['content'].length === 0)
    return undefined;
  return logprobs['content'].filter(isJsonObject).map((token) => ({
    ...entry(token),
    top_logprobs: Array.isArray(token['top_logprobs']) ? token['top_logprobs'].filter(isJsonObject).map(entry) : [],
  }));
}
