import type { Emit } from '../../core/events.ts';
import type { NativeItem } from '../../core/items.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import { stringOf } from './wire.ts';

/** A call of a tool that Anthropic ran, as the Responses API shows it. */
export interface ServerCall {
  type: 'web_search_call' | 'code_interpreter_call';
  /** The item before anything is known of the call. */
  zero: () => NativeItem;
  /** What a reader is told once the upstream knows what it is to do. */
  begin(input: JsonObject, index: number, emit: Emit): void;
  /** The item as it ends, and the event before it. @param result undefined: the upstream paused before there was one. */
  end(input: JsonObject, result: unknown, index: number, emit: Emit): NativeItem;
}

const event = (emit: Emit, index: number, name: string, fields: JsonObject = {}): void =>
  emit({ type: 'item-event', index, name, fields });

const errorTypes = /_error$/;

function hasFailed(result: unknown): boolean {
  return isJsonObject(result) && errorTypes.test(String(result['type']));
}

function searchCall(actionOf: (input: JsonObject, sources: JsonObject[]) => JsonObject, include: Includes): ServerCall {
  return {
    type: 'web_search_call',
    zero: () => ({ type: 'web_search_call', id: '', status: 'in_progress' }),
    begin(_, index, emit) {
      event(emit, index, 'web_search_call.in_progress');
      event(emit, index, 'web_search_call.searching');
    },
    end(input, result, index, emit) {
      const failed = hasFailed(result);
      if (!failed) event(emit, index, 'web_search_call.completed');
      const action = actionOf(input, include.has('web_search_call.action.sources') ? sourcesOf(result) : []);
      return { type: 'web_search_call', id: '', status: failed ? 'failed' : 'completed', action };
    },
  };
}

function sourcesOf(result: unknown): JsonObject[] {
  const found: unknown[] = Array.isArray(result) ? result : [];
  return found
    .flatMap((each) => (isJsonObject(each) && typeof each['url'] === 'string' ? [each['url']] : []))
    .map((url) => ({
      type: 'url',
      url,
    }));
}

function codeCall(codeOf: (input: JsonObject) => string, include: Includes): ServerCall {
  // Anthropic says at the end of the reply only, if at all, which container it was.
  const call = { type: 'code_interpreter_call', id: '', container_id: '' } as const;
  return {
    type: 'code_interpreter_call',
    zero: () => ({ ...call, status: 'in_progress', code: '', outputs: null }),
    begin(input, index, emit) {
      const code = codeOf(input);
      event(emit, index, 'code_interpreter_call.in_progress');
      if (code !== '') event(emit, index, 'code_interpreter_call_code.delta', { delta: code });
      event(emit, index, 'code_interpreter_call_code.done', { code });
      event(emit, index, 'code_interpreter_call.interpreting');
    },
    end(input, result, index, emit) {
      const failed = hasFailed(result);
      if (!failed) event(emit, index, 'code_interpreter_call.completed');
      const outputs = include.has('code_interpreter_call.outputs') ? logsOf(result) : null;
      return { ...call, status: failed ? 'failed' : 'completed', code: codeOf(input), outputs };
    },
  };
}

/** What the code wrote, as far as it is text. */
function logsOf(result: unknown): JsonObject[] {
  if (!isJsonObject(result)) return [];
  const logs = [result['stdout'], result['stderr'], result['content']]
    .filter((text) => typeof text === 'string')
    .join('');
  return logs === '' ? [] : [{ type: 'logs', logs }];
}

type Includes = ReadonlySet<string>;

/** Undefined: a tool that the Responses API has no item for, which travels as an extension. */
export function serverCall(name: unknown, include: Includes): ServerCall | undefined {
  switch (name) {
    case 'web_search':
      return searchCall(({ query }, sources) => {
        const action = { type: 'search', query: stringOf(query) ?? '' };
        return sources.length === 0 ? action : { ...action, sources };
      }, include);
    case 'web_fetch':
      return searchCall(({ url }) => ({ type: 'open_page', url: stringOf(url) ?? null }), include);
    case 'code_execution':
      return codeCall(({ code }) => stringOf(code) ?? '', include);
    case 'bash_code_execution':
      return codeCall(({ command }) => stringOf(command) ?? '', include);
    case 'text_editor_code_execution':
      return codeCall((input) => JSON.stringify(input), include);
    default:
      return undefined;
  }
}

/** Of a server tool's call, whatever the model wrote. */
export function inputOfCall(text: string, start: JsonObject): JsonObject {
  return parseJsonObject(text) ?? (isJsonObject(start['input']) ? start['input'] : {});
}
