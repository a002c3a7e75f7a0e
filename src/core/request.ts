import type { ClientProtocol, Item, ItemReference } from './items.ts';
import type { JsonObject } from './json-object.ts';

/** What is said of a function or a custom tool beside what it is; spelled, like items, as the Responses API does. */
export interface CallOptions {
  /** The model goes on without the result, which comes in a later request. */
  async?: boolean;
  /** The model learns of the tool by a tool search only. */
  defer_loading?: boolean;
  allowed_callers?: unknown[];
}

/** A function the client runs. `parameters` is a JSON Schema object, or null for none. */
export interface FunctionTool extends CallOptions {
  type: 'function';
  name: string;
  description: string | null;
  parameters: Record<string, unknown> | null;
  /** Null: the client did not say. */
  strict: boolean | null;
  output_schema?: Record<string, unknown>;
}

/** A tool whose input is free text. */
export interface CustomTool extends CallOptions {
  type: 'custom';
  name: string;
  description: string | null;
  format: { type: 'text' } | { type: 'grammar'; syntax: string; definition: string };
}

/** Tools under a common name: their calls say both names. */
export interface NamespaceTool {
  type: 'namespace';
  name: string;
  description: string | null;
  tools: (FunctionTool | CustomTool)[];
}

/** The API's other tools: those that it runs itself, and those whose schema it knows. */
export const nativeToolTypes = [
  'web_search',
  'web_search_2025_08_26',
  'web_search_preview',
  'web_search_preview_2025_03_11',
  'file_search',
  'computer',
  'computer_use',
  'computer_use_preview',
  'code_interpreter',
  'image_generation',
  'mcp',
  'local_shell',
  'shell',
  'apply_patch',
  'tool_search',
  'programmatic_tool_calling',
] as const;
export type NativeToolType = (typeof nativeToolTypes)[number];

/** A tool that Anthropic's models alone know, by Anthropic's word for it. */
export type MessagesToolType = `messages:${string}`;

/** Carried as the client sent it: every field but the type is the API's own, known to us or not. */
export interface NativeTool {
  type: NativeToolType | MessagesToolType;
  [field: string]: unknown;
}

export type Tool = FunctionTool | CustomTool | NamespaceTool | NativeTool;

const nativeTypes: ReadonlySet<string> = new Set(nativeToolTypes);

export function isNativeTool(tool: Tool): tool is NativeTool {
  return nativeTypes.has(tool.type) || tool.type.startsWith('messages:');
}

export interface ToolName {
  type: 'function' | 'custom';
  name: string;
  namespace?: string;
}

/** A native tool as a choice names it: by its type, and an MCP server by its label too. */
export interface NativeToolName {
  type: NativeTool['type'];
  server_label?: string;
  /** Of one tool of an MCP server. */
  name?: string | null;
}

export type ToolChoice =
  | 'auto'
  | 'none'
  | 'required'
  | ToolName
  | NativeToolName
  | { type: 'allowed_tools'; mode: 'auto' | 'required'; tools: (ToolName | NativeToolName)[] };

export type TextFormat =
  | { type: 'text' }
  | { type: 'json_object' }
  | {
      type: 'json_schema';
      name: string;
      description?: string;
      schema: Record<string, unknown>;
      strict: boolean | null;
    };

export const efforts = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const;
export type Effort = (typeof efforts)[number];

export interface Reasoning {
  effort: Effort | null;
  /** Null: the client wants no summary. */
  summary: 'auto' | 'concise' | 'detailed' | null;
}

/**
 * One request of a client, in no vendor's words. Undefined means that the client did not say; what is sent then is the
 * upstream's default. Decoders have checked every value's type and range before they build one.
 */
export interface TurnRequest {
  /** What the client speaks: whose words `extra` is in. */
  protocol: ClientProtocol;
  model: string;
  /** This turn's new input only, in the client's order. */
  input: (Item | ItemReference)[];
  instructions: string | null;
  previousResponseId: string | undefined;
  /** Of the conversation that the turn goes on from and is appended to; never beside `previousResponseId`. */
  conversationId?: string | undefined;
  /** False: no content of this turn is kept anywhere. */
  store: boolean;
  stream: boolean;
  /** False: the context is made ready, and no output is wanted. */
  generate: boolean;
  /** The turn goes on without its client, who is answered when it is queued. */
  background: boolean;
  tools: Tool[];
  toolChoice: ToolChoice;
  parallelToolCalls: boolean;
  /** Counts reasoning too. */
  maxOutputTokens: number | undefined;
  maxToolCalls: number | undefined;
  temperature: number | undefined;
  topP: number | undefined;
  topLogprobs: number | undefined;
  /** Texts at which the model is to stop, never empty ones. Absent: none. */
  stop?: readonly string[] | undefined;
  topK?: number | undefined;
  seed?: number | undefined;
  /** -2 to 2. */
  presencePenalty?: number | undefined;
  frequencyPenalty?: number | undefined;
  textFormat: TextFormat;
  verbosity: 'low' | 'medium' | 'high' | undefined;
  reasoning: Reasoning | undefined;
  include: string[];
  metadata: Record<string, string>;
  truncation: 'auto' | 'disabled';
  /**
   * The answer is to be one compaction item: `item` in a response (a `compaction_trigger`), `window` with the messages that
   * stay before it (`/v1/responses/compact`), `summary` where it must be one that every model can read.
   */
  compaction?: 'item' | 'window' | 'summary';
  /** Above so many tokens the context is compacted before the model answers; undefined: never. */
  compactThreshold?: number;
  user: string | undefined;
  safetyIdentifier: string | undefined;
  promptCacheKey: string | undefined;
  serviceTier: string | undefined;
  /** Fields that the decoder does not know. They travel to an upstream of the same protocol only; elsewhere they are a warning. */
  extra: JsonObject;
  /** Parameters, as the client names them, that nothing but a verbatim lane can carry: elsewhere they are a 400. */
  verbatimOnly?: readonly string[];
  /** So many answers are wanted, each as long as the limit allows. Absent: one. */
  answers?: number | undefined;
  /** Chat only: the client wants to be told the usage in the stream too. */
  usageInStream?: boolean;
  /**
   * Where the client's request has what stands elsewhere in this one, and where that is no rule of its protocol: `input[2]` →
   * `messages[1].tool_calls[0]`. For warnings and errors.
   */
  places?: Readonly<Record<string, string>>;
  /**
   * The request's own fields as the client spelled them, where its protocol has more words than the fields above: what an
   * upstream of the same protocol is sent. What of them means something to no other upstream is in `extra` too.
   */
  wire?: JsonObject;
  /** Instructions and tools are those of the turn that this one goes on from (a thread of the Messages API). */
  inheritsSettings?: boolean;
  /** Headers of the client's that an upstream of the same protocol is sent. */
  headers?: Readonly<Record<string, string>>;
}
