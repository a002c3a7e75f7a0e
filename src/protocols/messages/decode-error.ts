import { GatewayError, type ErrorCode } from '../../core/errors.ts';
import { retryAfterSeconds } from '../../core/retry-after.ts';
import { isJsonObjectValue, parseJsonObject, stringOf, type JsonObject } from './wire.ts';

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

interface Verdict {
  code: ErrorCode;
  message: string;
  retryable: boolean;
}

const refused: Verdict = { code: 'upstream_rejected', message: 'The upstream rejected the request.', retryable: false };
const noCredential: Verdict = {
  code: 'upstream_auth',
  message: "The upstream did not accept the gateway's credential.",
  retryable: false,
};
const unknownModel: Verdict = {
  code: 'upstream_error',
  message: 'The upstream does not know the model that the gateway asked it for.',
  retryable: false,
};
const tooLarge: Verdict = {
  code: 'request_too_large',
  message: 'The request is larger than the upstream takes.',
  retryable: false,
};
const limited: Verdict = {
  code: 'upstream_rate_limited',
  message: "The upstream's rate limit is reached.",
  retryable: true,
};
const failed: Verdict = { code: 'upstream_error', message: 'The upstream failed.', retryable: true };
const overloaded: Verdict = { code: 'upstream_overloaded', message: 'The upstream is overloaded.', retryable: true };
const tooLong: Verdict = {
  code: 'context_length_exceeded',
  message: "The input is longer than the model's context window.",
  retryable: false,
};

/** @see https://platform.claude.com/docs/en/api/errors */
const verdicts: Record<ErrorName, Verdict> = {
  invalid_request_error: refused,
  authentication_error: noCredential,
  billing_error: noCredential,
  permission_error: noCredential,
  not_found_error: unknownModel,
  request_too_large: tooLarge,
  rate_limit_error: limited,
  timeout_error: { code: 'upstream_timeout', message: 'The upstream ran out of time.', retryable: true },
  api_error: failed,
  overloaded_error: overloaded,
};

const maxTextLength = 2048;

/** An upstream's text as it may be shown and logged: short, well-formed, without anything that looks like a key. */
function safeText(text: string): string {
  return text
    .slice(0, maxTextLength)
    .toWellFormed()
    .replace(/\bsk-[\w-]{8,}/g, 'sk-…');
}

function isErrorName(name: string): name is ErrorName {
  return Object.hasOwn(verdicts, name);
}

function ofStatus(status: number): Verdict {
  if (status === 401 || status === 402 || status === 403) return noCredential;
  if (status === 404) return unknownModel;
  if (status === 408) return verdicts.timeout_error;
  if (status === 409) return failed;
  if (status === 413) return tooLarge;
  if (status === 429) return limited;
  if (status === 503 || status === 529) return overloaded;
  if (status >= 500) return failed;
  return status >= 400 ? refused : { ...failed, retryable: false };
}

const tooLongText = /prompt is too long|context window|context limit|context length/i;
// Anthropic answers 400 where the account is out of money: the operator's matter, not the client's.
const unpaidText = /credit balance/i;

function errorOf(verdict: Verdict, text: string | undefined, cause: string, waitSeconds?: number): GatewayError {
  let { code, message, retryable } = verdict;
  if (code === 'upstream_rejected' && text !== undefined) {
    if (unpaidText.test(text)) ({ code, message, retryable } = noCredential);
    else {
      if (tooLongText.test(text)) code = tooLong.code;
      message = text;
    }
  }
  return new GatewayError(code, message, {
    retryable,
    ...(code === tooLong.code ? { param: 'input' } : {}),
    cause: safeText(cause),
    ...(waitSeconds === undefined ? {} : { retryAfterSeconds: waitSeconds }),
  });
}

function textOf(error: unknown): string | undefined {
  const message = isJsonObjectValue(error) ? stringOf(error.message) : undefined;
  return message === undefined || message === '' ? undefined : safeText(message);
}

/** An `error` event of a stream. Shapes other than Anthropic's (a bare string, nothing) are an upstream's failure. */
export function decodeErrorEvent(event: JsonObject, data: string): GatewayError {
  const name = isJsonObjectValue(event.error) ? stringOf(event.error.type) : undefined;
  return errorOf(name !== undefined && isErrorName(name) ? verdicts[name] : failed, textOf(event.error), data);
}

/**
 * An error reply: Anthropic's JSON, or whatever a proxy in front of it wrote. Only the text of a rejected request
 * reaches the client, whose own request it speaks of; a credential's failure never does.
 */
export function decodeError(status: number, headers: Record<string, string | undefined>, body: string): GatewayError {
  const error = parseJsonObject(body)?.error;
  const name = isJsonObjectValue(error) ? stringOf(error.type) : undefined;
  const verdict = status >= 500 && name === 'overloaded_error' ? overloaded : ofStatus(status);
  return errorOf(verdict, textOf(error), body, verdict.retryable ? retryAfterSeconds(headers) : undefined);
}
