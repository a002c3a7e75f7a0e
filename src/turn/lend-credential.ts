import { GatewayError } from '../core/errors.ts';
import type { Deployment, UpstreamRequest } from '../providers/provider.ts';

/** A credential for an upstream that a client lends for one request. Never stored, never logged. */
export interface ClientCredential {
  header: 'authorization' | 'x-api-key';
  value: string;
}

/**
 * The request with the caller's own credential, where the deployment is one that is called with it: the configuration binds
 * such deployments to one origin. To any other the request goes as it is.
 * @throws GatewayError invalid_api_key, where there is none to lend.
 */
export function lendCredential(
  upstream: UpstreamRequest,
  { options }: Deployment,
  credential: ClientCredential | undefined,
): UpstreamRequest {
  if (options?.clientCredential !== true) return upstream;
  if (credential === undefined) {
    const message =
      "This model is called with its caller's own credential: send it in 'authorization' or 'x-api-key', and the key of the " +
      "gateway, where it has one, in 'x-turnpike-key'. A background response cannot lend one.";
    throw new GatewayError('invalid_api_key', message);
  }
  const { authorization: _, 'x-api-key': __, ...headers } = upstream.headers;
  return { ...upstream, headers: { ...headers, [credential.header]: credential.value } };
}

/** It is the client's to renew: what tells it to is a 401. */
export function lentRefused(error: GatewayError, { options }: Deployment): GatewayError {
  if (options?.clientCredential !== true || error.code !== 'upstream_auth') return error;
  return new GatewayError('invalid_api_key', 'The upstream refused the credential that you sent.', { cause: error });
}

/** Headers that are no secret, and that an upstream names where it refuses them. */
const openHeaders: ReadonlySet<string> = new Set([
  'accept',
  'anthropic-beta',
  'anthropic-version',
  'content-type',
  'openai-beta',
  'user-agent',
]);

/** Shorter values are words that anything may hold. */
const leastSecret = 8;

/** An upstream's text without what it was sent to let us in, should it repeat it: vendors and operators have headers of their own for that. */
export function withoutCredential(text: string, { headers }: UpstreamRequest, { apiKey = '' }: Deployment): string {
  let safe = text;
  const values = Object.entries(headers).flatMap(([name, value]) => (openHeaders.has(name) ? [] : [value]));
  for (const value of [apiKey, ...values]) {
    // With its scheme, and without.
    for (const secret of [value, value.replace(/^\S+ +/, '')]) {
      if (secret.length >= leastSecret) safe = safe.replaceAll(secret, '…');
    }
  }
  return safe;
}

/** An error with the upstream's words in it, in the same way. */
export function errorWithoutCredential(
  error: GatewayError,
  upstream: UpstreamRequest,
  deployment: Deployment,
): GatewayError {
  const hide = (text: string) => withoutCredential(text, upstream, deployment);
  function safe(cause: unknown): unknown {
    if (!(cause instanceof Error)) return cause;
    const message = hide(cause.message);
    const inner = safe(cause.cause);
    return message === cause.message && inner === cause.cause ? cause : new Error(message, { cause: inner });
  }
  const message = hide(error.message);
  const cause = safe(error.cause);
  return message === error.message && cause === error.cause ? error : error.saying(message, cause);
}
