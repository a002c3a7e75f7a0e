import { isJsonObject } from '../../core/json-object.ts';
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
export function openObjectProblem({ tools = [], output_config, output_format }: MessagesRequest): string | undefined {
  const message = "For 'object' type, 'additionalProperties' must be explicitly set to false";
  if (isOpen(output_config?.format?.schema)) return `output_config.format.schema: ${message}`;
  if (isOpen(output_format?.schema)) return `output_format.schema: ${message}`;
  const index = tools.findIndex((tool) => 'input_schema' in tool && tool.strict === true && isOpen(tool.input_schema));
  return index < 0 ? undefined : `tools.${index}.custom: ${message}`;
}

/** Whether an object in it lets through properties that it does not name. */
function isOpen(schema: unknown): boolean {
  if (!isJsonObject(schema)) return false;
  const { type } = schema;
  if (
    (type === 'object' || (Array.isArray(type) && type.includes('object'))) &&
    schema['additionalProperties'] !== false
  ) {
    return true;
  }
  const named = [schema['properties'], schema['$defs'], schema['definitions']].flatMap((group) =>
    isJsonObject(group) ? Object.values(group) : [],
  );
  const listed = [schema['items'], ...combinations.map((word) => schema[word])].flat();
  return [...named, ...listed].some(isOpen);
}
