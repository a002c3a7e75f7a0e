import { withLateOutputs } from '../../core/async-calls.ts';
import { warnOfCacheMarks } from '../../core/cache-marks.ts';
import { GatewayError } from '../../core/errors.ts';
import { withFunctionCalls } from '../../core/native-calls.ts';
import { refuseNothingNew } from '../../core/nothing-new.ts';
import type { Effort, TurnRequest } from '../../core/request.ts';
import { sentUser } from '../../core/sent-user.ts';
import { replaceLoneSurrogates } from '../../core/well-formed.ts';
import type { ChatQuirks, EncodedRequest, EncodeInput, ModelProfile } from '../codec.ts';
import { encodeItems } from './request-items.ts';
import { refuseUnsent } from '../../core/refuse-unsent.ts';
import { createReport, type Report } from '../../core/report.ts';
import { encodeTools } from './request-tools.ts';
import { applyQuirks } from './apply-quirks.ts';
import type { ChatMessage } from './wire.ts';

type Fields = Record<string, unknown>;

/** Wishes that are fulfilled: the first by this wire, the second by the gateway, whatever the upstream. */
const servedIncludes: ReadonlySet<string> = new Set(['message.output_text.logprobs', 'reasoning.encrypted_content']);

/**
 * The order of fields is fixed, and what stands before the newest items does not change from turn to turn, so that
 * upstreams find the prefix in their caches.
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */
export function encodeRequest(given: EncodeInput): EncodedRequest {
  const input = { ...given, context: withLateOutputs(given.context) };
  const { request, profile, model } = input;
  const report = createReport();
  const tools = encodeTools(input, report);
  const context = withFunctionCalls(input.context, tools.offer.nameOfNative);
  const encoded = encodeItems({ ...input, context }, tools.offer, report);
  const format = encodeFormat(request, profile, report);
  const first = encoded.messages.findIndex(({ role }) => role !== 'system');
  const leading = first < 0 ? encoded.messages : encoded.messages.slice(0, first);
  const texts = leading.flatMap((message) => (message.role === 'system' ? [message.content] : []));
  const messages = [
    ...leadingMessage([request.instructions ?? '', ...texts, format.instructions]),
    ...encoded.messages.slice(leading.length),
  ];
  if (messages.length === 0) {
    throw new GatewayError('invalid_value', 'The input holds nothing that the model can be sent.', { param: 'input' });
  }
  if (messages.at(-1)?.role === 'assistant') refuseNothingNew(request);
  if (request.protocol !== 'chat') refuseUnsent(request);
  warnOfUnsent(request, report);
  warnOfCacheMarks(context, report);
  const fields: Fields = {
    model,
    messages,
    ...(tools.tools.length === 0 ? {} : { tools: tools.tools }),
    ...(tools.choice === undefined ? {} : { tool_choice: tools.choice }),
    ...(tools.webSearch === undefined ? {} : { web_search_options: tools.webSearch }),
    ...(tools.tools.length === 0 || request.parallelToolCalls ? {} : { parallel_tool_calls: false }),
    ...encodeLimit(request, profile, report),
    ...encodeSampling(request, profile, report),
    ...encodePenalties(request),
    ...encodeStop(request, report),
    ...(format.field === undefined ? {} : { response_format: format.field }),
    ...encodeReasoningOptions(request, profile, report),
    ...encodeLogprobs(request),
    ...encodeUser(request, report),
    ...(request.serviceTier === undefined || request.serviceTier === 'auto'
      ? {}
      : { service_tier: request.serviceTier }),
    ...encodeExtra(request, encoded.carried, report),
    ...(request.stream ? { stream: true, stream_options: { include_usage: true } } : {}),
  };
  const body = profile.quirks === undefined ? fields : applyQuirks(fields, profile.quirks, report);
  const { text, replaced } = replaceLoneSurrogates(JSON.stringify(body));
  if (replaced) report.warn('input', 'Halves of characters, which no upstream can read, were replaced by U+FFFD.');
  const { warnings, inputTransformations } = report;
  return { body: text, warnings, inputTransformations, decode: { tools: tools.offer.called } };
}

/** One message for all that leads the conversation: templates of open models refuse a second one. */
function leadingMessage(texts: string[]): ChatMessage[] {
  const content = texts.filter((text) => text !== '').join('\n\n');
  return content === '' ? [] : [{ role: 'system', content }];
}

/** What `json_object` says, for servers that know schemas only. */
const anyObject = { name: 'object', schema: { type: 'object' } };

function encodeFormat(
  { textFormat }: TurnRequest,
  profile: ModelProfile,
  report: Report,
): { field: Fields | undefined; instructions: string } {
  if (textFormat.type === 'text') return { field: undefined, instructions: '' };
  if (textFormat.type === 'json_object') {
    if (profile.quirks?.jsonObjectOutput !== false) return { field: { type: 'json_object' }, instructions: '' };
    return { field: { type: 'json_schema', json_schema: anyObject }, instructions: '' };
  }
  const { name, description, schema, strict } = textFormat;
  if (profile.jsonSchemaOutput) {
    const json_schema = {
      name,
      ...(description === undefined ? {} : { description }),
      schema,
      ...(strict === null ? {} : { strict }),
    };
    return { field: { type: 'json_schema', json_schema }, instructions: '' };
  }
  report.warn('text.format', 'The upstream takes no schema: it is in the instructions, and nothing enforces it.');
  const texts = [
    description ?? '',
    `Answer with JSON only, valid against this JSON schema:\n${JSON.stringify(schema)}`,
  ];
  return { field: { type: 'json_object' }, instructions: texts.filter((text) => text !== '').join('\n') };
}

function encodeLimit({ maxOutputTokens }: TurnRequest, profile: ModelProfile, report: Report): Fields {
  if (maxOutputTokens === undefined) return {};
  const most = profile.maxOutputTokens ?? maxOutputTokens;
  if (maxOutputTokens > most)
    report.warn('max_output_tokens', `The model writes at most ${most} tokens, which is what was asked for.`);
  return { [profile.maxTokensField]: Math.min(maxOutputTokens, most) };
}

function encodeSampling({ temperature, topP }: TurnRequest, profile: ModelProfile, report: Report): Fields {
  const fields = {
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
  };
  if (profile.samplingParameters !== false) return fields;
  for (const param of Object.keys(fields)) report.warn(param, 'The model refuses sampling parameters.');
  return {};
}

function encodePenalties({ presencePenalty, frequencyPenalty, seed }: TurnRequest): Fields {
  return {
    ...(presencePenalty === undefined ? {} : { presence_penalty: presencePenalty }),
    ...(frequencyPenalty === undefined ? {} : { frequency_penalty: frequencyPenalty }),
    ...(seed === undefined ? {} : { seed }),
  };
}

function encodeStop({ stop = [], topK }: TurnRequest, report: Report): Fields {
  if (topK !== undefined) report.warn('top_k', 'The upstream has no such parameter.');
  return stop.length === 0 ? {} : { stop };
}

/** Fields that the decoder of the request did not know: to an upstream of the same words as they are, where they stand alone. */
function encodeExtra({ protocol, extra }: TurnRequest, carried: ReadonlySet<string>, report: Report): Fields {
  const fields: Fields = {};
  for (const [param, value] of Object.entries(extra)) {
    if (protocol === 'chat' && !/[.[]/.test(param)) fields[param] = value;
    else if (value !== null && !carried.has(param)) report.warn(param, 'The upstream has no such parameter.');
  }
  return fields;
}

function encodeReasoningOptions(
  { protocol, reasoning, verbosity }: TurnRequest,
  profile: ModelProfile,
  report: Report,
): Fields {
  const effort = reasoning?.effort ?? undefined;
  if (protocol !== 'chat' && reasoning !== undefined && reasoning.summary !== null) {
    report.warn('reasoning.summary', 'The upstream summarises no reasoning; what it shows of it is passed on.');
  }
  if (profile.reasoning !== 'effort') {
    if (effort !== undefined) report.warn('reasoning.effort', 'The effort of this model cannot be chosen.');
    if (verbosity !== undefined) report.warn('text.verbosity', 'The verbosity of this model cannot be chosen.');
    return {};
  }
  return {
    ...(effort === undefined ? {} : encodeEffort(effort, profile.quirks ?? {}, report)),
    ...(verbosity === undefined ? {} : { verbosity }),
  };
}

function encodeEffort(effort: Effort, quirks: ChatQuirks, report: Report): Fields {
  if (effort === 'none' && quirks.thinkingSwitch === true) return { thinking: { type: 'disabled' } };
  const known = quirks.efforts?.[effort];
  if (known === null) {
    report.warn('reasoning.effort', 'The effort of this model cannot be chosen.');
    return {};
  }
  if (known !== undefined && known !== effort)
    report.warn('reasoning.effort', `The model knows no effort ${effort}: ${known} was asked for.`);
  const asked = known ?? effort;
  return quirks.effortField === 'reasoning' ? { reasoning: { effort: asked } } : { reasoning_effort: asked };
}

function encodeLogprobs({ topLogprobs = 0, include }: TurnRequest): Fields {
  if (topLogprobs > 0) return { logprobs: true, top_logprobs: topLogprobs };
  return include.includes('message.output_text.logprobs') ? { logprobs: true } : {};
}

/** `safety_identifier` is newer than most servers; `user` is known to all. A client of chat knows which of them its server takes. */
function encodeUser({ protocol, user, safetyIdentifier, promptCacheKey }: TurnRequest, report: Report): Fields {
  if (protocol === 'chat') {
    return {
      ...(user === undefined ? {} : { user }),
      ...(safetyIdentifier === undefined ? {} : { safety_identifier: safetyIdentifier }),
      ...(promptCacheKey === undefined ? {} : { prompt_cache_key: promptCacheKey }),
    };
  }
  const sent = safetyIdentifier ?? sentUser(user, report);
  if (user !== undefined && safetyIdentifier !== undefined && user !== safetyIdentifier)
    report.warn('user', 'The upstream takes one name of the user: safety_identifier was sent.');
  return sent === undefined ? {} : { user: sent };
}

function warnOfUnsent(request: TurnRequest, report: Report): void {
  if (request.promptCacheKey !== undefined && request.protocol !== 'chat')
    report.warn('prompt_cache_key', 'The upstream has no cache keys.');
  if (request.maxToolCalls !== undefined) report.warn('max_tool_calls', 'The upstream runs no tools of its own.');
  for (const wish of request.include) {
    if (!servedIncludes.has(wish)) report.warn('include', `The upstream cannot give ${wish}.`);
  }
}
