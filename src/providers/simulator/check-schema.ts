import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import type { MessagesRequest } from './wire.ts';

const combinations = ['oneOf', 'allOf', 'anyOf'];

export function toolSchemaProblem({ tools = [] }: MessagesRequest): string | undefined {
  for (const [index, tool] of tools.entries()) {
    if (!('input_schema' in tool)) continue;
    const path = `tools.${index}.custom.input_schema`;
    const schema: Record<string, unknown> = tool.input_schema;
    if (schema['type'] === undefined) return `${path}.type: Field required`;
    if (schema['type'] !== 'object') return `${path}.type: Input should be 'object'`;
  }
  return undefined;
}

export function combinedSchemaProblem({ tools = [] }: MessagesRequest): string | undefined {
  const index = tools.findIndex(
    (tool) => 'input_schema' in tool && combinations.some((word) => Object.hasOwn(tool.input_schema, word)),
  );
  return index < 0
    ? undefined
    : `tools.${index}.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level`;
}

/** @see https://platform.claude.com/docs/en/build-with-claude/structured-outputs */
export function openObjectProblem(request: MessagesRequest): string | undefined {
  const message = "For 'object' type, 'additionalProperties' must be explicitly set to false";
  return heldProblem(request, (schema) => (isOpen(schema) ? message : undefined));
}

/** @see https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations */
export function boundProblem(request: MessagesRequest): string | undefined {
  return heldProblem(request, (node) => {
    const word = bounds.find((bound) => Object.hasOwn(node, bound));
    return word === undefined ? undefined : `For '${String(node['type'])}' type, property '${word}' is not supported`;
  });
}

const bounds = ['minimum', 'maximum', 'multipleOf', 'minLength', 'maxLength', 'maxItems'];

/** What is wrong with a rule of a schema that the model is to be held to. */
function heldProblem(
  { tools = [], output_config, output_format }: MessagesRequest,
  problemOf: (node: JsonObject) => string | undefined,
): string | undefined {
  const held: [path: string, schema: unknown][] = [
    ['output_config.format.schema', output_config?.format?.schema],
    ['output_format.schema', output_format?.schema],
    ...tools.map((tool, index): [string, unknown] => [
      `tools.${index}.custom`,
      'input_schema' in tool && tool.strict === true ? tool.input_schema : undefined,
    ]),
  ];
  for (const [path, schema] of held) {
    const problem = firstProblem(schema, problemOf);
    if (problem !== undefined) return `${path}: ${problem}`;
  }
  return undefined;
}

function firstProblem(schema: unknown, problemOf: (node: JsonObject) => string | undefined): string | undefined {
  if (!isJsonObject(schema)) return undefined;
  const own = problemOf(schema);
  if (own !== undefined) return own;
  const named = [schema['properties'], schema['$defs'], schema['definitions']].flatMap((group) =>
    isJsonObject(group) ? Object.values(group) : [],
  );
  const listed = [schema['items'], ...combinations.map((word) => schema[word])].flat();
  for (const inner of [...named, ...listed]) {
    const problem = firstProblem(inner, problemOf);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** An object that lets through properties that it does not name. */
function isOpen({ type, additionalProperties }: JsonObject): boolean {
  const isObject = type === 'object' || (Array.isArray(type) && type.includes('object'));
  return isObject && additionalProperties !== false;
}
