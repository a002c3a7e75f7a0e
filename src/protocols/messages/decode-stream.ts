import type { Emit } from '../../core/events.ts';
import { GatewayError } from '../../core/errors.ts';
import { sliceJson } from '../../core/json-slice.ts';
import type { DecodeOptions, StreamDecoder } from '../codec.ts';
import { decodeErrorEvent } from './decode-error.ts';
import { createReplyDecoder, invalidReply } from './decode-reply.ts';
import { isJsonObjectValue, parseJsonObject, type JsonObject } from './wire.ts';

function kindOf(event: string, frame: JsonObject): string {
  if (typeof frame.type === 'string') return frame.type;
  return frame.error === undefined ? event : 'error';
}

/**
 * Blocks must come one after another with rising indexes (gaps are tolerated): a delta or a stop for another block than
 * the open one, a block started inside a block and a second `message_start` are an invalid reply. Events of kinds that
 * we do not know are ignored, as Anthropic asks; so is everything after `message_stop`.
 * @see https://platform.claude.com/docs/en/build-with-claude/streaming
 */
export function createStreamDecoder(options: DecodeOptions): StreamDecoder {
  const reply = createReplyDecoder(options);
  let state: 'waiting' | 'open' | 'ended' = 'waiting';
  let lastIndex = -1;

  const fail = (error: GatewayError, emit: Emit): void => {
    state = 'ended';
    emit({ type: 'error', error });
  };

  /** False: the frame breaks the grammar. */
  const read = (kind: string, frame: JsonObject, data: string, emit: Emit): boolean => {
    if (kind === 'message_start') {
      if (state !== 'waiting' || !isJsonObjectValue(frame.message)) return false;
      state = 'open';
      reply.begin(frame.message, emit);
      return true;
    }
    if (state === 'waiting') return false;
    if (kind === 'content_block_delta') {
      return frame.index === lastIndex && isJsonObjectValue(frame.delta) && reply.addDelta(frame.delta, data, emit);
    }
    if (kind === 'content_block_start') {
      const { index, content_block: start } = frame;
      const raw = sliceJson(data, ['content_block']);
      if (typeof index !== 'number' || !(index > lastIndex) || !isJsonObjectValue(start) || raw === undefined)
        return false;
      lastIndex = index;
      return reply.startBlock(raw, start, emit);
    }
    if (kind === 'content_block_stop') return frame.index === lastIndex && reply.stopBlock(emit);
    if (kind === 'message_delta') {
      reply.addEnd(isJsonObjectValue(frame.delta) ? frame.delta : {}, frame.usage, emit);
    } else {
      state = 'ended';
      reply.finish(emit);
    }
    return true;
  };

  return {
    frame(event, data, emit) {
      if (state === 'ended' || data === '') return;
      const frame = parseJsonObject(data);
      const kind = frame === undefined ? '' : kindOf(event, frame);
      if (frame === undefined) fail(invalidReply(data.slice(0, 200)), emit);
      else if (kind === 'error') fail(decodeErrorEvent(frame, data), emit);
      else if (kinds.has(kind) && !read(kind, frame, data, emit)) fail(invalidReply(data.slice(0, 200)), emit);
    },

    end(emit) {
      if (state === 'ended') return;
      state = state === 'open' && reply.isWhole() ? 'ended' : state;
      if (state === 'ended') reply.finish(emit);
      else {
        const message = 'The upstream closed the stream before the reply was complete.';
        fail(new GatewayError('upstream_stream_broken', message, { retryable: true }), emit);
      }
    },
  };
}

const kinds: ReadonlySet<string> = new Set([
  'message_start',
  'content_block_start',
  'content_block_delta',
  'content_block_stop',
  'message_delta',
  'message_stop',
]);
