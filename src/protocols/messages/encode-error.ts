import type { ErrorCode, GatewayError } from '../../core/errors.ts';

type ErrorName =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'request_too_large'
  | 'rate_limit_error'
  | 'api_error'
  | 'timeout_error'
  | 'overloaded_error';

/** Where the status alone does not say it. */
const nameOfCode: Partial<Record<ErrorCode, ErrorName>> = {
  upstream_overloaded: 'overloaded_error',
  upstream_timeout: 'timeout_error',
  request_timeout: 'timeout_error',
};

const nameOfStatus: Readonly<Record<number, ErrorName>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
};

/** @see https://platform.claude.com/docs/en/api/errors */
function errorName({ code, status }: GatewayError): ErrorName {
  return nameOfCode[code] ?? nameOfStatus[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error');
}

/**
 * Anthropic's shape of an error: what is wrong with which parameter is in its message, as Anthropic writes it, and beside it
 * for programs.
 */
export function encodeError(error: GatewayError, requestId?: string): string {
  const { message, wireCode, param } = error;
  const named = param === null || message.includes(param) ? message : `${param}: ${message}`;
  return JSON.stringify({
    type: 'error',
    error: { type: errorName(error), message: named, details: { code: wireCode, param, ...threadCode(error) } },
    request_id: requestId,
  });
}

/** By this the SDKs know that the whole conversation is to be sent anew. */
function threadCode({ code }: GatewayError): { error_code?: string } {
  return code === 'previous_response_not_found' ? { error_code: 'thread_not_found' } : {};
}

/** Of a reply that failed, where no more is known of it than what is stored. */
export function storedError({ code, message }: { code: string; message: string }): string {
  const type = namesOfStored.get(code) ?? 'api_error';
  return JSON.stringify({ type: 'error', error: { type, message, details: { code, param: null } } });
}

const namesOfStored: ReadonlyMap<string, ErrorName> = new Map([
  ['rate_limit_exceeded', 'rate_limit_error'],
  ['invalid_prompt', 'invalid_request_error'],
]);
