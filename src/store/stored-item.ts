import type { ContextItem } from '../core/items.ts';

/** An item as it is stored: JSON as text, never parsed or printed by the store, nor read by SQL's JSON functions. */
export interface StoredItem {
  readonly id: string;
  readonly type: string;
  /** The item as the client reads it. */
  readonly body: string;
  /** JSON of `Origin`; null for items that a client sent. */
  readonly origin: string | null;
}

/** An item of a context with the turn that holds it. */
export interface StoredContextItem extends StoredItem {
  readonly turnId: string;
  /** Names the envelope of the turn that brought the item, for `readEnvelope`; null: that turn has none. */
  readonly envelope: string | null;
  /** As codecs see it, once somebody has read it. A property, since to find it by its item costs more than to parse it. */
  entry?: ContextItem | undefined;
}
