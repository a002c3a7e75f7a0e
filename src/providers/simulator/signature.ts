import { createHmac, timingSafeEqual } from 'node:crypto';

/** Signs what the simulator thinks, so that it can tell its own thinking from altered or foreign thinking. */
export interface Signer {
  /** @param hidden what the model thought where `shown` leaves it out (display omitted). */
  sign(model: string, shown: string, hidden: string): string;
  verify(model: string, shown: string, signature: string): boolean;
}

/** As many bytes in front of the signature proper tell two thoughts apart that are shown alike (as nothing). */
const saltBytes = 12;

/** @param key no secret is kept by it: whoever reads the source can sign. It only makes one simulator's thoughts another's foreign ones. */
export function createSigner(key: string): Signer {
  const digest = (...parts: string[]): Buffer => {
    const hmac = createHmac('sha256', key);
    for (const part of parts) hmac.update(`${part.length}:`).update(part);
    return hmac.digest();
  };
  const sealed = (model: string, shown: string, salt: Buffer): Buffer =>
    Buffer.concat([salt, digest(model, shown, salt.toString('hex'))]);
  return {
    sign(model, shown, hidden) {
      return sealed(model, shown, digest(hidden).subarray(0, saltBytes)).toString('base64');
    },
    verify(model, shown, signature) {
      const given = Buffer.from(signature, 'base64');
      const expected = sealed(model, shown, given.subarray(0, saltBytes));
      return (
        given.toString('base64') === signature && given.length === expected.length && timingSafeEqual(given, expected)
      );
    },
  };
}
