import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isVirtualKey, mintVirtualKey } from './virtual-key.ts';

test('a key is 256 random bits with a checksum, in letters that need no quotes', () => {
  const keys = Array.from({ length: 200 }, mintVirtualKey);
  for (const key of keys) {
    expect(key).toMatch(/^tk_[\w-]{49}$/);
    expect(isVirtualKey(key)).toBe(true);
  }
  expect(new Set(keys.map((key) => key.slice(0, 12))).size).toBe(200);
});

test('the format of a key stays the same between releases', () => {
  expect(isVirtualKey(`tk_${'A'.repeat(43)}DwBzhb`)).toBe(true);
});

test('a typo is no key', () => {
  const key = mintVirtualKey();
  const letter = fc.constantFrom('A', 'z', '0', '9', '-', '_', ' ', '\0', 'é');
  fc.assert(
    fc.property(fc.nat({ max: key.length - 1 }), letter, (at, other) => {
      fc.pre(key[at] !== other);
      expect(isVirtualKey(key.slice(0, at) + other + key.slice(at + 1))).toBe(false);
      expect(isVirtualKey(key.slice(0, at) + key.slice(at + 1))).toBe(false);
      expect(isVirtualKey(key.slice(0, at) + other + key.slice(at))).toBe(false);
    }),
  );
  for (const token of ['', 'tk_', 'sk-master', key.toUpperCase(), ` ${key}`, 'x'.repeat(10_240), 'x'.repeat(52)]) {
    expect(isVirtualKey(token)).toBe(false);
  }
});
