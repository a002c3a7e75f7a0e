import { createHmac, hash } from 'node:crypto';

/** HMAC-SHA256(pepper, sha256(key)): of a stolen table of them, no key can be told. */
export function hashKey(pepper: Uint8Array, key: string): Buffer {
  return hashDigest(pepper, hash('sha256', key));
}

/** @param digest sha256 of the key, in hex. */
export function hashDigest(pepper: Uint8Array, digest: string): Buffer {
  return createHmac('sha256', pepper).update(digest, 'hex').digest();
}
