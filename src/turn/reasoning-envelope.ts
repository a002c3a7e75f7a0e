import type { Origin, Protocol } from '../core/items.ts';
import type { TurnRequest } from '../core/request.ts';
import type { Seal } from '../store/store.ts';

/**
 * Reasoning that a client carries itself: the `encrypted_content` of the item holds the upstream's own blocks (Anthropic's
 * thinking with its signature, redacted thinking, OpenAI's own encrypted content, a chat vendor's reasoning details) and
 * which model they came from, sealed for the client's tenant.
 */

/** Who cannot come back to what we store carries it; others get it where they ask, since it is as long as the reasoning. */
export function wantsReasoning({ protocol, store, include }: TurnRequest, upstream: Protocol): boolean {
  // A client of Anthropic's own protocol is shown the signature itself.
  if (protocol === 'messages' && upstream === 'messages') return false;
  return !store || include.includes('reasoning.encrypted_content');
}

/** Undefined: the reasoning is longer than an envelope may be. */
export function sealReasoning(seal: Seal, { protocol, model, source }: Origin): string | undefined {
  return seal.seal('reasoning', JSON.stringify({ protocol, model, source } satisfies Origin));
}

/** Undefined: the envelope is none of this tenant's, or was changed. */
export function openReasoning(seal: Seal, envelope: string): Origin | undefined {
  const text = seal.open('reasoning', envelope);
  return text === undefined ? undefined : (JSON.parse(text) as Origin);
}
