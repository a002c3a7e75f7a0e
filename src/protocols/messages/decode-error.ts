import { GatewayError } from '../../core/errors.ts';
import { isJsonObject, parseJsonObject, type JsonObject } from '../../core/json-object.ts';
import { retryAfterSeconds } from '../../core/retry-after.ts';
import { safeText, shownText } from '../../core/safe-text.ts';
import { saysContextOverflow, upstreamVerdict } from '../../core/upstream-verdict.ts';
import { stringOf } from './wire.ts';

type ErrorName =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'billing_error'
  | 'permission_error'
  | 'not_found_error'
  | 'request_too_large'
  | 'rate_limit_error'
  | 'timeout_error'
  | 'api_error'
  | 'overloaded_error';

/** The status that each error has where it is a reply of its own. @see https://platform.claude.com/docs/en/api/errors */
const statusOf: Record<ErrorName, number> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  timeout_error: 504,
  api_error: 500,
  overloaded_error: 529,
};

// Anthropic answers 400 where the account is out of money: the operator's matter, not the client's.
const unpaidText = /credit balance/i;

function isErrorName(name: string): name is ErrorName {
  return Object.hasOwn(statusOf, name);
}

function nameOf(error: unknown): ErrorName | undefined {
  const name = isJsonObject(error) ? stringOf(error.type) : undefined;
  return name !== undefined && isErrorName(name) ? name : undefined;
}

function errorOf(
  status: number,
  error: unknown,
  raw: string,
  headers: Record<string, string | undefined>,
): GatewayError {
  const text = shownText((isJsonObject(error) ? stringOf(error.message) : undefined) ?? '');
  const cause = new Error(safeText(raw));
  let verdict = upstreamVerdict(status);
  if (verdict.code === 'upstream_rejected' && text !== undefined) {
    if (unpaidText.test(text)) verdict = upstreamVerdict(402);
    else if (saysContextOverflow(text))
      return new GatewayError('context_length_exceeded', text, { cause, param: 'input' });
    else verdict = { ...verdict, message: text };
  }
  const { code, message, retryable } = verdict;
  const seconds = retryable ? retryAfterSeconds(headers) : undefined;
  return new GatewayError(code, message, {
    retryable,
    cause,
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  });
}

/** An `error` event of a stream. Shapes other than Anthropic's (a bare string, nothing) are an upstream's failure. */
export function decodeErrorEvent(event: JsonObject, data: string): GatewayError {
  return errorOf(statusOf[nameOf(event.error) ?? 'api_error'], event.error, data, {});
}

/**
 * An error reply: Anthropic's JSON, or whatever a proxy in front of it wrote. Only the text of a rejected request
 * reaches the client, whose own request it speaks of; a credential's failure never does.
 */
export function decodeError(status: number, headers: Record<string, string | undefined>, body: string): GatewayError {
  const error = parseJsonObject(body)?.error;
  const overloaded = status >= 500 && nameOf(error) === 'overloaded_error';
  return errorOf(overloaded ? statusOf.overloaded_error : status, error, body, headers);
}
