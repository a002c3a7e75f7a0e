import { expect, test } from 'vitest';
import { remember } from './remember.ts';

test('what belongs to a key is made once, and no more is remembered than may be', () => {
  const made: string[] = [];
  const valueOf = remember(2, (key) => {
    made.push(key);
    return { key };
  });
  expect(valueOf('a')).toBe(valueOf('a'));
  expect(valueOf('b')).toEqual({ key: 'b' });
  expect(made).toEqual(['a', 'b']);
  const before = valueOf('a');
  valueOf('c');
  expect(valueOf('a')).not.toBe(before);
  expect(made).toEqual(['a', 'b', 'c', 'a']);
});
