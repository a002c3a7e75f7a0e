import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMatcher, type Match } from './create-matcher.ts';
import { createNetwork } from './network.ts';
import { readGrammar } from './grammar.ts';
import { readLark } from './read-lark.ts';

function match(syntax: string, definition: string, ...pieces: string[]): Match | string {
  const grammar = readGrammar(syntax, definition);
  if (typeof grammar === 'string') return grammar;
  const matcher = grammar.matcher();
  for (const piece of pieces) matcher.feed(piece);
  return matcher.end();
}

const matches = (syntax: string, definition: string, ...pieces: string[]): boolean => {
  const found = match(syntax, definition, ...pieces);
  if (typeof found === 'string') throw new Error(found);
  return found.outcome === 'matches';
};

describe('regular expressions', () => {
  /** Written the same in the syntax of Rust and of JavaScript with the flag `u`. */
  const atom = fc.constantFrom('a', 'b', '.', String.raw`\n`, '[ab]', '[^a]', '[b-d]', String.raw`\.`, '😀', '[😀c]');
  const { regex } = fc.letrec<{ regex: string }>((tie) => ({
    regex: fc.oneof(
      { maxDepth: 4 },
      atom,
      fc.tuple(tie('regex'), tie('regex')).map(([a, b]) => `${a}${b}`),
      fc.tuple(tie('regex'), tie('regex')).map(([a, b]) => `(?:${a}|${b})`),
      fc.tuple(tie('regex'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '{2,}')).map(([a, q]) => `(${a})${q}`),
      fc.constantFrom('^', '$', String.raw`\b`, ''),
    ),
  }));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\n', '.', '😀', ' '), maxLength: 8 });

  test("take the texts that the engine's own matcher takes", () => {
    fc.assert(
      fc.property(regex, text, (pattern, input) => {
        expect(matches('regex', pattern, input)).toBe(new RegExp(`^(?:${pattern})$`, 'u').test(input));
      }),
      { numRuns: 2000 },
    );
  });

  test('read a text the same in whatever pieces it comes', () => {
    fc.assert(
      fc.property(regex, text, (pattern, input) => {
        expect(match('regex', pattern, ...input.split(''))).toEqual(match('regex', pattern, input));
      }),
    );
  });

  test.each<[string, string[], string[]]>([
    [String.raw`\d{3}-\w+`, ['123-aé_', '٣٢١-x'], ['12-a', '123-', '123-a ']],
    ['(?i)straße|k', ['STRAßE', 'K', '\u212a'], ['x']],
    ['(?s)a.b', ['a\nb'], ['ab']],
    ['(?m)^a$\n^b$', ['a\nb'], ['a\nb\n']],
    ['(?x) a b # and no more\n c', ['abc'], ['a b c']],
    ['(?P<year>[0-9]{4})', ['2026'], ['26']],
    [String.raw`[\p{Greek}&&[^α]]+`, ['βγ'], ['αβ']],
    [String.raw`\p{Lu}\pL\PL`, ['Aa1'], ['aa1', 'Aaa']],
    ['[[:alpha:]--[aeiou]]+', ['bcd'], ['bad']],
    ['[]a-]+', [']-a'], ['b']],
    [String.raw`\x41\u{1F600}\U0001F600`, ['A😀😀'], ['A😀']],
    ['a+?b*?', ['aab'], ['b']],
    ['(a|a)*b', ['aab'], ['aa']],
    [String.raw`\Aa\z`, ['a'], ['aa']],
    [String.raw`a\B.`, ['ab'], ['a ']],
    ['', [''], ['a']],
  ])('%s', (pattern, taken, refused) => {
    expect(taken.filter((text) => !matches('regex', pattern, text))).toEqual([]);
    expect(refused.filter((text) => matches('regex', pattern, text))).toEqual([]);
  });

  test.each([
    ['(?=a)', 'regular expressions cannot look around'],
    ['(?<!a)', 'regular expressions cannot look around'],
    [String.raw`(a)\1`, String.raw`'\1' of a regular expression is not known`],
    ['(a', 'a group of a regular expression is not closed'],
    ['a)', 'a regular expression closes a group that was never opened'],
    ['[a', 'a regular expression ends too early'],
    ['*', 'a repetition stands behind nothing'],
    ['a{2,1}', 'a repetition is not of the form {1,2}, or more than 1000 times'],
    ['a{1001}', 'a repetition is not of the form {1,2}, or more than 1000 times'],
    ['[b-a]', 'a class has a range that is none'],
    [String.raw`\p{Nothing}`, String.raw`there is no class '\p{Nothing}'`],
    ['[[:none:]]', "there is no class '[:none:]'"],
    ['(?R)', "the flag 'R' of a regular expression is not known"],
    [String.raw`\x{110000}`, "'110000' is no character"],
    ['((a{1000}){1000}){1000}', 'it is too large'],
    ['(?:){1000}{1000}{1000}{1000}', 'it is too large'],
    [`a${'{1}'.repeat(30_000)}`, 'it is nested too deeply'],
    ['('.repeat(10_000), 'a regular expression is nested too deeply'],
    ['['.repeat(10_000), 'a regular expression is nested too deeply'],
    ['a'.repeat(100_001), 'it has more than 100000 characters'],
  ])('%.60s cannot be read', (pattern, why) => {
    expect(match('regex', pattern, '')).toBe(why);
  });
});

/** Of the shape of the grammars of Codex' own tools. */
const patch = String.raw`
start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?

hunk: add_hunk | delete_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change_move? change?

filename: /(.+)/
add_line: "+" /(.*)/ LF -> line

change_move: "*** Move to: " filename LF
change: (change_context | change_line)+ eof_line?
change_context: ("@@" | "@@ " /(.+)/) LF
change_line: ("+" | "-" | " ") /(.*)/ LF
eof_line: "*** End of File" LF

%import common.LF
`;
const script = String.raw`
start: pragma_source | plain_source
pragma_source: PRAGMA NEWLINE SOURCE
plain_source: SOURCE
PRAGMA: /[ \t]*\/\/ @exec:[^\r\n]*/
NEWLINE: /\r?\n/
SOURCE: /[\s\S]+/
`;

describe('Lark grammars', () => {
  /** A tree as a rule of Lark and as a regular expression of JavaScript. */
  const { rule } = fc.letrec<{ rule: [string, string] }>((tie) => ({
    rule: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom<[string, string]>(
        ['"a"', 'a'],
        ['"b"i', '[bB]'],
        ['/[ab]/', '[ab]'],
        ['/.+/', '.+'],
        ['"a".."c"', '[a-c]'],
        ['AB', '(?:ab)'],
        ['word', '(?:c*[ca])'],
      ),
      fc.tuple(tie('rule'), tie('rule')).map(([[a, x], [b, y]]): [string, string] => [`${a} ${b}`, x + y]),
      fc
        .tuple(tie('rule'), tie('rule'))
        .map(([[a, x], [b, y]]): [string, string] => [`(${a} | ${b})`, `(?:${x}|${y})`]),
      fc
        .tuple(
          tie('rule'),
          fc.constantFrom(['*', '*'], ['+', '+'], ['?', '?'], ['~2', '{2}'], ['~1..2', '{1,2}'], ['{,2}', '{0,2}']),
        )
        .map(([[a, x], [lark, regex]]): [string, string] => [`(${a})${lark}`, `(?:${x})${regex}`]),
      tie('rule').map(([a, x]): [string, string] => [`[${a}]`, `(?:${x})?`]),
    ),
  }));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'B', 'c', '\n'), maxLength: 8 });

  test('of no recursion take the texts that a regular expression takes', () => {
    fc.assert(
      fc.property(rule, text, ([lark, regex], input) => {
        const grammar = `start: ${lark}\nword: "c" word?\n  | "a" -> single\nAB: "a" "b"\n`;
        expect(matches('lark', grammar, input)).toBe(new RegExp(`^(?:${regex})$`, 'u').test(input));
      }),
      { numRuns: 2000 },
    );
  });

  test.each<[string, string, string[], string[]]>([
    [
      'a patch',
      patch,
      [
        '*** Begin Patch\n*** Add File: a.txt\n+one\n+\n*** Delete File: b\n*** End Patch',
        '*** Begin Patch\n*** Update File: a\n*** Move to: b\n@@ def f():\n-x\n+y\n \n*** End of File\n*** End Patch\n',
      ],
      [
        '*** Begin Patch\n*** End Patch\n',
        '*** Begin Patch\n*** Add File: a.txt\none\n*** End Patch\n',
        '*** Begin Patch\n*** Add File: a.txt\n+one\n',
        ' *** Begin Patch\n*** Delete File: b\n*** End Patch\n',
      ],
    ],
    ['a script', script, ['// @exec: {"a":1}\nx\ny', 'text("x")', '\n'], ['']],
    ['pairs', 'start: "(" start ")" | ', ['', '(())'], ['(()', '())']],
    ['a rule that begins with itself', 'start: start "+" N | N\nN: /[0-9]+/', ['1', '1+22+3'], ['+1', '1+']],
    ['rules for nothing', 'start: a b a\na: b?\nb: | "x"', ['', 'x', 'xx', 'xxx'], ['xxxx']],
    ['ambiguity', 'start: start start | "a"', ['a', 'aaaaaaaa'], ['', 'ab']],
    [
      'arithmetic with spaces between',
      '?start: sum\n?sum: product ("+" product)*\nproduct: atom ("*" atom)* // and so on\natom: NUMBER | "(" sum ")" # brackets\n%import common (NUMBER, WS)\n%ignore WS\n',
      ['1+2*(3.5 + 4)', ' ( 1 )\n'],
      ['1 2', '1+', '1 +* 2'],
    ],
    ['nothing skipped inside a terminal', 'start: AB\nAB: "a" "b"\n%ignore " "', ['ab', ' ab '], ['a b']],
    [
      'imports by another name',
      'start: N "," S\n%import common.INT -> N\n%import common.ESCAPED_STRING -> S',
      ['1,"a\\"b"'],
      ['1,"a"b"'],
    ],
    ['escapes', String.raw`start: "\"\\\x41\u00e9\n" /\//`, ['"\\Aé\n/'], ['"\\Aé\n']],
    ['comments of C', 'start: C_COMMENT\n%import common.C_COMMENT', ['/* a * b **/'], ['/* */ */']],
  ])('%s', (_, grammar, taken, refused) => {
    expect(taken.filter((text) => !matches('lark', grammar, text))).toEqual([]);
    expect(refused.filter((text) => matches('lark', grammar, text))).toEqual([]);
  });

  test.each([
    ['a: "x"', "'start' is not defined"],
    ['start: b', "'b' is not defined"],
    ['start: "a"\nstart: "b"', "'start' is defined twice"],
    ['start.2: "a"', 'rules have no priorities'],
    ['start: a{x}\na{b}: b', "expected a number up to 1000, found 'x'"],
    ['start: "a"\nt{a}: a', 'there are no templates'],
    ['start: "a" & "b"', "'&' in line 1 is not known"],
    ['start: <|end|>', "'<' in line 1 is not known"],
    ['start: A\n%declare A', "'%declare' is not known"],
    ['start: A\n%import other.A', 'only common terminals can be imported'],
    ['start: A\n%import common.A', "there is no common terminal 'A'"],
    ['start: (a', "expected ')', found the end"],
    ['start: ("a"', "expected ')', found the end"],
    ['start: "a" )', "expected a name, found ')'"],
    ['start: "ab".."c"', 'a range is not of two characters'],
    ['start: "a"~2..1', 'a repetition ends before it begins'],
    ['start: /(?=a)/', 'regular expressions cannot look around'],
    [String.raw`start: "\q"`, String.raw`'\q' in a string is not known`],
    [`start: ${'('.repeat(10_000)}`, 'it is nested too deeply'],
    ['start: "a"~1000\nb: (("a"~1000)~1000)~1000', 'it is too large'],
    ['start: ""~1000~1000~1000~1000', 'it is too large'],
    [`start: "a"${'?'.repeat(40_000)}`, 'it is nested too deeply'],
  ])('%.60s cannot be read', (grammar, why) => {
    expect(readGrammar('lark', grammar)).toBe(why);
  });
});

test('another syntax is not known', () => {
  expect(readGrammar('ebnf', 'x')).toBe("the syntax 'ebnf' is not known");
});

test('where a text differs is told', () => {
  expect(match('lark', patch, '*** Begin Patch\n*** Add File: a\n-one\n')).toEqual({
    outcome: 'differs',
    line: 3,
    column: 1,
    isCut: false,
  });
  expect(match('regex', 'abc', 'ab')).toEqual({ outcome: 'differs', line: 1, column: 3, isCut: true });
});

test('what would take too long is not found out', () => {
  const matcher = createMatcher(createNetwork('start', readLark('start: start start | "a"')), 100_000);
  matcher.feed('a'.repeat(10_000));
  expect(matcher.end()).toEqual({ outcome: 'unknown' });
});

test('any text is read as a grammar or refused', () => {
  const pieces = fc.constantFrom(
    'start',
    ':',
    '"a"',
    '/b/',
    '|',
    '(',
    ')',
    '[',
    ']',
    '*',
    '~',
    '2',
    '..',
    '%',
    'import',
    'common',
    '\n',
    '\\',
    '"',
    '{',
    ',',
    '->',
    'A',
    '?',
    '^',
    '$',
    '-',
    '&&',
    '[:',
    ':]',
    '(?',
    'p{',
    'é',
  );
  fc.assert(
    fc.property(fc.constantFrom('lark', 'regex'), fc.array(pieces, { maxLength: 20 }), (syntax, words) => {
      for (const joined of [words.join(''), `start: ${words.join(' ')}`]) {
        const grammar = readGrammar(syntax, joined);
        if (typeof grammar !== 'string') expect(grammar.matcher().end()).toHaveProperty('outcome');
      }
    }),
    { numRuns: 2000 },
  );
});
