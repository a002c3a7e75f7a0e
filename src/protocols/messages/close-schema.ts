import { isJsonObject, type JsonObject } from '../../core/json-object.ts';

/**
 * Of what value the schemas under a keyword speak: of one within, of the same, or of the same under a condition or
 * beside another schema.
 */
const speaksOf: ReadonlyMap<string, 'inner' | 'same' | 'condition'> = new Map([
  ['properties', 'inner'],
  ['patternProperties', 'inner'],
  ['additionalProperties', 'inner'],
  ['propertyNames', 'inner'],
  ['items', 'inner'],
  ['prefixItems', 'inner'],
  ['additionalItems', 'inner'],
  ['$defs', 'inner'],
  ['definitions', 'inner'],
  ['allOf', 'same'],
  ['anyOf', 'same'],
  ['oneOf', 'same'],
  ['not', 'condition'],
  ['if', 'condition'],
  ['then', 'condition'],
  ['else', 'condition'],
  ['dependentSchemas', 'condition'],
  ['contains', 'condition'],
]);

/** Keywords that hold schemas by name. */
const groups: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  '$defs',
  'definitions',
  'dependentSchemas',
]);

interface Closed {
  /** An object in the schema lets through properties that it does not name. */
  open: boolean;
  /** Undefined: closed, the schema would refuse what it is meant for. */
  schema: JsonObject | undefined;
}

/**
 * The schema with `additionalProperties: false` on each object that says nothing of them, which Anthropic demands where a
 * schema is enforced. What is valid then was valid before. An object cannot be closed that wants to be open, that names
 * no properties, or whose value other schemas speak of too, since they may name properties of their own.
 * @see https://platform.claude.com/docs/en/build-with-claude/structured-outputs
 */
export function closeSchema(schema: JsonObject): Closed {
  let open = false;
  let closable = true;

  /** @param shared other schemas speak of the same value. */
  function close(node: JsonObject, shared: boolean): JsonObject {
    const words = Object.keys(node).filter((word) => word === '$ref' || (speaksOf.get(word) ?? 'inner') !== 'inner');
    const isObject = node['type'] === 'object' || (Array.isArray(node['type']) && node['type'].includes('object'));
    const isSum = Array.isArray(node['allOf']) && node['allOf'].length > 1;
    const sharesValue = shared || words.length > 1 || isObject || isSum || Object.hasOwn(node, 'properties');
    if (sharesValue && words.includes('$ref')) closable = false;

    const closed = mapSchemas(node, (inner, word) => {
      const of = speaksOf.get(word);
      return close(inner, of === 'condition' || (of === 'same' && sharesValue));
    });
    if (!isObject || node['additionalProperties'] === false) return closed;
    open = true;
    if (Object.hasOwn(node, 'additionalProperties') || shared || words.length > 0 || !namesItsProperties(node)) {
      closable = false;
    }
    return { ...closed, additionalProperties: false };
  }

  const closed = close(schema, false);
  return { open, schema: open && !closable ? undefined : closed };
}

function mapSchemas(node: JsonObject, map: (inner: JsonObject, word: string) => JsonObject): JsonObject {
  const mapped = Object.entries(node).map(([word, value]): [string, unknown] => {
    if (!speaksOf.has(word)) return [word, value];
    const mapOne = (inner: unknown): unknown => (isJsonObject(inner) ? map(inner, word) : inner);
    if (Array.isArray(value)) return [word, value.map(mapOne)];
    if (!groups.has(word) || !isJsonObject(value)) return [word, mapOne(value)];
    return [word, Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, mapOne(inner)]))];
  });
  return Object.fromEntries(mapped);
}

function namesItsProperties({ properties, required }: JsonObject): boolean {
  if (!isJsonObject(properties) || Object.keys(properties).length === 0) return false;
  return !Array.isArray(required) || required.every((name) => Object.hasOwn(properties, String(name)));
}
