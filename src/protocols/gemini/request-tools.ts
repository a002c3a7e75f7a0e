import { isCallType } from '../../core/call-pairs.ts';
import { customInputField } from '../../core/custom-input.ts';
import { GatewayError } from '../../core/errors.ts';
import { asFunction } from '../../core/native-calls.ts';
import {
  type CallableOffer,
  offerInherited,
  offerTools,
  type ToolOffer,
  type ToolTarget,
} from '../../core/offer-tools.ts';
import type { Report } from '../../core/report.ts';
import { type FunctionTool, isNativeTool } from '../../core/request.ts';
import type { EncodeInput } from '../codec.ts';
import { hostedDefinitions, hostedName } from './hosted-tools.ts';
import { readableSchema } from './request-schema.ts';
import { maxToolNameLength, toolName } from './wire.ts';

export interface EncodedTools {
  /** JSON of the fields; undefined: not sent. */
  tools: string | undefined;
  toolConfig: string | undefined;
  /** The model must call a function. */
  forced: boolean;
  /** Functions are declared, whether they may be called or not. */
  hasFunctions: boolean;
  offer: ToolOffer;
}

/** Earlier generations take tools of Google's own or functions, not both: what the client runs comes first. */
function targetOf({ request, context, profile }: EncodeInput): ToolTarget {
  const hasFunctions =
    request.tools.some((tool) => !isNativeTool(tool) || asFunction(tool) !== undefined) ||
    context.some(({ item }) => item.type === 'additional_tools' || item.type === 'tool_search_output');
  const hosts = hasFunctions && profile.gemini?.thirdGeneration === false ? () => undefined : hostedName;
  return { maxNameLength: maxToolNameLength, names: toolName, hosts };
}

const customSchema = {
  type: 'object',
  properties: { [customInputField]: { type: 'string', description: 'The whole input of the tool, as plain text.' } },
  required: [customInputField],
};

function parametersOf(
  { parameters, strict }: FunctionTool,
  at: (field: string) => string,
  report: Report,
): object | undefined {
  if (parameters === null) return undefined;
  const isObject = parameters['type'] === 'object';
  const { schema, unread } = readableSchema(isObject ? parameters : { ...parameters, type: 'object' });
  if (strict === true && unread.length > 0) {
    report.warn(at('strict'), `The upstream does not hold the model to ${unread.join(', ')} of a schema.`);
  }
  if (!isObject && parameters['type'] !== undefined) {
    report.warn(at('parameters'), 'The upstream takes schemas of type object only; the type was replaced.');
  }
  return schema;
}

/** @see https://ai.google.dev/api/caching#FunctionDeclaration */
function declaration({ tool, wireName, path }: CallableOffer, report: Report): string {
  const at = (field: string): string => (path === 'tools' ? path : `${path}.${field}`);
  const isCustom = tool.type === 'custom';
  const { description } = tool;
  return JSON.stringify({
    name: wireName,
    description: description === null || description === '' ? undefined : description,
    parametersJsonSchema: isCustom ? customSchema : parametersOf(tool, at, report),
  });
}

interface CallingConfig {
  mode: 'ANY' | 'NONE' | 'VALIDATED';
  allowedFunctionNames?: string[];
}

/** Undefined: the upstream's default, which leaves it to the model. */
function callingConfig(
  { choice, offers }: ToolOffer,
  declared: readonly CallableOffer[],
  hasHosted: boolean,
  report: Report,
): CallingConfig | undefined {
  const allowed = declared.filter((each) => offers.includes(each));
  const names =
    allowed.length < declared.length ? { allowedFunctionNames: allowed.map(({ wireName }) => wireName) } : {};
  if (typeof choice === 'object') {
    if (choice.kind === 'callable') return { mode: 'ANY', allowedFunctionNames: [choice.wireName] };
    throw cannotForce();
  }
  if (choice === 'none') return { mode: 'NONE' };
  if (choice === 'required') {
    if (allowed.length === 0) throw hasHosted ? cannotForce() : nothingToRequire();
    if (hasHosted)
      report.warn('tool_choice', 'The upstream is held to a call of a function; its own tools do not count.');
    return { mode: 'ANY', ...names };
  }
  if (allowed.length === 0 && declared.length > 0) return { mode: 'NONE' };
  const isStrict = allowed.some(({ tool }) => tool.type === 'function' && tool.strict === true);
  const isMixed = hasHosted && declared.length > 0;
  return isStrict || isMixed || allowed.length < declared.length ? { mode: 'VALIDATED', ...names } : undefined;
}

const cannotForce = () =>
  new GatewayError('unsupported_value', 'This model cannot be made to use a tool that its provider runs.', {
    param: 'tool_choice',
  });

const nothingToRequire = () =>
  new GatewayError('invalid_value', "Tool choice 'required' must be specified with 'tools' parameter.", {
    param: 'tool_choice',
  });

/**
 * All functions are declared, so that what is allowed changes nothing of what the upstream has cached. Those of an ancestor
 * are declared without leave to call them, so that a history of calls reads as it was written.
 * @see https://ai.google.dev/gemini-api/docs/function-calling#function_calling_modes
 */
export function encodeTools(input: EncodeInput, report: Report): EncodedTools {
  const { request, context, inheritedTools } = input;
  const target = targetOf(input);
  const own = offerTools(request, context, target, report);
  const inherits = own.all.length === 0 && context.some(({ item }) => isCallType(item.type));
  const offer = inherits ? offerInherited(inheritedTools, target, report) : own;
  const silent: Report = { ...report, warn: () => undefined };
  const declared = offer.all.filter((each) => each.kind === 'callable');
  const hosted = own.choice === 'none' ? [] : own.offers.filter((each) => each.kind === 'hosted');
  const opensPages = input.profile.gemini?.opensPages !== false;
  const parts = hosted.flatMap((each) => hostedDefinitions(each, opensPages, report));
  if (declared.length > 0) {
    const declarations = declared.map((each) => declaration(each, inherits ? silent : report));
    parts.push(`{"functionDeclarations":[${declarations.join(',')}]}`);
  }
  if (request.maxToolCalls !== undefined) {
    report.warn('max_tool_calls', 'The upstream does not limit how often its tools are used; it was left out.');
  }
  if (inherits) {
    const config = declared.length === 0 ? undefined : '{"functionCallingConfig":{"mode":"NONE"}}';
    if (own.choice === 'required') throw nothingToRequire();
    return { ...printed(parts, config), forced: false, hasFunctions: declared.length > 0, offer };
  }
  const calling = callingConfig(own, declared, hosted.length > 0, report);
  const functionCallingConfig = declared.length === 0 ? undefined : calling;
  const includeServerSideToolInvocations = hosted.length > 0 && declared.length > 0 ? true : undefined;
  const isSaid = functionCallingConfig !== undefined || includeServerSideToolInvocations !== undefined;
  const config = isSaid ? JSON.stringify({ functionCallingConfig, includeServerSideToolInvocations }) : undefined;
  return { ...printed(parts, config), forced: calling?.mode === 'ANY', hasFunctions: declared.length > 0, offer };
}

function printed(parts: readonly string[], toolConfig: string | undefined): Pick<EncodedTools, 'tools' | 'toolConfig'> {
  return { tools: parts.length === 0 ? undefined : `[${parts.join(',')}]`, toolConfig };
}
