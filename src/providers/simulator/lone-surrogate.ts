/** Where in a JSON text half of a surrogate pair stands alone, written as itself or as an escape; undefined: nowhere. */
export function loneSurrogateAt(json: string): number | undefined {
  if (json.isWellFormed() && !/\\u[dD][89a-fA-F]/.test(json)) return undefined;
  let high: { at: number; text: string } | undefined;
  // An escaped backslash is a match of its own, so that `\\ud800` is read as a backslash and five letters.
  for (const match of json.matchAll(/\\u([0-9a-fA-F]{4})|\\.|[\ud800-\udfff]/g)) {
    const [text, hex] = match;
    const code = hex === undefined ? text.charCodeAt(0) : Number.parseInt(hex, 16);
    if (code >= 0xdc00 && code <= 0xdfff) {
      // Halves of different spelling are no pair once the body is UTF-8.
      const pairs =
        high !== undefined && high.at + high.text.length === match.index && high.text.length === text.length;
      if (!pairs) return high?.at ?? match.index;
      high = undefined;
    } else {
      if (high !== undefined) return high.at;
      if (code >= 0xd800 && code <= 0xdbff) high = { at: match.index, text };
    }
  }
  return high?.at;
}
