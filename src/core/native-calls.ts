import type { Emit } from './events.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from './json-object.ts';
import { type ItemEvent, tell } from './item-events.ts';
import {
  type ContextItem,
  type FunctionCallItem,
  type FunctionCallOutputItem,
  isNative,
  type Item,
  type NativeItem,
  type NativeItemType,
} from './items.ts';
import type { FunctionTool, NativeTool } from './request.ts';

/** Tools of the API that the client runs and whose schema only OpenAI's models know: elsewhere they are functions. */
export const clientToolTypes = ['local_shell', 'shell', 'apply_patch', 'tool_search'] as const;
export type ClientToolType = (typeof clientToolTypes)[number];

/** How a call of a tool that the client runs reads as an item of the API's own. */
export interface CallShape {
  type: NativeItemType;
  /** What the model calls it. */
  name: string;
  /** The fields of the call's item that say what is to be done; undefined: the arguments do not say it. */
  read: (given: JsonObject) => JsonObject | undefined;
  /** The item's fields while the model has not said what is to be done, and the events in which it then says it. */
  zero: JsonObject;
  events: (fields: JsonObject) => ItemEvent[];
}

interface ClientTool extends Omit<CallShape, 'type' | 'name'> {
  description: string;
  parameters: JsonObject;
  /** The arguments that the item stands for. */
  write: (item: NativeItem) => unknown;
  /** What the model is told of the output. */
  output: (item: NativeItem) => string;
}

const text = { type: 'string' };
const texts = { type: 'array', items: text };
const milliseconds = { type: 'integer', description: 'Time limit in milliseconds.' };

// The words themselves: a type is lost on the way through an object of unknown shape.
const written = { create_file: 'create_file', update_file: 'update_file' } as const;
/** The client's own machine. */
const hereEnvironment = { type: 'local' } as const;

/** @see https://platform.openai.com/docs/api-reference/responses/object */
const clientTools = {
  local_shell: {
    description: "Runs one command on the user's machine, without a shell around it, and returns what it writes.",
    parameters: {
      type: 'object',
      properties: {
        command: { ...texts, description: 'The program and its arguments: ["bash", "-lc", "ls | wc -l"].' },
        working_directory: text,
        timeout_ms: milliseconds,
        env: { type: 'object', additionalProperties: text, description: 'Environment variables.' },
        user: text,
      },
      required: ['command'],
      additionalProperties: false,
    },
    read({ command, env, timeout_ms, working_directory, user }) {
      if (!isTexts(command)) return undefined;
      const more = given({ timeout_ms, user, working_directory });
      return { action: { ...more, type: 'exec' as const, command, env: textsBy(env) } };
    },
    write({ action }) {
      const { type: _, env, ...rest } = objectOf(action);
      return { ...given(rest), ...(isJsonObject(env) && Object.keys(env).length > 0 ? { env } : {}) };
    },
    zero: { action: { type: 'exec', command: [], env: {} } },
    events: () => [],
    output: ({ output }) => String(output),
  },
  shell: {
    description:
      "Runs shell commands on the user's machine, at the same time, and returns what each writes. Chain commands that depend on one another with &&.",
    parameters: {
      type: 'object',
      properties: {
        commands: { ...texts, description: 'The commands, each as it would be typed.' },
        timeout_ms: milliseconds,
        max_output_length: { type: 'integer', description: 'How many characters of output to return at most.' },
      },
      required: ['commands'],
      additionalProperties: false,
    },
    read({ commands, ...limits }) {
      if (!isTexts(commands)) return undefined;
      const [timeout_ms, max_output_length] = [numberOf(limits['timeout_ms']), numberOf(limits['max_output_length'])];
      return { environment: hereEnvironment, action: { commands, timeout_ms, max_output_length } };
    },
    write: ({ action }) => given(objectOf(action)),
    zero: { environment: hereEnvironment, action: { commands: [], timeout_ms: null, max_output_length: null } },
    events({ action }) {
      const { commands } = objectOf(action);
      return (isTexts(commands) ? commands : []).flatMap((command, command_index): ItemEvent[] => [
        ['shell_call_command.added', { command_index, command: '' }],
        ['shell_call_command.delta', { command_index, delta: command }],
        ['shell_call_command.done', { command_index, command }],
      ]);
    },
    output: ({ output }) => JSON.stringify(output),
  },
  apply_patch: {
    description:
      'Creates, updates or deletes one file. The diff is in the V4A format, without a file header: for create_file each line of the file with a + before it; for update_file hunks that begin with @@, whose lines begin with a space, + or -.',
    parameters: {
      type: 'object',
      properties: {
        type: { type: 'string', enum: ['create_file', 'update_file', 'delete_file'] },
        path: { type: 'string', description: 'Relative to the workspace.' },
        diff: { type: 'string', description: 'Of created and updated files.' },
      },
      required: ['type', 'path'],
      additionalProperties: false,
    },
    read({ type, path, diff }) {
      if (typeof path !== 'string') return undefined;
      if (type === 'delete_file') return { operation: { type: 'delete_file' as const, path } };
      const writes = type === 'create_file' || type === 'update_file';
      return writes && typeof diff === 'string' ? { operation: { type: written[type], diff, path } } : undefined;
    },
    write: ({ operation }) => operation,
    zero: {},
    events({ operation }) {
      const { diff } = objectOf(operation);
      if (typeof diff !== 'string') return [];
      const done: ItemEvent = ['apply_patch_call_operation_diff.done', { diff }];
      return diff === '' ? [done] : [['apply_patch_call_operation_diff.delta', { delta: diff }], done];
    },
    output: ({ status, output }) => JSON.stringify(given({ status, output })),
  },
  tool_search: {
    description: 'Searches for tools that are not offered yet.',
    parameters: { type: 'object', properties: { query: text }, required: ['query'] },
    read: (args) => ({ execution: 'client' as const, arguments: args }),
    write: (item) => item['arguments'],
    zero: { execution: 'client', arguments: {} },
    events: () => [],
    output({ tools }) {
      const found = Array.isArray(tools) ? tools.filter(isJsonObject) : [];
      return JSON.stringify({ tools_now_offered: found.map(({ name, type }) => name ?? type) });
    },
  },
} satisfies Record<ClientToolType, ClientTool>;

type Tools = typeof clientTools;

/** What the item of a call says of its own. */
export type ClientCallFields = { [Type in ClientToolType]: NonNullable<ReturnType<Tools[Type]['read']>> };

/** The tool as a function; undefined: it is not the client that runs it. */
export function asFunction(tool: NativeTool): { type: ClientToolType; tool: FunctionTool } | undefined {
  const type = clientToolTypes.find((known) => known === tool.type);
  if (type === undefined || (type === 'shell' && !isLocal(tool['environment']))) return undefined;
  if (type === 'tool_search' && tool['execution'] !== 'client') return undefined;
  const { description, parameters } = clientTools[type];
  const said: JsonObject = type === 'tool_search' ? { ...tool } : {};
  return {
    type,
    tool: {
      type: 'function',
      name: type,
      description: typeof said['description'] === 'string' ? said['description'] : description,
      parameters: isJsonObject(said['parameters']) ? said['parameters'] : parameters,
      strict: null,
    },
  };
}

function isLocal(environment: unknown): boolean {
  return !isJsonObject(environment) || environment['type'] === 'local';
}

/**
 * Tells of a call that the model made of one of these functions, once it is whole. A call whose arguments do not say what is
 * to be done is nobody's to run, and is not lost: it comes as the function call that it is, for the client to answer.
 */
export function emitNativeCall(type: ClientToolType, call: WholeCall, index: number, emit: Emit): void {
  emitShapedCall({ ...clientTools[type], type: `${type}_call`, name: type }, call, index, emit);
}

export interface WholeCall {
  callId: string;
  text: string;
  complete: boolean;
  source: string;
}

export function emitShapedCall(
  { type, name, read, zero, events }: CallShape,
  { callId, text: argumentsText, complete, source }: WholeCall,
  index: number,
  emit: Emit,
): void {
  const args = complete ? parseJsonObject(argumentsText === '' ? '{}' : argumentsText) : undefined;
  const fields = args === undefined ? undefined : read(args);
  if (fields === undefined) {
    emit({ type: 'item-start', index, start: { kind: 'function_call', callId, name } });
    if (argumentsText !== '') emit({ type: 'item-delta', index, part: 0, delta: argumentsText });
    emit({ type: 'item-end', index, complete, source });
    if (!complete) return;
    const message = `The model called ${name} with arguments that it does not take; they are passed on as a function call.`;
    emit({ type: 'warning', warning: { param: 'output', message } });
    return;
  }
  const item: NativeItem = { id: '', type, status: 'in_progress', call_id: callId };
  // Of a patch, all but the diff is known from the start.
  const begun = type === 'apply_patch_call' ? { operation: withoutDiff(objectOf(fields['operation'])) } : zero;
  emit({ type: 'item-start', index, start: { kind: 'native', item: { ...item, ...begun } } });
  for (const event of events(fields)) tell(emit, index, ...event);
  emit({ type: 'item-end', index, complete, source, native: { ...item, status: 'completed', ...fields } });
}

function withoutDiff(operation: JsonObject): JsonObject {
  return 'diff' in operation ? { ...operation, diff: '' } : operation;
}

/** The context with these calls and their outputs as the functions' that they are to the upstream, each in its place. */
export function withFunctionCalls(context: ContextItem[], nameOf: (type: ClientToolType) => string): ContextItem[] {
  if (!context.some(({ item }) => isNative(item))) return context;
  return context.map((entry) => {
    const item = functionItem(entry.item, nameOf);
    return item === undefined ? entry : { ...entry, item };
  });
}

function functionItem(
  item: Item,
  nameOf: (type: ClientToolType) => string,
): FunctionCallItem | FunctionCallOutputItem | undefined {
  if (!isNative(item)) return undefined;
  for (const type of clientToolTypes) {
    if (item.type !== `${type}_call` && item.type !== `${type}_call_output` && item.type !== `${type}_output`) continue;
    const { id, call_id: callId, status } = item;
    if (typeof callId !== 'string' || (type === 'tool_search' && item['execution'] !== 'client')) return undefined;
    if (item.type !== `${type}_call`) {
      return { type: 'function_call_output', id, call_id: callId, output: clientTools[type].output(item) };
    }
    const written = clientTools[type].write(item);
    const argumentsText = typeof written === 'string' ? written : JSON.stringify(written ?? {});
    return {
      type: 'function_call',
      id,
      call_id: callId,
      name: nameOf(type),
      arguments: argumentsText,
      status: status === 'incomplete' ? status : 'completed',
    };
  }
  return undefined;
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string');
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function textsBy(value: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(objectOf(value)).map(([name, each]) => [name, String(each)]));
}

function objectOf(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {};
}

/** Null says nothing. */
function given(fields: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
}
