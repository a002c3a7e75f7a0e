import { GatewayError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json-object.ts';
import { refuseNothingNew } from '../../core/nothing-new.ts';
import { createReport, type Report } from '../../core/report.ts';
import { type Effort, efforts, type TextFormat, type TurnRequest } from '../../core/request.ts';
import { sentUser } from '../../core/sent-user.ts';
import { replaceLoneSurrogates } from '../../core/well-formed.ts';
import type { EncodedRequest, EncodeInput, ModelProfile } from '../codec.ts';
import { encodeItems } from './encode-items.ts';
import { encodeToolChoice, encodeTools } from './encode-tools.ts';
import { refuseObjectsInExtra } from '../../core/upstream-objects.ts';

const encryptedReasoning = 'reasoning.encrypted_content';

/**
 * A request of its own, whatever chain it belongs to: the upstream stores nothing and is sent everything. What the client
 * did not say is left out, and has the upstream's default.
 * @see https://platform.openai.com/docs/api-reference/responses/create
 */
export function encodeRequest(input: EncodeInput): EncodedRequest {
  const { request, profile, model } = input;
  const report = createReport();
  refuseObjectsInExtra(request.extra);
  warnOfUnknown(request, report);
  const items = encodeItems(input, report);
  const compacts = profile.nativeCompaction === 'sealed';
  const isTrigger = compacts && (request.compaction === 'item' || request.compaction === 'window');
  if (items.length === 0) {
    throw new GatewayError('invalid_value', 'The input holds nothing that the model can be sent.', { param: 'input' });
  }
  const last = input.context.at(-1)?.item;
  if (isTrigger) items.push('{"type":"compaction_trigger"}');
  else if (last?.type === 'message' && 'role' in last && last.role === 'assistant') refuseNothingNew(request);

  const known: JsonObject = {
    model,
    store: false,
    ...(request.stream ? { stream: true } : {}),
    ...(request.instructions === null ? {} : { instructions: request.instructions }),
    ...encodeTools(request),
    ...encodeToolChoice(input),
    ...encodeLimits(request, profile, report),
    ...encodeSampling(request, profile, report),
    ...encodeText(request),
    ...encodeReasoning(request, profile, report),
    ...encodeInclude(request, profile),
    ...(compacts ? encodeThreshold(request) : {}),
    ...(request.truncation === 'auto' ? { truncation: 'auto' } : {}),
    ...given('user', sentUser(request.user, report)),
    ...given('safety_identifier', request.safetyIdentifier),
    ...given('prompt_cache_key', request.promptCacheKey),
    ...given('service_tier', request.serviceTier),
  };
  const body = JSON.stringify(withExtra(known, request, report));
  const { text, replaced } = replaceLoneSurrogates(`${body.slice(0, -1)},"input":[${items.join(',')}]}`);
  if (replaced) report.warn('input', 'Halves of characters, which no upstream can read, were replaced by U+FFFD.');
  const { warnings, inputTransformations } = report;
  return { body: text, warnings, inputTransformations, decode: { tools: new Map() } };
}

function encodeThreshold({ compactThreshold, compaction }: TurnRequest): JsonObject {
  if (compactThreshold === undefined || compaction !== undefined) return {};
  return { context_management: [{ type: 'compaction', compact_threshold: compactThreshold }] };
}

function given(field: string, value: unknown): JsonObject {
  return value === undefined ? {} : { [field]: value };
}

/** OpenAI refuses a lower limit; to other protocols one is the least, and none at all means that no answer is wanted. */
const leastOutput = 16;

function encodeLimits(
  { protocol, maxOutputTokens: asked, maxToolCalls }: TurnRequest,
  { maxOutputTokens: most = Infinity }: ModelProfile,
  report: Report,
): JsonObject {
  const isTooLow = protocol !== 'responses' && asked !== undefined && asked > 0 && asked < leastOutput;
  const maxOutputTokens = isTooLow ? leastOutput : asked;
  if (isTooLow) {
    report.warn('max_output_tokens', `The upstream takes no limit below ${leastOutput}; ${leastOutput} was sent.`);
  }
  if (maxOutputTokens !== undefined && maxOutputTokens > most) {
    report.warn('max_output_tokens', `The model writes at most ${most} tokens, which is what was asked for.`);
  }
  return {
    ...given('max_output_tokens', maxOutputTokens === undefined ? undefined : Math.min(maxOutputTokens, most)),
    ...given('max_tool_calls', maxToolCalls),
  };
}

function encodeSampling(
  { temperature, topP, topLogprobs }: TurnRequest,
  profile: ModelProfile,
  report: Report,
): JsonObject {
  const fields = { ...given('temperature', temperature), ...given('top_p', topP) };
  if (profile.samplingParameters === false) {
    for (const param of Object.keys(fields)) report.warn(param, 'The model refuses sampling parameters.');
    return given('top_logprobs', topLogprobs);
  }
  return { ...fields, ...given('top_logprobs', topLogprobs) };
}

function encodeText({ textFormat, verbosity }: TurnRequest): JsonObject {
  const text = { ...formatOf(textFormat), ...given('verbosity', verbosity) };
  return Object.keys(text).length === 0 ? {} : { text };
}

function formatOf(format: TextFormat): JsonObject {
  if (format.type === 'text') return {};
  if (format.type === 'json_object') return { format };
  const { strict, ...rest } = format;
  return { format: strict === null ? rest : { ...rest, strict } };
}

function encodeReasoning({ protocol, reasoning }: TurnRequest, profile: ModelProfile, report: Report): JsonObject {
  if (reasoning === undefined) return {};
  // A client of chat did not ask for summaries, which OpenAI gives to some organisations only.
  const asked = Object.entries(reasoning).filter(
    ([field, value]) => value !== null && !(field === 'summary' && protocol === 'chat'),
  );
  if (asked.length === 0) return {};
  if (profile.reasoning === 'none') {
    if (reasoning.effort !== 'none') report.warn('reasoning', 'The model does not reason; the field was left out.');
    return {};
  }
  const known = protocol !== 'responses' ? knownEffort(reasoning.effort, profile, report) : {};
  return { reasoning: { ...Object.fromEntries(asked), ...known } };
}

/** Another vendor's words for an effort are not of this model: the next above is asked for, above the highest that one. */
function knownEffort(
  effort: Effort | null,
  { refusedEfforts: refused = [] }: ModelProfile,
  report: Report,
): { effort?: Effort } {
  if (effort === null || !refused.includes(effort)) return {};
  const known = efforts.filter((each) => !refused.includes(each));
  const rank = (each: Effort) => efforts.indexOf(each);
  const next = known.find((each) => rank(each) > rank(effort)) ?? known.at(-1);
  if (next === undefined) return {};
  report.warn('reasoning.effort', `The model knows no effort ${effort}: ${next} was asked for.`);
  return { effort: next };
}

/** What the model thinks comes sealed, to be sent back with the next turn, whether the client carries it or we do. */
function encodeInclude({ include }: TurnRequest, profile: ModelProfile): JsonObject {
  const takesIt = profile.reasoning !== 'none' && profile.encryptedReasoning !== false;
  const others = include.filter((each) => each !== encryptedReasoning);
  const wanted = takesIt ? [...others, encryptedReasoning] : others;
  return wanted.length === 0 ? {} : { include: wanted };
}

/** What Open Responses or another protocol has a word for, and OpenAI has not. */
function warnOfUnknown(request: TurnRequest, report: Report): void {
  const unknown = {
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    seed: request.seed,
    top_k: request.topK,
  };
  for (const [param, value] of Object.entries(unknown)) {
    if (value !== undefined) report.warn(param, 'The upstream has no such parameter.');
  }
  if (request.stop !== undefined && request.stop.length > 0) {
    throw new GatewayError('unsupported_parameter', 'The upstream cannot be told where to stop.', { param: 'stop' });
  }
}

const unsentFields: Readonly<Record<string, string | undefined>> = {
  'stream_options.include_obfuscation': 'The gateway does not pad its events.',
};

/** Fields that the decoder of the request did not know, put back where they stood. */
function withExtra(body: JsonObject, { protocol, extra }: TurnRequest, report: Report): JsonObject {
  if (protocol !== 'responses') {
    for (const param of Object.keys(extra)) report.warn(param, 'The upstream has no such parameter.');
    return body;
  }
  let whole = body;
  for (const [path, value] of Object.entries(extra)) {
    const unsent = unsentFields[path];
    if (unsent !== undefined) {
      report.warn(path, unsent);
      continue;
    }
    const place = /^(text\.format|text|reasoning|stream_options|tools\[\d+\])\.(.+)$/.exec(path);
    whole = place === null ? { ...whole, [path]: value } : withField(whole, stepsOf(place[1]), place[2] ?? '', value);
  }
  return whole;
}

function stepsOf(path = ''): string[] {
  return path.split(/[.[\]]+/).filter((step) => step !== '');
}

function withField(target: unknown, [step, ...steps]: string[], field: string, value: unknown): JsonObject {
  const object: JsonObject = { ...(target as JsonObject) };
  if (step === undefined) return { ...object, [field]: value };
  const inner = object[step] ?? {};
  const changed = Array.isArray(inner)
    ? (inner as unknown[]).map((each, index) =>
        String(index) === steps[0] ? withField(each, steps.slice(1), field, value) : each,
      )
    : withField(inner, steps, field, value);
  return { ...object, [step]: changed };
}
