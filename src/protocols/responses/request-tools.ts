import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { knownToolFields, readTool } from '../../core/read-tool.ts';
import {
  isNativeTool,
  type NativeToolName,
  type NativeToolType,
  nativeToolTypes,
  type Tool,
  type ToolChoice,
  type ToolName,
} from '../../core/request.ts';
import { check, emptyArray, invalidChoice, invalidType, missing, nameSchema, tooMany } from '../../core/check.ts';
import { toolTypes } from './wire.ts';

const toolName = nameSchema(128);
const jsonObject: z.ZodType<JsonObject> = z.looseObject({});
const text = z.string();
const options = {
  async: z.boolean().nullish(),
  defer_loading: z.boolean().nullish(),
  allowed_callers: z.array(z.enum(['direct', 'programmatic'])).nullish(),
};

const functionTool = z.object({
  name: toolName,
  description: text.nullish(),
  parameters: jsonObject.nullish(),
  strict: z.boolean().nullish(),
  output_schema: jsonObject.nullish(),
  ...options,
});

const customTool = z.object({
  name: toolName,
  description: text.nullish(),
  format: z.object({ type: z.enum(['text', 'grammar']) }).nullish(),
  ...options,
});

const grammar = z.object({ syntax: z.enum(['lark', 'regex']), definition: text });
const namespace = z.object({ name: toolName, description: text.nullish(), tools: z.array(z.unknown()) });

const webSearch = z.object({
  external_web_access: z.boolean().nullish(),
  filters: jsonObject.nullish(),
  search_context_size: z.enum(['low', 'medium', 'high']).nullish(),
  user_location: jsonObject.nullish(),
});

/** What OpenAI itself would refuse; the rest of a native tool is for the upstream that runs it to judge. */
const nativeTools: Record<NativeToolType, z.ZodType> = {
  web_search: webSearch,
  web_search_2025_08_26: webSearch,
  web_search_preview: webSearch,
  web_search_preview_2025_03_11: webSearch,
  file_search: z.object({ vector_store_ids: z.array(text) }),
  computer: z.object({}),
  computer_use: z.object({}),
  computer_use_preview: z.object({
    display_height: z.number(),
    display_width: z.number(),
    environment: z.enum(['windows', 'mac', 'linux', 'ubuntu', 'browser']),
  }),
  code_interpreter: z.object({ container: z.unknown() }),
  image_generation: z.object({}),
  mcp: z.object({ server_label: text.min(1) }),
  local_shell: z.object({}),
  shell: z.object({ environment: jsonObject.nullish() }),
  apply_patch: z.object({}),
  tool_search: z.object({
    description: text.nullish(),
    execution: z.enum(['server', 'client']).nullish(),
    parameters: jsonObject.nullish(),
  }),
  programmatic_tool_calling: z.object({}),
};

/**
 * @param extra takes what a tool carries beyond its known fields, under `tools[i].field`.
 * @param base where the list stands in the request.
 */
export function decodeTools(value: unknown, extra: JsonObject, base = 'tools'): Tool[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalidType(base, 'an array of objects', value);
  if (value.length > maxTools) throw tooMany(base, maxTools, value.length);
  const names = new Set<string>();
  return value.map((raw: unknown, index) => {
    const path = `${base}[${index}]`;
    if (!isJsonObject(raw)) throw invalidType(path, 'an object', raw);
    checkTool(raw, path, extra);
    const tool = readTool(raw);
    if (!isNativeTool(tool)) refuseSecond(tool.type === 'namespace' ? `${tool.name}.` : tool.name, names, path);
    return tool;
  });
}

/** @param name a namespace's ends in a dot, which no tool's can: the two may be called alike. */
function refuseSecond(name: string, names: Set<string>, path: string): void {
  const shown = name.replace('.', '');
  if (names.has(name)) {
    const message = `Invalid '${path}.name': there is already a tool named '${shown}'. Tool names must be unique.`;
    throw new GatewayError('invalid_value', message, { param: `${path}.name` });
  }
  names.add(name);
}

function checkTool(raw: JsonObject, path: string, extra: JsonObject): void {
  const type = choiceOf(raw['type'], `${path}.type`, toolTypes);
  if (type !== 'function' && type !== 'custom' && type !== 'namespace') {
    check(nativeTools[type], raw, path);
    if (type === 'code_interpreter' && typeof raw['container'] !== 'string' && !isJsonObject(raw['container'])) {
      if (raw['container'] === undefined) throw missing(`${path}.container`);
      throw invalidType(`${path}.container`, 'one of a string or an object', raw['container']);
    }
    return;
  }
  const known = knownToolFields[type];
  for (const key of Object.keys(raw)) if (!known.has(key) && raw[key] !== null) extra[`${path}.${key}`] = raw[key];
  if (type === 'function') check(functionTool, raw, path);
  else if (type === 'custom') {
    const { format } = check(customTool, raw, path);
    if (format?.type === 'grammar') check(grammar, format, `${path}.format`);
  } else checkNamespace(raw, path, extra);
}

function checkNamespace(raw: JsonObject, path: string, extra: JsonObject): void {
  const { tools } = check(namespace, raw, path);
  if (tools.length === 0) throw emptyArray(`${path}.tools`);
  if (tools.length > maxTools) throw tooMany(`${path}.tools`, maxTools, tools.length);
  const names = new Set<string>();
  for (const [index, tool] of tools.entries()) {
    const at = `${path}.tools[${index}]`;
    if (!isJsonObject(tool)) throw invalidType(at, 'an object', tool);
    choiceOf(tool['type'], `${at}.type`, ['function', 'custom']);
    checkTool(tool, at, extra);
    refuseSecond(String(tool['name']), names, at);
  }
}

function choiceOf<T extends string>(type: unknown, param: string, types: readonly T[]): T {
  const known = types.find((each) => each === type);
  if (known !== undefined) return known;
  throw type === undefined ? missing(param) : invalidChoice(param, type, types);
}

/** More than OpenAI takes, and few enough for each to be looked for among the others. */
const maxTools = 1024;

const modes = ['none', 'auto', 'required'] as const;
const namedTypes = ['function', 'custom', ...nativeToolTypes] as const;
const choiceTypes = [...namedTypes, 'allowed_tools'] as const;
const named = z.object({ name: toolName, namespace: toolName.nullish() });
const server = z.object({ server_label: text, name: text.nullish() });
const allowed = z.object({ mode: z.enum(['auto', 'required']), tools: z.array(z.unknown()) });

/**
 * A choice can only be kept if its tools are there, so that is checked here, before anything is spent.
 * @param more tools may come with the context, where an upstream's codec looks for them.
 */
export function decodeToolChoice(value: unknown, tools: Tool[], more = false): ToolChoice {
  if (value === undefined || value === null || value === 'auto' || value === 'none') return value ?? 'auto';
  if (value === 'required') {
    if (tools.length > 0 || more) return value;
    const message = "Tool choice 'required' must be specified with 'tools' parameter.";
    throw new GatewayError('invalid_value', message, { param: 'tool_choice' });
  }
  if (typeof value === 'string') throw invalidChoice('tool_choice', value, modes);
  if (!isJsonObject(value))
    throw invalidType('tool_choice', "an object, or one of 'none', 'auto', or 'required'", value);
  const type = choiceOf(value['type'], 'tool_choice.type', choiceTypes);
  if (type !== 'allowed_tools') return toolOf(type, value, 'tool_choice', tools, more);
  const choice = check(allowed, value, 'tool_choice');
  if (choice.tools.length === 0) throw emptyArray('tool_choice.tools');
  if (choice.tools.length > maxTools) throw tooMany('tool_choice.tools', maxTools, choice.tools.length);
  const allowedTools = choice.tools.map((tool, index) => {
    const path = `tool_choice.tools[${index}]`;
    if (!isJsonObject(tool)) throw invalidType(path, 'an object', tool);
    return toolOf(choiceOf(tool['type'], `${path}.type`, namedTypes), tool, path, tools, more);
  });
  return { type: 'allowed_tools', mode: choice.mode, tools: allowedTools };
}

function toolOf(
  type: (typeof namedTypes)[number],
  value: JsonObject,
  path: string,
  tools: Tool[],
  more: boolean,
): ToolName | NativeToolName {
  if (type !== 'function' && type !== 'custom') {
    const choice: NativeToolName = { type };
    if (type === 'mcp') {
      const { server_label, name } = check(server, value, path);
      choice.server_label = server_label;
      if (typeof name === 'string') choice.name = name;
    }
    if (!more && !tools.some((tool) => isNativeTool(tool) && namesNative(choice, tool))) throw notFound(type);
    return choice;
  }
  const { name, namespace: within } = check(named, value, path);
  const choice: ToolName = typeof within === 'string' ? { type, name, namespace: within } : { type, name };
  if (!more && !tools.some((tool) => holds(tool, choice))) throw notFound(name);
  return choice;
}

function namesNative(
  { type, server_label }: NativeToolName,
  tool: { type: string; [field: string]: unknown },
): boolean {
  return tool.type === type && (server_label === undefined || tool['server_label'] === server_label);
}

function holds(tool: Tool, { type, name, namespace: within }: ToolName): boolean {
  if (tool.type === 'namespace') {
    return (
      (within ?? tool.name) === tool.name && tool.tools.some((inner) => inner.type === type && inner.name === name)
    );
  }
  return within === undefined && tool.type === type && tool['name'] === name;
}

function notFound(name: string): GatewayError {
  const message = `Tool choice '${name}' not found in 'tools' parameter.`;
  return new GatewayError('invalid_value', message, { param: 'tool_choice' });
}
