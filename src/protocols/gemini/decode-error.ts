import { GatewayError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { retryAfterSeconds } from '../../core/retry-after.ts';
import { safeText, shownText } from '../../core/safe-text.ts';
import { saysContextOverflow, upstreamVerdict } from '../../core/upstream-verdict.ts';
import { stringOf } from './wire.ts';

type Headers = Record<string, string | undefined>;

/** The status that each of Google's words has where it is a reply of its own. @see https://cloud.google.com/apis/design/errors */
const statusOf: Record<string, number> = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  OUT_OF_RANGE: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ABORTED: 409,
  ALREADY_EXISTS: 409,
  RESOURCE_EXHAUSTED: 429,
  CANCELLED: 499,
  INTERNAL: 500,
  DATA_LOSS: 500,
  UNKNOWN: 500,
  UNIMPLEMENTED: 501,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

const maxDelaySeconds = 3600;

/** A wrong key is a 400 here. So is an account that is not paid for, or a place that Google does not serve. */
const credentialText = /api.?key/i;
const accountReasons: ReadonlySet<string> = new Set(['BILLING_DISABLED', 'USER_PROJECT_DENIED', 'CONSUMER_SUSPENDED']);

/** Google's object, or a list that holds it, as streams without framing have it. */
function errorOf(value: unknown): JsonObject | undefined {
  const outer: unknown = Array.isArray(value) ? value[0] : value;
  const inner = isJsonObject(outer) ? outer['error'] : undefined;
  return isJsonObject(inner) ? inner : undefined;
}

function detailsOf(error: JsonObject | undefined): JsonObject[] {
  return Array.isArray(error?.['details']) ? error['details'].filter(isJsonObject) : [];
}

/** `RetryInfo` says it in the body: `34.4s`. */
function delayOf(details: readonly JsonObject[], headers: Headers): number | undefined {
  for (const { retryDelay } of details) {
    const seconds = /^(\d+(?:\.\d+)?)s$/.exec(stringOf(retryDelay) ?? '')?.[1];
    if (seconds !== undefined) return Math.min(Number(seconds), maxDelaySeconds);
  }
  return retryAfterSeconds(headers);
}

function gatewayError(status: number, error: JsonObject | undefined, headers: Headers, raw: string): GatewayError {
  const cause = new Error(safeText(raw));
  const details = detailsOf(error);
  const reasons = details.map(({ reason }) => stringOf(reason) ?? '');
  const text = shownText(stringOf(error?.['message']) ?? '');
  let verdict = upstreamVerdict(status);
  if (verdict.code === 'upstream_rejected') {
    if (reasons.some((reason) => reason.startsWith('API_KEY')) || credentialText.test(text ?? '')) {
      verdict = upstreamVerdict(401);
    } else if (error?.['status'] === 'FAILED_PRECONDITION' || reasons.some((reason) => accountReasons.has(reason))) {
      verdict = upstreamVerdict(402);
    } else if (text !== undefined && saysContextOverflow(text)) {
      return new GatewayError('context_length_exceeded', text, { cause, param: 'input' });
    } else {
      verdict = { ...verdict, message: text ?? verdict.message };
    }
  }
  const { code, message, retryable } = verdict;
  const seconds = retryable ? delayOf(details, headers) : undefined;
  return new GatewayError(code, message, {
    cause,
    retryable,
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  });
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/**
 * An error reply: Google's JSON, or whatever a proxy in front of it wrote. Only the text of a rejected request reaches the
 * client, whose own request it speaks of.
 * @see https://ai.google.dev/gemini-api/docs/troubleshooting
 */
export function decodeError(status: number, headers: Headers, body: string): GatewayError {
  return gatewayError(status, errorOf(parse(body)), headers, body);
}

/** An error in the place of a chunk; inside a stream there is no status but the one that it says itself. */
export function decodeErrorChunk(chunk: unknown, raw: string): GatewayError {
  const error = errorOf(chunk);
  const code = error?.['code'];
  const said = typeof code === 'number' && code >= 400 && code < 600 ? code : undefined;
  return gatewayError(said ?? statusOf[stringOf(error?.['status']) ?? ''] ?? 500, error, {}, raw);
}
