import { GatewayError } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import { safeText } from '../../core/safe-text.ts';
import type { DecodeOptions } from '../codec.ts';
import { createReplyReader } from './decode-stream.ts';
import { textOf } from './wire.ts';

/**
 * A plain reply is a stream of one chunk. A body that holds no answer is an error however the status reads: some servers
 * answer 200 with an error, some with a login page.
 * @see https://platform.openai.com/docs/api-reference/chat/object
 */
export function decodeResponse(body: string, options: DecodeOptions, emit: Emit): void {
  const reader = createReplyReader(options);
  const parsed = parseJsonObject(body);
  const reply = parsed === undefined ? undefined : readReply(parsed);
  if (reply === undefined) {
    if (parsed !== undefined) reader.bill(parsed, emit);
    const error = new GatewayError('upstream_invalid_response', "The upstream's reply holds no answer.", {
      cause: new Error(safeText(body)),
      retryable: true,
    });
    emit({ type: 'error', error });
    return;
  }
  try {
    reader.chunk(reply.chunk, emit);
    if (reply.finishMissing) {
      emit({
        type: 'warning',
        warning: { param: 'model', message: 'The upstream did not say why the model stopped.' },
      });
    }
    reader.complete(emit);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    emit({ type: 'error', error });
  }
}

/** The reply as a chunk; undefined where it is none. */
function readReply(reply: JsonObject): { chunk: JsonObject; finishMissing: boolean } | undefined {
  if (reply['error'] !== null && reply['error'] !== undefined) return undefined;
  const choices: unknown = reply['choices'];
  if (!Array.isArray(choices)) return undefined;
  const choice: unknown = choices.find((each) => isJsonObject(each) && (each['index'] ?? 0) === 0);
  if (!isJsonObject(choice) || !isJsonObject(choice['message'])) return undefined;
  const finishReason = textOf(choice['finish_reason']);
  const chunkChoice = { ...choice, delta: numbered(choice['message']), finish_reason: finishReason ?? 'stop' };
  const others: unknown[] = choices.filter((each) => each !== choice);
  return { chunk: { ...reply, choices: [chunkChoice, ...others] }, finishMissing: finishReason === undefined };
}

/** In a whole message the place of a call is its number, whatever the vendor wrote. */
function numbered(message: JsonObject): JsonObject {
  const calls: unknown = message['tool_calls'];
  if (!Array.isArray(calls)) return message;
  return {
    ...message,
    tool_calls: calls.map((call: unknown, index) => (isJsonObject(call) ? { ...call, index } : call)),
  };
}
