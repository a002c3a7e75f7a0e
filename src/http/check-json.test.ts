import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkJson, jsonText, parseJson as parseText } from './check-json.ts';

const parseJson = (bytes: Buffer) => parseText(jsonText(bytes));

function valuesIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return 1 + Object.values(value).reduce<number>((sum, each) => sum + valuesIn(each), 0);
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Object.values(value).reduce<number>((deepest, each) => Math.max(deepest, depthOf(each)), 0);
}

const text = fc.string({
  unit: fc.constantFrom('a', '"', '\\', '{', '[', ',', ']', '}', ':', '\n', 'é', '😀', '\ud800'),
});
const { value: json } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(text, fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4 }),
  ),
}));
const printed = fc
  .tuple(json, fc.constantFrom(undefined, 2, '\t'))
  .map(([value, indent]) => Buffer.from(JSON.stringify(value, null, indent)));

describe('parseJson', () => {
  test('reads what JSON.parse reads', () => {
    fc.assert(
      fc.property(printed, (bytes) => {
        expect(parseJson(bytes)).toEqual(JSON.parse(bytes.toString()));
      }),
    );
  });

  test('throws only its own errors, whatever the bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
      fc
        .array(fc.constantFrom('{', '}', '[', ']', '"', '\\', ',', ':', '"a"', '1', ' '), { maxLength: 20 })
        .map((parts) => Buffer.from(parts.join(''))),
    );
    fc.assert(
      fc.property(bytes, (body) => {
        try {
          parseJson(body);
        } catch (error) {
          expect(error).toMatchObject({ name: 'GatewayError', status: 400 });
        }
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ['nothing', ''],
    ['a cut body', '{"secret":"canary'],
    ['a byte order mark', '\ufeff{}'],
    ['two values', '{} "canary"'],
    ['text', 'canary'],
  ])('%s is invalid_json, and the message repeats nothing of it', (_name, body) => {
    const parse = () => parseJson(Buffer.from(body));
    expect(parse).toThrow(expect.objectContaining({ code: 'invalid_json', status: 400 }));
    expect(parse).not.toThrow(/canary/);
    expect(parse).not.toThrow(expect.objectContaining({ cause: expect.anything() }));
  });

  test('bytes that are not UTF-8 are refused, not replaced', () => {
    expect(() => parseJson(Buffer.from([0x22, 0xff, 0x22]))).toThrow('not valid UTF-8');
    expect(() => parseJson(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))).toThrow('not valid UTF-8');
  });

  test('lone surrogates, as escapes, and an own __proto__ stay', () => {
    const parsed = parseJson(Buffer.from('{"__proto__":{"a":"\\ud800"}}'));
    expect(Object.entries(parsed ?? {})).toEqual([['__proto__', { a: '\ud800' }]]);
  });
});

describe('checkJson', () => {
  test('lets pass exactly as many values and levels as are allowed', () => {
    fc.assert(
      fc.property(printed, (bytes) => {
        const value: unknown = JSON.parse(bytes.toString());
        const maxValues = valuesIn(value);
        const maxDepth = depthOf(value);
        checkJson(bytes.toString(), { maxValues, maxDepth });
        if (maxValues > 1) {
          expect(() => checkJson(bytes.toString(), { maxValues: maxValues - 1, maxDepth })).toThrow('values');
        }
        if (maxDepth > 0) {
          expect(() => checkJson(bytes.toString(), { maxValues, maxDepth: maxDepth - 1 })).toThrow('nested deeper');
        }
      }),
    );
  });

  test.each([
    ['depth 100', '['.repeat(100) + ']'.repeat(100), true],
    ['depth 101', '['.repeat(101) + ']'.repeat(101), false],
    ['depth 101 of objects', '{"a":'.repeat(101) + '1' + '}'.repeat(101), false],
    ['brackets inside a string', JSON.stringify('['.repeat(5000)), true],
    ['200,000 values', `[${'1,'.repeat(199_998)}1]`, true],
    ['200,001 values', `[${'1,'.repeat(199_999)}1]`, false],
    ['a million levels, never closed', '['.repeat(1_000_000), false],
  ])('%s: %#', (_name, body, passes) => {
    const check = () => checkJson(body);
    if (passes) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code: 'invalid_value', status: 400 }));
  });

  test('a top-level key that comes twice is refused, however it is spelled', () => {
    const key = fc.oneof(fc.constantFrom('a', 'b', 'store', 'é', '"', '\\'), text);
    const spelled = (name: string, escaped: boolean) =>
      escaped
        ? `"${Array.from({ length: name.length }, (_, i) => '\\u' + name.charCodeAt(i).toString(16).padStart(4, '0')).join('')}"`
        : JSON.stringify(name);
    const entry = fc.tuple(key, fc.boolean(), json);
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 5 }), (entries) => {
        const object = entries.map(([name, escaped, value]) => `${spelled(name, escaped)} : ${JSON.stringify(value)}`);
        const body = `{ ${object.join(' , ')} }`;
        const twice = new Set(entries.map(([name]) => name)).size < entries.length;
        const check = () => checkJson(body);
        if (twice) expect(check).toThrow(expect.objectContaining({ code: 'invalid_json', status: 400 }));
        else expect(check).not.toThrow();
        expect(() => checkJson(`[${body}]`)).not.toThrow();
      }),
    );
  });

  test('values that equal a key are no keys', () => {
    expect(() => checkJson('{"a":"a","b":["a","a"],"c":{"a":1,"a":2},"d":"b"}')).not.toThrow();
  });
});
