import { isJsonObject, type JsonObject } from '../../core/json-object.ts';

/**
 * What Google holds the model to; it reads nothing else of a schema.
 * @see https://ai.google.dev/gemini-api/docs/structured-output#json-schema-support
 */
const enforced: ReadonlySet<string> = new Set([
  'type',
  'format',
  'enum',
  'items',
  'prefixItems',
  'minItems',
  'maxItems',
  'minimum',
  'maximum',
  'anyOf',
  'oneOf',
  'properties',
  'additionalProperties',
  'required',
  'propertyOrdering',
]);

/** They hold nobody to anything. */
const silent: ReadonlySet<string> = new Set([
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  'definitions',
]);

const named: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions']);
const inner: ReadonlySet<string> = new Set(['items', 'prefixItems', 'anyOf', 'oneOf', 'additionalProperties']);

export interface ReadableSchema {
  schema: JsonObject;
  /** Words of the schema that the upstream does not hold the model to. */
  unread: string[];
}

/**
 * Beside a reference Google takes other words with a `$` only, or few others ("can only contain properties starting with '$' when
 * $ref is present"): with more it is a choice of one.
 */
function apart(node: JsonObject): JsonObject {
  const { $ref, ...others } = node;
  const isAlone = $ref === undefined || Object.keys(others).every((word) => word.startsWith('$'));
  return isAlone || Object.hasOwn(others, 'anyOf') ? node : { anyOf: [{ $ref }], ...others };
}

/** The schema with `const` as the `enum` of one value that it is, where Google takes the value in an enum. */
export function readableSchema(schema: JsonObject): ReadableSchema {
  const unread = new Set<string>();

  function read(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(read);
    return isJsonObject(value) ? readOne(value) : value;
  }

  function readOne(node: JsonObject): JsonObject {
    const entries = Object.entries(node).map(([word, value]): [string, unknown] => {
      if (named.has(word) && isJsonObject(value)) {
        return [word, Object.fromEntries(Object.entries(value).map(([name, each]) => [name, read(each)]))];
      }
      if (inner.has(word)) return [word, read(value)];
      // A sum of one, as pydantic wrote a reference that something is said of, is a choice of one.
      if (word === 'allOf' && Array.isArray(value) && value.length === 1 && !Object.hasOwn(node, 'anyOf'))
        return ['anyOf', read(value)];
      if (word === 'const' && (typeof value === 'string' || typeof value === 'number')) return ['enum', [value]];
      if (!enforced.has(word) && !silent.has(word) && !word.startsWith('$')) unread.add(word);
      return [word, value];
    });
    return apart(Object.fromEntries(entries));
  }

  return { schema: readOne(schema), unread: [...unread] };
}
