import { isJsonObject } from './json-object.ts';
import type { Item } from './items.ts';

/** One half of a pair: a call, or what came of it. */
interface PairHalf {
  /** What both halves name. */
  id: string;
  /** The type of the item, in the words of OpenAI's errors. */
  word: string;
}

export interface CallHalf extends PairHalf {
  /** Types of items that answer it. */
  answers: readonly string[];
  /** The conversation cannot go on without its answer. */
  demanded: boolean;
}

const answersOf: Partial<Record<string, readonly string[]>> = {
  function_call: ['function_call_output'],
  custom_tool_call: ['custom_tool_call_output'],
  computer_call: ['computer_call_output'],
  // Agents answered these as functions before the type of their own was there, and OpenAI takes it.
  local_shell_call: ['local_shell_call_output', 'function_call_output'],
  shell_call: ['shell_call_output'],
  apply_patch_call: ['apply_patch_call_output'],
  tool_search_call: ['tool_search_output'],
  mcp_approval_request: ['mcp_approval_response'],
};
const answerTypes: ReadonlySet<string> = new Set(Object.values(answersOf).flatMap((types) => types ?? []));

/**
 * The item as a call that something else answers; undefined: it is none, or was cut off (it then is not executable, needs no
 * answer and takes none), or is a search that the upstream made itself.
 */
export function callHalf(item: Item): CallHalf | undefined {
  const answers = answersOf[item.type];
  if (answers === undefined || item.status === 'incomplete') return undefined;
  const fields: Record<string, unknown> = { ...item };
  const id = item.type === 'mcp_approval_request' ? item.id : fields['call_id'];
  if (typeof id !== 'string' || isServersOwn(item.type, fields)) return undefined;
  const byProgram = isJsonObject(fields['caller']) && fields['caller']['type'] === 'program';
  return { id, word: wordOf(item), answers, demanded: fields['async'] !== true && !byProgram };
}

/** The item as an answer to a call; undefined: it is none. */
export function answerHalf(item: Item): PairHalf | undefined {
  if (!answerTypes.has(item.type)) return undefined;
  const fields: Record<string, unknown> = { ...item };
  const id = fields[item.type === 'mcp_approval_response' ? 'approval_request_id' : 'call_id'];
  if (typeof id !== 'string' || isServersOwn(item.type, fields)) return undefined;
  return { id, word: wordOf(item) };
}

/** Types of calls, of which the newest ancestor's tools are looked for. */
export function isCallType(type: string): boolean {
  return answersOf[type] !== undefined;
}

function isServersOwn(type: string, { execution }: Record<string, unknown>): boolean {
  return type.startsWith('tool_search_') && execution !== 'client';
}

function wordOf({ type }: Item): string {
  return type.replaceAll('_', ' ');
}
