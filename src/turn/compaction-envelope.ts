import type { ContextItem, Origin } from '../core/items.ts';
import type { Seal } from '../store/store.ts';

/** What a compaction item holds, sealed for its tenant: all that the model needs of what stood before it. */
export type Compaction = KeptWords & (Summary | NativeCompaction);

/** What every model can read. */
interface Summary {
  summary: string;
  /** The same, where an upstream made it and signed it: what that one takes back in its place. */
  native?: Origin;
}

/** What an upstream made of it that compacts by itself, which no other can read. */
interface NativeCompaction {
  native: Origin;
  summary?: undefined;
}

/** What stays word for word. */
export interface KeptWords {
  /** System and developer messages of what was compacted: instructions are never summed up. */
  head: ContextItem[];
  /** What stays behind the item: tool calls that wait for their outputs, and what was just said. */
  tail: ContextItem[];
  /** The messages of users that stand before the item stay too: it was made to follow them (`/compact`, a trigger). */
  keepsUsers: boolean;
}

/** Undefined: it is longer than an envelope may be. */
export function sealCompaction(seal: Seal, compaction: Compaction): string | undefined {
  return seal.seal('compaction', JSON.stringify(compaction));
}

/** Undefined: the envelope is none of this tenant's, or was changed. */
export function openCompaction(seal: Seal, envelope: unknown): Compaction | undefined {
  const text = typeof envelope === 'string' ? seal.open('compaction', envelope) : undefined;
  return text === undefined ? undefined : (JSON.parse(text) as Compaction);
}
