import { GatewayError } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import { objectMembers, printMembers } from '../../core/json-slice.ts';
import { safeText } from '../../core/safe-text.ts';
import { tokenCount, type Usage } from '../../core/usage.ts';
import type { DecodeOptions, Reply } from '../codec.ts';
import { wanted } from './request.ts';

/** What the upstream said, as the one item of the turn. */
const blockType = 'reply';

interface Vector extends JsonObject {
  index: number;
  embedding: unknown;
}

/** A reply's vectors: numbers, or their bytes in base64. Undefined: it holds none. */
function vectorsOf(reply: JsonObject | undefined): Vector[] | undefined {
  const data: unknown = reply?.['data'];
  if (!Array.isArray(data)) return undefined;
  const isVector = (each: unknown): each is Vector =>
    isJsonObject(each) && Number.isInteger(each['index']) && isEmbedding(each['embedding']);
  return data.every(isVector) ? data : undefined;
}

function isEmbedding(value: unknown): boolean {
  if (typeof value === 'string') return value !== '';
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'number');
}

function usageOf(reply: JsonObject | undefined): Usage | undefined {
  const said = reply?.['usage'];
  if (!isJsonObject(said)) return undefined;
  const inputTokens = tokenCount(said['prompt_tokens']) ?? tokenCount(said['total_tokens']);
  if (inputTokens === undefined) return undefined;
  const none = { cachedTokens: 0, cacheWriteTokens: 0, cacheWriteHourTokens: 0, outputTokens: 0, reasoningTokens: 0 };
  return { inputTokens, ...none, estimated: false };
}

/** @see https://platform.openai.com/docs/api-reference/embeddings/object */
export function decodeResponse(body: string, { vectors: count }: DecodeOptions, emit: Emit): void {
  const reply = parseJsonObject(body);
  const vectors = vectorsOf(reply);
  const usage = usageOf(reply);
  if (reply === undefined || vectors === undefined || vectors.length !== count) {
    const cause = new Error(safeText(body));
    const message =
      vectors === undefined
        ? "The upstream's reply holds no embeddings."
        : `The upstream made ${vectors.length} embeddings of ${count} inputs.`;
    if (usage !== undefined) emit({ type: 'usage', usage });
    emit({ type: 'error', error: new GatewayError('upstream_invalid_response', message, { cause, retryable: true }) });
    return;
  }
  const { model } = reply;
  emit({
    type: 'response-start',
    upstreamId: undefined,
    upstreamModel: typeof model === 'string' ? model : undefined,
  });
  emit({ type: 'item-start', index: 0, start: { kind: 'extension', blockType } });
  emit({ type: 'item-end', index: 0, complete: true, source: body });
  emit({ type: 'response-end', finish: 'completed', usage });
}

/**
 * The upstream's reply under the name that the client called the model by. Its vectors are written as the client asked: many
 * servers know one of the two ways only, and OpenAI's SDKs ask for base64 by themselves.
 */
export function encodeReply({ state, output }: Reply): string {
  const body = output[0]?.body ?? '';
  const text = objectMembers(body)?.get('block') ?? '{}';
  const members = objectMembers(text) ?? new Map<string, string>();
  const vectors = vectorsOf(parseJsonObject(text)) ?? [];
  const { format } = wanted(state.request);
  if (vectors.some(({ embedding }) => (typeof embedding === 'string') !== (format === 'base64'))) {
    const data = vectors.map((vector) => ({ ...vector, embedding: written(vector.embedding, format) }));
    members.set('data', JSON.stringify(data));
  }
  members.set('object', '"list"').set('model', JSON.stringify(state.request.model));
  if (!isJsonObject(parseJsonObject(text)?.['usage'])) members.set('usage', usageText(state.usage));
  return printMembers(members);
}

function usageText(usage: Usage | undefined): string {
  const tokens = usage?.inputTokens ?? 0;
  return JSON.stringify({ prompt_tokens: tokens, total_tokens: tokens });
}

/** Base64 holds 32-bit floats, the low byte first. */
function written(embedding: unknown, format: ReturnType<typeof wanted>['format']): unknown {
  if (format === 'base64') {
    if (!Array.isArray(embedding)) return embedding;
    const bytes = Buffer.alloc(embedding.length * 4);
    embedding.forEach((each, index) => bytes.writeFloatLE(Number(each), index * 4));
    return bytes.toString('base64');
  }
  if (typeof embedding !== 'string') return embedding;
  const bytes = Buffer.from(embedding, 'base64');
  return Array.from({ length: bytes.length >> 2 }, (_, index) => bytes.readFloatLE(index * 4));
}
