import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loneSurrogateAt } from './lone-surrogate.ts';

const unit = fc.constantFrom('a', '\\', '"', 'u', 'd', '\ud83d', '\ude00', '\u0000', 'é');
const texts = fc.array(unit, { maxLength: 12 }).map((units) => units.join(''));

test('finds one exactly where the string that is meant is not well-formed', () => {
  fc.assert(
    fc.property(texts, (text) => {
      expect(loneSurrogateAt(JSON.stringify({ text })) === undefined).toBe(text.isWellFormed());
    }),
  );
});

test('tells where it stands, however it is spelled', () => {
  expect(loneSurrogateAt('"a\ud800"')).toBe(2);
  expect(loneSurrogateAt(String.raw`"a\uD800b"`)).toBe(2);
  expect(loneSurrogateAt(String.raw`"\\ud800\ude00"`)).toBe(8);
});

test('halves of a pair that are spelled differently are no pair in UTF-8', () => {
  expect(loneSurrogateAt('"\ud83d\\ude00"')).toBe(1);
});
