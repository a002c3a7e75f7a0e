/**
 * The names of Anthropic's Messages API that both directions use. Replies are read as JSON of unknown shape, field by
 * field; requests are written as text.
 * @see https://platform.claude.com/docs/en/api/messages
 */

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

/** Anthropic's limit on the length of a tool's name. */
export const maxToolNameLength = 128;

export const toolName = /^[a-zA-Z0-9_-]{1,128}$/;

/** Where a call's arguments are not a JSON object, which is all that this wire takes, their text goes into this field. */
export const wrappedArgumentsField = 'arguments';

export function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export const imageTypes: ReadonlySet<string> = new Set(['image/jpeg', 'image/png', 'image/gif', 'image/webp']);

/** Where the words of a delta are. */
export const wordPaths = [
  ['delta', 'text'],
  ['delta', 'thinking'],
  ['delta', 'partial_json'],
] as const;
