import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { replaceLoneSurrogates } from './well-formed.ts';

const high = '\ud83d';
const low = '\ude00';

describe('replaceLoneSurrogates', () => {
  test.each<[what: string, json: string, value: unknown, replaced: boolean]>([
    ['plain text', '"abc"', 'abc', false],
    ['a raw pair', `"${high}${low}"`, high + low, false],
    ['an escaped pair', String.raw`"\ud83d\uDE00"`, high + low, false],
    ['a pair, half escaped', `"${high}${String.raw`\ude00`}"`, high + low, false],
    ['an escaped high half', String.raw`"a\ud83db"`, 'a\ufffdb', true],
    ['an escaped low half', String.raw`"\uDE00"`, '\ufffd', true],
    ['a raw half', `"${low}x"`, '\ufffdx', true],
    ['halves in the wrong order', String.raw`"\ude00\ud83d"`, '\ufffd\ufffd', true],
    ['a high half before a pair', String.raw`"\ud83d\ud83d\ude00"`, `\ufffd${high}${low}`, true],
    ['an escaped backslash before u', String.raw`"\\ud83d"`, String.raw`\ud83d`, false],
    ['an escaped backslash before a half', String.raw`"\\\ud83d"`, '\\\ufffd', true],
    ['in a key', String.raw`{"\ud83d":1}`, { '\ufffd': 1 }, true],
    ['another escape of the d block', String.raw`"\ud7ff"`, '\ud7ff', false],
  ])('%s', (_what, json, value, replaced) => {
    const result = replaceLoneSurrogates(json);
    expect(JSON.parse(result.text)).toEqual(value);
    expect(result.text.isWellFormed()).toBe(true);
    expect(result.replaced).toBe(replaced);
  });

  test('of any value: what toWellFormed makes of its strings', () => {
    const unit = fc.constantFrom(high, low, '\\', 'u', 'd83d', 'a', '"', '\u0000');
    const text = fc.array(unit, { maxLength: 12 }).map((units) => units.join(''));
    fc.assert(
      fc.property(text, fc.boolean(), (value, twice) => {
        const json = JSON.stringify(value);
        const result = replaceLoneSurrogates(twice ? JSON.stringify(json) : json);
        const decoded: unknown = JSON.parse(result.text);
        expect(decoded).toBe(twice ? json : value.toWellFormed());
        expect(result.replaced).toBe(!twice && !value.isWellFormed());
      }),
    );
  });
});
