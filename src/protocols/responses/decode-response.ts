import { GatewayError } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import { parseJsonObject } from '../../core/json-object.ts';
import { safeText } from '../../core/safe-text.ts';
import { createReplyReader } from './reply-reader.ts';

/**
 * A plain reply is the terminal event of a stream that said nothing before. A body that holds no answer is an error however
 * the HTTP status reads.
 * @see https://platform.openai.com/docs/api-reference/responses/object
 */
export function decodeResponse(body: string, emit: Emit): void {
  const response = parseJsonObject(body);
  const holdsAnswer = response !== undefined && (Array.isArray(response['output']) || response['status'] === 'failed');
  try {
    if (!holdsAnswer) {
      const cause = new Error(safeText(body));
      throw new GatewayError('upstream_invalid_response', "The upstream's reply holds no answer.", {
        cause,
        retryable: true,
      });
    }
    createReplyReader().event('response.completed', { response }, `{"response":${body}}`, emit);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    emit({ type: 'error', error });
  }
}
