import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unwrapCustomInput, wrapCustomInput } from './custom-input.ts';

test('any text comes back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (input) => {
      expect(unwrapCustomInput(wrapCustomInput(input))).toBe(input);
    }),
  );
});

test.each(['{"input":1}', '{"input":"a","more":1}', '{"text":"a"}', '{}', '["a"]', '"a"', '{"input":', ''])(
  '%s is not the wrapper',
  (text) => {
    expect(unwrapCustomInput(text)).toBeUndefined();
  },
);
