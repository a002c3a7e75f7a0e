import { GatewayError } from '../core/errors.ts';
import type { IdMint } from '../core/ids.ts';
import type { Item } from '../core/items.ts';
import type { AppendedItems } from '../store/conversation-store.ts';
import { endPatience } from '../store/patience.ts';
import type { StoredItem, TenantStore } from '../store/store.ts';
import { inputIdPrefix, storedInput } from './bring-item.ts';

/** What ids and times are made from, and how long a write is run again of which nobody knows whether it was done. */
export interface Making {
  ids: IdMint;
  nowMs: () => number;
  commitMs: number;
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

const pauseMs = 100;

/**
 * Runs a write of a conversation again while the store fails, as a turn's commit is: SDKs repeat what has failed by themselves,
 * with other ids, and what was done after all would be there twice.
 */
export async function writeOnce<T>({ nowMs, commitMs }: Making, write: () => Promise<T>): Promise<T> {
  const giveUpAtMs = nowMs() + commitMs;
  for (;;) {
    try {
      return await write();
    } catch (error) {
      const isAway = error instanceof GatewayError && error.code === 'store_unavailable';
      if (!isAway || nowMs() >= giveUpAtMs) throw error;
    }
    // It may be there, and what a request may wait for before anything is has been waited for already.
    endPatience();
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
