import type { Emit } from '../../core/events.ts';
import {
  beginCode,
  beginSearch,
  endCode,
  endSearch,
  type SearchAction,
  withSources,
  zeroCode,
  zeroSearch,
} from '../../core/hosted-calls.ts';
import type { ContextItem, NativeItem } from '../../core/items.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import { arrayElements } from '../../core/json-slice.ts';
import { stringOf } from './wire.ts';

/** A call of a tool that Anthropic ran, as the Responses API shows it. */
export interface ServerCall {
  type: 'web_search_call' | 'code_interpreter_call' | 'compaction';
  /** The item before anything is known of the call. */
  zero: () => NativeItem;
  /** What a reader is told once the upstream knows what it is to do. */
  begin(input: JsonObject, index: number, emit: Emit): void;
  /** The item as it ends, and the event before it. @param result undefined: the upstream paused before there was one. */
  end(input: JsonObject, result: unknown, index: number, emit: Emit): NativeItem;
}

const errorTypes = /_error$/;

function hasFailed(result: unknown): boolean {
  return isJsonObject(result) && errorTypes.test(String(result['type']));
}

function searchCall(actionOf: (input: JsonObject, urls: string[]) => SearchAction, include: Includes): ServerCall {
  return {
    type: 'web_search_call',
    zero: zeroSearch,
    begin: (_, index, emit) => beginSearch(index, emit),
    end(input, result, index, emit) {
      const urls = include.has('web_search_call.action.sources') ? urlsOf(result) : [];
      return endSearch(actionOf(input, urls), hasFailed(result), index, emit);
    },
  };
}

function urlsOf(result: unknown): string[] {
  const found: unknown[] = Array.isArray(result) ? result : [];
  return found.flatMap((each) => (isJsonObject(each) && typeof each['url'] === 'string' ? [each['url']] : []));
}

function codeCall(codeOf: (input: JsonObject) => string, include: Includes): ServerCall {
  return {
    type: 'code_interpreter_call',
    zero: zeroCode,
    begin: (input, index, emit) => beginCode(codeOf(input), index, emit),
    end(input, result, index, emit) {
      const logs = include.has('code_interpreter_call.outputs') ? logsOf(result) : undefined;
      return endCode({ code: codeOf(input), logs, failed: hasFailed(result) }, index, emit);
    },
  };
}

/** What the code wrote, as far as it is text. */
function logsOf(result: unknown): string {
  if (!isJsonObject(result)) return '';
  return [result['stdout'], result['stderr'], result['content']].filter((text) => typeof text === 'string').join('');
}

/** What the reply is where it was asked for: the block is the item's source. */
export const compactionMade: ServerCall = {
  type: 'compaction',
  zero: () => ({ type: 'compaction', id: '', encrypted_content: '' }),
  begin: () => {},
  end: () => ({ type: 'compaction', id: '', encrypted_content: '' }),
};

type Includes = ReadonlySet<string>;

/** Undefined: a tool that the Responses API has no item for, which travels as an extension. */
export function serverCall(name: unknown, include: Includes): ServerCall | undefined {
  switch (name) {
    case 'web_search':
      return searchCall(
        ({ query }, urls) => withSources({ type: 'search', query: stringOf(query) ?? '' }, urls),
        include,
      );
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

/**
 * Calls of the upstream's own tools that it has made and not run, by their ids: it paused, or the client had calls of its own
 * to answer first. What comes of them comes at the beginning of its next reply.
 */
export function openCallsOf(context: readonly ContextItem[]): Map<string, JsonObject> {
  const open = new Map<string, JsonObject>();
  for (const { item, origin } of context) {
    if (item.type !== 'web_search_call' && item.type !== 'code_interpreter_call') continue;
    if (origin?.protocol !== 'messages' || item.status === 'incomplete') continue;
    const [only, ...more] = arrayElements(`[${origin.source}]`) ?? [];
    const block = only === undefined || more.length > 0 ? undefined : parseJsonObject(only);
    const { id, tool_use_id: answered } = block ?? {};
    if (block?.['type'] === 'server_tool_use' && typeof id === 'string') open.set(id, block);
    else if (typeof answered === 'string') open.delete(answered);
  }
  return open;
}
