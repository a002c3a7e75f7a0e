import type { Emit } from '../../core/events.ts';
import { tell } from '../../core/item-events.ts';
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
  type: 'web_search_call' | 'code_interpreter_call' | 'mcp_call' | 'mcp_list_tools' | 'compaction';
  /** The item before anything is known of the call. */
  zero: () => NativeItem;
  /** What a reader is told once the upstream knows what it is to do. @param text the input as the model wrote it. */
  begin(input: JsonObject, index: number, emit: Emit, text: string): void;
  /**
   * The item as it ends, and the event before it.
   * @param result undefined: the upstream paused before there was one.
   * @param isError the block of the result says so.
   */
  end(input: JsonObject, result: unknown, index: number, emit: Emit, text: string, isError: boolean): NativeItem;
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

/** A call of a tool on a server that the client named. @see https://platform.claude.com/docs/en/agents-and-tools/mcp-connector */
function mcpCall({ name, server_name: server }: JsonObject): ServerCall {
  const call = { type: 'mcp_call', id: '', name: stringOf(name) ?? '', server_label: stringOf(server) ?? '' } as const;
  const open = { ...call, approval_request_id: null, error: null, output: null };
  return {
    type: 'mcp_call',
    zero: () => ({ ...open, status: 'in_progress', arguments: '' }),
    begin(_, index, emit, text) {
      tell(emit, index, 'mcp_call.in_progress', {});
      tell(emit, index, 'mcp_call_arguments.delta', { delta: text });
      tell(emit, index, 'mcp_call_arguments.done', { arguments: text });
    },
    end(_, result, index, emit, text, isError) {
      const parts: unknown[] = Array.isArray(result) ? result : [];
      const said =
        typeof result === 'string'
          ? result
          : parts.map((part) => (isJsonObject(part) ? (stringOf(part['text']) ?? '') : '')).join('');
      const item = { ...open, arguments: text };
      if (isError) {
        tell(emit, index, 'mcp_call.failed', {});
        const content = [{ type: 'text', text: said }];
        return { ...item, status: 'failed', error: { type: 'mcp_tool_execution_error', content } };
      }
      tell(emit, index, 'mcp_call.completed', {});
      return { ...item, status: 'completed', output: result === undefined ? null : said };
    },
  };
}

/** Which tools such a server has. */
function mcpListing({ mcp_server_name: server, tools }: JsonObject): ServerCall {
  const listing = { type: 'mcp_list_tools', id: '', server_label: stringOf(server) ?? '' } as const;
  const listed: unknown[] = Array.isArray(tools) ? tools : [];
  return {
    type: 'mcp_list_tools',
    zero: () => ({ ...listing, tools: [] }),
    begin: () => {},
    end(_, _result, index, emit) {
      tell(emit, index, 'mcp_list_tools.in_progress', {});
      tell(emit, index, 'mcp_list_tools.completed', {});
      return { ...listing, tools: listed.map((tool) => ({ annotations: null, ...(isJsonObject(tool) ? tool : {}) })) };
    },
  };
}

type Includes = ReadonlySet<string>;

/** By a block as it begins. Undefined: the Responses API has no item for it, and it travels as an extension. */
export function serverCall(start: JsonObject, include: Includes): ServerCall | undefined {
  if (start['type'] === 'mcp_tool_use') return mcpCall(start);
  if (start['type'] === 'mcp_tool_listing') return mcpListing(start);
  if (start['type'] !== 'server_tool_use') return undefined;
  switch (start['name']) {
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

/** What a result comes of. */
export function isServerCall(block: JsonObject | undefined): block is JsonObject {
  return block?.['type'] === 'server_tool_use' || block?.['type'] === 'mcp_tool_use';
}

/**
 * Calls of the upstream's own tools that it has made and not run, by their ids: it paused, or the client had calls of its own
 * to answer first. What comes of them comes at the beginning of its next reply.
 */
export function openCallsOf(context: readonly ContextItem[]): Map<string, JsonObject> {
  const open = new Map<string, JsonObject>();
  for (const { item, origin } of context) {
    if (item.type !== 'web_search_call' && item.type !== 'code_interpreter_call' && item.type !== 'mcp_call') continue;
    if (origin?.protocol !== 'messages' || item.status === 'incomplete') continue;
    const [only, ...more] = arrayElements(`[${origin.source}]`) ?? [];
    const block = only === undefined || more.length > 0 ? undefined : parseJsonObject(only);
    const { id, tool_use_id: answered } = block ?? {};
    if (isServerCall(block) && typeof id === 'string') open.set(id, block);
    else if (typeof answered === 'string') open.delete(answered);
  }
  return open;
}
