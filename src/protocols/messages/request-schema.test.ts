import { expect, test } from 'vitest';
import type { JsonObject } from '../../core/json-object.ts';
import { readableSchema } from './request-schema.ts';

const text = { type: 'string' };
const of = (property: unknown): JsonObject => ({
  type: 'object',
  properties: { a: property },
  additionalProperties: false,
});

test.each<[string, unknown]>([
  ['types and choices', { anyOf: [text, { type: ['integer', 'null'] }], title: 't', default: null }],
  ['values', { enum: ['a', 1, null], const: 'a' }],
  ['what is called as a word', of({ type: 'object', properties: { minimum: text, oneOf: text } })],
  ['formats that it knows', { ...text, format: 'date-time' }],
  ['patterns that it knows', { ...text, pattern: String.raw`^[a-z]+\d(?:x|y)$` }],
  ['one item at least', { type: 'array', items: text, minItems: 1 }],
  ['what is no schema', { ...text, default: { minimum: 1 }, enum: [{ minLength: 1 }] }],
])('%s are taken', (_, property) => {
  expect(readableSchema(of(property))).toEqual({ schema: of(property), unread: [] });
});

test('references are taken that lead somewhere in the schema, and no others', () => {
  const schema = { ...of({ $ref: '#/$defs/x' }), $defs: { x: text }, $schema: 's' };
  expect(readableSchema(schema)).toEqual({ schema, unread: [] });
  expect(readableSchema(of({ $ref: '#/$defs/y' }))).toBeUndefined();
  expect(readableSchema(of({ $ref: 'https://example.com/x.json' }))).toBeUndefined();
});

test.each<[string, unknown, unknown, string[]]>([
  [
    'bounds of numbers',
    { type: 'integer', minimum: 0, exclusiveMaximum: 9, multipleOf: 3 },
    { type: 'integer', description: '{minimum: 0, exclusiveMaximum: 9, multipleOf: 3}' },
    ['minimum', 'exclusiveMaximum', 'multipleOf'],
  ],
  [
    'of texts, behind what is said of them',
    { ...text, description: 'A name.', minLength: 1 },
    { ...text, description: 'A name.\n\n{minLength: 1}' },
    ['minLength'],
  ],
  [
    'of lists',
    { type: 'array', items: { ...text, maxLength: 2 }, minItems: 2 },
    { type: 'array', items: { ...text, description: '{maxLength: 2}' }, description: '{minItems: 2}' },
    ['maxLength', 'minItems'],
  ],
  ['other formats', { ...text, format: 'color' }, { ...text, description: '{format: "color"}' }, ['format']],
  [
    'patterns that look ahead',
    { ...text, pattern: '^(?=a)' },
    { ...text, description: '{pattern: "^(?=a)"}' },
    ['pattern'],
  ],
  ['examples, which hold nobody', { ...text, examples: ['a'] }, { ...text, description: '{examples: ["a"]}' }, []],
])('%s are told in the description', (_, property, expected, unread) => {
  const before = structuredClone(property);
  expect(readableSchema(of(property))).toEqual({ schema: of(expected), unread });
  expect(property).toEqual(before);
});

test('of choices that exclude each other each can be made', () => {
  const schema = of({ oneOf: [{ ...text, minLength: 1 }, { type: 'null' }] });
  const read = of({ anyOf: [{ ...text, description: '{minLength: 1}' }, { type: 'null' }] });
  expect(readableSchema(schema)).toEqual({ schema: read, unread: ['minLength'] });
});

test.each<[string, JsonObject]>([
  ['that is in itself', of({ anyOf: [{ $ref: '#' }, { type: 'null' }] })],
  ['with a rule that is in itself', { ...of({ $ref: '#/$defs/x' }), $defs: { x: of({ $ref: '#/$defs/x' }) } }],
  ['with names by patterns', of({ type: 'object', patternProperties: { '^a': text }, additionalProperties: false })],
  ['of a tuple', of({ type: 'array', prefixItems: [text], items: false })],
])('a schema %s is not enforced', (_, schema) => {
  expect(readableSchema(schema)).toBeUndefined();
});

test('a rule that many refer to is no rule in itself, and is looked at once', () => {
  const $defs: JsonObject = { x0: text };
  for (let n = 1; n < 100; n++)
    $defs[`x${n}`] = { anyOf: [{ $ref: `#/$defs/x${n - 1}` }, { $ref: `#/$defs/x${n - 1}` }] };
  const schema = { ...of({ $ref: '#/$defs/x99' }), $defs };
  expect(readableSchema(schema)).toEqual({ schema, unread: [] });
});
