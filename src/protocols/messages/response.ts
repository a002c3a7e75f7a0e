import type { Emit } from '../../core/events.ts';
import { isJsonObject, parseJsonObject } from '../../core/json-object.ts';
import { arrayElements, sliceJson } from '../../core/json-slice.ts';
import type { DecodeOptions } from '../codec.ts';
import { createReplyDecoder, invalidReply } from './decode-reply.ts';

/** A plain reply as a short stream: each content block starts, whole, and stops. */
export function decodeResponse(body: string, options: DecodeOptions, emit: Emit): void {
  const message = parseJsonObject(body);
  const blocks: unknown[] | undefined = Array.isArray(message?.content) ? message.content : undefined;
  const invalid = (): void => emit({ type: 'error', error: invalidReply(body) });
  if (message === undefined || blocks === undefined || message.type === 'error') return invalid();
  let raws: string[] | undefined;
  const rawBlock = (at: number): string => {
    raws ??= arrayElements(sliceJson(body, ['content']) ?? '') ?? [];
    return raws[at] ?? JSON.stringify(blocks[at]);
  };
  const reply = createReplyDecoder(options);
  reply.begin(message, emit);
  for (const [at, block] of blocks.entries()) {
    if (!isJsonObject(block) || !reply.startBlock(block, () => rawBlock(at), emit) || !reply.stopBlock(emit)) {
      return invalid();
    }
  }
  reply.addEnd(message, message.usage, emit);
  reply.finish(emit);
}
