import type { JsonObject } from './json-object.ts';
import type { RemovalReason } from './warning.ts';

/**
 * Items: the elements of a context. They are spelled exactly as the Responses API spells them (snake_case), so that
 * what is stored is what a client reads back, byte for byte, and every other protocol is a codec away.
 * @see https://platform.openai.com/docs/api-reference/responses/object
 */

export type Role = 'user' | 'assistant' | 'system' | 'developer';
export type ItemStatus = 'in_progress' | 'completed' | 'incomplete';

/** A mark of the client's: the prompt up to here is to be cached by the upstream. */
interface CacheMark {
  prompt_cache_breakpoint?: unknown;
}

/**
 * What a block of the Messages API says beside what the neutral model has a word for. It travels with the item, to upstreams
 * of that protocol only (`withoutMessagesWords`).
 */
export interface MessagesWords {
  /** The client's own cache breakpoint. Another turn's may stand elsewhere: it is no part of what was said. */
  cache_control?: unknown;
  /** Fields of the block, put over those that the item makes. With a `type` among them, it is the whole block. */
  messages?: JsonObject;
}

export interface InputText extends CacheMark, MessagesWords {
  type: 'input_text';
  text: string;
}

export interface InputImage extends CacheMark, MessagesWords {
  type: 'input_image';
  /** An http(s) URL or a data URL. */
  image_url?: string | null;
  file_id?: string | null;
  detail?: string | null;
}

export interface InputFile extends CacheMark, MessagesWords {
  type: 'input_file';
  /** A data URL, or bare base64. */
  file_data?: string | null;
  file_url?: string | null;
  file_id?: string | null;
  filename?: string | null;
}

/** Where a text has something from, in the words that the gateway says it in; what upstreams say in the API's own passes as it is. */
export interface UrlCitation {
  type: 'url_citation';
  start_index: number;
  end_index: number;
  title: string;
  url: string;
}

export interface FileCitation {
  type: 'file_citation';
  file_id: string;
  filename: string;
  index: number;
}

export interface OutputText extends MessagesWords {
  type: 'output_text';
  text: string;
  annotations: unknown[];
  logprobs?: unknown[];
}

export interface Refusal {
  type: 'refusal';
  refusal: string;
}

export type InputPart = InputText | InputImage | InputFile;
export type OutputPart = OutputText | Refusal;

export interface MessageItem extends MessagesWords {
  type: 'message';
  id: string;
  status?: ItemStatus;
  role: Role;
  content: (InputPart | OutputPart)[];
  phase?: string | null;
}

export interface ReasoningItem extends MessagesWords {
  type: 'reasoning';
  id: string;
  summary: { type: 'summary_text'; text: string }[];
  content?: { type: 'reasoning_text'; text: string }[];
  encrypted_content?: string | null;
  status?: ItemStatus | null;
}

/** What a call says beside its name and its arguments. */
export interface CallFields extends MessagesWords {
  /** The namespace that the tool was declared in. */
  namespace?: string | null;
  /** The model does not wait for the output. */
  async?: boolean | null;
  /** Who called: the model (absent, or `direct`), or a program that it wrote. */
  caller?: unknown;
}

export interface FunctionCallItem extends CallFields {
  type: 'function_call';
  id: string;
  call_id: string;
  name: string;
  /** JSON as the model wrote it: text from first byte to last, never parsed and printed again. */
  arguments: string;
  status?: ItemStatus;
}

export interface CustomToolCallItem extends CallFields {
  type: 'custom_tool_call';
  id: string;
  call_id: string;
  name: string;
  input: string;
  status?: ItemStatus;
}

export interface FunctionCallOutputItem extends MessagesWords {
  type: 'function_call_output';
  id: string;
  call_id: string;
  output: string | InputPart[];
  status?: ItemStatus | null;
}

export interface CustomToolCallOutputItem extends MessagesWords {
  type: 'custom_tool_call_output';
  id: string;
  call_id: string;
  output: string | InputPart[];
  status?: ItemStatus | null;
}

/** A block of an upstream that the model above has no word for; `block` is its JSON. It travels, and is never dropped. */
export interface ExtensionItem {
  /** `<protocol>:<the block's own type>`, as the Open Responses specification prefixes extensions. */
  type: `${string}:${string}`;
  id: string;
  status?: ItemStatus;
  /** Who said it; absent: the assistant. */
  role?: 'user' | 'system';
  block: unknown;
}

/**
 * The other item types of the Responses API: what tools of an upstream's own did, and what OpenAI's models alone write.
 * @see https://platform.openai.com/docs/api-reference/responses/object
 */
export const nativeItemTypes = [
  'file_search_call',
  'computer_call',
  'computer_call_output',
  'web_search_call',
  'tool_search_call',
  'tool_search_output',
  'additional_tools',
  'configuration_update',
  'compaction',
  'image_generation_call',
  'code_interpreter_call',
  'local_shell_call',
  'local_shell_call_output',
  'shell_call',
  'shell_call_output',
  'apply_patch_call',
  'apply_patch_call_output',
  'mcp_list_tools',
  'mcp_approval_request',
  'mcp_approval_response',
  'mcp_call',
  'program',
  'program_output',
] as const;
export type NativeItemType = (typeof nativeItemTypes)[number];

/** An item that the gateway carries as it is: every field but these three is the API's own, known to us or not. */
export interface NativeItem {
  type: NativeItemType;
  id: string;
  status?: string | null;
  [field: string]: unknown;
}

export type ToolCallItem = FunctionCallItem | CustomToolCallItem;
export type ToolOutputItem = FunctionCallOutputItem | CustomToolCallOutputItem;
export type Item = MessageItem | ReasoningItem | ToolCallItem | ToolOutputItem | ExtensionItem | NativeItem;

/** In the input of a request only: points at an item of the chain, or at any stored item of the same tenant. */
export interface ItemReference {
  type: 'item_reference';
  id: string;
}

/** Where an output item came from, so that it can go back there value for value. */
export interface Origin {
  protocol: Protocol;
  /** Scope of the item's signatures: the model that the upstream reported, without date or cloud prefix. */
  model: string;
  /**
   * Raw JSON of the wire elements that the item was decoded from, comma-joined where there are several. Empty: the item
   * says it all.
   */
  source: string;
  /** The upstream's own tool call id, when the client was given another (empty, too long, or already used in the context). */
  upstreamCallId?: string;
}

/** `embeddings`: no model's answer, but a turn in every other respect. */
export type Protocol = 'responses' | 'chat' | 'messages' | 'gemini' | 'ai-sdk' | 'embeddings';

/** The protocols that clients speak. */
export type ClientProtocol = Exclude<Protocol, 'gemini' | 'ai-sdk'>;

/** An item in its place in a conversation. */
export interface ContextItem {
  item: Item;
  origin: Origin | undefined;
  /** Reasoning that no upstream may see, and why; undefined: where it may go is for the target's codec to say. */
  withheld?: RemovalReason;
  /** Of a compaction: the messages of users and instructions before it are not in it. */
  keepsMessages?: boolean;
}

export function isToolCall(item: Item): item is ToolCallItem {
  return item.type === 'function_call' || item.type === 'custom_tool_call';
}

/** What has fields of its own here, or points at something that has. */
export const ownItemTypes = [
  'message',
  'reasoning',
  'function_call',
  'function_call_output',
  'custom_tool_call',
  'custom_tool_call_output',
  'item_reference',
] as const;
const ownTypes: ReadonlySet<string> = new Set([...ownItemTypes, 'compaction_trigger']);

/** A type that OpenAI has added since is carried as it is, too: for the compiler it is one of those that are known. */
export function isNativeType(type: string): type is NativeItemType {
  return !ownTypes.has(type) && /^[a-z][a-z0-9_]{0,63}$/.test(type);
}

/** What a table says of the types that are known; undefined: this one is not. */
export function ofNative<T>(table: Record<NativeItemType, T>, type: NativeItemType): T | undefined {
  return Object.hasOwn(table, type) ? table[type] : undefined;
}

export function isNative(item: Item): item is NativeItem {
  return isNativeType(item.type);
}

export function isToolOutput(item: Item): item is ToolOutputItem {
  return item.type === 'function_call_output' || item.type === 'custom_tool_call_output';
}

/** What a message or a tool's output is made of; none of what is a text, or another kind of item. */
export function partsOf(item: Item | ItemReference): readonly (InputPart | OutputPart)[] {
  if (item.type === 'message' && 'content' in item && Array.isArray(item.content)) return item.content;
  if (item.type === 'item_reference' || !isToolOutput(item)) return [];
  return typeof item.output === 'string' ? [] : item.output;
}
