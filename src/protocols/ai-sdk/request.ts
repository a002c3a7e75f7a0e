import { withLateOutputs } from '../../core/async-calls.ts';
import { warnOfCacheMarks } from '../../core/cache-marks.ts';
import { isCallType } from '../../core/call-pairs.ts';
import { customInputField } from '../../core/custom-input.ts';
import { GatewayError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json-object.ts';
import { withFunctionCalls } from '../../core/native-calls.ts';
import { refuseNothingNew } from '../../core/nothing-new.ts';
import { type CallableOffer, offerInherited, type OfferedChoice, offerTools } from '../../core/offer-tools.ts';
import { refuseUnsent } from '../../core/refuse-unsent.ts';
import { createReport, type Report } from '../../core/report.ts';
import type { TurnRequest } from '../../core/request.ts';
import { replaceLoneSurrogates } from '../../core/well-formed.ts';
import type { EncodedRequest, EncodeInput } from '../codec.ts';
import { encodePrompt } from './request-items.ts';
import { maxToolNameLength, toolName } from './wire.ts';

const target = { maxNameLength: maxToolNameLength, names: toolName, hosts: () => undefined };

/** Wishes that the gateway fulfils by itself. */
const served: ReadonlySet<string> = new Set(['reasoning.encrypted_content']);

/**
 * The options of one call of a LanguageModelV4. Its provider's package says of what is left what it cannot carry.
 * @throws GatewayError 400 for what no package can be asked, and what would change the meaning if it were left out.
 */
export function encodeRequest(given: EncodeInput): EncodedRequest {
  const input = { ...given, context: withLateOutputs(given.context) };
  const { request, inheritedTools } = input;
  const report = createReport();
  if ((request.topLogprobs ?? 0) > 0) throw noLogprobs('top_logprobs');
  if (request.include.includes('message.output_text.logprobs')) throw noLogprobs('include');
  const own = offerTools(request, input.context, target, report);
  const inherits = own.called.size === 0 && input.context.some(({ item }) => isCallType(item.type));
  const offer = inherits ? offerInherited(inheritedTools, target, report) : own;
  const context = withFunctionCalls(input.context, offer.nameOfNative);
  const prompt = encodePrompt({ ...input, context }, offer, [request.instructions ?? ''], report);
  if (prompt.length === 0) {
    throw new GatewayError('invalid_value', 'The input holds nothing that the model can be sent.', { param: 'input' });
  }
  if (prompt.at(-1)?.role === 'assistant') refuseNothingNew(request);
  const callable = offer.offers.filter((each) => each.kind === 'callable');
  refuseUnsent(request);
  warnOfUnsent(request, callable.length > 0, report);
  warnOfCacheMarks(context, report);
  const options: JsonObject = {
    maxOutputTokens: request.maxOutputTokens,
    temperature: request.temperature,
    topP: request.topP,
    topK: request.topK,
    presencePenalty: request.presencePenalty,
    frequencyPenalty: request.frequencyPenalty,
    seed: request.seed,
    stopSequences: request.stop === undefined || request.stop.length === 0 ? undefined : request.stop,
    reasoning: request.reasoning?.effort ?? undefined,
    responseFormat: formatOf(request),
    tools: callable.length === 0 ? undefined : callable.map((each) => encodeTool(each)),
    toolChoice: choiceOf(inherits ? 'none' : own.choice, callable.length),
    prompt,
  };
  const { text, replaced } = replaceLoneSurrogates(JSON.stringify(options));
  if (replaced) report.warn('input', 'Halves of characters, which no upstream can read, were replaced by U+FFFD.');
  const { warnings, inputTransformations } = report;
  return { body: text, warnings, inputTransformations, decode: { tools: offer.called } };
}

const noLogprobs = (param: string) =>
  new GatewayError('unsupported_parameter', 'This model gives no log probabilities.', { param });

function formatOf({ textFormat }: TurnRequest): JsonObject | undefined {
  if (textFormat.type === 'text') return undefined;
  if (textFormat.type === 'json_object') return { type: 'json' };
  const { name, description, schema } = textFormat;
  return { type: 'json', schema, name, description };
}

function choiceOf(choice: OfferedChoice, tools: number): JsonObject | undefined {
  if (typeof choice === 'object') return { type: 'tool', toolName: choice.wireName };
  if (choice === 'required' && tools === 0) {
    const message = "Tool choice 'required' must be specified with 'tools' parameter.";
    throw new GatewayError('invalid_value', message, { param: 'tool_choice' });
  }
  return tools === 0 || choice === 'auto' ? undefined : { type: choice };
}

/** What a custom tool's grammar is stands in its description. */
function encodeTool({ wireName: name, tool }: CallableOffer): JsonObject {
  if (tool.type === 'function') {
    return {
      type: 'function',
      name,
      description: tool.description ?? undefined,
      inputSchema: tool.parameters ?? { type: 'object', properties: {} },
      strict: tool.strict ?? undefined,
    };
  }
  return {
    type: 'function',
    name,
    description: tool.description ?? undefined,
    inputSchema: {
      type: 'object',
      properties: {
        [customInputField]: { type: 'string', description: 'The whole input of the tool, as plain text.' },
      },
      required: [customInputField],
      additionalProperties: false,
    },
  };
}

function warnOfUnsent(request: TurnRequest, hasTools: boolean, report: Report): void {
  const leftOut = 'The AI SDK has no word for it; it was left out.';
  const unsent: [param: string, isThere: boolean][] = [
    ['text.verbosity', request.verbosity !== undefined],
    ['service_tier', request.serviceTier !== undefined && request.serviceTier !== 'auto'],
    ['prompt_cache_key', request.promptCacheKey !== undefined],
    ['user', request.user !== undefined],
    ['safety_identifier', request.safetyIdentifier !== undefined],
    ['max_tool_calls', request.maxToolCalls !== undefined],
    ['parallel_tool_calls', hasTools && !request.parallelToolCalls],
    ['reasoning.summary', (request.reasoning?.summary ?? null) !== null],
  ];
  for (const [param, isThere] of unsent) if (isThere) report.warn(param, leftOut);
  for (const wish of request.include)
    if (!served.has(wish)) report.warn('include', `The upstream cannot give ${wish}.`);
  for (const [param, value] of Object.entries(request.extra)) if (value !== null) report.warn(param, leftOut);
}
