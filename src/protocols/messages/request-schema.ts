import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { targetOf } from '../../core/schema-problem.ts';

/**
 * What Anthropic takes in a schema that it holds a model to. Other words have the request refused ("For 'integer' type, property
 * 'minimum' is not supported"): they are told in the description of what they are about, as Anthropic's own SDKs do.
 * @see https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
 */
const enforced: ReadonlySet<string> = new Set([
  'type',
  'enum',
  'const',
  'items',
  'anyOf',
  'allOf',
  'properties',
  'required',
  'additionalProperties',
  'definitions',
  'title',
  'description',
  'default',
]);

const formats: ReadonlySet<unknown> = new Set([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'uri',
  'ipv4',
  'ipv6',
  'uuid',
]);

/** Patterns that look around, or back. */
const hardPattern = /\(\?[=!<]|\\[bB1-9k]/;

/** They hold nobody to anything. */
const silent: ReadonlySet<string> = new Set(['examples', 'deprecated', 'readOnly', 'writeOnly']);

/** Without them, what is meant would be refused. */
const needed = ['patternProperties', 'prefixItems'];

const named: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions']);
const inner: ReadonlySet<string> = new Set(['items', 'anyOf', 'allOf', 'oneOf']);

/** Deeper ones are nobody's to be held to. */
const maxDepth = 500;

export interface ReadableSchema {
  schema: JsonObject;
  /** Words of the schema that the upstream does not hold the model to. */
  unread: string[];
}

/** What is said of these words. */
export const unheld = (unread: readonly string[]): string =>
  `The upstream does not hold the model to ${unread.join(', ')} of a schema: it is told of them in descriptions.`;

export const unreadable =
  'The upstream enforces no schema that contains itself, or that has patternProperties or prefixItems';

/** Undefined: the upstream cannot hold a model to it. */
export function readableSchema(schema: JsonObject): ReadableSchema | undefined {
  if (!isReadable(schema)) return undefined;
  const unread = new Set<string>();

  function read(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(read);
    return isJsonObject(value) ? readOne(value) : value;
  }

  function readOne(node: JsonObject): JsonObject {
    const kept: [string, unknown][] = [];
    const told: string[] = [];
    for (const [word, value] of Object.entries(node)) {
      if (named.has(word) && isJsonObject(value)) {
        kept.push([word, Object.fromEntries(Object.entries(value).map(([name, each]) => [name, read(each)]))]);
      } else if (word === 'oneOf' && !Object.hasOwn(node, 'anyOf')) kept.push(['anyOf', read(value)]);
      else if (isTaken(word, value)) kept.push([word, inner.has(word) ? read(value) : value]);
      else {
        if (!silent.has(word)) unread.add(word);
        told.push(`${word}: ${JSON.stringify(value)}`);
      }
    }
    const schema: JsonObject = Object.fromEntries(kept);
    if (told.length === 0) return schema;
    const { description } = node;
    const before = typeof description === 'string' && description !== '' ? `${description}\n\n` : '';
    return { ...schema, description: `${before}{${told.join(', ')}}` };
  }

  return { schema: readOne(schema), unread: [...unread] };
}

function isTaken(word: string, value: unknown): boolean {
  if (word === 'format') return formats.has(value);
  if (word === 'pattern') return typeof value === 'string' && !hardPattern.test(value);
  if (word === 'minItems') return value === 0 || value === 1;
  return enforced.has(word) || word.startsWith('$');
}

/** Each rule is looked at once, however many refer to it. */
function isReadable(schema: JsonObject): boolean {
  const open = new Set<object>();
  const done = new Set<object>();

  function isFine(node: unknown): boolean {
    if (typeof node !== 'object' || node === null || done.has(node)) return true;
    if (open.has(node) || open.size > maxDepth) return false;
    open.add(node);
    const isPlain = isJsonObject(node) ? isRuleFine(node) : Object.values(node).every(isFine);
    open.delete(node);
    done.add(node);
    return isPlain;
  }

  function isRuleFine(rule: JsonObject): boolean {
    if (needed.some((word) => Object.hasOwn(rule, word))) return false;
    if (typeof rule['$ref'] === 'string') {
      const target = targetOf(schema, rule['$ref']);
      if (target === undefined || !isFine(target)) return false;
    }
    return Object.entries(rule).every(([word, value]) => {
      if (named.has(word) && isJsonObject(value)) return Object.values(value).every(isFine);
      return !inner.has(word) || isFine(value);
    });
  }

  return isFine(schema);
}
