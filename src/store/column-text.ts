/**
 * JSON text that an engine gives back as it was: a raw lone surrogate or NUL inside a string becomes its `\u` escape, which
 * every parser reads as the same value. SQLite would replace the first, and Postgres refuse both.
 */
export function exactJson(json: string): string {
  if (json.isWellFormed() && !json.includes('\0')) return json;
  return json.replace(/\p{Surrogate}|\0/gu, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Plain text as an engine can hold it: what has no place in a text column becomes U+FFFD. */
export function columnText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}

export function columnTextOrNull(text: string | undefined): string | null {
  return text === undefined ? null : columnText(text);
}
