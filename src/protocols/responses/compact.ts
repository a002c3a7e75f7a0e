import { errorBody } from '../../core/error-body.ts';
import { GatewayError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import type { Item } from '../../core/items.ts';
import { arrayText, json, type Json, objectText } from '../../core/json-text.ts';
import type { TurnRequest } from '../../core/request.ts';
import { noUsage } from '../../core/usage.ts';
import type { ClientCodec, Reply } from '../codec.ts';
import { invalidType } from '../../core/check.ts';
import { createStreamEncoder } from './encode-stream.ts';
import { decodeRequest } from './request.ts';
import { type usageOf, usageText } from './response.ts';

/**
 * `POST /v1/responses/compact`: a conversation in, the window that stands for it out. It is no response: nothing of it is
 * stored, and its id names nothing.
 * @see https://platform.openai.com/docs/api-reference/responses/compact
 */
export const compactCodec: ClientCodec = {
  protocol: 'responses',
  decodeRequest: decodeCompactRequest,
  createStreamEncoder,
  encodeReply: compactionText,
  encodeError: errorBody,
};

/** Nothing of a request that this endpoint does not have can change what it does. */
function decodeCompactRequest(body: unknown): TurnRequest {
  if (!isJsonObject(body)) throw invalidType('', 'an object', body);
  if (body['conversation'] !== undefined && body['conversation'] !== null) {
    const message = "A conversation is not compacted here: the window would not be in it. Use a 'compaction_trigger'.";
    throw new GatewayError('unsupported_parameter', message, { param: 'conversation' });
  }
  const given: JsonObject = { ...body, store: false };
  // With a parent there may be nothing new.
  if (typeof given['previous_response_id'] === 'string') given['input'] ??= [];
  const request = decodeRequest(given);
  return { ...request, store: false, stream: false, compaction: 'window' };
}

/** What `POST /v1/responses/compact` answers. */
export interface CompactionObject {
  id: string;
  object: 'response.compaction';
  created_at: number;
  output: Item[];
  usage: ReturnType<typeof usageOf>;
}

/** The window: the messages of users, then the compaction item. */
function compactionText({ state, output }: Reply): string {
  return objectText<CompactionObject>({
    id: json(state.id),
    object: json('response.compaction'),
    created_at: json(Math.floor(state.createdAtMs / 1000)),
    output: arrayText(output.map(({ body }) => body as Json<Item>)),
    usage: usageText(state.usage ?? noUsage),
  });
}
