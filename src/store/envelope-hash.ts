import { hash } from 'node:crypto';
import { deriveKey } from './secret.ts';
import type { TurnIntent } from './store.ts';

/** Key of the envelopes' hashes, in hex: what two tenants share cannot be guessed from the database. */
export function envelopeKeyOf(secret: Uint8Array): string {
  return deriveKey(secret, 'envelope hash').toString('hex');
}

/**
 * What a turn's envelope is stored under; null: it has none. A prefix does for a key here, since nobody is shown a hash to
 * extend, and costs a fifth of an HMAC on every turn.
 */
export function envelopeHash(
  key: string,
  tenant: string,
  { keepsContent, envelope }: Pick<TurnIntent, 'keepsContent' | 'envelope'>,
): string | null {
  return keepsContent && envelope !== '' ? hash('sha256', `${key}\0${tenant}\0${envelope}`) : null;
}

/** How long an envelope that was sent is not sent again. Whatever deletes unused ones waits for much longer. */
const knownForMs = 60 * 60 * 1000;

/** What a process remembers of an envelope that it has sent: true in one bucket, and for a while. */
export function knownEnvelope(
  { createdAtMs }: Pick<TurnIntent, 'createdAtMs'>,
  bucket: number,
  hash: string | null,
): string {
  return `${Math.floor(createdAtMs / knownForMs)} ${bucket} ${hash}`;
}
