import { GatewayError } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import { safeText } from '../../core/safe-text.ts';
import type { DecodeOptions, StreamDecoder } from '../codec.ts';
import { createReplyReader } from './reply-reader.ts';

/**
 * There is no marker of the end: the reply is complete when the model has said why it stopped and the upstream has closed.
 * What goes wrong in between takes nothing from it.
 * @see https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
 */
export function createStreamDecoder(options: DecodeOptions): StreamDecoder {
  const reader = createReplyReader(options);
  let ended = false;

  function finish(emit: Emit): void {
    ended = true;
    try {
      reader.complete(emit);
    } catch (error) {
      fail(error, emit);
    }
  }

  function fail(error: unknown, emit: Emit): void {
    if (!(error instanceof GatewayError)) throw error;
    ended = true;
    emit({ type: 'error', error });
  }

  return {
    frame(_event, data, emit) {
      if (ended || data === '') return;
      try {
        const chunk = parseJsonObject(data);
        if (chunk === undefined) {
          const cause = new Error(safeText(data));
          const message = 'The upstream sent an event that cannot be read.';
          throw new GatewayError('upstream_invalid_response', message, { cause, retryable: true });
        }
        reader.chunk(chunk, data, emit);
      } catch (error) {
        if (reader.saidWhy() && error instanceof GatewayError) finish(emit);
        else fail(error, emit);
      }
    },
    end(emit) {
      if (!ended) finish(emit);
    },
  };
}
