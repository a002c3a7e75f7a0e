import { withLateOutputs } from '../../core/async-calls.ts';
import { GatewayError } from '../../core/errors.ts';
import type { ContextItem } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { refuseNothingNew } from '../../core/nothing-new.ts';
import { itemPath } from '../../core/offer-tools.ts';
import { withFunctionCalls } from '../../core/native-calls.ts';
import { refuseUnsent } from '../../core/refuse-unsent.ts';
import { createReport, type Report } from '../../core/report.ts';
import type { TurnRequest } from '../../core/request.ts';
import { replaceLoneSurrogates } from '../../core/well-formed.ts';
import type { DecodeOptions, EncodedRequest, EncodeInput, ModelProfile } from '../codec.ts';
import { refuseUrls } from './by-value.ts';
import { breakpointOf, cacheFields, readCacheWishes } from './cache-wishes.ts';
import { closeSchema } from './close-schema.ts';
import { withComputerCalls } from './computer.ts';
import { mcpServers } from './hosted-tools.ts';
import { type CachePlan, placeBreakpoints, type Segment } from './place-breakpoints.ts';
import { textBlocks, textsOf } from './request-content.ts';
import { entriesOf } from './request-items.ts';
import { fromOwnCompaction } from './own-compaction.ts';
import { endsInUnthoughtCalls, messagesOf, prefillOf, printMessages } from './request-messages.ts';
import { type Field, ownRequest, type OwnRequest } from './request-own.ts';
import { readableSchema, unheld, unreadable } from './request-schema.ts';
import { encodeThinking, takesThinking } from './request-thinking.ts';
import { encodeTools, offerOf } from './request-tools.ts';
import { openCallsOf } from './server-tools.ts';

const defaultMaxTokens = 4096;
const minTopPWithThinking = 0.95;

/** What would change the meaning of the answer if it were left out. */
function refuseUnsupported(request: TurnRequest): void {
  const refuse = (param: string): GatewayError =>
    new GatewayError('unsupported_parameter', `Log probabilities are not supported with this model.`, { param });
  if (request.topLogprobs !== undefined && request.topLogprobs > 0) throw refuse('top_logprobs');
  if (request.include.includes('message.output_text.logprobs')) throw refuse('include');
}

/** Fields that change nothing of what is said, or that this wire has no word for. */
function warnOfUnsent(request: TurnRequest, report: Report): void {
  const leftOut = 'The upstream does not know the field; it was left out.';
  if (request.verbosity !== undefined) report.warn('text.verbosity', leftOut);
  // A hint to caches, which changes no answer; Anthropic's caches have no keys.
  if (request.promptCacheKey !== undefined) report.warn('prompt_cache_key', leftOut);
  if (request.seed !== undefined) report.warn('seed', leftOut);
  if (request.presencePenalty !== undefined) report.warn('presence_penalty', leftOut);
  if (request.frequencyPenalty !== undefined) report.warn('frequency_penalty', leftOut);
  const results = 'web_search_call.results';
  if (request.include.includes(results)) report.warn('include', `The upstream cannot give ${results}.`);
  if (request.protocol === 'messages') return;
  for (const param of Object.keys(request.extra)) if (!cacheFields.has(param)) report.warn(param, leftOut);
}

function maxTokensOf(request: TurnRequest, profile: ModelProfile, report: Report): number {
  const max = profile.maxOutputTokens;
  const wanted = request.maxOutputTokens ?? max ?? defaultMaxTokens;
  if (max === undefined || wanted <= max) return wanted;
  report.warn('max_output_tokens', `The model writes ${max} tokens at most; the limit was lowered to that.`);
  return max;
}

/** The schema that the upstream holds the model to; undefined: it cannot, or there is none. */
function enforcedSchema({ textFormat }: TurnRequest, profile: ModelProfile, report: Report): JsonObject | undefined {
  if (textFormat.type !== 'json_schema' || !profile.jsonSchemaOutput) return undefined;
  const { open, schema } = closeSchema(textFormat.schema);
  const readable = schema === undefined ? undefined : readableSchema(schema);
  if (readable === undefined) return undefined;
  if (open) {
    const message =
      'The upstream enforces closed objects only; additionalProperties: false was added where it was missing.';
    report.warn('text.format.schema', message);
  }
  const { unread } = readable;
  if (unread.length > 0) report.warn('text.format.schema', unheld(unread));
  return readable.schema;
}

/** The instruction that stands in for an output format that the upstream cannot enforce. */
function formatInstruction({ textFormat }: TurnRequest, profile: ModelProfile, report: Report): string | undefined {
  if (textFormat.type === 'text') return undefined;
  report.warn(
    'text.format',
    `${whyUnenforced(textFormat, profile)}; the model is asked for the format in the instructions.`,
  );
  const json = 'Answer with JSON only: no other text, and no code fence around it.';
  if (textFormat.type === 'json_object') return `${json} The answer must be one JSON object.`;
  return `${json} The answer must be valid against this JSON Schema:\n${JSON.stringify(textFormat.schema)}`;
}

function whyUnenforced(format: TurnRequest['textFormat'], { jsonSchemaOutput }: ModelProfile): string {
  if (format.type !== 'json_schema' || !jsonSchemaOutput) return 'The upstream cannot enforce the format';
  return closeSchema(format.schema).schema === undefined ? 'The upstream enforces closed objects only' : unreadable;
}

/** How many items lead the context as instructions of their own. */
function countLeadingSystem(context: readonly ContextItem[]): number {
  const first = context.findIndex(
    ({ item }) => item.type !== 'message' || (item.role !== 'system' && item.role !== 'developer'),
  );
  return first < 0 ? context.length : first;
}

function systemOf(
  { request, context }: EncodeInput,
  own: OwnRequest | undefined,
  leading: number,
  format: string | undefined,
  report: Report,
): Segment[] {
  const segmentsOf = (text: string): Segment[] => textBlocks(text, report).map((json) => ({ json }));
  const segments = own?.system?.slice() ?? (request.instructions === null ? [] : segmentsOf(request.instructions));
  for (const { item } of context.slice(0, leading)) {
    if (item.type !== 'message') continue;
    for (const part of item.content) {
      const breakpoint = breakpointOf([part], report);
      const texts = textsOf([part], item.role);
      segments.push(...texts.flatMap(segmentsOf).map((segment) => ({ ...segment, breakpoint })));
    }
  }
  return format === undefined ? segments : [...segments, ...segmentsOf(format)];
}

/** Whether the next request can be expected to begin with this one. */
function futureOf(request: TurnRequest, isCallable: boolean, isAnswered: boolean): CachePlan['future'] {
  if (request.compaction !== undefined) return 'ends';
  return isCallable || isAnswered || request.promptCacheKey !== undefined ? 'grows' : 'unknown';
}

function printList(segments: readonly Segment[]): string | undefined {
  return segments.length === 0 ? undefined : `[${segments.map(({ json }) => json).join(',')}]`;
}

function outputConfigOf(schema: JsonObject | undefined, effort: string | undefined): string | undefined {
  const fields: string[] = [];
  if (effort !== undefined) fields.push(`"effort":"${effort}"`);
  if (schema !== undefined) fields.push(`"format":{"type":"json_schema","schema":${JSON.stringify(schema)}}`);
  return fields.length === 0 ? undefined : `{${fields.join(',')}}`;
}

interface Sampling {
  temperature: number | undefined;
  topP: number | undefined;
  topK: number | undefined;
}

function samplingOf(request: TurnRequest, profile: ModelProfile, thinkingOn: boolean, report: Report): Sampling {
  let { temperature, topP, topK } = request;
  if (profile.samplingParameters === false) {
    const refused = 'The model refuses sampling parameters; it was left out.';
    if (temperature !== undefined) report.warn('temperature', refused);
    if (topP !== undefined) report.warn('top_p', refused);
    if (topK !== undefined) report.warn('top_k', refused);
    return { temperature: undefined, topP: undefined, topK: undefined };
  }
  if (thinkingOn && temperature !== undefined && temperature !== 1) {
    report.warn('temperature', 'The upstream takes no temperature while the model thinks; it was left out.');
    temperature = undefined;
  }
  if (thinkingOn && topK !== undefined) {
    report.warn('top_k', 'The upstream takes no top_k while the model thinks; it was left out.');
    topK = undefined;
  }
  if (thinkingOn && topP !== undefined && topP < minTopPWithThinking) {
    report.warn(
      'top_p',
      `The upstream takes no top_p below ${minTopPWithThinking} while the model thinks; it was left out.`,
    );
    topP = undefined;
  }
  if (temperature !== undefined && temperature > 1) {
    report.warn('temperature', "The upstream's temperatures end at 1; 1 was sent.");
    temperature = 1;
  }
  if (temperature !== undefined && topP !== undefined) {
    // A top_p of 1 excludes nothing, so that nothing is lost with it.
    if (topP !== 1) report.warn('top_p', 'The upstream takes temperature or top_p, not both; top_p was left out.');
    topP = undefined;
  }
  return { temperature, topP, topK };
}

function metadataOf(request: TurnRequest, report: Report): string | undefined {
  const userId = request.safetyIdentifier ?? request.user;
  if (request.user !== undefined && userId !== request.user) {
    report.warn('user', 'The upstream takes one identifier; safety_identifier was sent.');
  }
  return userId === undefined ? undefined : `{"user_id":${JSON.stringify(userId)}}`;
}

function stopOf({ stop = [] }: TurnRequest): string | undefined {
  return stop.length === 0 ? undefined : JSON.stringify(stop);
}

function serviceTierOf(request: TurnRequest, report: Report): string | undefined {
  const { serviceTier } = request;
  if (serviceTier === undefined) return undefined;
  if (serviceTier === 'auto') return '"auto"';
  if (serviceTier === 'default') return '"standard_only"';
  report.warn('service_tier', `The upstream has no service tier "${serviceTier}"; its default is used.`);
  return undefined;
}

/** Everything but what the model reads, and what it may call. */
function settingsOf(
  { request, profile }: EncodeInput,
  obstacles: Parameters<typeof encodeThinking>[3],
  schema: JsonObject | undefined,
  report: Report,
): Field[] {
  const maxTokens = maxTokensOf(request, profile, report);
  const { on, thinking, effort } = encodeThinking(request.reasoning, profile, maxTokens, obstacles, report);
  const { temperature, topP, topK } = samplingOf(request, profile, on, report);
  return [
    ['max_tokens', maxTokens],
    ['thinking', thinking],
    ['output_config', outputConfigOf(schema, effort)],
    ['temperature', temperature],
    ['top_p', topP],
    ['top_k', topK],
    ['stop_sequences', stopOf(request)],
    ['metadata', metadataOf(request, report)],
    ['service_tier', serviceTierOf(request, report)],
  ];
}

/** In the client's own words, but for thinking of a kind that the model does not know, and the effort that comes with it. */
function ownSettings(
  own: Field[],
  { request, profile }: EncodeInput,
  obstacles: Parameters<typeof encodeThinking>[3],
  report: Report,
): Field[] {
  const { wire = {}, reasoning } = request;
  if (takesThinking(wire['thinking'], profile.reasoning)) return own;
  const { thinking, effort } = encodeThinking(
    reasoning,
    profile,
    maxTokensOf(request, profile, report),
    obstacles,
    report,
  );
  const config = isJsonObject(wire['output_config']) ? wire['output_config'] : {};
  const format = isJsonObject(config['format']) ? config['format']['schema'] : undefined;
  return [
    ...own.filter(([name]) => name !== 'thinking' && name !== 'output_config'),
    ['thinking', thinking],
    ['output_config', outputConfigOf(isJsonObject(format) ? format : undefined, effort)],
  ];
}

/** What the reply is to be a compaction as; undefined: it is to be an answer. */
function compactionOf({ request, profile }: EncodeInput): DecodeOptions['compacts'] {
  if (request.compaction !== undefined && profile.nativeCompaction === 'readable') return 'item';
  return isJsonObject(request.wire?.['compaction']) ? 'block' : undefined;
}

/**
 * The body of `POST /v1/messages`. Fields stand in a fixed order with the messages last, and each message is written the
 * same in every turn, so that the request of a longer conversation begins with the request of the shorter one, and the
 * upstream's cache holds.
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function encodeRequest(given: EncodeInput): EncodedRequest {
  const compacts = compactionOf(given);
  const input = { ...given, context: fromOwnCompaction(withLateOutputs(given.context), given) };
  const { request, context, model, profile } = input;
  const report = createReport();
  refuseUnsupported(request);
  if (request.protocol !== 'messages') refuseUnsent(request);
  if (profile.byValueOnly === true) refuseUrls(context, request);
  warnOfUnsent(request, report);
  const leading = countLeadingSystem(context);
  const own = ownRequest(request);
  const schema = own === undefined ? enforcedSchema(request, profile, report) : undefined;
  const format = schema === undefined && own === undefined ? formatInstruction(request, profile, report) : undefined;
  const system = systemOf(input, own, leading, format, report);
  const offer = own?.tools?.offer ?? offerOf(input, report);
  const calls = withComputerCalls(withFunctionCalls(context, offer.nameOfNative));
  const rest = { context: calls.slice(leading), model, nameOfCall: offer.nameOfCall, isOwn: own !== undefined };
  const entries = entriesOf({ ...rest, pathOf: (at) => itemPath(context, request, at + leading) }, report);
  const messages = messagesOf(
    entries,
    { takesSystem: profile.midConversationSystem, goesOn: compacts === undefined },
    report,
  );
  const prefill = prefillOf(messages) !== undefined;
  if (prefill && compacts === undefined) refuseNothingNew(request);
  const { tools: definitions, toolChoice, forced } = own?.tools ?? encodeTools(input, offer, entries, report);
  const obstacles = { forcedTool: forced, unthoughtCalls: endsInUnthoughtCalls(messages), prefill };
  const settings =
    own === undefined
      ? settingsOf(input, obstacles, schema, report)
      : ownSettings(own.settings, input, obstacles, report);
  const isCallable = (own?.tools === undefined ? offer.offers : definitions).length > 0;
  const wishes = readCacheWishes(request, report);
  const isAnswered = messages.some(({ role }) => role === 'assistant');
  const future = wishes.mode === 'implicit' ? 'grows' : futureOf(request, isCallable, isAnswered);
  const tools = definitions.map((json): Segment => ({ json }));
  const isOwnProtocol = request.protocol === 'messages';
  placeBreakpoints({ tools, system, messages }, { wishes, minTokens: profile.minCachedTokens, future, isOwnProtocol });
  const fields: Field[] = [
    ['model', JSON.stringify(model)],
    ['stream', request.stream ? 'true' : undefined],
    ['compaction', compacts === 'item' ? '{"type":"summarize"}' : undefined],
    ...settings,
    ['tool_choice', toolChoice],
    ['mcp_servers', own === undefined ? mcpServers(offer.offers) : undefined],
    ['tools', printList(tools)],
    ['system', printList(system)],
    ['messages', printMessages(messages)],
  ];
  let body = '';
  for (const [name, json] of fields) {
    if (json !== undefined) body += `${body === '' ? '{' : ','}"${name}":${json}`;
  }
  const { text, replaced } = replaceLoneSurrogates(`${body}}`);
  if (replaced) report.warn('input', 'Halves of characters, which no upstream can read, were replaced by U+FFFD.');
  const { warnings, inputTransformations } = report;
  const openCalls = openCallsOf(context);
  const decode = {
    tools: offer.called,
    include: request.include,
    ...(compacts !== undefined && { compacts }),
    ...(openCalls.size > 0 && { openCalls }),
  };
  return { body: text, warnings, inputTransformations, decode };
}
