import { expect, test } from 'vitest';
import type { JsonObject } from '../../core/json-object.ts';
import { closeSchema } from './close-schema.ts';

const text = { type: 'string' };
const open = { type: 'object', properties: { a: text } };
const closed = { ...open, additionalProperties: false };
const nested = (inner: JsonObject) => ({ ...closed, properties: { a: inner } });

test.each<[string, JsonObject]>([
  ['a closed object', closed],
  ['no object', { type: 'array', items: text }],
  ['a closed object that others speak of', { allOf: [closed, { $ref: '#/$defs/x' }], not: { ...closed, if: closed } }],
  ['a schema in what is no schema', { ...closed, default: open, enum: [open], const: open }],
  [
    'properties with the names of keywords',
    { ...closed, properties: { type: text, $ref: text, additionalProperties: text } },
  ],
  ['schemas that say yes or no', { ...closed, properties: { a: true }, items: false, allOf: true }],
])('%s stays as it is', (_, schema) => {
  expect(closeSchema(schema)).toEqual({ open: false, schema });
});

test.each<[string, JsonObject, JsonObject]>([
  ['an object', open, closed],
  ['an object or null', { ...open, type: ['object', 'null'] }, { ...closed, type: ['object', 'null'] }],
  ['in properties', nested(open), nested(closed)],
  ['in items', nested({ type: 'array', items: open }), nested({ type: 'array', items: closed })],
  [
    'in each of a tuple',
    { prefixItems: [text, open], items: [open] },
    { prefixItems: [text, closed], items: [closed] },
  ],
  ['in a choice', { anyOf: [open, text], $defs: {} }, { anyOf: [closed, text], $defs: {} }],
  ['in oneOf', { oneOf: [open, closed] }, { oneOf: [closed, closed] }],
  ['in a sum of one', { allOf: [open], description: 'd' }, { allOf: [closed], description: 'd' }],
  [
    'in definitions',
    { $ref: '#/$defs/a', $defs: { a: open }, definitions: { b: open } },
    { $ref: '#/$defs/a', $defs: { a: closed }, definitions: { b: closed } },
  ],
  [
    'a property of any name',
    JSON.parse('{"type":"object","properties":{"__proto__":{"type":"object","properties":{"a":{}}}}}') as JsonObject,
    JSON.parse(
      '{"type":"object","properties":{"__proto__":{"type":"object","properties":{"a":{}},"additionalProperties":false}},"additionalProperties":false}',
    ) as JsonObject,
  ],
])('%s is closed', (_, schema, expected) => {
  const before = structuredClone(schema);
  expect(closeSchema(schema)).toEqual({ open: true, schema: expected });
  expect(schema).toEqual(before);
});

test.each<[string, JsonObject]>([
  ['open by its own word', { ...open, additionalProperties: true }],
  ['a map', { type: 'object', additionalProperties: text }],
  ['without properties', { type: 'object' }],
  ['without names', { type: 'object', properties: {} }],
  ['that requires what it does not name', { ...open, required: ['a', 'b'] }],
  ['in a sum', { allOf: [open, { ...open, properties: { b: text } }] }],
  ['beside a choice', { ...open, anyOf: [{ required: ['a'] }, { required: ['b'] }] }],
  ['beside a reference', { ...open, $ref: '#/$defs/b' }],
  ['in a choice beside properties', { properties: { b: text }, anyOf: [open] }],
  ['in a choice beside a closed object', { type: 'object', additionalProperties: false, anyOf: [open] }],
  ['in a choice beside a choice', { anyOf: [open], oneOf: [text, open] }],
  ['in a choice of a sum', { allOf: [{ anyOf: [open] }, text] }],
  ['by a reference in a sum', { allOf: [{ $ref: '#/$defs/a' }, { $ref: '#/$defs/a' }], $defs: { a: open } }],
  ['by a reference beside properties', { ...closed, $ref: '#/$defs/a', $defs: { a: open } }],
  ['of what may not be', { not: open }],
  ['under a condition', { if: open, else: text }],
  ['that a property depends on', { dependentSchemas: { a: open } }],
  ['deep within', nested({ type: 'array', items: { type: 'object' } })],
])('an object %s cannot be closed', (_, schema) => {
  expect(closeSchema(schema)).toEqual({ open: true, schema: undefined });
});
