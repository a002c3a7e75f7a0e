import type { Report } from './report.ts';

const replacement = '\\ufffd';

/**
 * Escapes of a surrogate pair, of half a pair, or of anything else: read from the left, so that the backslash of an
 * escaped backslash is never taken for the start of an escape.
 */
const escapes = /\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\[^]/g;

const halfLength = '\\ud83d'.length;

/**
 * JSON text without lone surrogates, written as they are or escaped: Anthropic answers 400 to them. Pairs stay.
 * Linear, and without a copy where the text holds no surrogate escape at all.
 */
export function replaceLoneSurrogates(body: string, report: Report): string {
  let text = body.toWellFormed();
  let replaced = text !== body;
  if (text.includes('\\ud') || text.includes('\\uD')) {
    text = text.replace(escapes, (match) => {
      if (match.length !== halfLength) return match;
      replaced = true;
      return replacement;
    });
  }
  if (replaced)
    report.warn('input', 'Text that is not well-formed Unicode was sent with U+FFFD in place of lone surrogates.');
  return text;
}
