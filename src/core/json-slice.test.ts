import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { arrayElements, objectMembers, printMembers, replaceMembers, sliceJson } from './json-slice.ts';

// Keys and texts that lead a scanner astray: quotes, backslashes, brackets, escapes.
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^["\\{}[\],: \n]{0,12}$/));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4 }),
  ),
}));
const printed = fc
  .tuple(value, fc.constantFrom('', ' ', '\t', '\n  '))
  .map(([json, space]) => JSON.stringify(json, null, space));

describe('slices of any JSON', () => {
  test('members replaced by themselves leave the text as it was, by others all but their values', () => {
    fc.assert(
      fc.property(printed, (json) => {
        const members = objectMembers(json) ?? new Map<string, string>();
        expect(replaceMembers(json, members)).toBe(json);
        const others = new Map([...members.keys()].map((key) => [key, '1.0']));
        expect(objectMembers(replaceMembers(json, others)) ?? new Map()).toEqual(others);
      }),
    );
  });

  test('every member and element, sliced and parsed, is what JSON.parse gives', () => {
    fc.assert(
      fc.property(printed, (json) => {
        const parsed: unknown = JSON.parse(json);
        const elements = arrayElements(json);
        const members = objectMembers(json);
        expect(elements === undefined).toBe(!Array.isArray(parsed));
        if (elements !== undefined) expect(elements.map((raw): unknown => JSON.parse(raw))).toEqual(parsed);
        const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed);
        expect(members === undefined).toBe(!isObject);
        if (members !== undefined) {
          expect(Object.keys(parsed as object).toSorted()).toEqual([...members.keys()].toSorted());
          expect(JSON.parse(printMembers(members))).toEqual(parsed);
        }
      }),
    );
  });
});

test.each<[string, (string | number)[], string | undefined]>([
  ['{"a":{"b":[1,{"c":18446744073709551616}]}}', ['a', 'b', 1, 'c'], '18446744073709551616'],
  [' {"2": 1.0, "1" : -0 } ', ['2'], '1.0'],
  [' {"2": 1.0, "1" : -0 } ', ['1'], '-0'],
  [' {"2": 1.0} ', [], '{"2": 1.0}'],
  ['{"a":1,"a":{"b":2}}', ['a', 'b'], '2'],
  ['{"\\u0061":"x","b\\"":3}', ['a'], '"x"'],
  ['{"b\\"":3}', ['b"'], '3'],
  ['{"a":"\\\\","b":"\\\\\\""}', ['b'], '"\\\\\\""'],
  ['{"a":[ ]}', ['a', 0], undefined],
  ['{"a":"text"}', ['a', 'length'], undefined],
  ['[true,null,{"x":false}]', [2, 'x'], 'false'],
])('%s at %j', (json, path, expected) => {
  expect(sliceJson(json, path)).toBe(expected);
});

test('members keep the order of the text, where JSON.parse moves integer-like keys to the front', () => {
  expect(printMembers(objectMembers('{"b":1,"2":2,"1":3,"b":4}') ?? new Map())).toBe('{"b":4,"2":2,"1":3}');
});
