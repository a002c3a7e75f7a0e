import { isJsonObject, type JsonObject } from './json-object.ts';

/** A schema is the client's: a short one can branch without end. What is not decided by then is not said to be wrong. */
const maxSteps = 100_000;
const maxDepth = 200;

/**
 * Where a value breaks a JSON Schema: `$.items[2].name is missing`. Undefined: it does not, as far as could be seen.
 * Checked are the words that structured outputs are made of: types, properties, items, enums, choices, references and bounds.
 * Not checked are patterns and formats, since a client's pattern can keep a process busy for ever, and words that are newer.
 */
export function schemaProblem(schema: JsonObject, value: unknown): string | undefined {
  let steps = 0;

  function refer(reference: string): unknown {
    let target: unknown = schema;
    for (const part of reference.split('/').slice(1)) {
      const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
      target = isJsonObject(target) && Object.hasOwn(target, key) ? target[key] : undefined;
    }
    return reference.startsWith('#') ? target : undefined;
  }

  function check(rule: unknown, given: unknown, path: string, depth: number): string | undefined {
    steps += 1;
    if (steps > maxSteps || depth > maxDepth) return undefined;
    if (rule === false) return `${path} is not allowed`;
    if (!isJsonObject(rule)) return undefined;
    const inner = (next: unknown, at = path, of = given): string | undefined => check(next, of, at, depth + 1);

    if (typeof rule['$ref'] === 'string') {
      const problem = inner(refer(rule['$ref']));
      if (problem !== undefined) return problem;
    }
    const types = listOf(rule['type']);
    if (types !== undefined && !types.some((type) => hasType(given, type)))
      return `${path} is not of type ${types.join(' or ')}`;
    if (Array.isArray(rule['enum']) && !rule['enum'].some((each) => isSame(each, given)))
      return `${path} is none of its values`;
    if ('const' in rule && !isSame(rule['const'], given)) return `${path} is not its only value`;

    for (const each of arrayOf(rule['allOf'])) {
      const problem = inner(each);
      if (problem !== undefined) return problem;
    }
    const choices = [...arrayOf(rule['anyOf']), ...arrayOf(rule['oneOf'])];
    if (choices.length > 0 && choices.every((each) => inner(each) !== undefined))
      return `${path} fits none of its choices`;

    return (
      boundProblem(rule, given, path) ??
      objectProblem(rule, given, path, inner) ??
      arrayProblem(rule, given, path, inner)
    );
  }

  return check(schema, value, '$', 0);
}

type Inner = (rule: unknown, path: string, value: unknown) => string | undefined;

function objectProblem(rule: JsonObject, value: unknown, path: string, inner: Inner): string | undefined {
  if (!isJsonObject(value)) return undefined;
  for (const name of arrayOf(rule['required'])) {
    if (typeof name === 'string' && !Object.hasOwn(value, name)) return `${path}.${name} is missing`;
  }
  const properties = isJsonObject(rule['properties']) ? rule['properties'] : {};
  for (const [name, each] of Object.entries(value)) {
    // Patterns are not looked at: a property that one could be about is not said to be wrong.
    const rest = isJsonObject(rule['patternProperties']) ? undefined : rule['additionalProperties'];
    const problem = inner(Object.hasOwn(properties, name) ? properties[name] : rest, `${path}.${name}`, each);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function arrayProblem(rule: JsonObject, value: unknown, path: string, inner: Inner): string | undefined {
  if (!Array.isArray(value)) return undefined;
  const first = arrayOf(rule['prefixItems']);
  for (const [at, each] of value.entries()) {
    const problem = inner(at < first.length ? first[at] : rule['items'], `${path}[${at}]`, each);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** By how a bound's value is measured. */
function boundProblem(rule: JsonObject, value: unknown, path: string): string | undefined {
  const measured: [unknown, string, string][] =
    typeof value === 'number'
      ? [[value, 'minimum', 'maximum']]
      : typeof value === 'string'
        ? [[Array.from(value).length, 'minLength', 'maxLength']]
        : Array.isArray(value)
          ? [[value.length, 'minItems', 'maxItems']]
          : [];
  for (const [size, least, most] of measured) {
    const [low, high] = [rule[least], rule[most]];
    if (typeof low === 'number' && Number(size) < low) return `${path} is below ${least}`;
    if (typeof high === 'number' && Number(size) > high) return `${path} is above ${most}`;
  }
  return undefined;
}

function hasType(value: unknown, type: unknown): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isJsonObject(value);
    case 'integer':
      return Number.isInteger(value);
    case 'string':
    case 'number':
    case 'boolean':
      return typeof value === type;
    default:
      return true;
  }
}

function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (Array.isArray(one)) {
    return Array.isArray(other) && one.length === other.length && one.every((each, at) => isSame(each, other[at]));
  }
  if (!isJsonObject(one) || !isJsonObject(other)) return false;
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => isSame(one[name], other[name]));
}

function arrayOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function listOf(value: unknown): unknown[] | undefined {
  return value === undefined ? undefined : Array.isArray(value) ? value : [value];
}
