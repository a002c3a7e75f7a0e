import { GatewayError } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import { safeText } from '../../core/safe-text.ts';
import type { DecodeOptions } from '../codec.ts';
import { createReplyReader } from './reply-reader.ts';

/**
 * A plain reply is a stream of one chunk.
 * @see https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
 */
export function decodeResponse(body: string, options: DecodeOptions, emit: Emit): void {
  const reader = createReplyReader(options);
  try {
    const reply = parseJsonObject(body);
    if (reply === undefined || (reply['candidates'] === undefined && reply['promptFeedback'] === undefined)) {
      if (reply !== undefined) reader.bill(reply, emit);
      const cause = new Error(safeText(body));
      const message = "The upstream's reply holds no answer.";
      throw new GatewayError('upstream_invalid_response', message, { cause, retryable: true });
    }
    reader.chunk(reply, body, emit);
    reader.complete(emit);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    emit({ type: 'error', error });
  }
}
