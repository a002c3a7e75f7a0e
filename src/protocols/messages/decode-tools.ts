import { z } from 'zod';
import { check, invalidChoice, invalidType, missing } from '../../core/check.ts';
import { GatewayError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { isMessagesTool, saidByMessagesTool } from '../../core/messages-tools.ts';
import type { FunctionTool, NativeTool, Tool, ToolChoice } from '../../core/request.ts';
import { maxToolNameLength } from './wire.ts';

const text = z.string();
const list = z.array(text).nullish();
const customTool = z.object({
  // What the upstream takes for a name is for it to say.
  name: text.min(1).max(maxToolNameLength),
  description: text.nullish(),
  input_schema: z.looseObject({ type: z.literal('object') }),
  strict: z.boolean().nullish(),
  defer_loading: z.boolean().nullish(),
  allowed_callers: list,
});
const serverTool = z.object({ name: text.min(1).max(maxToolNameLength).nullish() });
const webSearch = z.object({
  allowed_domains: list,
  blocked_domains: list,
  user_location: z.looseObject({}).nullish(),
});
const toolset = z.object({ mcp_server_name: text });
const mcpServer = z.object({
  type: z.literal('url'),
  name: text.min(1),
  url: text,
  authorization_token: text.nullish(),
});

const saidByFunction: ReadonlySet<string> = new Set([...Object.keys(customTool.shape), 'type', 'cache_control']);

const maxTools = 1024;

/** The tools that Anthropic runs and that the neutral model has a word for, by the beginning of their dated types. */
const hosted: readonly [prefix: string, decode: (tool: JsonObject, path: string) => NativeTool, said: string[]][] = [
  ['web_search_', decodeWebSearch, ['allowed_domains', 'blocked_domains', 'user_location']],
  ['code_execution_', () => ({ type: 'code_interpreter', container: { type: 'auto' } }), []],
  ['tool_search_tool_', () => ({ type: 'tool_search' }), []],
];

/**
 * @param servers the request's `mcp_servers`, which toolsets name.
 * @param extra takes what no other upstream has a word for, under `tools[i].field`.
 */
export function decodeTools(value: unknown, servers: unknown, extra: JsonObject): Tool[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalidType('tools', 'an array of objects', value);
  if (value.length > maxTools) {
    const message = `Invalid 'tools': ${value.length} tools, and the gateway takes ${maxTools} at most.`;
    throw new GatewayError('array_above_max_length', message, { param: 'tools' });
  }
  const names = new Set<string>();
  return value.map((raw: unknown, at) => {
    const path = `tools[${at}]`;
    if (!isJsonObject(raw)) throw invalidType(path, 'an object', raw);
    const { type = 'custom' } = raw;
    if (type !== null && typeof type !== 'string') throw invalidType(`${path}.type`, 'a string', type);
    const isCustom = type === null || type === 'custom';
    const tool = isCustom ? decodeCustom(raw, path, extra) : decodeTyped(type, raw, servers, path, extra);
    refuseSecond(raw['name'], names, path);
    return tool;
  });
}

function refuseSecond(name: unknown, names: Set<string>, path: string): void {
  if (typeof name !== 'string') return;
  if (names.has(name)) {
    const message = `Invalid '${path}.name': there is already a tool named '${name}'. Tool names must be unique.`;
    throw new GatewayError('invalid_value', message, { param: `${path}.name` });
  }
  names.add(name);
}

function decodeCustom(raw: JsonObject, path: string, extra: JsonObject): FunctionTool {
  const tool = check(customTool, raw, path);
  for (const [field, value] of Object.entries(raw)) {
    if (value !== null && !saidByFunction.has(field)) extra[`${path}.${field}`] = value;
  }
  const isStrict = tool.strict === true && isClosed(tool.input_schema);
  if (tool.strict === true && !isStrict) extra[`${path}.strict`] = true;
  return {
    type: 'function',
    name: tool.name,
    description: tool.description ?? null,
    parameters: tool.input_schema,
    // OpenAI's Responses API takes for strict what does not say that it is not.
    strict: isStrict,
    ...(tool.defer_loading === true ? { defer_loading: true } : {}),
    ...callersOf(tool.allowed_callers),
  };
}

function callersOf(callers: string[] | null | undefined): Pick<FunctionTool, 'allowed_callers'> {
  if (callers === null || callers === undefined || callers.length === 0) return {};
  return { allowed_callers: callers.map((each) => (each === 'direct' ? each : 'programmatic')) };
}

/**
 * Whether every vendor can hold a model to the schema: OpenAI wants each property of each object to be required, and no other
 * to be allowed; Anthropic only the latter.
 */
export function isClosed(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.every(isClosed);
  if (!isJsonObject(schema)) return true;
  const { properties, required } = schema;
  if (isJsonObject(properties)) {
    const names = new Set(Array.isArray(required) ? required : []);
    if (schema['additionalProperties'] !== false) return false;
    if (!Object.keys(properties).every((name) => names.has(name))) return false;
    if (!Object.values(properties).every(isClosed)) return false;
  } else if (schema['type'] === 'object' && schema['additionalProperties'] !== false) return false;
  return Object.entries(schema).every(([key, inner]) => key === 'properties' || key === 'enum' || isClosed(inner));
}

function decodeTyped(type: string, raw: JsonObject, servers: unknown, path: string, extra: JsonObject): NativeTool {
  check(serverTool, raw, path);
  const known = hosted.find(([prefix]) => type.startsWith(prefix));
  if (known !== undefined) {
    const [, decode, said] = known;
    for (const [field, value] of Object.entries(raw)) {
      const isSaid = said.includes(field) || field === 'type' || field === 'name' || field === 'cache_control';
      if (value !== null && !isSaid) extra[`${path}.${field}`] = value;
    }
    return decode(raw, path);
  }
  if (type === 'mcp_toolset') return decodeToolset(raw, servers, path);
  if (isMessagesTool(type)) {
    for (const [field, value] of Object.entries(raw)) {
      if (value !== null && !saidByMessagesTool.has(field)) extra[`${path}.${field}`] = value;
    }
  }
  return { ...raw, type: `messages:${type}` };
}

function decodeWebSearch(raw: JsonObject, path: string): NativeTool {
  const { allowed_domains, blocked_domains, user_location } = check(webSearch, raw, path);
  const domains = { ...given('allowed_domains', allowed_domains), ...given('blocked_domains', blocked_domains) };
  return {
    type: 'web_search',
    ...(Object.keys(domains).length === 0 ? {} : { filters: domains }),
    ...given('user_location', user_location),
  };
}

function given(field: string, value: unknown): JsonObject {
  return value === null || value === undefined ? {} : { [field]: value };
}

/** A toolset names a server of the request's own: nothing of the provider's account. */
function decodeToolset(raw: JsonObject, servers: unknown, path: string): NativeTool {
  const { mcp_server_name: name } = check(toolset, raw, path);
  const all: unknown[] = Array.isArray(servers) ? servers : [];
  const at = all.findIndex((each) => isJsonObject(each) && each['name'] === name);
  if (at < 0) {
    const message = `Invalid '${path}.mcp_server_name': '${name.slice(0, 100)}' is not found in 'mcp_servers'.`;
    throw new GatewayError('invalid_value', message, { param: `${path}.mcp_server_name` });
  }
  const server = check(mcpServer, all[at], `mcp_servers[${at}]`);
  return {
    type: 'mcp',
    server_label: server.name,
    server_url: server.url,
    ...given('authorization', server.authorization_token),
    require_approval: 'never',
  };
}

const choices = ['auto', 'any', 'tool', 'none'] as const;
const toolChoice = z.object({ type: text, disable_parallel_tool_use: z.boolean().nullish() });
const namedChoice = z.object({ name: text });

interface DecodedChoice {
  toolChoice: ToolChoice;
  parallelToolCalls: boolean;
}

/**
 * A choice can only be kept if its tool is there, so that is checked here, before anything is spent.
 * @param more tools come with the thread that is gone on with.
 */
export function decodeToolChoice(value: unknown, raw: unknown, tools: readonly Tool[], more: boolean): DecodedChoice {
  if (value === undefined || value === null) return { toolChoice: 'auto', parallelToolCalls: true };
  if (!isJsonObject(value)) throw invalidType('tool_choice', 'an object', value);
  const { type, disable_parallel_tool_use: single } = check(toolChoice, value, 'tool_choice');
  const parallelToolCalls = single !== true;
  switch (type) {
    case 'auto':
    case 'none':
      return { toolChoice: type, parallelToolCalls };
    case 'any':
      if (tools.length === 0 && !more) throw missing('tools');
      return { toolChoice: 'required', parallelToolCalls };
    case 'tool': {
      const { name } = check(namedChoice, value, 'tool_choice');
      const at = Array.isArray(raw) ? raw.findIndex((each) => isJsonObject(each) && each['name'] === name) : -1;
      const tool = tools[at];
      if (tool === undefined && more) return { toolChoice: { type: 'function', name }, parallelToolCalls };
      if (tool === undefined) {
        const message = `Tool choice '${name.slice(0, 100)}' not found in 'tools' parameter.`;
        throw new GatewayError('invalid_value', message, { param: 'tool_choice.name' });
      }
      return { toolChoice: nameOf(tool), parallelToolCalls };
    }
    default:
      throw invalidChoice('tool_choice.type', type, choices);
  }
}

function nameOf(tool: Tool): ToolChoice {
  if (tool.type === 'function' || tool.type === 'custom') return { type: tool.type, name: tool.name };
  return tool.type === 'namespace' ? 'auto' : { type: tool.type };
}
