/**
 * What goes over the wire of Chat Completions: requests as types, since we write them; replies as plain records, since a
 * dozen vendors write those and none can be trusted to.
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */

/** Where the words of a chunk are, and OpenAI's padding, which is another in each. */
export const wordPaths = [
  ['choices', 0, 'delta', 'content'],
  ['choices', 0, 'delta', 'reasoning_content'],
  ['choices', 0, 'delta', 'reasoning'],
  ['obfuscation'],
] as const;

/** Where a message holds what only we say of an answer, as clients send it back. */
export const isOwnField = /^messages\[\d+\]\.output_(?:items|annotations)$/;

export type ChatPart =
  | { type: 'text'; text: string }
  | { type: 'image_url'; image_url: { url: string; detail?: string } }
  | { type: 'input_audio'; input_audio: { data: string; format: 'wav' | 'mp3' } }
  | { type: 'file'; file: { filename: string; file_data: string } };

export type ChatToolCall =
  | { id: string; type: 'function'; function: { name: string; arguments: string } }
  | { id: string; type: 'custom'; custom: { name: string; input: string } };

/** What Mistral's models think and say. @see https://docs.mistral.ai/capabilities/reasoning */
export type ChatThinkingPart =
  | { type: 'thinking'; thinking: { type: 'text'; text: string }[] }
  | { type: 'text'; text: string };

export interface ChatAssistantMessage {
  role: 'assistant';
  name?: string;
  /** Null only beside tool calls. */
  content: string | null | ChatThinkingPart[];
  reasoning_content?: string;
  reasoning?: string;
  reasoning_details?: unknown[];
  tool_calls?: ChatToolCall[];
}

export interface ChatToolMessage {
  role: 'tool';
  tool_call_id: string;
  content: string;
}

export type ChatMessage =
  | { role: 'system'; content: string }
  | { role: 'user'; content: string | ChatPart[]; name?: string }
  | ChatAssistantMessage
  | ChatToolMessage;

export type ChatTool =
  | {
      type: 'function';
      function: { name: string; description?: string; parameters: Record<string, unknown>; strict?: boolean };
    }
  | { type: 'custom'; custom: { name: string; description?: string; format?: ChatCustomFormat } };

type ChatCustomFormat = { type: 'text' } | { type: 'grammar'; grammar: { syntax: string; definition: string } };

export type ChatToolChoice =
  | 'none'
  | 'required'
  | { type: 'function'; function: { name: string } }
  | { type: 'custom'; custom: { name: string } };

/** A string with something in it; else undefined. Vendors write null, '' and nothing at all for the same. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The longest tool call id that OpenAI takes. */
export const maxCallIdLength = 40;

export const maxToolNameLength = 64;

/** Names of functions and of custom tools. */
export const toolName = /^[a-zA-Z0-9_-]{1,64}$/;

/** What the protocol says of a tool call; any other field is the vendor's own. */
export const callFields: ReadonlySet<string> = new Set(['index', 'id', 'type', 'function', 'custom']);
