import fc from 'fast-check';
import { expect, test } from 'vitest';
import { usdText } from './usd-text.ts';

test.each([
  [0, '0'],
  [1, '0.000000001'],
  [247_750, '0.00024775'],
  [1_000_000_000, '1'],
  [12_050_000_000, '12.05'],
  [Number.MAX_SAFE_INTEGER, '9007199.254740991'],
])('%d nano-USD are %s USD', (nanoUsd, text) => {
  expect(usdText(nanoUsd)).toBe(text);
});

test('nothing is lost', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (nanoUsd) => {
      const [whole = '', fraction = ''] = usdText(nanoUsd).split('.');
      expect(BigInt(whole + fraction.padEnd(9, '0'))).toBe(BigInt(nanoUsd));
    }),
  );
});
