import type { Emit } from './events.ts';
import { tell } from './item-events.ts';

/** Calls of tools that an upstream ran, as the Responses API shows them, and the events that tell of their progress. */

interface Source {
  type: 'url';
  url: string;
}

export type SearchAction =
  | { type: 'search'; query: string; queries?: string[]; sources?: Source[] }
  | { type: 'open_page'; url: string | null };

/** The item before anything is known of the call. */
export const zeroSearch = () => ({ type: 'web_search_call', id: '', status: 'in_progress' }) as const;

export function beginSearch(index: number, emit: Emit): void {
  tell(emit, index, 'web_search_call.in_progress', {});
  tell(emit, index, 'web_search_call.searching', {});
}

/** The item as it ends, and the event before it. */
export function endSearch(action: SearchAction, failed: boolean, index: number, emit: Emit) {
  if (!failed) tell(emit, index, 'web_search_call.completed', {});
  return { type: 'web_search_call', id: '', status: failed ? 'failed' : 'completed', action } as const;
}

/** @param urls where the search found something; an action without any says nothing of them. */
export function withSources(action: SearchAction, urls: readonly string[]): SearchAction {
  if (urls.length === 0 || action.type !== 'search') return action;
  return { ...action, sources: urls.map((url) => ({ type: 'url', url })) };
}

// Upstreams say at the end of the reply only, if at all, which container it was.
const codeCall = { type: 'code_interpreter_call', id: '', container_id: '' } as const;

export const zeroCode = () => ({ ...codeCall, status: 'in_progress', code: '', outputs: null }) as const;

export function beginCode(code: string, index: number, emit: Emit): void {
  tell(emit, index, 'code_interpreter_call.in_progress', {});
  if (code !== '') tell(emit, index, 'code_interpreter_call_code.delta', { delta: code });
  tell(emit, index, 'code_interpreter_call_code.done', { code });
  tell(emit, index, 'code_interpreter_call.interpreting', {});
}

/** @param logs what the code wrote; undefined: the client does not want to see it. */
export function endCode(
  { code, logs, failed }: { code: string; logs: string | undefined; failed: boolean },
  index: number,
  emit: Emit,
) {
  if (!failed) tell(emit, index, 'code_interpreter_call.completed', {});
  const status: 'failed' | 'completed' = failed ? 'failed' : 'completed';
  return { ...codeCall, status, code, outputs: logs === undefined ? null : outputsOf(logs) };
}

function outputsOf(logs: string): { type: 'logs'; logs: string }[] {
  return logs === '' ? [] : [{ type: 'logs', logs }];
}

const imageCall = { type: 'image_generation_call', id: '' } as const;

export const zeroImage = () => ({ ...imageCall, status: 'in_progress', result: null }) as const;

export function beginImage(index: number, emit: Emit): void {
  tell(emit, index, 'image_generation_call.in_progress', {});
  tell(emit, index, 'image_generation_call.generating', {});
}

/** @param result the image, as base64. */
export function endImage(result: string, index: number, emit: Emit) {
  tell(emit, index, 'image_generation_call.completed', {});
  return { ...imageCall, status: 'completed', result } as const;
}

/** `tool_usage` of a response: kinds of tools of which nothing was used have zeros. */
export function searchUsage(searches: number) {
  const image_gen = {
    input_tokens: 0,
    input_tokens_details: { image_tokens: 0, text_tokens: 0 },
    output_tokens: 0,
    total_tokens: 0,
  };
  return { image_gen, web_search: { num_requests: searches } };
}
