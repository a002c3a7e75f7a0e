/** An item as it is stored: JSON as text, never parsed or printed by the store, nor read by SQL's JSON functions. */
export interface StoredItem {
  id: string;
  type: string;
  /** The item as the client reads it. */
  body: string;
  /** JSON of `Origin`; null for items that a client sent. */
  origin: string | null;
}

/** An item of a context with the turn that holds it. */
export interface StoredContextItem extends StoredItem {
  turnId: string;
  /** Names the envelope of the turn that brought the item, for `readEnvelope`; null: that turn has none. */
  envelope: string | null;
}
