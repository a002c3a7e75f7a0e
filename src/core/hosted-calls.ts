import type { Emit } from './events.ts';
import type { NativeItem } from './items.ts';
import type { JsonObject } from './json-object.ts';

/** Calls of tools that an upstream ran, as the Responses API shows them, and the events that tell of their progress. */

const event = (emit: Emit, index: number, name: string, fields: JsonObject = {}): void =>
  emit({ type: 'item-event', index, name, fields });

/** The item before anything is known of the call. */
export const zeroSearch = (): NativeItem => ({ type: 'web_search_call', id: '', status: 'in_progress' });

export function beginSearch(index: number, emit: Emit): void {
  event(emit, index, 'web_search_call.in_progress');
  event(emit, index, 'web_search_call.searching');
}

/** The item as it ends, and the event before it. */
export function endSearch(action: JsonObject, failed: boolean, index: number, emit: Emit): NativeItem {
  if (!failed) event(emit, index, 'web_search_call.completed');
  return { type: 'web_search_call', id: '', status: failed ? 'failed' : 'completed', action };
}

/** @param urls where the search found something; an action without any says nothing of them. */
export function withSources(action: JsonObject, urls: readonly string[]): JsonObject {
  return urls.length === 0 ? action : { ...action, sources: urls.map((url) => ({ type: 'url', url })) };
}

// Upstreams say at the end of the reply only, if at all, which container it was.
const codeCall = { type: 'code_interpreter_call', id: '', container_id: '' } as const;

export const zeroCode = (): NativeItem => ({ ...codeCall, status: 'in_progress', code: '', outputs: null });

export function beginCode(code: string, index: number, emit: Emit): void {
  event(emit, index, 'code_interpreter_call.in_progress');
  if (code !== '') event(emit, index, 'code_interpreter_call_code.delta', { delta: code });
  event(emit, index, 'code_interpreter_call_code.done', { code });
  event(emit, index, 'code_interpreter_call.interpreting');
}

/** @param logs what the code wrote; undefined: the client does not want to see it. */
export function endCode(
  { code, logs, failed }: { code: string; logs: string | undefined; failed: boolean },
  index: number,
  emit: Emit,
): NativeItem {
  if (!failed) event(emit, index, 'code_interpreter_call.completed');
  const outputs = logs === undefined ? null : logs === '' ? [] : [{ type: 'logs', logs }];
  return { ...codeCall, status: failed ? 'failed' : 'completed', code, outputs };
}
