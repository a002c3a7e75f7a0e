import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createReport } from './report.ts';
import { replaceLoneSurrogates } from './well-formed.ts';

function replaced(json: string): { text: string; warnings: number } {
  const report = createReport();
  return { text: replaceLoneSurrogates(json, report), warnings: report.warnings.length };
}

test.each([
  ['"\\ud83d\\ude00"', '"\\ud83d\\ude00"', 0],
  ['"\\uD83D\\uDE00 😀"', '"\\uD83D\\uDE00 😀"', 0],
  ['"\\ud83d"', '"\\ufffd"', 1],
  ['"\\ud83d\\ud83d\\ude00"', '"\\ufffd\\ud83d\\ude00"', 1],
  ['"\\ude00\\ud83d x"', '"\\ufffd\\ufffd x"', 1],
  ['"\\\\ud83d"', '"\\\\ud83d"', 0],
  ['"\\\\\\ud83d"', '"\\\\\\ufffd"', 1],
  ['"\\"\\ud83d\\u0041"', '"\\"\\ufffd\\u0041"', 1],
  ['"\ud83d"', '"\ufffd"', 1],
  ['"plain \\n \\u0000"', '"plain \\n \\u0000"', 0],
])('%s', (json, text, warnings) => {
  expect(replaced(json)).toEqual({ text, warnings });
});

// Every way in which JSON can spell a string, with halves of pairs among the characters.
const unit = fc.constantFrom('a', '\\', '"', '\ud83d', '\ude00', '\ud800', '\u0000', 'u');
const escaped = (text: string): string => {
  let json = '';
  for (let at = 0; at < text.length; at++) json += `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`;
  return `"${json}"`;
};

test('whatever is written and however, the text arrives as toWellFormed would make it', () => {
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 12 }), fc.boolean(), (units, all) => {
      const text = units.join('');
      const { text: json, warnings } = replaced(all ? escaped(text) : JSON.stringify(text));
      expect(JSON.parse(json)).toBe(text.toWellFormed());
      expect(warnings).toBe(text.isWellFormed() ? 0 : 1);
    }),
  );
});
