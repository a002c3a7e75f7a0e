import { isJsonObject, type JsonObject } from './json-object.ts';

/**
 * A schema is the client's: a short one can branch without end, or have a long list looked through again and again. What is not
 * decided by then is not said to be wrong.
 */
const maxSteps = 500_000;
/** Of looking at a value by a rule, where to look at one name or one value of a list is one step. */
const checkSteps = 5;
/** How much of a text is measured, or compared, in the time of a step. */
const charsPerStep = 8;
const maxDepth = 200;

/** Counts what is done. Throws when it has become too much. */
type Spend = (steps: number) => void;

class SpentError extends Error {}

/**
 * Where a value breaks a JSON Schema: `$.items[2].name is missing`. Undefined: it does not, as far as could be seen.
 * Checked are the words that structured outputs are made of: types, properties, items, enums, choices, references and bounds.
 * Not checked are patterns and formats, since a client's pattern can keep a process busy for ever, and words that are newer.
 */
export function schemaProblem(schema: JsonObject, value: unknown): string | undefined {
  let steps = 0;
  const spend: Spend = (more) => {
    steps += more;
    if (steps > maxSteps) throw new SpentError();
  };
  /** By the rules that refer: to compare long references would cost as much as to follow them. */
  const targets = new Map<JsonObject, unknown>();

  function refer(rule: JsonObject, reference: string): unknown {
    if (targets.has(rule)) return targets.get(rule);
    spend(reference.length);
    const target = targetOf(schema, reference);
    targets.set(rule, target);
    return target;
  }

  function check(rule: unknown, given: unknown, path: string, depth: number): string | undefined {
    spend(checkSteps);
    if (depth > maxDepth) return undefined;
    if (rule === false) return `${path} is not allowed`;
    if (!isJsonObject(rule)) return undefined;
    const inner = (next: unknown, at = path, of = given): string | undefined => check(next, of, at, depth + 1);

    if (typeof rule['$ref'] === 'string') {
      const problem = inner(refer(rule, rule['$ref']));
      if (problem !== undefined) return problem;
    }
    const types = listOf(rule['type']);
    spend(types?.length ?? 0);
    if (types !== undefined && !types.some((type) => hasType(given, type)))
      return `${path} is not of type ${types.join(' or ')}`;
    if (Array.isArray(rule['enum']) && !rule['enum'].some((each) => isSame(each, given, spend)))
      return `${path} is none of its values`;
    if ('const' in rule && !isSame(rule['const'], given, spend)) return `${path} is not its only value`;

    for (const each of arrayOf(rule['allOf'])) {
      const problem = inner(each);
      if (problem !== undefined) return problem;
    }
    const choices = [arrayOf(rule['anyOf']), arrayOf(rule['oneOf'])];
    const isChoice = choices.some(({ length }) => length > 0);
    if (isChoice && choices.every((some) => some.every((each) => inner(each) !== undefined)))
      return `${path} fits none of its choices`;

    return (
      boundProblem(rule, given, path, spend) ??
      objectProblem(rule, given, path, inner, spend) ??
      arrayProblem(rule, given, path, inner)
    );
  }

  try {
    return check(schema, value, '$', 0);
  } catch (error) {
    if (error instanceof SpentError) return undefined;
    throw error;
  }
}

/** Undefined: the reference leads nowhere, or elsewhere. */
export function targetOf(schema: JsonObject, reference: string): unknown {
  if (!reference.startsWith('#')) return undefined;
  let target: unknown = schema;
  for (const part of reference.split('/').slice(1)) {
    const key = decoded(part)?.replaceAll('~1', '/').replaceAll('~0', '~');
    if (key === undefined || !isJsonObject(target) || !Object.hasOwn(target, key)) return undefined;
    target = target[key];
  }
  return target;
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    // A lone percent sign.
    return undefined;
  }
}

type Inner = (rule: unknown, path: string, value: unknown) => string | undefined;

function objectProblem(rule: JsonObject, value: unknown, path: string, inner: Inner, spend: Spend): string | undefined {
  if (!isJsonObject(value)) return undefined;
  for (const name of arrayOf(rule['required'])) {
    spend(1);
    if (typeof name === 'string' && !Object.hasOwn(value, name)) return `${path}.${name} is missing`;
  }
  const properties = isJsonObject(rule['properties']) ? rule['properties'] : {};
  const given = Object.entries(value);
  spend(given.length);
  for (const [name, each] of given) {
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
function boundProblem(rule: JsonObject, value: unknown, path: string, spend: Spend): string | undefined {
  if (typeof value === 'string') spend(value.length / charsPerStep);
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

function isSame(one: unknown, other: unknown, spend: Spend): boolean {
  spend(typeof one === 'string' ? 1 + one.length / charsPerStep : 1);
  if (one === other) return true;
  if (Array.isArray(one)) {
    return (
      Array.isArray(other) && one.length === other.length && one.every((each, at) => isSame(each, other[at], spend))
    );
  }
  if (!isJsonObject(one) || !isJsonObject(other)) return false;
  const [names, others] = [Object.keys(one), Object.keys(other)];
  spend(names.length + others.length);
  return names.length === others.length && names.every((name) => isSame(one[name], other[name], spend));
}

function arrayOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function listOf(value: unknown): unknown[] | undefined {
  return value === undefined ? undefined : Array.isArray(value) ? value : [value];
}
