import type { Item, Origin, Protocol } from '../core/items.ts';
import { isJsonObject } from '../core/json-object.ts';

/**
 * An origin as it is stored: its protocol, its model, and its source in pieces. Where the source says what the item says in the
 * very same text, the piece is a number, which of the item's texts it is: thinking would be stored twice else, since its
 * signature makes the source stay. The few that say more are the origin's own JSON.
 */
type StoredOrigin = [Protocol, string, ...(string | number)[]] | Origin;

/** Shorter texts are not worth the number. */
const leastLength = 24;

export function printOrigin(origin: Origin, item: Item): string {
  const { protocol, model, source, upstreamCallId } = origin;
  if (upstreamCallId !== undefined) return JSON.stringify(origin);
  const pieces: (string | number)[] = [];
  let at = 0;
  for (const [n, text] of textsOf(item).entries()) {
    const start = text.length < leastLength ? -1 : source.indexOf(text, at);
    if (start < 0) continue;
    pieces.push(source.slice(at, start), n);
    at = start + text.length;
  }
  if (at < source.length) pieces.push(source.slice(at));
  return JSON.stringify([protocol, model, ...pieces] satisfies StoredOrigin);
}

export function readOrigin(stored: string, item: Item): Origin {
  const origin = JSON.parse(stored) as StoredOrigin;
  if (!Array.isArray(origin)) return origin;
  const [protocol, model, ...pieces] = origin;
  const texts = pieces.length === 0 ? [] : textsOf(item);
  const source = pieces.map((piece) => {
    const text = typeof piece === 'string' ? piece : texts[piece];
    if (text === undefined) throw new Error(`the origin of ${item.id} names a text that the item does not have`);
    return text;
  });
  return { protocol, model, source: source.join('') };
}

/** What an item says, as the wires write it: as JSON strings, and arguments as the JSON that they are too. */
function textsOf(item: Item): string[] {
  switch (item.type) {
    case 'function_call':
      return [JSON.stringify(item.arguments), item.arguments];
    case 'custom_tool_call':
      return [JSON.stringify(item.input)];
    case 'message':
      return item.content.map(textOf);
    case 'reasoning':
      return [...item.summary, ...(item.content ?? [])].map(textOf);
    default:
      return [];
  }
}

/** Of a part that an upstream may have filled with anything. */
function textOf(part: unknown): string {
  return isJsonObject(part) && typeof part['text'] === 'string' ? JSON.stringify(part['text']) : '';
}
