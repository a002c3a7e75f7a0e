import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { envelopeVersion as version } from '../core/envelope.ts';
import { deriveKey } from './secret.ts';
import type { Seal, SealPurpose } from './store.ts';

export interface Sealer {
  forTenant(tenant: string): Seal;
}

/** Bytes of text that one envelope holds at most: what is longer than a whole answer is nothing for a client to carry. */
export const maxSealedBytes = 8 * 1024 * 1024;

const nonceBytes = 12;
const tagBytes = 16;
const algorithm = 'aes-256-gcm';

/**
 * Envelopes are `tp1.<key id>.<nonce, ciphertext and tag>` in base64url: AES-256-GCM under a key of the store's secret,
 * bound to the version, the key, the purpose and the tenant. The key's id lets a later version open what an older secret
 * sealed.
 */
export function createSealer(secret: Uint8Array): Sealer {
  const key = deriveKey(secret, 'seal');
  const keyId = deriveKey(secret, 'seal key id').toString('base64url', 0, 6);
  const prefix = `${version}.${keyId}.`;

  return {
    forTenant(tenant) {
      const boundTo = (purpose: SealPurpose) => Buffer.from(JSON.stringify([version, keyId, purpose, tenant]));
      return {
        seal(purpose, text) {
          const plain = Buffer.from(text, 'utf8');
          if (plain.length > maxSealedBytes) return undefined;
          const nonce = randomBytes(nonceBytes);
          const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes }).setAAD(boundTo(purpose));
          const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
          return prefix + sealed.toString('base64url');
        },
        open(purpose, envelope) {
          if (!envelope.startsWith(prefix)) return undefined;
          const encoded = envelope.slice(prefix.length);
          const sealed = Buffer.from(encoded, 'base64url');
          // Node's decoder overlooks what is no base64url; an envelope that was changed must not open all the same.
          if (sealed.length < nonceBytes + tagBytes || sealed.toString('base64url') !== encoded) return undefined;
          const decipher = createDecipheriv(algorithm, key, sealed.subarray(0, nonceBytes), {
            authTagLength: tagBytes,
          });
          decipher.setAAD(boundTo(purpose)).setAuthTag(sealed.subarray(-tagBytes));
          try {
            const plain = decipher.update(sealed.subarray(nonceBytes, -tagBytes));
            return Buffer.concat([plain, decipher.final()]).toString('utf8');
          } catch {
            return undefined;
          }
        },
      };
    },
  };
}
