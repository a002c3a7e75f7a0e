import { isJsonObject } from '../../core/json-object.ts';

/** What the words that a call was asked for with offer as values. */
export interface Hints {
  /** What the call is about: the city, the file, the query. */
  subject: string;
  /** The whole text. */
  text: string;
  /** Numbers in the text; each is used once. */
  numbers: number[];
}

/** Deep enough for real tools, and an end for schemas that contain themselves. */
const maxDepth = 8;
/** A schema that contains itself more than once is larger than any answer long before that depth: what is left stays empty. */
const maxSteps = 100_000;
/** What is said once in a schema can be written into each field. */
const charsPerStep = 8;

/** Counts what is done. @returns false: it has become too much. */
type Spend = (steps: number) => boolean;

const formats: Record<string, string> = {
  date: '2026-01-01',
  'date-time': '2026-01-01T00:00:00Z',
  time: '00:00:00Z',
  duration: 'PT1S',
  email: 'someone@example.com',
  hostname: 'example.com',
  ipv4: '192.0.2.1',
  ipv6: '2001:db8::1',
  uri: 'https://example.com/',
  uuid: '00000000-0000-4000-8000-000000000000',
};

const textNames = /text|message|prompt|question|content|body|description|instruction/i;

/** A value of the JSON Schema's kind: required properties filled, enumerations at their first value. */
export function fillSchema(schema: unknown, hints: Hints): unknown {
  const takeNumber = hints.numbers.values();
  let steps = 0;
  const spend: Spend = (more) => {
    steps += more;
    return steps <= maxSteps;
  };
  return fill(schema, 'value', 0);

  function fill(node: unknown, name: string, depth: number): unknown {
    const isLeft = spend(1) && depth <= maxDepth;
    const resolved = resolve(node, schema, depth, spend);
    if (!isJsonObject(resolved)) return hints.subject;
    if (Object.hasOwn(resolved, 'const')) return given(resolved['const']);
    if (Array.isArray(resolved['enum']) && resolved['enum'].length > 0) return given(resolved['enum'][0]);
    const type = typeOf(resolved);
    if (!isLeft) return type === 'array' ? [] : type === 'object' ? {} : null;
    switch (type) {
      case 'object':
        return fillObject(resolved, depth);
      case 'array': {
        const items = Array.isArray(resolved['prefixItems']) ? resolved['prefixItems'] : [];
        const count = Math.min(
          Math.max(countOf(resolved['minItems']) ?? 1, items.length),
          countOf(resolved['maxItems']) ?? 64,
          64,
        );
        return Array.from({ length: count }, (_, index) =>
          fill(items[index] ?? resolved['items'] ?? {}, name, depth + 1),
        );
      }
      case 'number':
      case 'integer':
        return fillNumber(resolved, type === 'integer');
      case 'boolean':
        return true;
      case 'null':
        return null;
      default:
        return fillString(resolved, name);
    }
  }

  function given(value: unknown): unknown {
    return spend(1) && spend(JSON.stringify(value).length / charsPerStep) ? value : null;
  }

  function fillObject(node: Record<string, unknown>, depth: number): unknown {
    const properties = isJsonObject(node['properties']) ? node['properties'] : {};
    const required = Array.isArray(node['required']) ? node['required'].filter((key) => typeof key === 'string') : [];
    const names = required.length > 0 ? required : Object.keys(properties).slice(0, 1);
    // From entries, so that a property called __proto__ is one like any other.
    return Object.fromEntries(
      names.map((name) => [name, fill(Object.hasOwn(properties, name) ? properties[name] : {}, name, depth + 1)]),
    );
  }

  function fillNumber(node: Record<string, unknown>, whole: boolean): number {
    const step = numberOf(node['multipleOf']) ?? 0;
    const above = numberOf(node['exclusiveMinimum']);
    const below = numberOf(node['exclusiveMaximum']);
    const least = Math.max(
      numberOf(node['minimum']) ?? -Infinity,
      above === undefined ? -Infinity : above + (whole ? 1 : 1e-6),
    );
    const most = Math.min(
      numberOf(node['maximum']) ?? Infinity,
      below === undefined ? Infinity : below - (whole ? 1 : 1e-6),
    );
    const fits = (value: number): boolean =>
      value >= least && value <= most && (!whole || Number.isInteger(value)) && (step <= 0 || value % step === 0);
    for (const offered of takeNumber) if (fits(offered)) return offered;
    const nearest = Math.min(Math.max(1, least), most);
    const whole1 = whole ? (nearest < 1 ? Math.floor(nearest) : Math.ceil(nearest)) : nearest;
    return step > 0 ? Math.ceil(whole1 / step) * step : whole1;
  }

  function fillString(node: Record<string, unknown>, name: string): string {
    const format = typeof node['format'] === 'string' ? formats[node['format']] : undefined;
    if (format !== undefined) return format;
    const words = textNames.test(name) ? hints.text : hints.subject;
    const characters = spend(words.length / charsPerStep) ? Array.from(words) : [];
    const most = countOf(node['maxLength']) ?? characters.length;
    const least = countOf(node['minLength']) ?? 0;
    return (
      characters.slice(0, Math.max(most, 0)).join('') +
      '.'.repeat(Math.min(Math.max(least - characters.length, 0), 1024))
    );
  }
}

/** The schema without references and choices: of a choice, the first that is not null. */
function resolve(node: unknown, root: unknown, depth: number, spend: Spend): unknown {
  if (!isJsonObject(node) || !spend(1) || depth > maxDepth) return node;
  const inner = (next: unknown): unknown => resolve(next, root, depth + 1, spend);
  const join = (first: unknown, second: unknown): unknown => merge(first, second, spend);
  if (typeof node['$ref'] === 'string' && node['$ref'].startsWith('#')) {
    if (!spend(node['$ref'].length)) return undefined;
    const target = node['$ref']
      .split('/')
      .slice(1)
      .reduce<unknown>((at, key) => {
        const name = key.replaceAll('~1', '/').replaceAll('~0', '~');
        return isJsonObject(at) && Object.hasOwn(at, name) ? at[name] : undefined;
      }, root);
    return inner(target);
  }
  for (const word of ['anyOf', 'oneOf']) {
    const choices = node[word];
    if (!Array.isArray(choices)) continue;
    const choice: unknown = choices.find((option) => !isJsonObject(option) || option['type'] !== 'null') ?? choices[0];
    return inner(join(node, choice));
  }
  const all = node['allOf'];
  if (!Array.isArray(all)) return node;
  return all.map(inner).reduce(join, { ...node, allOf: undefined });
}

function merge(first: unknown, second: unknown, spend: Spend): unknown {
  if (!isJsonObject(first) || !isJsonObject(second)) return second ?? first;
  if (!spend(1) || !spend(sizeOf(first) + sizeOf(second))) return first;
  const joined: Record<string, unknown> = { ...first, anyOf: undefined, oneOf: undefined, ...second };
  if (isJsonObject(first['properties']) && isJsonObject(second['properties'])) {
    joined['properties'] = { ...first['properties'], ...second['properties'] };
  }
  if (Array.isArray(first['required']) && Array.isArray(second['required'])) {
    joined['required'] = [...new Set([...first['required'], ...second['required']])];
  }
  return joined;
}

/** How much of a schema is copied when it is merged. */
function sizeOf(node: Record<string, unknown>): number {
  const { properties, required } = node;
  const names = isJsonObject(properties) ? Object.keys(properties).length : 0;
  return Object.keys(node).length + names + (Array.isArray(required) ? required.length : 0);
}

function typeOf(node: Record<string, unknown>): unknown {
  const { type } = node;
  if (Array.isArray(type)) return type.find((name) => name !== 'null') ?? 'null';
  if (type !== undefined) return type;
  if (node['properties'] !== undefined || node['required'] !== undefined) return 'object';
  return node['items'] === undefined ? 'string' : 'array';
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function countOf(value: unknown): number | undefined {
  const count = numberOf(value);
  return count === undefined || count < 0 ? undefined : Math.floor(count);
}
