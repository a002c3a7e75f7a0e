import type { Emit } from '../../core/events.ts';
import { GatewayError } from '../../core/errors.ts';
import { createFrameReader } from '../../core/frame-reader.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { sliceJson } from '../../core/json-slice.ts';
import type { DecodeOptions, StreamDecoder } from '../codec.ts';
import { decodeErrorEvent } from './decode-error.ts';
import { createReplyDecoder, invalidReply } from './decode-reply.ts';
import { wordPaths } from './wire.ts';

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
  const { frames = createFrameReader(wordPaths) } = options;
  let state: 'waiting' | 'open' | 'ended' = 'waiting';
  let lastIndex = -1;

  const fail = (error: GatewayError, emit: Emit): void => {
    state = 'ended';
    emit({ type: 'error', error });
  };

  /** False: the frame breaks the grammar. */
  const read = (kind: string, frame: JsonObject, data: string, emit: Emit): boolean => {
    switch (kind) {
      case 'content_block_delta':
        return frame.index === lastIndex && isJsonObject(frame.delta) && reply.addDelta(frame.delta, data, emit);
      case 'content_block_start': {
        const { index, content_block: start } = frame;
        if (state === 'waiting' || typeof index !== 'number' || !(index > lastIndex) || !isJsonObject(start))
          return false;
        lastIndex = index;
        return reply.startBlock(start, () => sliceJson(data, ['content_block']) ?? JSON.stringify(start), emit);
      }
      case 'content_block_stop':
        return frame.index === lastIndex && reply.stopBlock(emit);
      case 'message_start':
        if (state !== 'waiting' || !isJsonObject(frame.message)) return false;
        state = 'open';
        reply.begin(frame.message, emit);
        return true;
      case 'message_delta':
        if (state === 'waiting') return false;
        reply.addEnd(isJsonObject(frame.delta) ? frame.delta : {}, frame.usage, emit);
        return true;
      case 'message_stop':
        if (state === 'waiting') return false;
        state = 'ended';
        reply.finish(emit);
        return true;
      default:
        return true;
    }
  };

  return {
    frame(event, data, emit) {
      if (state === 'ended' || data === '') return;
      const frame = frames.read(data);
      if (frame === undefined) return fail(invalidReply(data), emit);
      const kind = kindOf(event, frame);
      if (kind === 'error') fail(decodeErrorEvent(frame, data), emit);
      else if (!read(kind, frame, data, emit)) fail(invalidReply(data), emit);
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
