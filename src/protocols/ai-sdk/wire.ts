import type { JsonObject } from '../../core/json-object.ts';

/**
 * What a language model of the AI SDK is called with, and what it says, as JSON: addresses are texts, and files base64.
 * The types are ours, since the packages are not there to be built with; `@ai-sdk/provider` is what they must agree with.
 * @see https://github.com/vercel/ai/tree/main/packages/provider/src/language-model/v4
 */
export type FileData = { type: 'data'; data: string } | { type: 'url'; url: string };

/** What the provider's package said of the part when it was the model's, for the package's own eyes. */
interface WithOptions {
  providerOptions?: JsonObject;
}

export type TextPart = { type: 'text'; text: string } & WithOptions;
export type FilePart = { type: 'file'; mediaType: string; filename?: string; data: FileData };
export type ReasoningPart = { type: 'reasoning'; text: string } & WithOptions;
/** `input` is JSON. */
export type ToolCallPart = { type: 'tool-call'; toolCallId: string; toolName: string; input: string } & WithOptions;
export interface ToolResultPart {
  type: 'tool-result';
  toolCallId: string;
  toolName: string;
  output: { type: 'text'; value: string } | { type: 'content'; value: (TextPart | FilePart)[] };
}

export type PromptMessage =
  | { role: 'system'; content: string }
  | { role: 'user'; content: (TextPart | FilePart)[] }
  | { role: 'assistant'; content: (TextPart | ReasoningPart | ToolCallPart)[] }
  | { role: 'tool'; content: ToolResultPart[] };

/** A call's input that is no JSON object comes wrapped in one, under this name. */
export const wrappedArgumentsField = 'arguments';

export const maxToolNameLength = 64;
/** What the vendors behind the packages take for a tool's name, all of them. */
export const toolName = /^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$/;
export const maxCallIdLength = 64;

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
