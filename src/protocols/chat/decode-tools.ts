import { z } from 'zod';
import { check, emptyArray, invalidChoice, invalidType, missing, nameSchema, tooMany } from '../../core/check.ts';
import { GatewayError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { readTool } from '../../core/read-tool.ts';
import type { CustomTool, FunctionTool, NativeTool, ToolChoice, ToolName } from '../../core/request.ts';
import type { RequestNotes } from './request-notes.ts';
import { maxToolNameLength } from './wire.ts';

const toolTypes = ['function', 'custom'] as const;
const toolName = nameSchema(maxToolNameLength);
const jsonObject: z.ZodType<JsonObject> = z.looseObject({});
const text = z.string();

const functionSpec = z.object({
  name: toolName,
  description: text.nullish(),
  parameters: jsonObject.nullish(),
  strict: z.boolean().nullish(),
});
const customSpec = z.object({
  name: toolName,
  description: text.nullish(),
  format: z.object({ type: z.enum(['text', 'grammar']) }).nullish(),
});
const grammarFormat = z.object({ grammar: z.object({ syntax: z.enum(['lark', 'regex']), definition: text }) });
const functionTool = z.object({ function: functionSpec });
const customTool = z.object({ custom: customSpec });
const webSearch = z.object({
  search_context_size: z.enum(['low', 'medium', 'high']).nullish(),
  user_location: z.object({ type: z.literal('approximate'), approximate: jsonObject }).nullish(),
});

/** More than OpenAI takes, and few enough for each to be looked for among the others. */
const maxTools = 1024;

/** `tools`, or `functions` as clients called them before. */
export function decodeTools({ tools, functions }: JsonObject, notes: RequestNotes): (FunctionTool | CustomTool)[] {
  if (!isEmpty(tools) && !isEmpty(functions)) {
    const message =
      "Mutually exclusive parameters: 'tools' and 'functions'. Ensure you are only providing one of them.";
    throw new GatewayError('invalid_value', message, { param: 'functions' });
  }
  const names = new Set<string>();
  const decodeAll = (
    value: unknown,
    base: string,
    decode: (raw: JsonObject, path: string, at: string) => JsonObject,
  ) => {
    if (value === undefined || value === null) return [];
    if (!Array.isArray(value)) throw invalidType(base, 'an array of objects', value);
    if (value.length > maxTools) throw tooMany(base, maxTools, value.length);
    return value.map((raw: unknown, index) => {
      const path = `${base}[${index}]`;
      if (!isJsonObject(raw)) throw invalidType(path, 'an object', raw);
      const tool = readTool(decode(raw, path, `tools[${index}]`));
      if (tool.type !== 'function' && tool.type !== 'custom')
        throw new Error(`a tool of type ${tool.type} was decoded`);
      if (names.has(tool.name)) throw taken(tool.name, notes.places[`tools[${index}]`] ?? path);
      names.add(tool.name);
      return tool;
    });
  };
  const decoded = decodeAll(tools, 'tools', (raw, path, at) => decodeTool(raw, path, at, notes));
  const older = decodeAll(functions, 'functions', (raw, path, at) => {
    notes.place(at, path);
    return decodeFunction(raw, path, notes);
  });
  return [...decoded, ...older];
}

function isEmpty(list: unknown): boolean {
  return list === undefined || list === null || (Array.isArray(list) && list.length === 0);
}

function decodeTool(raw: JsonObject, path: string, at: string, notes: RequestNotes): JsonObject {
  const type = toolTypes.find((each) => each === raw['type']);
  if (type === undefined) {
    throw raw['type'] === undefined ? missing(`${path}.type`) : invalidChoice(`${path}.type`, raw['type'], toolTypes);
  }
  notes.keepUnknown(raw, ['type', type], path);
  notes.place(at, `${path}.${type}`);
  if (type === 'function') return decodeFunction(check(functionTool, raw, path).function, `${path}.function`, notes);
  const { custom } = check(customTool, raw, path);
  notes.keepUnknown(custom, Object.keys(customSpec.shape), `${path}.custom`);
  if (custom.format?.type !== 'grammar') return { ...custom, type };
  const { grammar } = check<z.infer<typeof grammarFormat>>(grammarFormat, custom.format, `${path}.custom.format`);
  return { ...custom, type, format: { type: 'grammar', ...grammar } };
}

function decodeFunction(raw: JsonObject, path: string, notes: RequestNotes): JsonObject {
  notes.keepUnknown(raw, Object.keys(functionSpec.shape), path);
  return { ...check(functionSpec, raw, path), type: 'function' };
}

function taken(name: string, path: string): GatewayError {
  const message = `Invalid '${path}.name': there is already a tool named '${name}'. Tool names must be unique.`;
  return new GatewayError('invalid_value', message, { param: `${path}.name` });
}

/** The web search that OpenAI's search models do by themselves: a tool of an upstream's own. */
export function decodeWebSearch(value: unknown, at: string, notes: RequestNotes): NativeTool[] {
  if (value === undefined || value === null) return [];
  const path = 'web_search_options';
  const { search_context_size: size, user_location: location } = check(webSearch, value, path);
  notes.place(at, path);
  if (isJsonObject(value)) notes.keepUnknown(value, Object.keys(webSearch.shape), path);
  return [
    {
      type: 'web_search',
      ...(typeof size === 'string' ? { search_context_size: size } : {}),
      ...(isJsonObject(location) ? { user_location: { type: 'approximate', ...location.approximate } } : {}),
    },
  ];
}

const modes = ['none', 'auto', 'required'] as const;
const named = z.object({ name: toolName });
const allowedTools = z.object({
  allowed_tools: z.object({ mode: z.enum(['auto', 'required']), tools: z.array(z.unknown()) }),
});
const choiceTypes = [...toolTypes, 'allowed_tools'] as const;

/** A choice can only be kept if its tools are there, so that is checked here, before anything is spent. */
export function decodeToolChoice(
  { tool_choice: choice, function_call: call }: JsonObject,
  tools: readonly (FunctionTool | CustomTool)[],
): ToolChoice {
  if (choice === undefined || choice === null) return decodeFunctionCall(call, tools);
  const mode = modes.find((each) => each === choice);
  if (mode === 'required' && tools.length === 0) {
    const message = "Tool choice 'required' must be specified with 'tools' parameter.";
    throw new GatewayError('invalid_value', message, { param: 'tool_choice' });
  }
  if (mode !== undefined) return mode;
  if (typeof choice === 'string') throw invalidChoice('tool_choice', choice, modes);
  if (!isJsonObject(choice)) {
    throw invalidType('tool_choice', "an object, or one of 'none', 'auto', or 'required'", choice);
  }
  const type = choiceTypes.find((each) => each === choice['type']);
  if (type === undefined) {
    throw choice['type'] === undefined
      ? missing('tool_choice.type')
      : invalidChoice('tool_choice.type', choice['type'], choiceTypes);
  }
  if (type !== 'allowed_tools') return nameOf(choice, 'tool_choice', tools);
  const { mode: wanted, tools: allowed } = check(allowedTools, choice, 'tool_choice').allowed_tools;
  const path = 'tool_choice.allowed_tools.tools';
  if (allowed.length === 0) throw emptyArray(path);
  if (allowed.length > maxTools) throw tooMany(path, maxTools, allowed.length);
  return {
    type,
    mode: wanted,
    tools: allowed.map((tool, index) => {
      if (!isJsonObject(tool)) throw invalidType(`${path}[${index}]`, 'an object', tool);
      return nameOf(tool, `${path}[${index}]`, tools);
    }),
  };
}

function nameOf(value: JsonObject, path: string, tools: readonly (FunctionTool | CustomTool)[]): ToolName {
  const type = toolTypes.find((each) => each === value['type']);
  if (type === undefined) throw invalidChoice(`${path}.type`, value['type'], toolTypes);
  const spec = value[type];
  if (spec === undefined) throw missing(`${path}.${type}`);
  return found({ type, name: check(named, spec, `${path}.${type}`).name }, tools, 'tool_choice');
}

/** How a function was chosen before there were tools. */
function decodeFunctionCall(call: unknown, tools: readonly (FunctionTool | CustomTool)[]): ToolChoice {
  if (call === undefined || call === null || call === 'auto' || call === 'none') return call ?? 'auto';
  if (typeof call === 'string') throw invalidChoice('function_call', call, ['none', 'auto']);
  if (!isJsonObject(call)) throw invalidType('function_call', "an object, or one of 'none' or 'auto'", call);
  return found({ type: 'function', name: check(named, call, 'function_call').name }, tools, 'function_call');
}

function found(choice: ToolName, tools: readonly (FunctionTool | CustomTool)[], param: string): ToolName {
  if (tools.some(({ type, name }) => type === choice.type && name === choice.name)) return choice;
  const message = `Tool choice '${choice.name}' not found in '${param === 'tool_choice' ? 'tools' : 'functions'}' parameter.`;
  throw new GatewayError('invalid_value', message, { param });
}
