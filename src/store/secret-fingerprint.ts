import { deriveKey } from './secret.ts';

/** What a store keeps of its secret, to know it again. */
export function fingerprintOf(secret: Uint8Array): string {
  return deriveKey(secret, 'secret fingerprint').toString('hex');
}

/** Neither writes anything where the store has a fingerprint already. `$1` is the fingerprint. */
export const fingerprintSql = {
  keep: `INSERT INTO secret (name, fingerprint) VALUES ('store', $1) ON CONFLICT (name) DO NOTHING`,
  select: `SELECT fingerprint FROM secret WHERE name = 'store'`,
} as const;

/** @throws Error where the store was made with another secret: its keys would not be known, its envelopes written twice. */
export function checkFingerprint(own: string, kept: string | undefined): void {
  if (kept !== own) throw new Error('it was made with another store.secret');
}
