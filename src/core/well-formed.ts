const high = String.raw`\\u[dD][89abAB][0-9a-fA-F]{2}|[\ud800-\udbff]`;
const low = String.raw`\\u[dD][c-fC-F][0-9a-fA-F]{2}|[\udc00-\udfff]`;

/** A pair, a lone half, or any other escape: the last is matched only to step over it, so that `\\ud800` is left alone. */
const surrogates = new RegExp(String.raw`(${high})(${low})|(${high}|${low})|\\[\s\S]`, 'g');

const unitOf = (half: string) => (half.length === 1 ? half.charCodeAt(0) : Number.parseInt(half.slice(2), 16));

/**
 * JSON that any upstream can decode: each lone surrogate, raw or written as an escape, becomes U+FFFD. Such text occurs
 * in tool output and in text that was cut in the middle of a character; UTF-8 cannot carry it, and strict parsers refuse
 * even its escape.
 * @param jsonText valid JSON.
 */
export function replaceLoneSurrogates(jsonText: string): { text: string; replaced: boolean } {
  if (!/\\u[dD]/.test(jsonText) && jsonText.isWellFormed()) return { text: jsonText, replaced: false };
  let replaced = false;
  const text = jsonText.replace(surrogates, (match: string, first?: string, second?: string, lone?: string) => {
    if (lone !== undefined) {
      replaced = true;
      return String.raw`\ufffd`;
    }
    // One half raw and the other escaped is a pair to a parser, but not to an encoder of UTF-8.
    if (first === undefined || second === undefined || first.length === second.length) return match;
    return String.fromCharCode(unitOf(first), unitOf(second));
  });
  return { text, replaced };
}
