import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../core/errors.ts';
import type { Keyring, Principal } from '../keys/keys.ts';
import { headerValues } from './header-values.ts';

const missing =
  "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth " +
  '(i.e. Authorization: Bearer YOUR_KEY).';
const incorrect = 'Incorrect API key provided.';

/** A key of the gateway's beside a credential that is for an upstream. */
export const ownKeyHeader = 'x-turnpike-key';

export const bearerToken = (authorization: string): string | undefined => /^bearer +(\S+) *$/i.exec(authorization)?.[1];

/**
 * Who asks, by `x-turnpike-key`; where that is not there, by `authorization: Bearer` or, where there is none, by `x-api-key` as Anthropic's clients send it. Needs the
 * headers only, so that nobody without a key gets a body read. A promise only where the store must be asked.
 * @throws GatewayError invalid_api_key; what was sent is not repeated. Rejects with it, or with store_unavailable.
 */
export function authenticate(request: IncomingMessage, keyring: Keyring): Principal | Promise<Principal> {
  const ownKeys = keyring.open ? [] : headerValues(request, ownKeyHeader);
  if (ownKeys.length > 0) {
    const found = ownKeys.length === 1 ? keyring.authenticate(ownKeys[0]) : undefined;
    if (found instanceof Promise) return found.then((principal) => principal ?? refuse(incorrect));
    return found ?? refuse(incorrect);
  }
  const authorizations = keyring.open ? [] : headerValues(request, 'authorization');
  const apiKeys = keyring.open ? [] : headerValues(request, 'x-api-key');
  const [authorization] = authorizations;
  const token = authorization === undefined ? apiKeys[0] : bearerToken(authorization);
  const single = authorizations.length <= 1 && apiKeys.length <= 1;
  const principal = single && (token !== undefined || keyring.open) ? keyring.authenticate(token) : undefined;
  if (principal instanceof Promise) return principal.then((found) => found ?? refuse(incorrect));
  const nothingSent = authorizations.length === 0 && apiKeys.length === 0;
  return principal ?? refuse(nothingSent ? missing : incorrect);
}

function refuse(message: string): never {
  throw new GatewayError('invalid_api_key', message);
}
