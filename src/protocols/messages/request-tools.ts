import { customInputField } from '../../core/custom-input.ts';
import { GatewayError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json-object.ts';
import type { Report } from '../../core/report.ts';
import {
  type CallableOffer,
  offerInherited,
  type OfferedChoice,
  offerTools,
  type ToolOffer,
  type ToolTarget,
} from '../../core/offer-tools.ts';
import type { FunctionTool } from '../../core/request.ts';
import type { EncodeInput, ModelProfile } from '../codec.ts';
import { closeSchema } from './close-schema.ts';
import { hostedDefinitions, hostedName } from './hosted-tools.ts';
import { computerCall, computerDefinition, computerName, isComputer } from './computer.ts';
import type { Entry } from './request-items.ts';
import { readableSchema, unheld, unreadable } from './request-schema.ts';
import { openCallsOf } from './server-tools.ts';
import { maxToolNameLength, toolName } from './wire.ts';

interface EncodedTools {
  /** Definitions, each as JSON; none: the field is not sent. */
  tools: string[];
  /** JSON of the field; undefined: not sent. */
  toolChoice: string | undefined;
  /** The model must call: `any` or `tool`. */
  forced: boolean;
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

/** The schema that the upstream holds the model to; undefined: it is not asked to, or cannot. */
function heldSchema(
  { strict }: FunctionTool,
  schema: JsonObject,
  profile: ModelProfile,
  param: string,
  report: Report,
): JsonObject | undefined {
  if (strict !== true) return undefined;
  const isClosed = profile.jsonSchemaOutput && !closeSchema(schema).open;
  const readable = isClosed ? readableSchema(schema) : undefined;
  if (readable === undefined) {
    const enforces = isClosed ? unreadable : 'The upstream enforces closed objects only';
    const why = profile.jsonSchemaOutput ? enforces : 'The model cannot be held to it';
    report.warn(`${param}.strict`, `${why}; strict was left out.`);
    return undefined;
  }
  if (readable.unread.length > 0) report.warn(`${param}.strict`, unheld(readable.unread));
  return readable.schema;
}

function toolDefinition({ tool, wireName, path: param }: CallableOffer, profile: ModelProfile, report: Report): string {
  const { description } = tool;
  const schema = tool.type === 'custom' ? customSchema : schemaOf(tool, param, report);
  const held = tool.type === 'function' ? heldSchema(tool, schema, profile, param, report) : undefined;
  let json = `{"name":${JSON.stringify(wireName)}`;
  if (description !== null && description !== '') json += `,"description":${JSON.stringify(description)}`;
  json += `,"input_schema":${JSON.stringify(held ?? schema)}`;
  return held === undefined ? `${json}}` : `${json},"strict":true}`;
}

function choiceOf(choice: OfferedChoice): { type: 'auto' | 'any' | 'tool' | 'none'; name?: string } {
  if (choice === 'auto' || choice === 'none') return { type: choice };
  return choice === 'required' ? { type: 'any' } : { type: 'tool', name: choice.wireName };
}

/** Definitions for a history of calls whose request brings none: Anthropic refuses calls without any definition. */
function historicTools(
  entries: readonly Entry[],
  { inheritedTools, profile }: EncodeInput,
  report: Report,
): CallableOffer[] {
  const names = new Set(entries.flatMap((entry) => (entry.kind === 'call' ? [entry.name] : [])));
  if (names.size === 0) return [];
  const known = offerInherited(inheritedTools, targetOf(profile), report).offers.filter(
    (offer) => offer.kind === 'callable',
  );
  if (known.length > 0) {
    // Nobody can call them: a schema that this wire does not take is no cause to refuse the request.
    return known.map(({ tool, ...offer }) => {
      const isRefused = tool.type === 'function' && isCombined(tool.parameters ?? {});
      return { ...offer, tool: isRefused ? { ...tool, parameters: null } : tool };
    });
  }
  return [...names].map((name) => {
    const tool: FunctionTool = { type: 'function', name, description: null, parameters: null, strict: null };
    return { kind: 'callable', wireName: name, tool, called: { kind: 'function', name }, path: 'tools' };
  });
}

function targetOf({ hostedTools, computerTool }: ModelProfile): ToolTarget {
  return {
    maxNameLength: maxToolNameLength,
    names: toolName,
    hosts(tool) {
      if (isComputer(tool)) return computerTool === undefined ? undefined : computerName;
      const name = hostedName(tool);
      if (name !== undefined && hostedTools?.includes(name) === false) return undefined;
      // A server is a tool of its own.
      return name === 'mcp' ? `mcp ${String(tool['server_label'])}` : name;
    },
    shapes: (tool) => (isComputer(tool) ? computerCall : undefined),
  };
}

/** What may be called, and the names of what was: the tools of an ancestor, where the request and its items bring none. */
export function offerOf({ request, context, inheritedTools, profile }: EncodeInput, report: Report): ToolOffer {
  const target = targetOf(profile);
  const own = offerTools(request, context, target, report);
  if (own.called.size > 0 || own.offers.length > 0 || inheritedTools.length === 0) return own;
  return { ...offerInherited(inheritedTools, target, report), offers: [], choice: own.choice };
}

/** Anthropic knows tools of a server by the server only, and cannot be made to call one. */
function refuseServerChoice(choice: EncodeInput['request']['toolChoice']): void {
  if (typeof choice !== 'object') return;
  const isChosen = choice.type === 'mcp';
  const at = choice.type === 'allowed_tools' ? choice.tools.findIndex((tool) => tool.type === 'mcp' && tool.name) : -1;
  if (!isChosen && at < 0) return;
  const message = 'This model cannot be made to use an MCP server, or be held to one of its tools by a choice.';
  const param = isChosen ? 'tool_choice' : `tool_choice.tools[${at}]`;
  throw new GatewayError('unsupported_value', message, { param });
}

/** Of a reply that goes on: with those that were called and have not been run. Anthropic takes no limit of none. */
function usesLeft(maxToolCalls: number, context: EncodeInput['context'], report: Report): number {
  const uses = maxToolCalls + openCallsOf(context).size;
  if (uses > 0) return uses;
  report.warn('max_tool_calls', 'The upstream paused where the limit was reached; it may use one tool more.');
  return 1;
}

/** @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use */
export function encodeTools(
  input: EncodeInput,
  offer: ToolOffer,
  entries: readonly Entry[],
  report: Report,
): EncodedTools {
  const { request, profile } = input;
  const { maxToolCalls } = request;
  const choice = choiceOf(offer.choice);
  if (maxToolCalls !== undefined && !offer.offers.some(({ kind }) => kind === 'hosted')) {
    report.warn('max_tool_calls', 'No tool that the upstream runs is offered; it was left out.');
  }
  if (offer.offers.length === 0) {
    if (choice.type !== 'auto' && choice.type !== 'none') {
      report.warn('tool_choice', 'There are no tools to choose from; the choice was left out.');
    }
    const historic = historicTools(entries, input, report);
    if (historic.length === 0) return { tools: [], toolChoice: undefined, forced: false };
    const silent = { ...report, warn: () => undefined };
    const definitions = historic.map((each) => toolDefinition(each, profile, silent));
    return { tools: definitions, toolChoice: '{"type":"none"}', forced: false };
  }
  const maxUses = maxToolCalls === undefined ? undefined : usesLeft(maxToolCalls, input.context, report);
  const hasFetch = profile.hostedTools?.includes('web_fetch') ?? true;
  refuseServerChoice(request.toolChoice);
  const definitions = offer.offers.flatMap((each) => {
    if (each.kind === 'callable') return toolDefinition(each, profile, report);
    if (each.shape !== undefined) return computerDefinition(each, profile.computerTool);
    return hostedDefinitions(each, maxUses, hasFetch, report);
  });
  // `auto` is the upstream's default too; it is sent only to carry the flag.
  const single = !request.parallelToolCalls && choice.type !== 'none';
  const json = JSON.stringify(single ? { ...choice, disable_parallel_tool_use: true } : choice);
  return {
    tools: definitions,
    toolChoice: choice.type === 'auto' && !single ? undefined : json,
    forced: choice.type === 'any' || choice.type === 'tool',
  };
}
