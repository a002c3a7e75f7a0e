import { type ErrorCode, GatewayError } from '../../core/errors.ts';
import { retryAfterSeconds } from '../../core/retry-after.ts';
import { isRecord, textOf } from './wire.ts';

type Headers = Record<string, string | undefined>;

interface UpstreamError {
  /** What the upstream says; undefined where it says it in HTML, or not at all. */
  message: string | undefined;
  /** Its `code` and `type`: some vendors put the word into the one, some into the other. */
  words: string[];
  /** OpenRouter's and vLLM's `code` is the HTTP status. */
  status: number | undefined;
}

interface Verdict {
  code: ErrorCode;
  retryable: boolean;
  message: string;
}

const maxCharacters = 2048;
const contextOverflow = /context.?length|context window|maximum context|prompt is too long|too many (input )?tokens/i;
const html = /^\s*<|<(!doctype|html|head|body)\b/i;
const wrongKey = /api.?key/i;

const verdict = (code: ErrorCode, message: string, retryable: boolean): Verdict => ({ code, message, retryable });

const verdictOf: Record<number, Verdict> = {
  401: verdict('upstream_auth', 'The upstream refused the credential of the deployment.', false),
  402: verdict('upstream_auth', 'The upstream refused the account of the deployment.', false),
  403: verdict('upstream_auth', 'The upstream refused the credential of the deployment.', false),
  404: verdict('upstream_error', 'The upstream does not know the model of the deployment.', false),
  408: verdict('upstream_error', 'The upstream gave up waiting.', true),
  409: verdict('upstream_error', 'The upstream reported a conflict.', true),
  413: verdict('request_too_large', 'The upstream refused the request as too large.', false),
  429: verdict('upstream_rate_limited', 'The upstream limits the rate of requests.', true),
  503: verdict('upstream_overloaded', 'The upstream is overloaded.', true),
  529: verdict('upstream_overloaded', 'The upstream is overloaded.', true),
};

function statusVerdict(status: number): Verdict {
  const known = verdictOf[status];
  if (known !== undefined) return known;
  if (status >= 400 && status < 500) return verdict('upstream_rejected', 'The upstream rejected the request.', false);
  return verdict('upstream_error', 'The upstream failed.', status >= 500);
}

function readError(value: unknown): UpstreamError {
  const outer: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof outer === 'string') return { message: shown(outer), words: [], status: undefined };
  if (!isRecord(outer)) return { message: undefined, words: [], status: undefined };
  const inner = outer['error'] ?? outer;
  if (typeof inner === 'string') return { message: shown(inner), words: [], status: undefined };
  if (!isRecord(inner)) return { message: undefined, words: [], status: undefined };
  const { code, type } = inner;
  return {
    message: shown(inner['message'] ?? inner['detail']),
    words: [code, type].filter((word) => typeof word === 'string'),
    status: typeof code === 'number' && code >= 400 && code < 600 ? code : undefined,
  };
}

/** Short, well-formed, and without anything that looks like a key. */
function safeText(text: string): string {
  return text
    .slice(0, maxCharacters)
    .toWellFormed()
    .replaceAll(/\b(sk|xai|gsk)-?_?[\w-]{8,}/g, '$1-…');
}

/** Validation errors of FastAPI servers are a list, shown as its JSON. */
function shown(message: unknown): string | undefined {
  const text = typeof message === 'string' || message === undefined ? textOf(message) : JSON.stringify(message);
  return text === undefined || html.test(text) ? undefined : safeText(text);
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // Plain text is a message as good as any; `shown` keeps HTML out.
    return body;
  }
}

/** @param status of the reply, or undefined for an error inside a stream that began with 200. */
function gatewayError(status: number | undefined, error: UpstreamError, headers: Headers, raw: string): GatewayError {
  const cause = new Error(safeText(raw));
  const has = (word: RegExp) => error.words.some((said) => word.test(said));
  const effective = status ?? error.status ?? statusOfWords(has);
  if (effective === 400 || effective === 413 || effective === 422) {
    if (has(/context_length/) || contextOverflow.test(error.message ?? '')) {
      const message = error.message ?? "The conversation is longer than the model's context.";
      return new GatewayError('context_length_exceeded', message, { cause, param: 'input' });
    }
  }
  const { code, message, retryable } = statusVerdict(effective);
  if (code === 'upstream_rejected') {
    // xAI and Gemini answer a wrong key with 400 and quote it.
    if (has(/api_key|authentication/) || (effective === 400 && wrongKey.test(error.message ?? ''))) {
      const auth = statusVerdict(401);
      return new GatewayError(auth.code, auth.message, { cause, retryable: auth.retryable });
    }
    return new GatewayError(code, error.message ?? message, { cause });
  }
  if (effective !== 429 && effective !== 503 && effective !== 529)
    return new GatewayError(code, message, { cause, retryable });
  const seconds = retryAfterSeconds(headers);
  return new GatewayError(code, message, {
    cause,
    retryable: retryable && !has(/insufficient_quota/),
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  });
}

/** Inside a stream there is no status, only the upstream's words. */
function statusOfWords(has: (word: RegExp) => boolean): number {
  if (has(/rate_limit|insufficient_quota|too_many_requests/)) return 429;
  if (has(/overloaded|unavailable/)) return 503;
  if (has(/authentication|api_key|permission/)) return 401;
  if (has(/invalid_request|context_length/)) return 400;
  return 500;
}

/**
 * An error reply. Only what the upstream says about the request itself is shown to the client (400 and 422, at most 2 KB,
 * never HTML); anything else is about us and the upstream, and may name a key.
 * @see https://platform.openai.com/docs/guides/error-codes
 */
export function decodeError(status: number, headers: Headers, body: string): GatewayError {
  return gatewayError(status, readError(parse(body)), headers, body);
}

/** An error in a stream: `{"error": …}`, or the bare object under `event: error`. */
export function decodeStreamError(value: unknown, raw: string): GatewayError {
  return gatewayError(undefined, readError(value), {}, raw);
}
