import { GatewayError } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import type { DecodeOptions, StreamDecoder } from '../codec.ts';
import { createPartReader } from './part-reader.ts';

/** Each frame is one part of the model's stream. */
export function createStreamDecoder(options: DecodeOptions): StreamDecoder {
  const reader = createPartReader(options);
  let failed = false;

  function guarded(emit: Emit, step: () => void): void {
    if (failed) return;
    try {
      step();
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      failed = true;
      emit({ type: 'error', error });
    }
  }

  return {
    frame(_event, data, emit) {
      guarded(emit, () => {
        const part = parseJsonObject(data);
        if (part === undefined)
          throw new GatewayError('upstream_invalid_response', 'The upstream sent a part that cannot be read.', {
            retryable: true,
          });
        reader.part(part, emit);
      });
    },
    end(emit) {
      guarded(emit, () => reader.end(emit));
    },
  };
}
