import type { Emit } from '../../core/events.ts';
import {
  beginCode,
  beginImage,
  beginSearch,
  endCode,
  endImage,
  endSearch,
  type SearchAction,
  zeroCode,
  zeroImage,
  zeroSearch,
} from '../../core/hosted-calls.ts';
import type { NativeItem } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { stringOf, textsOf } from './wire.ts';

/** What a tool of Google's own did, told in a part or in two. */
export interface HostedCall {
  /** The item before anything is known of the call. */
  zero: NativeItem;
  /** Of what is done on the web. */
  action?: SearchAction;
  begin(index: number, emit: Emit): void;
  /** Whether the part is what came of it. Absent: nothing is to come. */
  isResult?: (part: JsonObject) => boolean;
  /** @param result undefined: none has come. */
  end(result: JsonObject | undefined, index: number, emit: Emit): NativeItem;
}

/** @see https://ai.google.dev/gemini-api/docs/code-execution */
function codeCall({ code }: JsonObject, include: readonly string[]): HostedCall {
  const text = stringOf(code) ?? '';
  return {
    zero: zeroCode(),
    begin: (index, emit) => beginCode(text, index, emit),
    isResult: (part) => isJsonObject(part['codeExecutionResult']),
    end(result, index, emit) {
      const told = result?.['codeExecutionResult'];
      const { outcome, output } = isJsonObject(told) ? told : {};
      const logs = include.includes('code_interpreter_call.outputs') ? (stringOf(output) ?? '') : undefined;
      // Code that throws has run, and its output says so.
      return endCode({ code: text, logs, failed: outcome === 'OUTCOME_DEADLINE_EXCEEDED' }, index, emit);
    },
  };
}

function firstOf(value: unknown): string | undefined {
  return stringOf(Array.isArray(value) ? value[0] : value);
}

/** @see https://ai.google.dev/gemini-api/docs/tool-combination */
function searchCall({ id, toolType, args }: JsonObject): HostedCall | undefined {
  const said = isJsonObject(args) ? args : {};
  const queries = said['queries'] ?? said['query'];
  const action: SearchAction | undefined =
    toolType === 'GOOGLE_SEARCH_WEB'
      ? {
          type: 'search',
          query: firstOf(queries) ?? '',
          ...(Array.isArray(queries) ? { queries: textsOf(queries) } : {}),
        }
      : toolType === 'URL_CONTEXT'
        ? { type: 'open_page', url: firstOf(said['urls'] ?? said['url']) ?? null }
        : undefined;
  if (action === undefined) return undefined;
  return {
    zero: zeroSearch(),
    action,
    begin: beginSearch,
    isResult: ({ toolResponse }) => isJsonObject(toolResponse) && toolResponse['id'] === id,
    end: (_, index, emit) => endSearch(action, false, index, emit),
  };
}

function imageCall({ mimeType, data }: JsonObject): HostedCall | undefined {
  if (stringOf(mimeType)?.startsWith('image/') !== true || typeof data !== 'string') return undefined;
  return { zero: zeroImage(), begin: beginImage, end: (_, index, emit) => endImage(data, index, emit) };
}

/** Undefined: a part that the Responses API has no item for, which travels as an extension. */
export function hostedCall(part: JsonObject, include: readonly string[]): HostedCall | undefined {
  const { executableCode, toolCall, inlineData, thought } = part;
  if (isJsonObject(executableCode)) return codeCall(executableCode, include);
  if (isJsonObject(toolCall)) return searchCall(toolCall);
  return isJsonObject(inlineData) && thought !== true ? imageCall(inlineData) : undefined;
}
