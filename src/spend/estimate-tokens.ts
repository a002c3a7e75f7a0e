/**
 * Tokens in a text, before anybody has counted them: a token for every four bytes of UTF-8, rounded up, which is what
 * vendors give as their rule of thumb. A row with such a figure says that it is estimated.
 * @param text the text, or its length in bytes.
 */
export function estimateTokens(text: string | number): number {
  return Math.ceil((typeof text === 'number' ? text : Buffer.byteLength(text)) / 4);
}
