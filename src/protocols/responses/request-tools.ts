import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import type { Tool, ToolChoice, ToolName } from '../../core/request.ts';
import { check, emptyArray, invalidChoice, invalidType, missing, nameSchema, unsupportedValue } from './check.ts';
import { laterToolTypes, toolTypes } from './wire.ts';

const toolName = nameSchema(128);
const jsonObject: z.ZodType<JsonObject> = z.looseObject({});

const functionTool = z.object({
  name: toolName,
  description: z.string().nullish(),
  parameters: jsonObject.nullish(),
  strict: z.boolean().nullish(),
});

const customTool = z.object({
  name: toolName,
  description: z.string().nullish(),
  format: z.object({ type: z.enum(['text', 'grammar']) }).nullish(),
});

const grammar = z.object({ syntax: z.enum(['lark', 'regex']), definition: z.string() });

/** What changes when or by whom a tool is called; false and null, what they are without it. */
const laterToolFields = ['async', 'defer_loading', 'allowed_callers', 'output_schema'] as const;

const knownToolFields: Record<Tool['type'], ReadonlySet<string>> = {
  function: new Set(['type', 'name', 'description', 'parameters', 'strict', ...laterToolFields]),
  custom: new Set(['type', 'name', 'description', 'format', ...laterToolFields]),
};

/** @param extra takes what a tool carries beyond its known fields, under `tools[i].field`. */
export function decodeTools(value: unknown, extra: JsonObject): Tool[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalidType('tools', 'an array of objects', value);
  const names = new Set<string>();
  return value.map((raw: unknown, index) => {
    const path = `tools[${index}]`;
    const tool = decodeTool(raw, path, extra);
    if (names.has(tool.name)) {
      const message = `Invalid '${path}.name': there is already a tool named '${tool.name}'. Tool names must be unique.`;
      throw new GatewayError('invalid_value', message, { param: `${path}.name` });
    }
    names.add(tool.name);
    return tool;
  });
}

function decodeTool(raw: unknown, path: string, extra: JsonObject): Tool {
  if (!isJsonObject(raw)) throw invalidType(path, 'an object', raw);
  const type = toolType(raw['type'], `${path}.type`);
  for (const field of laterToolFields) {
    const value = raw[field];
    if (value !== undefined && value !== null && value !== false) {
      const message = `Unsupported parameter: '${path}.${field}' is not supported yet.`;
      throw new GatewayError('unsupported_parameter', message, { param: `${path}.${field}` });
    }
  }
  const known = knownToolFields[type];
  for (const key of Object.keys(raw)) if (!known.has(key) && raw[key] !== null) extra[`${path}.${key}`] = raw[key];
  if (type === 'function') {
    const { name, description, parameters, strict } = check(functionTool, raw, path);
    return { type, name, description: description ?? null, parameters: parameters ?? null, strict: strict ?? null };
  }
  const { name, description, format } = check(customTool, raw, path);
  if (format?.type !== 'grammar') return { type, name, description: description ?? null, format: { type: 'text' } };
  const { syntax, definition } = check(grammar, format, `${path}.format`);
  return { type, name, description: description ?? null, format: { type: 'grammar', syntax, definition } };
}

function toolType(type: unknown, param: string): Tool['type'] {
  if (type === 'function' || type === 'custom') return type;
  if (type === undefined) throw missing(param);
  if (typeof type === 'string' && (laterToolTypes as readonly string[]).includes(type)) {
    throw unsupportedValue(
      param,
      type,
      "This tool type is not supported yet; supported values are: 'function' and 'custom'.",
    );
  }
  throw invalidChoice(param, type, toolTypes);
}

const modes = ['none', 'auto', 'required'] as const;
const choiceTypes = [...toolTypes, 'allowed_tools'] as const;
const named = z.object({ name: toolName });
const allowed = z.object({ mode: z.enum(['auto', 'required']), tools: z.array(z.unknown()) });

/** A choice can only be kept if its tools are there, so that is checked here, before anything is spent. */
export function decodeToolChoice(value: unknown, tools: Tool[]): ToolChoice {
  if (value === undefined || value === null || value === 'auto' || value === 'none') return value ?? 'auto';
  if (value === 'required') {
    if (tools.length > 0) return value;
    const message = "Tool choice 'required' must be specified with 'tools' parameter.";
    throw new GatewayError('invalid_value', message, { param: 'tool_choice' });
  }
  if (typeof value === 'string') throw invalidChoice('tool_choice', value, modes);
  if (!isJsonObject(value))
    throw invalidType('tool_choice', "an object, or one of 'none', 'auto', or 'required'", value);
  if (value['type'] !== 'allowed_tools') return toolOf(value, 'tool_choice', tools, choiceTypes);
  const choice = check(allowed, value, 'tool_choice');
  if (choice.tools.length === 0) throw emptyArray('tool_choice.tools');
  const allowedTools = choice.tools.map((tool, index) => {
    const path = `tool_choice.tools[${index}]`;
    if (!isJsonObject(tool)) throw invalidType(path, 'an object', tool);
    return toolOf(tool, path, tools, toolTypes);
  });
  return { type: 'allowed_tools', mode: choice.mode, tools: allowedTools };
}

function toolOf(value: JsonObject, path: string, tools: Tool[], types: readonly string[]): ToolName {
  const type = value['type'];
  if (type !== 'function' && type !== 'custom') {
    if (type === undefined) throw missing(`${path}.type`);
    if (typeof type === 'string' && (laterToolTypes as readonly string[]).includes(type)) {
      throw unsupportedValue(`${path}.type`, type, 'This tool type is not supported yet.');
    }
    throw invalidChoice(`${path}.type`, type, types);
  }
  const { name } = check(named, value, path);
  if (!tools.some((tool) => tool.type === type && tool.name === name)) {
    const message = `Tool choice '${name}' not found in 'tools' parameter.`;
    throw new GatewayError('invalid_value', message, { param: 'tool_choice' });
  }
  return { type, name };
}
