import type { Item, ItemReference } from './items.ts';

/** A function the client runs. `parameters` is a JSON Schema object, or null for none. */
export interface FunctionTool {
  type: 'function';
  name: string;
  description: string | null;
  parameters: Record<string, unknown> | null;
  /** Null: the client did not say. */
  strict: boolean | null;
}

/** A tool whose input is free text. */
export interface CustomTool {
  type: 'custom';
  name: string;
  description: string | null;
  format: { type: 'text' } | { type: 'grammar'; syntax: string; definition: string };
}

export type Tool = FunctionTool | CustomTool;

export interface ToolName {
  type: 'function' | 'custom';
  name: string;
}

export type ToolChoice =
  | 'auto'
  | 'none'
  | 'required'
  | ToolName
  | { type: 'allowed_tools'; mode: 'auto' | 'required'; tools: ToolName[] };

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

export type Effort = 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max';

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
  model: string;
  /** This turn's new input only, in the client's order. */
  input: (Item | ItemReference)[];
  instructions: string | null;
  previousResponseId: string | undefined;
  /** False: no content of this turn is kept anywhere. */
  store: boolean;
  stream: boolean;
  tools: Tool[];
  toolChoice: ToolChoice;
  parallelToolCalls: boolean;
  /** Counts reasoning too. */
  maxOutputTokens: number | undefined;
  maxToolCalls: number | undefined;
  temperature: number | undefined;
  topP: number | undefined;
  topLogprobs: number | undefined;
  textFormat: TextFormat;
  verbosity: 'low' | 'medium' | 'high' | undefined;
  reasoning: Reasoning | undefined;
  include: string[];
  metadata: Record<string, string>;
  truncation: 'auto' | 'disabled';
  user: string | undefined;
  safetyIdentifier: string | undefined;
  promptCacheKey: string | undefined;
  serviceTier: string | undefined;
  /** Fields that the decoder does not know. They travel to an upstream of the same protocol only; elsewhere they are a warning. */
  extra: Record<string, unknown>;
}
