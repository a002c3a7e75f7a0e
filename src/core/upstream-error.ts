import { GatewayError } from './errors.ts';
import { isJsonObject } from './json-object.ts';
import { retryAfterSeconds } from './retry-after.ts';
import { safeText, shownText } from './safe-text.ts';
import { saysContextOverflow, upstreamVerdict } from './upstream-verdict.ts';

type Headers = Record<string, string | undefined>;

interface UpstreamError {
  /** What the upstream says; undefined where it says it in HTML, or not at all. */
  message: string | undefined;
  /** Its `code` and `type`: some vendors put the word into the one, some into the other. */
  words: string[];
  /** OpenRouter's and vLLM's `code` is the HTTP status. */
  status: number | undefined;
}

/** How a reply ends that was to be a compaction and is none: its provider learns from it. */
export const compactedNothing = 'The upstream compacted nothing.';

const wrongKey = /api.?key/i;

function readError(value: unknown): UpstreamError {
  const outer: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof outer === 'string') return { message: shown(outer), words: [], status: undefined };
  if (!isJsonObject(outer)) return { message: undefined, words: [], status: undefined };
  const inner = outer['error'] ?? outer;
  if (typeof inner === 'string') return { message: shown(inner), words: [], status: undefined };
  if (!isJsonObject(inner)) return { message: undefined, words: [], status: undefined };
  const { code, type } = inner;
  return {
    message: shown(inner['message'] ?? inner['detail']),
    words: [code, type].filter((word) => typeof word === 'string'),
    status: typeof code === 'number' && code >= 400 && code < 600 ? code : undefined,
  };
}

/** Validation errors of FastAPI servers are a list, shown as its JSON. */
function shown(message: unknown): string | undefined {
  if (message === undefined || message === null) return undefined;
  return shownText(typeof message === 'string' ? message : JSON.stringify(message));
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    // Plain text is a message as good as any; `shownText` keeps HTML out.
    return body;
  }
}

/** @param status of the reply, or undefined for an error inside a stream that began with 200. */
function gatewayError(
  status: number | undefined,
  error: UpstreamError,
  headers: Headers,
  raw: string,
  param: string | undefined,
): GatewayError {
  const cause = new Error(safeText(raw));
  const has = (word: RegExp) => error.words.some((said) => word.test(said));
  const effective = status ?? error.status ?? statusOfWords(has);
  if (effective === 400 || effective === 413 || effective === 422) {
    if (has(/context_length/) || saysContextOverflow(error.message ?? '')) {
      const message = error.message ?? "The conversation is longer than the model's context.";
      return new GatewayError('context_length_exceeded', message, { cause, param: 'input' });
    }
  }
  const { code, message, retryable } = upstreamVerdict(effective);
  if (code === 'upstream_rejected') {
    // xAI and Gemini answer a wrong key with 400 and quote it.
    if (has(/api_key|authentication/) || (effective === 400 && wrongKey.test(error.message ?? ''))) {
      const auth = upstreamVerdict(401);
      return new GatewayError(auth.code, auth.message, { cause, retryable: auth.retryable });
    }
    return new GatewayError(code, error.message ?? message, { cause, ...(param === undefined ? {} : { param }) });
  }
  // What is used up does not come back with time.
  const isForGood = retryable === false || has(/insufficient_quota/);
  const seconds = isForGood ? undefined : retryAfterSeconds(headers);
  return new GatewayError(code, message, {
    cause,
    retryable,
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  });
}

/** Inside a stream there is no status, only the upstream's words. */
function statusOfWords(has: (word: RegExp) => boolean): number {
  if (has(/rate_limit|insufficient_quota|too_many_requests/)) return 429;
  if (has(/overloaded|unavailable/)) return 503;
  if (has(/authentication|api_key|permission/)) return 401;
  if (has(/invalid_request|invalid_prompt|context_length|image|_policy|data_residency/)) return 400;
  return 500;
}

/**
 * An error reply. Only what the upstream says about the request itself is shown to the client (400 and 422, at most 2 KB,
 * never HTML); anything else is about us and the upstream, and may name a key.
 * @param param what of the client's request it is about, where that is known.
 * @see https://platform.openai.com/docs/guides/error-codes
 */
export function decodeUpstreamError(status: number, headers: Headers, body: string, param?: string): GatewayError {
  return gatewayError(status, readError(parse(body)), headers, body, param);
}

/** An error in a stream: `{"error": …}`, or the bare object under `event: error`. */
export function decodeUpstreamStreamError(value: unknown, raw: string, param?: string): GatewayError {
  return gatewayError(undefined, readError(value), {}, raw, param);
}
