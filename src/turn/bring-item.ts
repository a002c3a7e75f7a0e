import { GatewayError } from '../core/errors.ts';
import { type IdMint, type IdPrefix, mintedAtMs, nativeIdPrefixes } from '../core/ids.ts';
import { type ContextItem, isNativeType, ofNative, type Item, type Origin, type ReasoningItem } from '../core/items.ts';
import { printed, printedToo } from '../core/printed.ts';
import type { StoredContextItem, StoredItem, TenantStore } from '../store/store.ts';
import { openReasoning } from './reasoning-envelope.ts';
import { printOrigin, readOrigin } from './stored-origin.ts';

/** An item of the input, as it is stored and as codecs see it. */
export interface BroughtItem {
  stored: StoredItem;
  entry: ContextItem;
}

const broughtAgain = (stored: StoredItem): BroughtItem => ({ stored, entry: contextItemOf(stored) });

/** @throws GatewayError 404 where the tenant has none of this id. */
export async function readReference(store: TenantStore, id: string): Promise<BroughtItem> {
  const stored = await store.readItem(id);
  if (stored === undefined) {
    const why =
      'Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.';
    throw new GatewayError('item_not_found', `Item with id '${id}' not found. ${why}`, { param: 'input' });
  }
  return broughtAgain(stored);
}

/** An item of the input as it is stored, references apart. */
export async function storedInput(store: TenantStore, item: Item, ids: IdMint, nowMs: number): Promise<StoredItem> {
  const ours = mayBeOurs(item) ? await readOwnReasoning(store, item) : undefined;
  return (ours ?? broughtItem(store, item, ids, nowMs)).stored;
}

/**
 * A client that carries its history itself sends reasoning items back as it read them. The signed blocks behind them are
 * in the item's own envelope; where the client was given none they never left us, and are found again by the item's id.
 * An id that a client has made up says nothing: it may be in every conversation of its.
 */
export function mayBeOurs(item: Item): item is ReasoningItem {
  return item.type === 'reasoning' && !isSealed(item) && mintedAtMs(item.id) !== undefined;
}

export async function readOwnReasoning(store: TenantStore, sent: ReasoningItem): Promise<BroughtItem | undefined> {
  const ours = await store.readItem(sent.id);
  return ours?.type === 'reasoning' && saysTheSame(JSON.parse(ours.body) as ReasoningItem, sent)
    ? broughtAgain(ours)
    : undefined;
}

export function broughtItem(store: TenantStore, item: Item, ids: IdMint, nowMs: number): BroughtItem {
  const origin =
    item.type === 'reasoning' && isSealed(item) ? openReasoning(store.seal, item.encrypted_content) : undefined;
  // In this order, since the store has both beside the body.
  const id = item.id === '' ? ids.mint(inputIdPrefix(item), nowMs) : item.id;
  const identified: Item = Object.assign({ id, type: item.type }, item, { id });
  printedToo(item, identified);
  const stored = {
    id,
    type: identified.type,
    body: printed(identified),
    origin: origin === undefined ? null : printOrigin(origin, identified),
  };
  return { stored, entry: contextItem(identified, origin) };
}

function isSealed(item: ReasoningItem): item is ReasoningItem & { encrypted_content: string } {
  return typeof item.encrypted_content === 'string' && item.encrypted_content !== '';
}

/** Clients that know summaries only send no content back: what is left out is not edited. */
function saysTheSame(ours: ReasoningItem, { summary, content = [] }: ReasoningItem): boolean {
  return sameTexts(ours.summary, summary) && (content.length === 0 || sameTexts(ours.content ?? [], content));
}

function sameTexts(ours: { text: string }[], sent: { text: string }[]): boolean {
  return ours.length === sent.length && ours.every(({ text }, at) => text === sent[at]?.text);
}

export function inputIdPrefix({ type }: Item): IdPrefix {
  switch (type) {
    case 'message':
      return 'msg';
    case 'reasoning':
      return 'rs';
    case 'function_call':
      return 'fc';
    case 'function_call_output':
      return 'fco';
    case 'custom_tool_call':
      return 'ctc';
    case 'custom_tool_call_output':
      return 'ctco';
    default:
      return (isNativeType(type) ? ofNative(nativeIdPrefixes, type) : undefined) ?? 'ext';
  }
}

/** A store that remembers contexts gives the same items again: each is read once, and nobody changes what this gives. */
export function ancestorsItem(stored: StoredContextItem): ContextItem {
  stored.entry ??= contextItemOf(stored);
  return stored.entry;
}

export function contextItemOf({ body, origin }: StoredItem): ContextItem {
  const item = JSON.parse(body) as Item;
  return contextItem(item, origin === null ? undefined : readOrigin(origin, item));
}

function contextItem(item: Item, origin: Origin | undefined): ContextItem {
  if (origin !== undefined) return { item, origin };
  // An envelope that did not open when the item came in: another installation's or tenant's, a vendor's own, or changed.
  const isForeign = item.type === 'reasoning' && isSealed(item);
  return isForeign ? { item, origin, withheld: 'organization_mismatch' } : { item, origin };
}
