import { GatewayError } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import { safeText } from '../../core/safe-text.ts';
import type { StreamDecoder } from '../codec.ts';
import { createReplyReader } from './reply-reader.ts';

/** @see https://platform.openai.com/docs/api-reference/responses-streaming */
export function createStreamDecoder(): StreamDecoder {
  const reader = createReplyReader();
  let failed = false;

  function fail(error: GatewayError, emit: Emit): void {
    failed = true;
    emit({ type: 'error', error });
  }

  return {
    frame(event, data, emit) {
      // Some servers close with the end marker of Chat Completions, which says nothing here.
      if (failed || reader.ended() || data === '' || data.trim() === '[DONE]') return;
      const frame = parseJsonObject(data);
      if (frame === undefined) {
        const cause = new Error(safeText(data));
        fail(unreadable(cause), emit);
        return;
      }
      const { type } = frame;
      const kind = typeof type === 'string' ? type : frame['error'] === undefined ? event : 'error';
      try {
        reader.event(kind, frame, data, emit);
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error;
        fail(error, emit);
      }
    },
    end(emit) {
      if (failed || reader.ended()) return;
      const message = 'The upstream closed the stream before the reply was complete.';
      fail(new GatewayError('upstream_stream_broken', message, { retryable: true }), emit);
    },
  };
}

function unreadable(cause: Error): GatewayError {
  return new GatewayError('upstream_invalid_response', 'The upstream sent an event that is not JSON.', {
    cause,
    retryable: true,
  });
}
