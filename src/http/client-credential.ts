import type { IncomingMessage } from 'node:http';
import type { Keyring } from '../keys/keys.ts';
import type { ClientCredential } from '../turn/lend-credential.ts';
import { bearerToken, ownKeyHeader } from './authenticate.ts';
import { headerValues } from './header-values.ts';

/**
 * What a caller may lend for its request: what stands where clients send their key, when that is not what let it in. Asked of
 * every request, so that the usual one costs a look at its headers.
 * @returns undefined: nothing; also for a key of the gateway's, which is for nobody else to see.
 */
export async function clientCredential(
  request: IncomingMessage,
  keyring: Keyring,
): Promise<ClientCredential | undefined> {
  const authorizations = headerValues(request, 'authorization');
  const apiKeys = headerValues(request, 'x-api-key');
  const [value] = authorizations.length > 0 ? authorizations : apiKeys;
  if (value === undefined || authorizations.length > 1 || apiKeys.length > 1) return undefined;
  const header = authorizations.length > 0 ? 'authorization' : 'x-api-key';
  const token = header === 'authorization' ? bearerToken(value) : value;
  if (token === undefined || !/^[\x21-\x7e]+$/.test(token)) return undefined;
  if (!keyring.open && (await keyring.authenticate(token)) !== undefined) return undefined;
  return { header, value };
}

/** Whether there can be any: a header of its own has let the caller in, or nothing had to. */
export function mayLend(request: IncomingMessage, keyring: Keyring): boolean {
  return keyring.open || request.headers[ownKeyHeader] !== undefined;
}
