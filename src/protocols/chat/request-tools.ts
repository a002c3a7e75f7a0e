import { isCallType } from '../../core/call-pairs.ts';
import { GatewayError } from '../../core/errors.ts';
import {
  type CallableOffer,
  offerInherited,
  type OfferedChoice,
  offerTools,
  type ToolOffer,
  type ToolTarget,
} from '../../core/offer-tools.ts';
import { isJsonObject } from '../../core/json-object.ts';
import type { CustomTool, FunctionTool, NativeTool, TurnRequest } from '../../core/request.ts';
import type { EncodeInput, ModelProfile } from '../codec.ts';
import type { Report } from '../../core/report.ts';
import { type ChatTool, type ChatToolChoice, maxToolNameLength, toolName } from './wire.ts';

export interface EncodedTools {
  tools: ChatTool[];
  /** Undefined: the upstream's default, which is `auto`. */
  choice: ChatToolChoice | undefined;
  /** `web_search_options`; undefined: none are sent. */
  webSearch: object | undefined;
  offer: ToolOffer;
}

/** Chat servers run no tools that all of them agree on; whether its server searches the web a client of chat knows. */
const targetOf = ({ customTools }: ModelProfile, { protocol }: TurnRequest): ToolTarget => ({
  maxNameLength: maxToolNameLength,
  names: toolName,
  holdsGrammars: customTools,
  hosts: ({ type }) => (protocol === 'chat' && type === 'web_search' ? type : undefined),
});

/**
 * Tools of an ancestor are sent without leave to call them, so that a history of calls reads as it was written.
 * @throws GatewayError 400 for a tool choice that no tool can answer.
 */
export function encodeTools({ request, context, inheritedTools, profile }: EncodeInput, report: Report): EncodedTools {
  const target = targetOf(profile, request);
  const own = offerTools(request, context, target, report);
  const inherits = own.called.size === 0 && context.some(({ item }) => isCallType(item.type));
  const offer = inherits ? offerInherited(inheritedTools, target, report) : own;
  const callable = offer.offers.filter((each) => each.kind === 'callable');
  if (profile.quirks?.tools === false) refuseTools(callable, inherits);
  return {
    tools: callable.map((each) => encodeTool(each, profile.customTools)),
    choice: encodeChoice(own.choice, callable.length, inherits && callable.length > 0, profile.customTools),
    webSearch: own.offers.filter((each) => each.kind === 'hosted').map(({ tool }) => encodeWebSearch(tool))[0],
    offer,
  };
}

/** @throws GatewayError 400 where there are tools, or calls of earlier turns. */
function refuseTools([first]: readonly CallableOffer[], hasCalls: boolean): void {
  if (first === undefined && !hasCalls) return;
  const message = 'The model behind this deployment calls no tools.';
  throw new GatewayError('unsupported_value', message, { param: hasCalls ? 'input' : (first?.path ?? 'tools') });
}

/** @see https://platform.openai.com/docs/guides/tools-web-search?api-mode=chat */
function encodeWebSearch({ search_context_size: size, user_location: location }: NativeTool): object {
  const { type, ...approximate } = isJsonObject(location) ? location : {};
  return {
    ...(size === undefined ? {} : { search_context_size: size }),
    ...(type === undefined ? {} : { user_location: { type, approximate } }),
  };
}

function encodeChoice(
  wanted: OfferedChoice,
  tools: number,
  inherited: boolean,
  nativeCustom: boolean,
): ChatToolChoice | undefined {
  if (typeof wanted === 'object') {
    const name = wanted.wireName;
    return wanted.tool.type === 'custom' && nativeCustom
      ? { type: 'custom', custom: { name } }
      : { type: 'function', function: { name } };
  }
  if (wanted === 'required' && (tools === 0 || inherited)) {
    throw new GatewayError('invalid_value', "Tool choice 'required' must be specified with 'tools' parameter.", {
      param: 'tool_choice',
    });
  }
  if (inherited) return 'none';
  return wanted === 'auto' || tools === 0 ? undefined : wanted;
}

function encodeTool({ wireName, tool: said }: CallableOffer, nativeCustom: boolean): ChatTool {
  const tool = { ...said, name: wireName };
  if (tool.type === 'function') return encodeFunction(tool);
  return nativeCustom ? encodeCustom(tool) : encodeCustomAsFunction(tool);
}

function encodeFunction({ name, description, parameters, strict }: FunctionTool): ChatTool {
  return {
    type: 'function',
    function: {
      name,
      ...(description === null ? {} : { description }),
      parameters: parameters ?? { type: 'object', properties: {} },
      ...(strict === null ? {} : { strict }),
    },
  };
}

function encodeCustom({ name, description, format }: CustomTool): ChatTool {
  const chatFormat =
    format.type === 'text'
      ? format
      : { type: format.type, grammar: { syntax: format.syntax, definition: format.definition } };
  return { type: 'custom', custom: { name, ...(description === null ? {} : { description }), format: chatFormat } };
}

/** The decoder takes the input out of the arguments again. */
function encodeCustomAsFunction({ name, description }: CustomTool): ChatTool {
  return {
    type: 'function',
    function: {
      name,
      ...(description === null ? {} : { description }),
      parameters: {
        type: 'object',
        properties: { input: { type: 'string', description: 'The whole input of the tool, as plain text.' } },
        required: ['input'],
        additionalProperties: false,
      },
    },
  };
}
