import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPace } from './pace.ts';
import { printAhead, printed, printedAt, printedToo } from './printed.ts';

const unit = fc.constantFrom('a', '"', '\\', '\n', 'é', '漢', '😀', '\ud83d', '\ude00', '\u0000');
const long = fc
  .tuple(fc.string({ unit, minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 40_000 }))
  .map(([text, times]) => text.repeat(times));
const text = fc.oneof(fc.string({ unit, maxLength: 20 }), long);
const value = fc.letrec((tie) => ({
  any: fc.oneof({ depthSize: 'small' }, text, fc.constantFrom(null, true, 1.5, undefined), tie('list'), tie('object')),
  list: fc.array(
    tie('any').map((each) => each ?? null),
    { maxLength: 3 },
  ),
  object: fc.dictionary(fc.constantFrom('text', 'output', '__proto__', '1', 'content'), tie('any'), { maxKeys: 4 }),
}));

test('what is printed ahead is what JSON.stringify gives, whole and at its place', async () => {
  await fc.assert(
    fc.asyncProperty(value.object, async (given) => {
      await printAhead(given, createPace());
      expect(printed(given)).toBe(JSON.stringify(given));
      const copy = { ...given };
      printedToo(given, copy);
      expect(printed(copy)).toBe(JSON.stringify(copy));
      for (const [key, field] of Object.entries(given)) {
        if (typeof field === 'string') expect(printedAt(given, key, field)).toBe(JSON.stringify(field));
      }
    }),
    { numRuns: 60 },
  );
});
