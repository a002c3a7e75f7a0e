/**
 * The names of Anthropic's Messages API that both directions use. Replies are read as JSON of unknown shape, field by
 * field; requests are written as text.
 * @see https://platform.claude.com/docs/en/api/messages
 */

export type JsonObject = { readonly [key: string]: unknown };

export type StopReason =
  | 'end_turn'
  | 'max_tokens'
  | 'stop_sequence'
  | 'tool_use'
  | 'pause_turn'
  | 'compaction'
  | 'refusal'
  | 'model_context_window_exceeded';

/** Anthropic's limit on the length of a `tool_use.id` that it is sent. */
export const maxCallIdLength = 64;

/** The one field that a custom tool's call holds on this wire, which knows no tools whose input is free text. */
export const customInputField = 'input';

/** Where a call's arguments are not a JSON object, which is all that this wire takes, their text goes into this field. */
export const wrappedArgumentsField = 'arguments';

export function isJsonObjectValue(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Undefined: not JSON, or JSON of another kind than an object. */
export function parseJsonObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObjectValue(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
