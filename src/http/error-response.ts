import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

export interface ErrorResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

interface ErrorContext {
  requestId: string;
  /** The shape of the protocol that the client speaks. */
  encodeError: (error: GatewayError, requestId?: string) => string;
  log: Log;
}

const internalError = (requestId: string) =>
  new GatewayError('internal_error', `The gateway failed on this request. Its log tells why, under ${requestId}.`);

/** The answer to whatever was thrown. An error that nobody foresaw says nothing to the client; the log gets it. */
export function errorResponse(thrown: unknown, { requestId, encodeError, log }: ErrorContext): ErrorResponse {
  const error = thrown instanceof GatewayError ? thrown : internalError(requestId);
  if (error !== thrown) {
    log.error({ requestId, err: thrown }, 'a request failed for an unforeseen reason');
  } else if (error.status >= 500) {
    const cause = error.cause instanceof Error ? error.cause.message : undefined;
    log.warn({ requestId, code: error.code, cause }, error.message);
  }
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (error.status === 401) headers['www-authenticate'] = 'Bearer';
  if (error.retryAfterSeconds !== undefined) headers['retry-after'] = String(Math.ceil(error.retryAfterSeconds));
  if (error.spent) headers['x-should-retry'] = 'false';
  return { status: error.status, headers, body: encodeError(error, requestId) };
}
