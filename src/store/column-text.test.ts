import fc from 'fast-check';
import { expect, test } from 'vitest';
import { columnText, exactJson } from './column-text.ts';

const anyText = fc
  .string({ unit: 'binary' })
  .chain((text) =>
    fc.constantFrom('', '\0', '\ud800', '\udfff', '\ud83d\ude00', '\\ud800', '\\').map((odd) => text + odd + text),
  );

test('exactJson is well-formed text of the same value', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      // JSON with its surrogates raw, as a source slice may hold them.
      const raw = `{"text":"${text.replaceAll(/["\\\p{Cc}]/gu, (unit) => JSON.stringify(unit).slice(1, -1))}"}`;
      const exact = exactJson(raw);
      expect(exact.isWellFormed()).toBe(true);
      expect(JSON.parse(exact)).toEqual({ text });
      if (raw.isWellFormed()) expect(exact).toBe(raw);
    }),
  );
});

test('exactJson escapes a raw NUL', () => {
  expect(exactJson('{"a":"\0"}')).toBe(String.raw`{"a":"\u0000"}`);
});

test.each([
  ['plain é 😀', 'plain é 😀'],
  ['a\0b\ud800', 'a\ufffdb\ufffd'],
])('columnText of %j', (text, expected) => {
  expect(columnText(text)).toBe(expected);
});
