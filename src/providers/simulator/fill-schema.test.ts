import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fillSchema } from './fill-schema.ts';

const hints = { subject: 'Paris', text: 'What about Paris?', numbers: [] };
const fill = (schema: unknown, numbers: number[] = []) => fillSchema(schema, { ...hints, numbers });

type Schema = Record<string, unknown>;

/** Just enough of JSON Schema to judge what is filled in here, written apart from the code that fills it in. */
function fits(value: unknown, schema: Schema): boolean {
  if (Array.isArray(schema.enum)) return schema.enum.includes(value);
  if (Array.isArray(schema.anyOf)) return schema.anyOf.some((option: Schema) => fits(value, option));
  const isPlain = typeof value === 'object' && value !== null && !Array.isArray(value);
  switch (schema.type) {
    case 'string':
      return (
        typeof value === 'string' &&
        Array.from(value).length >= Number(schema.minLength ?? 0) &&
        Array.from(value).length <= Number(schema.maxLength ?? 1e9)
      );
    case 'integer':
    case 'number':
      return (
        typeof value === 'number' &&
        (schema.type === 'number' || Number.isInteger(value)) &&
        value >= Number(schema.minimum ?? -Infinity) &&
        value <= Number(schema.maximum ?? Infinity)
      );
    case 'boolean':
      return typeof value === 'boolean';
    case 'null':
      return value === null;
    case 'array':
      return (
        Array.isArray(value) &&
        value.length >= Number(schema.minItems ?? 0) &&
        value.every((item) => fits(item, schema.items as Schema))
      );
    default:
      return (
        isPlain &&
        (schema.required as string[]).every(
          (name) =>
            Object.hasOwn(value, name) &&
            fits(Reflect.get(value, name), Reflect.get(schema.properties as object, name)),
        )
      );
  }
}

const { schemas } = fc.letrec<{ schemas: Schema }>((tie) => ({
  schemas: fc.oneof(
    { maxDepth: 4 },
    fc.record({ type: fc.constant('string'), minLength: fc.nat(8), maxLength: fc.integer({ min: 8, max: 12 }) }),
    fc.record({
      type: fc.constantFrom('integer', 'number'),
      minimum: fc.integer({ min: -9, max: 3 }),
      maximum: fc.integer({ min: 3, max: 9 }),
    }),
    fc.record({ type: fc.constantFrom('boolean', 'null') }),
    fc.record({ enum: fc.array(fc.string(), { minLength: 1, maxLength: 3 }) }),
    fc.record({ anyOf: fc.array(tie('schemas'), { minLength: 1, maxLength: 2 }) }),
    fc.record({ type: fc.constant('array'), items: tie('schemas'), minItems: fc.nat(3) }),
    fc
      .dictionary(fc.oneof(fc.string(), fc.constant('__proto__')), tie('schemas'), { maxKeys: 3 })
      .map((properties) => ({
        type: 'object',
        properties,
        required: Object.keys(properties),
      })),
  ),
}));

test('what is filled in is of the schema', () => {
  fc.assert(
    fc.property(schemas, fc.array(fc.double({ noNaN: true }), { maxLength: 3 }), (schema, numbers) => {
      expect(fits(fill(schema, numbers), schema)).toBe(true);
    }),
    { numRuns: 500, examples: [[{ anyOf: [{ type: 'null' }] }, []]] },
  );
});

describe.each([
  ['the subject', { type: 'string' }, 'Paris'],
  ['what is not said at all', {}, 'Paris'],
  ['an enumeration', { enum: ['c', 'f'] }, 'c'],
  ['a constant', { const: 5 }, 5],
  ['a date', { type: 'string', format: 'date' }, '2026-01-01'],
  ['a choice with null', { anyOf: [{ type: 'null' }, { type: 'boolean' }] }, true],
  ['a list of types', { type: ['null', 'integer'] }, 1],
  ['a number above a bound', { type: 'integer', exclusiveMinimum: 3 }, 4],
  ['a multiple', { type: 'integer', multipleOf: 5, minimum: 7 }, 10],
  [
    'an object without required properties',
    { type: 'object', properties: { a: { type: 'string' }, b: {} } },
    { a: 'Paris' },
  ],
  [
    'a text by its name',
    { type: 'object', properties: { message: { type: 'string' } } },
    { message: 'What about Paris?' },
  ],
  [
    'nested objects',
    { type: 'object', required: ['a'], properties: { a: { type: 'object', required: ['b'], properties: { b: {} } } } },
    { a: { b: 'Paris' } },
  ],
  [
    'a reference',
    { type: 'object', required: ['a'], properties: { a: { $ref: '#/$defs/n' } }, $defs: { n: { type: 'number' } } },
    { a: 1 },
  ],
  [
    'a sum',
    {
      allOf: [
        { type: 'object', properties: { a: { type: 'null' } }, required: ['a'] },
        { properties: { b: { type: 'boolean' } }, required: ['b'] },
      ],
    },
    { a: null, b: true },
  ],
])('%s', (_, schema, value) => {
  test('is filled in', () => expect(fill(schema)).toEqual(value));
});

test('numbers of the text are used in turn, where they fit', () => {
  const schema = {
    type: 'object',
    required: ['a', 'b', 'c'],
    properties: { a: { type: 'integer' }, b: { type: 'number' }, c: { type: 'integer', maximum: 1 } },
  };
  expect(fill(schema, [2.5, 3, 4])).toEqual({ a: 3, b: 4, c: 1 });
});

test('a schema that contains itself has an end', () => {
  const schema = {
    $ref: '#/$defs/node',
    $defs: { node: { type: 'object', required: ['next'], properties: { next: { $ref: '#/$defs/node' } } } },
  };
  expect(JSON.stringify(fill(schema)).length).toBeLessThan(500);
  expect(fill({ $ref: '#' })).toBeDefined();
});

const many = Array.from({ length: 5000 }, (_, at) => `f${at}`);
const wide = Object.fromEntries(many.map((name) => [name, {}]));
test.each<[string, unknown]>([
  ['lists of itself', { type: 'array', minItems: 64, items: { $ref: '#' } }],
  ['fields of itself', { required: many, properties: itselfAnd(5000) }],
  ['few fields of itself and many of anything', { required: many, properties: itselfAnd(5) }],
  ['all of itself', { allOf: many.map(() => ({ $ref: '#' })) }],
  ['many parts of many fields', { properties: wide, allOf: many.map(() => ({ properties: wide })) }],
  ['many references that are long', { required: many, properties: far() }],
])('a schema of %s is filled in part', (_, schema) => {
  expect(fill(schema)).toBeDefined();
});

test.each([
  ['a value', { const: 'x'.repeat(100_000) }],
  ['a text', { type: 'string' }],
])('%s that is said once is not written a million times', (_, field) => {
  const schema = { required: many, properties: Object.fromEntries(many.map((name) => [name, field])) };
  const filled = fillSchema(schema, { ...hints, subject: 'x'.repeat(100_000) });
  expect(JSON.stringify(filled).length).toBeLessThan(1_000_000);
});

function itselfAnd(count: number): Record<string, unknown> {
  return Object.fromEntries(many.map((name, at) => [name, at < count ? { $ref: '#' } : true]));
}

function far(): Record<string, unknown> {
  const $ref = `#${'/x'.repeat(50_000)}`;
  return Object.fromEntries(many.map((name) => [name, { $ref }]));
}
