import type { JsonObject } from './json-object.ts';
import { type FunctionTool, isNativeTool, type NativeTool, type Tool, type TurnRequest } from './request.ts';

/**
 * Tools that Anthropic's models were taught and that the client runs. Elsewhere they are functions of the same name, whose
 * calls the client reads as it reads Anthropic's: a name and an input.
 */

interface MessagesTool {
  /** The beginning of its dated types. */
  prefix: string;
  name: string;
  description: string;
  parameters: (tool: NativeTool) => JsonObject;
}

const text = { type: 'string' };
const path = { ...text, description: 'Absolute path of the file or directory.' };
const viewRange = {
  type: 'array',
  items: { type: 'integer' },
  description: 'Of view: the first and the last line, from 1; -1 for the last is the end of the file.',
};

const closed = (properties: JsonObject, required: readonly string[]): JsonObject => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

/** What files are changed by, in editor and memory alike. */
const changes = {
  file_text: { ...text, description: 'Of create: what the file is to hold.' },
  old_str: { ...text, description: 'Of str_replace: the text to replace, which must be there exactly once.' },
  insert_line: { type: 'integer', description: 'Of insert: the line to insert after; 0 is the beginning of the file.' },
};

/** The versions whose models can undo; they put the text to insert where the new text of a replacement is. */
const undoing: ReadonlySet<unknown> = new Set(['messages:text_editor_20241022', 'messages:text_editor_20250124']);

/**
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/bash-tool
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/text-editor-tool
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/memory-tool
 */
const messagesTools: readonly MessagesTool[] = [
  {
    prefix: 'bash_',
    name: 'bash',
    description:
      'Runs a command in a bash session on the machine of the user, which lasts from call to call, and returns what it writes. Give either a command or restart.',
    parameters: () =>
      closed({ command: text, restart: { type: 'boolean', description: 'True: the session begins anew.' } }, []),
  },
  {
    prefix: 'text_editor_',
    name: 'str_replace_based_edit_tool',
    description:
      'Views and edits text files on the machine of the user: view shows a file with line numbers, or a directory; create writes a file; str_replace replaces one passage; insert adds lines.',
    parameters({ type }) {
      const undoes = undoing.has(type);
      const commands = ['view', 'create', 'str_replace', 'insert', ...(undoes ? ['undo_edit'] : [])];
      const newText = undoes ? 'Of str_replace: the text in its place. Of insert: the text to insert.' : undefined;
      return closed(
        {
          command: { ...text, enum: commands },
          path,
          view_range: viewRange,
          ...changes,
          new_str: { ...text, description: newText ?? 'Of str_replace: the text in its place.' },
          ...(undoes ? {} : { insert_text: { ...text, description: 'Of insert: the text to insert.' } }),
        },
        ['command', 'path'],
      );
    },
  },
  {
    prefix: 'memory_',
    name: 'memory',
    description:
      'Keeps notes in files under /memories that last beyond this conversation. Look there with view before you begin, and write down what you must not forget: the context may be cut at any time.',
    parameters: () =>
      closed(
        {
          command: { ...text, enum: ['view', 'create', 'str_replace', 'insert', 'delete', 'rename'] },
          path: { ...text, description: 'Of all commands but rename: the path, which begins with /memories.' },
          view_range: viewRange,
          ...changes,
          new_str: { ...text, description: 'Of str_replace: the text in its place.' },
          insert_text: { ...text, description: 'Of insert: the text to insert.' },
          old_path: { ...text, description: 'Of rename.' },
          new_path: { ...text, description: 'Of rename.' },
        },
        ['command'],
      ),
  },
];

/** Fields of such a tool that its function says too. */
export const saidByMessagesTool: ReadonlySet<string> = new Set([
  'type',
  'name',
  'cache_control',
  'defer_loading',
  'allowed_callers',
  'max_characters',
]);

/** @param type Anthropic's, dated. */
export function isMessagesTool(type: string): boolean {
  return messagesTools.some(({ prefix }) => type.startsWith(prefix) && /^\d+$/.test(type.slice(prefix.length)));
}

function asFunction(tool: NativeTool): FunctionTool | undefined {
  const known = messagesTools.find(({ prefix }) => tool.type.startsWith(`messages:${prefix}`));
  if (known === undefined || !isMessagesTool(tool.type.slice('messages:'.length))) return undefined;
  const { name, defer_loading: isDeferred, allowed_callers: callers, max_characters: most } = tool;
  const cut = typeof most === 'number' ? ` What is viewed is cut after ${most} characters.` : '';
  return {
    type: 'function',
    name: typeof name === 'string' ? name : known.name,
    description: known.description + cut,
    parameters: known.parameters(tool),
    strict: false,
    ...(isDeferred === true ? { defer_loading: true } : {}),
    ...(Array.isArray(callers) ? { allowed_callers: callers } : {}),
  };
}

export function withFunctions(tools: Tool[]): Tool[] {
  return tools.some(({ type }) => type.startsWith('messages:'))
    ? tools.map((tool) => (isNativeTool(tool) ? (asFunction(tool) ?? tool) : tool))
    : tools;
}

/** The request for an upstream of another protocol than Anthropic's. */
export function withoutMessagesTools(request: TurnRequest): TurnRequest {
  const tools = withFunctions(request.tools);
  if (tools === request.tools) return request;
  const { toolChoice } = request;
  const chosen =
    typeof toolChoice === 'object' ? tools[request.tools.findIndex(({ type }) => type === toolChoice.type)] : undefined;
  const isFunction = chosen?.type === 'function' && typeof toolChoice === 'object' && toolChoice.type !== 'function';
  return { ...request, tools, toolChoice: isFunction ? { type: 'function', name: chosen.name } : toolChoice };
}
