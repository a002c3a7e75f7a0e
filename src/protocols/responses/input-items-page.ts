import { GatewayError } from '../../core/errors.ts';
import type { Item } from '../../core/items.ts';
import { arrayText, json, type Json, objectText } from '../../core/json-text.ts';
import { invalidChoice, invalidType, outOfRange } from '../../core/check.ts';

/** Of a response's input, and of a conversation. */
export interface ItemList {
  object: 'list';
  data: Item[];
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface PageQuery {
  /** From 1. */
  limit: number;
  order: 'asc' | 'desc';
  /** Id of the last item of the page before. */
  after: string | undefined;
}

/**
 * The query of `GET /v1/responses/{id}/input_items`.
 * @see https://platform.openai.com/docs/api-reference/responses/input-items
 */
export function decodePage(query: URLSearchParams, usual = 20, most = 100): PageQuery {
  const limit = decodeLimit(query.get('limit'), usual, most);
  const order = query.get('order') ?? 'desc';
  if (order !== 'asc' && order !== 'desc') throw invalidChoice('order', order, ['asc', 'desc']);
  return { limit, order, after: query.get('after') ?? undefined };
}

/**
 * The list object, as JSON.
 * @param items the whole input, oldest first; `body` is the item's JSON.
 */
export function inputItemsPage(items: { id: string; body: string }[], { limit, order, after }: PageQuery): string {
  const ordered = order === 'asc' ? items : items.toReversed();
  const start = after === undefined ? 0 : ordered.findIndex(({ id }) => id === after) + 1;
  if (after !== undefined && start === 0) throw unknownAfter();
  return itemListText(ordered.slice(start, start + limit), start + limit < ordered.length);
}

/** The list object, as JSON. @param page its items in their order; `body` is the item's JSON. */
export function itemListText(page: { id: string; body: string }[], hasMore: boolean): string {
  return objectText<ItemList>({
    object: json('list'),
    data: arrayText(page.map(({ body }) => body as Json<Item>)),
    first_id: json(page[0]?.id ?? null),
    last_id: json(page.at(-1)?.id ?? null),
    has_more: json(hasMore),
  });
}

export function unknownAfter(): GatewayError {
  const message = "Invalid 'after': there is no item with this id in the list.";
  return new GatewayError('invalid_value', message, { param: 'after' });
}

function decodeLimit(given: string | null, usual: number, most: number): number {
  if (given === null) return usual;
  if (!/^-?\d+$/.test(given)) throw invalidType('limit', 'an integer', given);
  const limit = Number(given);
  if (limit < 1) throw outOfRange('limit', limit, 'below minimum', 1);
  if (limit > most) throw outOfRange('limit', limit, 'above maximum', most);
  return limit;
}
