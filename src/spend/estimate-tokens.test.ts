import { expect, test } from 'vitest';
import { estimateTokens } from './estimate-tokens.ts';

test.each([
  ['', 0],
  ['a', 1],
  ['abcd', 1],
  ['abcde', 2],
  ['éé', 1],
  ['😀a', 2],
  [0, 0],
  [5, 2],
])('%j is %d tokens', (text, tokens) => {
  expect(estimateTokens(text)).toBe(tokens);
});
