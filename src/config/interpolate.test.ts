import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { interpolate } from './interpolate.ts';

const env = { KEY: 'v', EMPTY: '', TRICKY: '${KEY} $& $1' };

describe('interpolate', () => {
  test.each([
    ['${KEY}', 'v'],
    ['a${KEY}b${KEY}', 'avbv'],
    ['${KEY:-d}', 'v'],
    ['${NONE:-d}', 'd'],
    ['${NONE:-}', ''],
    ['${EMPTY}', ''],
    ['${EMPTY:-d}', 'd'],
    ['$${KEY}', '${KEY}'],
    ['$KEY {KEY} $', '$KEY {KEY} $'],
    ['${TRICKY}', '${KEY} $& $1'],
  ])('%s is %s', (text, expected) => {
    expect(interpolate(text, env)).toEqual({ text: expected, missing: [], malformed: false });
  });

  test('names each variable that is missing', () => {
    expect(interpolate('${A}-${KEY}-${B}', env).missing).toEqual(['A', 'B']);
  });

  test.each(['${', '${}', '${1A}', '${A-b}', '${KEY', 'x${ KEY }'])('%s is malformed', (text) => {
    expect(interpolate(text, env).malformed).toBe(true);
  });

  test('text without ${ is itself, and an escaped text comes out as it was', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const escaped = text.replaceAll('${', () => '$${');
        expect(interpolate(escaped, env).malformed).toBe(false);
        if (!text.includes('$${')) expect(interpolate(escaped, env).text).toBe(text);
      }),
    );
  });
});
