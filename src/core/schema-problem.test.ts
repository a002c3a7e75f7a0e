import { describe, expect, test } from 'vitest';
import type { JsonObject } from './json-object.ts';
import { schemaProblem } from './schema-problem.ts';

const person = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1 },
    age: { type: ['integer', 'null'], minimum: 0, maximum: 150 },
    pets: { type: 'array', items: { $ref: '#/$defs/pet~1kind' }, maxItems: 2 },
  },
  required: ['name', 'age'],
  additionalProperties: false,
  $defs: { 'pet/kind': { anyOf: [{ const: { kind: 'cat' } }, { enum: ['dog', null] }] } },
};
const tree = {
  type: 'object',
  properties: { left: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
  required: ['left'],
  additionalProperties: false,
};

test.each<[JsonObject, unknown, string | undefined]>([
  [person, { name: 'A', age: 3, pets: ['dog', { kind: 'cat' }] }, undefined],
  [person, { name: 'A', age: null }, undefined],
  [person, [], '$ is not of type object'],
  [person, { name: 'A' }, '$.age is missing'],
  [person, { name: '', age: 1 }, '$.name is below minLength'],
  [person, { name: 'A', age: 1.5 }, '$.age is not of type integer or null'],
  [person, { name: 'A', age: 151 }, '$.age is above maximum'],
  [person, { name: 'A', age: 1, more: 1 }, '$.more is not allowed'],
  [person, { name: 'A', age: 1, pets: ['fox'] }, '$.pets[0] fits none of its choices'],
  [person, { name: 'A', age: 1, pets: [null, null, null] }, '$.pets is above maxItems'],
  [tree, { left: { left: null } }, undefined],
  [tree, { left: { left: 1 } }, '$.left fits none of its choices'],
  [{ allOf: [{ required: ['a'] }, { required: ['b'] }] }, { a: 1 }, '$.b is missing'],
  [{ prefixItems: [{ type: 'string' }], items: false }, ['a', 'b'], '$[1] is not allowed'],
  [{ additionalProperties: { type: 'number' } }, { a: 'x' }, '$.a is not of type number'],
  [{ oneOf: [{ type: 'string' }] }, 1, '$ fits none of its choices'],
])('%j, %j', (schema, value, expected) => {
  expect(schemaProblem(schema, value)).toBe(expected);
});

describe('what is not looked at is not said to be wrong', () => {
  test.each<[JsonObject, unknown]>([
    [{ type: 'string', pattern: '^(a+)+$', format: 'date' }, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'],
    [{ patternProperties: { '^x': {} }, additionalProperties: false }, { y: 1 }],
    [{ $ref: 'https://elsewhere.example/schema' }, 1],
    [{ $ref: '#/$defs/none' }, 1],
    [{ $ref: '#/%' }, 1],
    [{ type: 'future' }, 1],
    [{ $ref: '#' }, 1],
  ])('%j', (schema, value) => {
    expect(schemaProblem(schema, value)).toBeUndefined();
  });

  test('a schema that branches without end is given up', () => {
    const $defs = Object.fromEntries(
      Array.from({ length: 60 }, (_, at) => [
        `d${at}`,
        { allOf: [{ $ref: `#/$defs/d${at + 1}` }, { $ref: `#/$defs/d${at + 1}` }] },
      ]),
    );
    expect(schemaProblem({ $defs, $ref: '#/$defs/d0' }, 1)).toBeUndefined();
  });

  const many = Array.from({ length: 8000 }, (_, at) => at);
  const fields = Object.fromEntries(many.map((at) => [`f${at}`, at]));
  test.each<[string, JsonObject, unknown]>([
    ['an enum', { enum: many }, -1],
    ['an enum of objects', { enum: many.slice(0, 50).map((at) => ({ at })) }, fields],
    ['a list of names', { required: many.map(() => 'f0'), additionalProperties: false }, fields],
    ['a list of types', { type: many.map(() => 'null') }, 1],
    ['an object', { additionalProperties: false }, fields],
    ['a text', { minLength: 1_000_001 }, 'x'.repeat(1_000_000)],
    ['a long text', { const: `${'x'.repeat(1_000_000)}y` }, `${'x'.repeat(1_000_000)}z`],
  ])('%s that is looked through again and again is given up', (_, again, value) => {
    const anyOf = many.map(() => ({ $ref: '#/$defs/again' }));
    expect(schemaProblem({ anyOf, $defs: { again } }, value)).toBeUndefined();
    expect(schemaProblem(again, value)).toBeDefined();
  });
});

test('a long reference is followed once', () => {
  const anyOf = Array.from({ length: 8000 }, () => ({ $ref: '#/$defs/far', type: 'object' }));
  const schema = { anyOf, $defs: { far: { $ref: `#${'/x'.repeat(50_000)}` } } };
  expect(schemaProblem(schema, 1)).toBe('$ fits none of its choices');
});
