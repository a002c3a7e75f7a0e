import { customInputField } from '../../core/custom-input.ts';
import { GatewayError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json-object.ts';
import type { Report } from '../../core/report.ts';
import type { CustomTool, FunctionTool, Tool, ToolChoice, ToolName } from '../../core/request.ts';
import type { EncodeInput, ModelProfile } from '../codec.ts';
import { closeSchema } from './close-schema.ts';
import type { Entry } from './request-items.ts';

interface EncodedTools {
  /** JSON of the fields; undefined: not sent. */
  tools: string | undefined;
  toolChoice: string | undefined;
  /** The model must call: `any` or `tool`. */
  forced: boolean;
  customTools: ReadonlySet<string>;
}

const noParameters: JsonObject = { type: 'object', properties: {} };
const customSchema: JsonObject = {
  type: 'object',
  properties: { [customInputField]: { type: 'string' } },
  required: [customInputField],
};

/** At the top of a tool's schema, neither Anthropic nor OpenAI takes it, `type: object` beside it or not. */
function isCombined(schema: JsonObject): boolean {
  return ['oneOf', 'anyOf', 'allOf'].some((word) => Object.hasOwn(schema, word));
}

function schemaOf({ name, parameters, strict }: FunctionTool, param: string, report: Report): JsonObject {
  if (parameters === null) return strict === true ? { ...noParameters, additionalProperties: false } : noParameters;
  if (isCombined(parameters)) {
    const message = `Invalid schema for function '${name}': the upstream takes no oneOf, anyOf or allOf at the top level.`;
    throw new GatewayError('unsupported_value', message, { param: `${param}.parameters` });
  }
  if (parameters.type !== undefined && parameters.type !== 'object') {
    report.warn(`${param}.parameters`, 'The upstream takes schemas of type object only; the type was replaced.');
  }
  return parameters.type === 'object' ? parameters : { ...parameters, type: 'object' };
}

function isStrict({ strict }: FunctionTool, schema: JsonObject, profile: ModelProfile, param: string, report: Report) {
  if (strict !== true) return false;
  const enforced = profile.jsonSchemaOutput && !closeSchema(schema).open;
  if (!enforced) {
    const why = profile.jsonSchemaOutput
      ? 'The upstream enforces closed objects only'
      : 'The model cannot be held to it';
    report.warn(`${param}.strict`, `${why}; strict was left out.`);
  }
  return enforced;
}

function customDescription(tool: CustomTool, param: string, report: Report): string | null {
  if (tool.format.type === 'text') return tool.description;
  report.warn(`${param}.format`, 'The upstream cannot hold a tool to a grammar; it was put into the description.');
  const grammar = `The input must match this ${tool.format.syntax} grammar:\n${tool.format.definition}`;
  return tool.description === null ? grammar : `${tool.description}\n\n${grammar}`;
}

function toolDefinition(tool: Tool, profile: ModelProfile, param: string, report: Report): string {
  const description = tool.type === 'custom' ? customDescription(tool, param, report) : tool.description;
  const schema = tool.type === 'custom' ? customSchema : schemaOf(tool, param, report);
  const strict = tool.type === 'function' && isStrict(tool, schema, profile, param, report);
  let json = `{"name":${JSON.stringify(tool.name)}`;
  if (description !== null && description !== '') json += `,"description":${JSON.stringify(description)}`;
  json += `,"input_schema":${JSON.stringify(schema)}`;
  return strict ? `${json},"strict":true}` : `${json}}`;
}

function namesTool(choice: ToolName, tool: Tool): boolean {
  return choice.type === tool.type && choice.name === tool.name;
}

function unknownTool(name: string): GatewayError {
  return new GatewayError('invalid_value', `Tool choice '${name}' not found in 'tools' parameter.`, {
    param: 'tool_choice',
  });
}

/** The tools that may be called, each with its place in the request. This wire has no subset: the others are not sent. */
function allowedTools(tools: readonly Tool[], choice: ToolChoice): [number, Tool][] {
  const all = [...tools.entries()];
  if (typeof choice === 'string' || choice.type !== 'allowed_tools') return all;
  const missing = choice.tools.find((name) => !tools.some((tool) => namesTool(name, tool)));
  if (missing !== undefined) throw unknownTool(missing.name);
  return all.filter(([, tool]) => choice.tools.some((name) => namesTool(name, tool)));
}

function choiceOf(
  choice: ToolChoice,
  tools: readonly Tool[],
): { type: 'auto' | 'any' | 'tool' | 'none'; name?: string } {
  if (choice === 'auto' || choice === 'none') return { type: choice };
  if (choice === 'required') return { type: 'any' };
  if (choice.type === 'allowed_tools') return { type: choice.mode === 'required' ? 'any' : 'auto' };
  if (!tools.some((tool) => namesTool(choice, tool))) throw unknownTool(choice.name);
  return { type: 'tool', name: choice.name };
}

/** Definitions for a history of calls whose request brings none: Anthropic refuses calls without any definition. */
function historicTools(entries: readonly Entry[], inherited: readonly Tool[]): Tool[] {
  const names = new Set(entries.flatMap((entry) => (entry.kind === 'call' ? [entry.name] : [])));
  if (names.size === 0) return [];
  if (inherited.length > 0) {
    // Nobody can call them: a schema that this wire does not take is no cause to refuse the request.
    return inherited.map((tool) =>
      tool.type === 'function' && isCombined(tool.parameters ?? {}) ? { ...tool, parameters: null } : tool,
    );
  }
  return [...names].map((name) => ({ type: 'function', name, description: null, parameters: null, strict: null }));
}

/** @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use */
export function encodeTools(input: EncodeInput, entries: readonly Entry[], report: Report): EncodedTools {
  const { tools, toolChoice, parallelToolCalls } = input.request;
  if (tools.length === 0) {
    if (toolChoice !== 'auto' && toolChoice !== 'none') {
      report.warn('tool_choice', 'There are no tools to choose from; the choice was left out.');
    }
    const historic = historicTools(entries, input.inheritedTools);
    if (historic.length === 0)
      return { tools: undefined, toolChoice: undefined, forced: false, customTools: new Set() };
    const silent = { ...report, warn: () => undefined };
    const definitions = historic.map((tool) => toolDefinition(tool, input.profile, 'tools', silent)).join(',');
    return {
      tools: `[${definitions}]`,
      toolChoice: '{"type":"none"}',
      forced: false,
      customTools: customNames(historic),
    };
  }
  const allowed = allowedTools(tools, toolChoice);
  const choice = choiceOf(toolChoice, tools);
  const definitions = allowed
    .map(([at, tool]) => toolDefinition(tool, input.profile, `tools[${at}]`, report))
    .join(',');
  // `auto` is the upstream's default too; it is sent only to carry the flag.
  const single = !parallelToolCalls && choice.type !== 'none';
  const json = JSON.stringify(single ? { ...choice, disable_parallel_tool_use: true } : choice);
  return {
    tools: allowed.length === 0 ? undefined : `[${definitions}]`,
    toolChoice: allowed.length === 0 || (choice.type === 'auto' && !single) ? undefined : json,
    forced: choice.type === 'any' || choice.type === 'tool',
    customTools: customNames(tools),
  };
}

function customNames(tools: readonly Tool[]): ReadonlySet<string> {
  return new Set(tools.flatMap((tool) => (tool.type === 'custom' ? [tool.name] : [])));
}
