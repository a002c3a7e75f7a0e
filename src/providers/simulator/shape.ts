import { isJsonObject } from '../../core/json-object.ts';

/**
 * The outer form of a JSON value, as Anthropic's API checks it before it looks at what the request means. The tables are
 * typed against `@anthropic-ai/sdk`, so that a field which the SDK gains or loses no longer compiles here.
 */
export type Shape =
  | { kind: 'any' | 'boolean' | 'dictionary' }
  | { kind: 'string'; pattern?: RegExp; maxLength?: number }
  | { kind: 'number' | 'integer'; min?: number; max?: number }
  | { kind: 'literal'; values: readonly string[] }
  | { kind: 'list'; item: Shape }
  | { kind: 'string-or'; other: Shape }
  | { kind: 'object'; fields: Record<string, Shape | OptionalField> }
  | TaggedShape;

interface TaggedShape {
  kind: 'tagged';
  /** The key whose value tells the members of the union apart. */
  tag: 'type' | 'role';
  members: Record<string, Record<string, Shape | OptionalField>>;
  /** What a value without a tag counts as. */
  untagged: string | undefined;
}

interface OptionalField {
  optional: Shape;
  nullable: boolean;
}

/** A field table for T: every key once, and optional or nullable exactly where T's is. */
type FieldsOf<T> = {
  [K in keyof T]-?: object extends Pick<T, K> ? { optional: Shape; nullable: null extends T[K] ? true : false } : Shape;
};

type Tag<U, K extends 'type' | 'role'> = U extends { [P in K]?: infer V } ? NonNullable<V> & string : never;
type Member<U, K extends 'type' | 'role', T> = U extends unknown ? (T extends Tag<U, K> ? U : never) : never;

export const any: Shape = { kind: 'any' };
export const string: Shape = { kind: 'string' };
export const boolean: Shape = { kind: 'boolean' };
/** An object whose keys are the client's. */
export const dictionary: Shape = { kind: 'dictionary' };

export const optional = (shape: Shape): { optional: Shape; nullable: false } => ({ optional: shape, nullable: false });
export const nullable = (shape: Shape): { optional: Shape; nullable: true } => ({ optional: shape, nullable: true });
export const list = (item: Shape): Shape => ({ kind: 'list', item });
export const literal = (...values: string[]): Shape => ({ kind: 'literal', values });
export const stringOr = (other: Shape): Shape => ({ kind: 'string-or', other });
export const integer = (min?: number, max?: number): Shape => ({ kind: 'integer', ...range(min, max) });
export const number = (min?: number, max?: number): Shape => ({ kind: 'number', ...range(min, max) });
export const object = <T>(fields: FieldsOf<T>): Shape => ({ kind: 'object', fields: { ...fields } });

/** A union whose members say by `tag` which they are. */
export function tagged<U, K extends 'type' | 'role' = 'type'>(
  tag: K,
  members: { [T in Tag<U, K>]: FieldsOf<Member<U, K, T>> },
  untagged?: Tag<U, K>,
): Shape {
  return { kind: 'tagged', tag, members, untagged };
}

function range(min: number | undefined, max: number | undefined): { min?: number; max?: number } {
  return { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
}

export type ShapeProblemKind = 'missing' | 'type' | 'unknown-field' | 'unknown-tag' | 'literal' | 'range' | 'pattern';

export interface ShapeProblem {
  kind: ShapeProblemKind;
  /** The API's own words, path included. */
  message: string;
}

/** The first thing in which `value` is not of that shape; undefined where it is. */
export function findShapeProblem(value: unknown, shape: Shape, path = ''): ShapeProblem | undefined {
  const wrong = (kind: ShapeProblemKind, what: string): ShapeProblem => ({
    kind,
    message: path === '' ? what : `${path}: ${what}`,
  });
  switch (shape.kind) {
    case 'any':
      return undefined;
    case 'boolean':
      return typeof value === 'boolean' ? undefined : wrong('type', 'Input should be a valid boolean');
    case 'dictionary':
      return isJsonObject(value) ? undefined : wrong('type', 'Input should be a valid dictionary');
    case 'string':
      if (typeof value !== 'string') return wrong('type', 'Input should be a valid string');
      if (shape.pattern !== undefined && !shape.pattern.test(value)) {
        return wrong('pattern', `String should match pattern '${shape.pattern.source}'`);
      }
      return shape.maxLength !== undefined && value.length > shape.maxLength
        ? wrong('pattern', `String should have at most ${shape.maxLength} characters`)
        : undefined;
    case 'number':
    case 'integer':
      if (typeof value !== 'number' || (shape.kind === 'integer' && !Number.isInteger(value))) {
        return wrong('type', `Input should be a valid ${shape.kind}`);
      }
      if (shape.min !== undefined && value < shape.min) {
        return wrong('range', `Input should be greater than or equal to ${shape.min}`);
      }
      return shape.max !== undefined && value > shape.max
        ? wrong('range', `Input should be less than or equal to ${shape.max}`)
        : undefined;
    case 'literal':
      return typeof value === 'string' && shape.values.includes(value)
        ? undefined
        : wrong('literal', `Input should be ${oneOf(shape.values, ' or ')}`);
    case 'list':
      if (!Array.isArray(value)) return wrong('type', 'Input should be a valid list');
      for (const [index, item] of value.entries()) {
        const problem = findShapeProblem(item, shape.item, join(path, String(index)));
        if (problem !== undefined) return problem;
      }
      return undefined;
    case 'string-or':
      return typeof value === 'string' ? undefined : findShapeProblem(value, shape.other, path);
    case 'object':
      return isJsonObject(value)
        ? findFieldProblem(value, shape.fields, path)
        : wrong('type', 'Input should be an object');
    case 'tagged':
      return isJsonObject(value) ? findMemberProblem(value, shape, path) : wrong('type', 'Input should be an object');
  }
}

function findMemberProblem(value: Record<string, unknown>, shape: TaggedShape, path: string): ShapeProblem | undefined {
  const tag = value[shape.tag] ?? shape.untagged;
  if (tag === undefined) return { kind: 'missing', message: `${join(path, shape.tag)}: Field required` };
  const fields = typeof tag === 'string' && Object.hasOwn(shape.members, tag) ? shape.members[tag] : undefined;
  if (typeof tag === 'string' && fields !== undefined) {
    return findFieldProblem(value, fields, shape.tag === 'role' ? path : join(path, tag));
  }
  const message =
    shape.tag === 'role'
      ? `messages: Unexpected role ${JSON.stringify(tag)}. Allowed roles are "user" or "assistant"`
      : `${path}: Input tag '${typeof tag === 'string' ? tag : JSON.stringify(tag)}' found using 'type' does not match ` +
        `any of the expected tags: ${oneOf(Object.keys(shape.members), ', ')}`;
  return { kind: 'unknown-tag', message };
}

function findFieldProblem(
  value: Record<string, unknown>,
  fields: Record<string, Shape | OptionalField>,
  path: string,
): ShapeProblem | undefined {
  for (const [name, field] of Object.entries(fields)) {
    const given = Object.hasOwn(value, name) ? value[name] : undefined;
    const isOptional = 'optional' in field;
    if (given === undefined) {
      if (isOptional) continue;
      return { kind: 'missing', message: `${join(path, name)}: Field required` };
    }
    if (given === null && isOptional && field.nullable) continue;
    const problem = findShapeProblem(given, isOptional ? field.optional : field, join(path, name));
    if (problem !== undefined) return problem;
  }
  for (const name of Object.keys(value)) {
    if (!Object.hasOwn(fields, name)) {
      return { kind: 'unknown-field', message: `${join(path, name)}: Extra inputs are not permitted` };
    }
  }
  return undefined;
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function oneOf(values: readonly string[], separator: string): string {
  const quoted = values.map((value) => `'${value}'`);
  const last = quoted.pop();
  return quoted.length === 0 ? (last ?? '') : `${quoted.join(', ')}${separator}${last}`;
}
