import type { GatewayError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import { decodeUpstreamError, decodeUpstreamStreamError } from '../../core/upstream-error.ts';

/**
 * An error reply, in OpenAI's words where they are about the request.
 * @see https://platform.openai.com/docs/guides/error-codes
 */
export function decodeError(status: number, headers: Record<string, string | undefined>, body: string): GatewayError {
  const reply = parseJsonObject(body);
  return decodeUpstreamError(status, headers, body, paramOf(reply?.['error']));
}

/** @param value an `error` event, or the `error` of a response that failed. */
export function decodeErrorEvent(value: JsonObject, raw: string): GatewayError {
  return decodeUpstreamStreamError(value, raw, paramOf(value['error'] ?? value));
}

/** The context is ours: its places are none of the client's `input`. */
function paramOf(error: unknown): string | undefined {
  const param = isJsonObject(error) ? error['param'] : undefined;
  if (typeof param !== 'string' || !/^[a-z_]+(?:[.[][\w.[\]]*)?$/.test(param) || param.length > 64) return undefined;
  return /^input\b/.test(param) ? 'input' : param;
}
