import { GatewayError } from '../../core/errors.ts';
import type { Item } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { json, type Json, objectText } from '../../core/json-text.ts';
import { invalidChoice, invalidType, missing, unsupportedValue } from '../../core/check.ts';
import { decodeMetadata } from '../../core/decode-metadata.ts';
import { decodeItems } from './request-items.ts';
import { includables } from './wire.ts';

/** The most items that one call puts into a conversation. */
const maxItems = 20;

/**
 * The body of `POST /v1/conversations`.
 * @throws GatewayError 400 with the param.
 * @see https://platform.openai.com/docs/api-reference/conversations/create
 */
export function decodeConversationCreate(body: unknown): { items: Item[]; metadata: Record<string, string> } {
  const fields = objectWith(body, ['items', 'metadata']);
  return { items: decodeNewItems(fields['items'] ?? []), metadata: decodeMetadata(fields['metadata']) };
}

/** The body of `POST /v1/conversations/{id}`. @throws GatewayError 400 with the param. */
export function decodeConversationUpdate(body: unknown): Record<string, string> {
  const { metadata } = objectWith(body, ['metadata']);
  if (metadata === undefined) throw missing('metadata');
  return decodeMetadata(metadata);
}

/** The body of `POST /v1/conversations/{id}/items`. @throws GatewayError 400 with the param. */
export function decodeItemsCreate(body: unknown): Item[] {
  const { items } = objectWith(body, ['items']);
  if (items === undefined || items === null) throw missing('items');
  return decodeNewItems(items);
}

function objectWith(body: unknown, names: readonly string[]): JsonObject {
  if (!isJsonObject(body)) throw invalidType('', 'an object', body);
  const unknown = Object.keys(body).find((name) => !names.includes(name));
  if (unknown === undefined) return body;
  throw new GatewayError('unknown_parameter', `Unknown parameter: '${unknown.slice(0, 100)}'.`, { param: unknown });
}

function decodeNewItems(items: unknown): Item[] {
  if (!Array.isArray(items)) throw invalidType('items', 'an array of items', items);
  if (items.length > maxItems) {
    const message = `Invalid 'items': array too long. Expected an array with maximum length ${maxItems}, but got an array with length ${items.length} instead.`;
    throw new GatewayError('array_above_max_length', message, { param: 'items' });
  }
  const trigger = items.findIndex((item) => isJsonObject(item) && item['type'] === 'compaction_trigger');
  if (trigger >= 0) {
    const why = 'A conversation is compacted by a turn in it, whose input ends with the trigger.';
    throw unsupportedValue(`items[${trigger}].type`, 'compaction_trigger', why);
  }
  return decodeItems(items, 'items').map((item, index) => {
    if (item.type !== 'item_reference') return item;
    throw unsupportedValue(`items[${index}].type`, item.type, 'A conversation holds items, and no references to them.');
  });
}

export interface ConversationObject {
  id: string;
  object: 'conversation';
  created_at: number;
  metadata: Record<string, string>;
}

/** The Conversation object. @param metadata JSON text. */
export function conversationText(id: string, createdAtMs: number, metadata: string): string {
  const createdAt = Math.floor(createdAtMs / 1000);
  return objectText<ConversationObject>({
    id: json(id),
    object: json('conversation'),
    created_at: json(createdAt),
    metadata: metadata as Json<ConversationObject['metadata']>,
  });
}

export function deletedConversation(id: string) {
  return { id, object: 'conversation.deleted' as const, deleted: true };
}

/**
 * What of the items' optional parts a reader asked for, as `include=…` or `include[]=…`, any number of times.
 * @throws GatewayError 400.
 */
export function decodeInclude(query: URLSearchParams): ReadonlySet<string> {
  const asked = [...query.getAll('include'), ...query.getAll('include[]')];
  for (const name of asked) {
    if (!includables.some((known) => known === name)) throw invalidChoice('include', name, includables);
  }
  return new Set(asked);
}

/** What is left out of an item unless it is asked for: how it is named, and what stands in its place. */
const optionalParts: Record<string, { name: string; field: string }> = {
  file_search_call: { name: 'file_search_call.results', field: 'results' },
  web_search_call: { name: 'web_search_call.results', field: 'results' },
  code_interpreter_call: { name: 'code_interpreter_call.outputs', field: 'outputs' },
};

/**
 * An item as a reader of a conversation gets it. What a client itself has sent (images), and what it needs to send an item
 * back to a model (encrypted reasoning), is never left out: sessions are read in order to be sent again.
 * @param body the item's JSON.
 */
export function itemText(type: string, body: string, include: ReadonlySet<string>): string {
  if (type === 'message')
    return include.has(logprobs) || !body.includes('"logprobs":[{') ? body : withoutLogprobs(body);
  const part = optionalParts[type];
  const showsSources = type !== 'web_search_call' || include.has(sources);
  if ((part === undefined || include.has(part.name)) && showsSources) return body;
  const item = JSON.parse(body) as JsonObject;
  if (part !== undefined && !include.has(part.name) && item[part.field] !== undefined) item[part.field] = null;
  const action = item['action'];
  if (!showsSources && isJsonObject(action)) delete action['sources'];
  return JSON.stringify(item);
}

const logprobs = 'message.output_text.logprobs';
const sources = 'web_search_call.action.sources';

function withoutLogprobs(body: string): string {
  const item = JSON.parse(body) as { content: JsonObject[] };
  for (const part of item.content) if (part['logprobs'] !== undefined) part['logprobs'] = [];
  return JSON.stringify(item);
}
