import type { IdMint } from '../core/ids.ts';
import type { Item } from '../core/items.ts';
import type { AppendedItems } from '../store/conversation-store.ts';
import type { StoredItem, TenantStore } from '../store/store.ts';
import { inputIdPrefix, storedInput } from './resolve-history.ts';

/** What ids and times are made from. */
export interface Making {
  ids: IdMint;
  nowMs: () => number;
}

/** A turn of the items that a client puts into a conversation, each with an id of ours, whichever it brought. */
export async function appendedItems(
  store: TenantStore,
  items: Item[],
  keyId: string,
  { ids, nowMs }: Making,
): Promise<AppendedItems> {
  const createdAtMs = nowMs();
  const appended: StoredItem[] = [];
  for (const item of items) {
    // What a session got from a response and sends back keeps the signed block behind it.
    const { type, body, origin } = await storedInput(store, item, ids, createdAtMs);
    const id = ids.mint(inputIdPrefix(item), createdAtMs);
    appended.push({ id, type, body: JSON.stringify({ ...(JSON.parse(body) as Item), id }), origin });
  }
  return { turnId: ids.mint('resp', createdAtMs), createdAtMs, keyId, items: appended };
}
