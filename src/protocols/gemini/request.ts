import { withLateOutputs } from '../../core/async-calls.ts';
import { warnOfCacheMarks } from '../../core/cache-marks.ts';
import { GatewayError } from '../../core/errors.ts';
import type { ContextItem } from '../../core/items.ts';
import { arrayElements, sliceJson } from '../../core/json-slice.ts';
import { withFunctionCalls } from '../../core/native-calls.ts';
import { refuseNothingNew } from '../../core/nothing-new.ts';
import { refuseUnsent } from '../../core/refuse-unsent.ts';
import { createReport, type Report } from '../../core/report.ts';
import type { TurnRequest } from '../../core/request.ts';
import { replaceLoneSurrogates } from '../../core/well-formed.ts';
import type { EncodedRequest, EncodeInput, ModelProfile } from '../codec.ts';
import { type Content, encodeItems, printContents } from './request-items.ts';
import { textParts } from './request-parts.ts';
import { readableSchema } from './request-schema.ts';
import { encodeThinking } from './request-thinking.ts';
import { type EncodedTools, encodeTools } from './request-tools.ts';
import { maxStopSequences } from './wire.ts';

type Fields = [name: string, json: string | undefined][];

const carriedReasoning = 'reasoning.encrypted_content';
/** Wishes that are fulfilled: by this wire, or by the gateway. */
const served: ReadonlySet<string> = new Set([
  'message.output_text.logprobs',
  'web_search_call.action.sources',
  'code_interpreter_call.outputs',
  carriedReasoning,
]);

function printFields(fields: Fields): string {
  return `{${fields.flatMap(([name, json]) => (json === undefined ? [] : [`"${name}":${json}`])).join(',')}}`;
}

const jsonOf = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value));

function countLeadingSystem(context: readonly ContextItem[]): number {
  const first = context.findIndex(({ item }) => item.type !== 'message' || !/^(?:system|developer)$/.test(item.role));
  return first < 0 ? context.length : first;
}

function systemOf(context: readonly ContextItem[], instructions: string | null, format: string): string | undefined {
  const texts = [instructions ?? ''];
  for (const { item } of context) {
    if (item.type !== 'message') continue;
    for (const part of item.content) {
      if (part.type !== 'input_text' && part.type !== 'output_text') {
        const message = `The upstream takes ${item.role} messages of text only.`;
        throw new GatewayError('unsupported_value', message, { param: 'input' });
      }
      texts.push(part.text);
    }
  }
  const parts = [...texts, format].flatMap(textParts);
  return parts.length === 0 ? undefined : `{"parts":[${parts.join(',')}]}`;
}

interface EncodedFormat {
  mimeType: string | undefined;
  schema: string | undefined;
  /** What stands in for what the upstream cannot be held to. */
  instructions: string;
}

/** @see https://ai.google.dev/gemini-api/docs/structured-output */
function encodeFormat(
  { textFormat }: TurnRequest,
  profile: ModelProfile,
  { hasFunctions, forced }: EncodedTools,
  report: Report,
): EncodedFormat {
  const plain: EncodedFormat = { mimeType: undefined, schema: undefined, instructions: '' };
  if (textFormat.type === 'text') return plain;
  const mimeType = '"application/json"';
  const beside = hasFunctions && (forced || profile.gemini?.thirdGeneration === false);
  if (!beside && textFormat.type === 'json_object') return { ...plain, mimeType };
  if (!beside && textFormat.type === 'json_schema' && profile.jsonSchemaOutput) {
    const { schema, unread } = readableSchema(textFormat.schema);
    if (unread.length > 0) {
      const message = `The upstream does not hold the model to ${unread.join(', ')} of a schema.`;
      report.warn('text.format.schema', message);
    }
    return { ...plain, mimeType, schema: JSON.stringify(schema) };
  }
  const why = beside ? 'The upstream takes no format beside these tools' : 'The upstream cannot enforce the format';
  report.warn('text.format', `${why}; the model is asked for the format in the instructions.`);
  const wish = 'When you answer, answer with JSON only: no other text, and no code fence around it.';
  const what =
    textFormat.type === 'json_object'
      ? 'The answer must be one JSON object.'
      : `The answer must be valid against this JSON Schema:\n${JSON.stringify(textFormat.schema)}`;
  return { ...plain, instructions: `${wish} ${what}` };
}

function maxTokensOf({ maxOutputTokens }: TurnRequest, profile: ModelProfile, report: Report): number | undefined {
  const max = profile.maxOutputTokens;
  if (maxOutputTokens === undefined || max === undefined || maxOutputTokens <= max) return maxOutputTokens;
  report.warn('max_output_tokens', `The model writes ${max} tokens at most; the limit was lowered to that.`);
  return max;
}

function samplingOf(request: TurnRequest, profile: ModelProfile, report: Report): Fields {
  const { temperature, topP, topK, seed, presencePenalty, frequencyPenalty } = request;
  const refused = (param: string, value: number | undefined, takes: boolean): string | undefined => {
    if (value !== undefined && !takes) report.warn(param, 'The model refuses the parameter; it was left out.');
    return takes ? jsonOf(value) : undefined;
  };
  const samples = profile.samplingParameters !== false;
  const penalizes = profile.gemini?.penalties !== false;
  return [
    ['temperature', refused('temperature', temperature, samples)],
    ['topP', refused('top_p', topP, samples)],
    ['topK', refused('top_k', topK, samples)],
    ['seed', jsonOf(seed)],
    ['presencePenalty', refused('presence_penalty', presencePenalty, penalizes)],
    ['frequencyPenalty', refused('frequency_penalty', frequencyPenalty, penalizes)],
  ];
}

function stopOf({ stop = [] }: TurnRequest): string | undefined {
  if (stop.length <= maxStopSequences) return stop.length === 0 ? undefined : JSON.stringify(stop);
  const message = `This model stops at ${maxStopSequences} texts at most.`;
  throw new GatewayError('array_above_max_length', message, { param: 'stop' });
}

/** @see https://ai.google.dev/gemini-api/docs/optimization */
function serviceTierOf({ serviceTier }: TurnRequest, report: Report): string | undefined {
  if (serviceTier === undefined || serviceTier === 'auto') return undefined;
  if (serviceTier === 'default') return '"standard"';
  if (serviceTier === 'flex' || serviceTier === 'priority') return JSON.stringify(serviceTier);
  report.warn('service_tier', `The upstream has no service tier "${serviceTier}"; its default is used.`);
  return undefined;
}

function logprobsOf({ topLogprobs = 0, include }: TurnRequest): Fields {
  const wanted = topLogprobs > 0 || include.includes('message.output_text.logprobs');
  return [
    ['responseLogprobs', wanted ? 'true' : undefined],
    ['logprobs', topLogprobs > 0 ? String(topLogprobs) : undefined],
  ];
}

/** Fields that change nothing of what is said, or that this wire has no word for. */
function warnOfUnsent(request: TurnRequest, hasFunctions: boolean, report: Report): void {
  const leftOut = 'The upstream does not know the field; it was left out.';
  if (request.verbosity !== undefined) report.warn('text.verbosity', leftOut);
  if (request.promptCacheKey !== undefined) report.warn('prompt_cache_key', leftOut);
  if (request.user !== undefined) report.warn('user', leftOut);
  if (request.safetyIdentifier !== undefined) report.warn('safety_identifier', leftOut);
  if (!request.parallelToolCalls && hasFunctions) {
    const message = 'The upstream cannot be held to one call at a time; of several the first is taken.';
    report.warn('parallel_tool_calls', message);
  }
  for (const wish of request.include) {
    if (!served.has(wish)) report.warn('include', `The upstream cannot give ${wish}.`);
  }
  for (const [param, value] of Object.entries(request.extra)) if (value !== null) report.warn(param, leftOut);
}

/** For models that take no instructions of their own: what a user says first. */
function withInstructions(contents: readonly Content[], system: string, report: Report): Content[] {
  report.warn('instructions', 'The model takes no system instruction; it was put before what the user said first.');
  const parts = arrayElements(sliceJson(system, ['parts']) ?? '') ?? [];
  const [first, ...others] = contents;
  return first?.role === 'user'
    ? [{ role: 'user', parts: [...parts, ...first.parts] }, ...others]
    : [{ role: 'user', parts }, ...contents];
}

/**
 * The body of `models.generateContent`, streamed or not. Fields stand in a fixed order with the contents last, and each
 * content is written the same in every turn, so that the request of a longer conversation begins with the request of the
 * shorter one, and the upstream's cache holds.
 * @see https://ai.google.dev/api/generate-content#request-body
 */
export function encodeRequest(given: EncodeInput): EncodedRequest {
  const input = { ...given, context: withLateOutputs(given.context) };
  const { request, profile } = input;
  const report = createReport();
  const tools = encodeTools(input, report);
  const context = withFunctionCalls(input.context, tools.offer.nameOfNative);
  const leading = countLeadingSystem(context);
  const contents = encodeItems({ ...input, context }, leading, tools.offer, report);
  if (contents.at(-1)?.role === 'model') refuseNothingNew(request);
  const format = encodeFormat(request, profile, tools, report);
  refuseUnsent(request);
  warnOfUnsent(request, tools.hasFunctions, report);
  warnOfCacheMarks(context, report);
  const config = printFields([
    ['maxOutputTokens', jsonOf(maxTokensOf(request, profile, report))],
    ...samplingOf(request, profile, report),
    ['stopSequences', stopOf(request)],
    ['responseMimeType', format.mimeType],
    ['responseJsonSchema', format.schema],
    ...logprobsOf(request),
    ['thinkingConfig', encodeThinking(request.reasoning, profile, report)],
  ]);
  const system = systemOf(context.slice(0, leading), request.instructions, format.instructions);
  const asUser = profile.gemini?.systemInstruction === false && system !== undefined;
  const body = printFields([
    ['generationConfig', config === '{}' ? undefined : config],
    ['serviceTier', serviceTierOf(request, report)],
    ['toolConfig', tools.toolConfig],
    ['tools', tools.tools],
    ['systemInstruction', asUser ? undefined : system],
    ['contents', printContents(asUser ? withInstructions(contents, system, report) : contents)],
  ]);
  const { text, replaced } = replaceLoneSurrogates(body);
  if (replaced) report.warn('input', 'Halves of characters, which no upstream can read, were replaced by U+FFFD.');
  const { warnings, inputTransformations } = report;
  // Who keeps no response carries what the model thought, whether it asks for that or not.
  const include = request.store ? request.include : [...request.include, carriedReasoning];
  const singleCall = request.parallelToolCalls ? {} : { singleCall: true };
  return { body: text, warnings, inputTransformations, decode: { tools: tools.offer.called, include, ...singleCall } };
}
