/** What the envelopes that clients carry begin with (`store/seal.ts`): a signature or a ciphertext of a vendor's never does. */
export const envelopeVersion = 'tp1';

/** Whether the text is to be opened, as ours or as another installation's. */
export function isEnvelope(text: string): boolean {
  return text.startsWith(`${envelopeVersion}.`);
}
