import { isJsonObject } from '../core/json-object.ts';
import type { Warning } from '../core/warning.ts';
import type { Seal, StoredItem } from '../store/store.ts';
import { contextItemOf } from '../turn/bring-item.ts';
import { sealReasoning } from '../turn/reasoning-envelope.ts';

const envelope = 'reasoning.encrypted_content';

/** A stored item as its reader gets it, who may ask for the envelope that its first reader did not ask for. */
export function shownItem(seal: Seal, stored: StoredItem, include: ReadonlySet<string>): StoredItem {
  if (stored.type !== 'reasoning' || stored.origin === null || !include.has(envelope)) return stored;
  const { item, origin } = contextItemOf(stored);
  const has = 'encrypted_content' in item && typeof item.encrypted_content === 'string';
  const sealed = has || origin === undefined ? undefined : sealReasoning(seal, origin);
  return sealed === undefined ? stored : { ...stored, body: JSON.stringify({ ...item, encrypted_content: sealed }) };
}

/** What cannot be made again: it was kept if it was asked for when the item was made. */
const kept: Record<string, (item: Record<string, unknown>) => unknown> = {
  'file_search_call.results': ({ type, results }) => type !== 'file_search_call' || results,
  'web_search_call.results': ({ type, results }) => type !== 'web_search_call' || results,
  'web_search_call.action.sources': ({ type, action }) =>
    type !== 'web_search_call' || (isJsonObject(action) && (action['type'] !== 'search' || action['sources'])),
  'code_interpreter_call.outputs': ({ type, outputs }) => type !== 'code_interpreter_call' || outputs,
  'message.output_text.logprobs': ({ role, content }) =>
    role !== 'assistant' || !Array.isArray(content) || content.every((part) => part?.logprobs?.length !== 0),
};

/** A word for each part that was asked for and that an item lacks. */
export function missedParts(items: readonly { body: string }[], include: ReadonlySet<string>): Warning[] {
  const asked = [...include].flatMap((name) => (kept[name] === undefined ? [] : [{ name, has: kept[name] }]));
  if (asked.length === 0) return [];
  const parsed = items.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
  return asked
    .filter(({ has }) => parsed.some((item) => has(item) === null || has(item) === undefined || has(item) === false))
    .map(({ name }) => ({
      param: 'include',
      message: `An item has no ${name}: there is none, or it was not asked for when the item was made.`,
    }));
}
