import type { ErrorCode, Retryable } from './errors.ts';

/** What an upstream's error means for the client and for the route. */
export interface UpstreamVerdict {
  code: ErrorCode;
  message: string;
  retryable: Retryable;
}

const refusedCredential: UpstreamVerdict = {
  code: 'upstream_auth',
  message: 'The upstream refused the credential of the deployment.',
  retryable: 'elsewhere',
};
const overloaded: UpstreamVerdict = {
  code: 'upstream_overloaded',
  message: 'The upstream is overloaded.',
  retryable: true,
};

const verdicts: Record<number, UpstreamVerdict> = {
  401: refusedCredential,
  402: { ...refusedCredential, message: 'The upstream refused the account of the deployment.' },
  403: refusedCredential,
  404: {
    code: 'upstream_error',
    message: 'The upstream does not know the model of the deployment, or its base_url is wrong.',
    retryable: 'elsewhere',
  },
  408: { code: 'upstream_error', message: 'The upstream gave up waiting.', retryable: true },
  409: { code: 'upstream_error', message: 'The upstream reported a conflict.', retryable: true },
  413: { code: 'request_too_large', message: 'The upstream refused the request as too large.', retryable: false },
  429: { code: 'upstream_rate_limited', message: 'The upstream limits the rate of requests.', retryable: 'elsewhere' },
  503: overloaded,
  529: overloaded,
};

/** An upstream that answers has not run the request: 408 and 504 are no `upstream_timeout`, which may have been billed. */
export function upstreamVerdict(status: number): UpstreamVerdict {
  const known = verdicts[status];
  if (known !== undefined) return known;
  if (status >= 300 && status < 400) {
    const message = 'The upstream failed: it redirects, which is not followed. Its base_url is wrong.';
    return { code: 'upstream_error', message, retryable: 'elsewhere' };
  }
  if (status >= 400 && status < 500) {
    return { code: 'upstream_rejected', message: 'The upstream rejected the request.', retryable: false };
  }
  return { code: 'upstream_error', message: 'The upstream failed.', retryable: status >= 500 };
}

const overflow =
  /context.?length|context (window|limit)|maximum (context|number of tokens)|prompt is too long|too many (input )?tokens/i;

/** An upstream's text says that the conversation does not fit into the model's context. */
export function saysContextOverflow(text: string): boolean {
  return overflow.test(text);
}
