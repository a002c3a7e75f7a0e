import { hash, randomBytes } from 'node:crypto';

const prefix = 'tk_';
const secretBytes = 32;
const secretLength = 43;
const checksumLength = 6;

const checksumOf = (secret: string) => hash('sha256', secret, 'base64url').slice(0, checksumLength);

/** A new key: `tk_`, 32 random bytes and a checksum, both in base64url. */
export function mintVirtualKey(): string {
  const secret = randomBytes(secretBytes).toString('base64url');
  return prefix + secret + checksumOf(secret);
}

/** Whether the token can be a key of ours: a typo, or another vendor's key, is told without a look at the store. */
export function isVirtualKey(token: string): boolean {
  if (token.length !== prefix.length + secretLength + checksumLength || !token.startsWith(prefix)) return false;
  const secretEnd = prefix.length + secretLength;
  return checksumOf(token.slice(prefix.length, secretEnd)) === token.slice(secretEnd);
}

/** What is shown of a key, to tell it from others. */
export function lastFour(key: string): string {
  return key.slice(-4);
}
