/**
 * The names of Gemini's `generateContent` that both directions use. Replies are read as JSON of unknown shape, field by
 * field; requests are written as text.
 * @see https://ai.google.dev/api/generate-content
 * @see https://ai.google.dev/api/caching#Content
 */

/** The longest name of a function that Google takes everywhere. */
export const maxToolNameLength = 64;

/** @see https://ai.google.dev/api/caching#FunctionDeclaration */
export const toolName = /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/;

/** More of them are refused. */
export const maxStopSequences = 5;

/** Where a call's arguments are not a JSON object, which is all that this wire takes, their text goes into this field. */
export const wrappedArgumentsField = 'arguments';

/**
 * Stands in for the signature of a call that another model made: models of the third generation refuse a call without one.
 * @see https://ai.google.dev/gemini-api/docs/thought-signatures#faqs
 */
export const foreignSignature = 'skip_thought_signature_validator';

export function stringOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function textsOf(values: unknown): string[] {
  return Array.isArray(values) ? values.filter((value) => typeof value === 'string') : [];
}
