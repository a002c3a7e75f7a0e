import type { Emit } from '../../core/events.ts';
import { arrayElements, sliceJson } from '../../core/json-slice.ts';
import type { DecodeOptions } from '../codec.ts';
import { createReplyDecoder, invalidReply } from './decode-reply.ts';
import { isJsonObjectValue, parseJsonObject } from './wire.ts';

/** A plain reply as a short stream: each content block starts, whole, and stops. */
export function decodeResponse(body: string, options: DecodeOptions, emit: Emit): void {
  const message = parseJsonObject(body);
  const blocks = Array.isArray(message?.content) ? message.content : undefined;
  const invalid = (): void => emit({ type: 'error', error: invalidReply(body.slice(0, 200)) });
  if (message === undefined || blocks === undefined || message.type === 'error') return invalid();
  const reply = createReplyDecoder(options);
  reply.begin(message, emit);
  const raws = arrayElements(sliceJson(body, ['content']) ?? '') ?? [];
  for (const [at, raw] of raws.entries()) {
    const block: unknown = blocks[at];
    if (!isJsonObjectValue(block) || !reply.startBlock(raw, block, emit) || !reply.stopBlock(emit)) return invalid();
  }
  reply.addEnd(message, message.usage, emit);
  reply.finish(emit);
}
