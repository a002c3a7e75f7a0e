import { z } from 'zod';
import { check, invalidType, nameSchema, tooMany } from '../../core/check.ts';
import { decodeMetadata } from '../../core/decode-metadata.ts';
import { GatewayError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { refuseRouting } from '../../core/refuse-routing.ts';
import { efforts, type TextFormat, type TurnRequest } from '../../core/request.ts';
import { refuseField, refuseObjectsInExtra } from '../../core/upstream-objects.ts';
import { decodeMessages } from './decode-messages.ts';
import { decodeToolChoice, decodeTools, decodeWebSearch } from './decode-tools.ts';
import { createRequestNotes, type RequestNotes } from './request-notes.ts';
import { isOwnField } from './wire.ts';

const flag = z.boolean().nullish();
const text = z.string().nullish();
const penalty = z.number().min(-2).max(2).nullish();
const limit = z.int().min(1).nullish();
const jsonObject: z.ZodType<JsonObject> = z.looseObject({});

/** Everything but messages, tools and their choice, and `metadata`, which have decoders of their own. */
const requestBody = z.object({
  model: z.string().min(1),
  store: flag,
  stream: flag,
  stream_options: z.object({ include_usage: flag, include_obfuscation: flag }).nullish(),
  parallel_tool_calls: flag,
  max_tokens: limit,
  max_completion_tokens: limit,
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  presence_penalty: penalty,
  frequency_penalty: penalty,
  n: z.int().min(1).max(128).nullish(),
  seed: z.int().nullish(),
  logprobs: flag,
  top_logprobs: z.int().min(0).max(20).nullish(),
  reasoning_effort: z.enum(efforts).nullish(),
  verbosity: z.enum(['low', 'medium', 'high']).nullish(),
  response_format: z.object({ type: z.enum(['text', 'json_object', 'json_schema']) }).nullish(),
  modalities: z.array(z.enum(['text', 'audio'])).nullish(),
  audio: jsonObject.nullish(),
  user: text,
  safety_identifier: z.string().max(128).nullish(),
  prompt_cache_key: text,
  service_tier: text,
});

/** They travel to an upstream of the same words as they are. */
const passedFields = z.object({
  logit_bias: z.record(z.string(), z.number().min(-100).max(100)).nullish(),
  prediction: z.object({ type: z.literal('content'), content: z.unknown() }).nullish(),
});

const ownFields = [
  ...Object.keys(requestBody.shape),
  'messages',
  'tools',
  'tool_choice',
  'functions',
  'function_call',
  'metadata',
  'stop',
  'web_search_options',
];

/**
 * The body of `POST /v1/chat/completions`. A null means that the field was not given. What the neutral request has no word
 * for is in `extra`: top-level fields under their names, others under dotted ones (`messages[1].name`).
 * @throws GatewayError (400) with OpenAI's message, code and param.
 * @see https://platform.openai.com/docs/api-reference/chat/create
 */
export function decodeRequest(body: unknown): TurnRequest {
  if (!isJsonObject(body)) throw invalidType('', 'an object', body);
  refuseRouting(body);
  const fields = check(requestBody, body, '');
  check(passedFields, body, '');
  const notes = createRequestNotes();
  notes.keepUnknown(body, ownFields, '');
  if (fields.stream_options && fields.stream !== true) {
    const message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
    throw new GatewayError('invalid_value', message, { param: 'stream_options' });
  }
  if (isJsonObject(fields.stream_options)) {
    notes.keepUnknown(fields.stream_options, ['include_usage', 'include_obfuscation'], 'stream_options');
    if (fields.stream_options.include_obfuscation === true) notes.extra['stream_options.include_obfuscation'] = true;
  }
  if (typeof fields.top_logprobs === 'number' && fields.logprobs !== true) {
    const message = "Invalid 'top_logprobs': it can only be used when 'logprobs' is true.";
    throw new GatewayError('invalid_value', message, { param: 'top_logprobs' });
  }
  const input = decodeMessages(body['messages'], notes);
  const tools = decodeTools(body, notes);
  const maxOutputTokens = limitOf(fields);
  if (typeof fields.max_tokens === 'number') notes.place('max_output_tokens', 'max_tokens');
  // What our own fields say of an answer goes nowhere; that they are there is told.
  for (const param of Object.keys(notes.extra)) if (isOwnField.test(param)) notes.extra[param] = true;
  refuseObjectsInExtra(notes.extra);
  // What only a verbatim lane carries goes up as it is.
  refuseField('audio', fields.audio, 'audio');
  const hasFunctions = tools.length > 0 && isOlder(body);
  return {
    protocol: 'chat',
    model: fields.model,
    input,
    instructions: null,
    previousResponseId: undefined,
    store: fields.store ?? true,
    stream: fields.stream ?? false,
    generate: true,
    background: false,
    tools: [...tools, ...decodeWebSearch(body['web_search_options'], `tools[${tools.length}]`, notes)],
    toolChoice: decodeToolChoice(body, tools),
    // A message has place for one call of a function, as they were before there were tools.
    parallelToolCalls: hasFunctions ? false : (fields.parallel_tool_calls ?? true),
    maxOutputTokens,
    maxToolCalls: undefined,
    temperature: fields.temperature ?? undefined,
    topP: fields.top_p ?? undefined,
    topLogprobs: fields.top_logprobs ?? undefined,
    stop: decodeStop(body['stop']),
    seed: fields.seed ?? undefined,
    presencePenalty: fields.presence_penalty ?? undefined,
    frequencyPenalty: fields.frequency_penalty ?? undefined,
    textFormat: decodeFormat(fields.response_format ?? undefined, notes),
    verbosity: fields.verbosity ?? undefined,
    // Chat has no word for it, and shows what it is given in `reasoning_content`.
    reasoning:
      typeof fields.reasoning_effort === 'string' ? { effort: fields.reasoning_effort, summary: 'auto' } : undefined,
    include: fields.logprobs === true ? ['message.output_text.logprobs'] : [],
    metadata: decodeMetadata(body['metadata']),
    truncation: 'disabled',
    user: fields.user ?? undefined,
    safetyIdentifier: fields.safety_identifier ?? undefined,
    promptCacheKey: fields.prompt_cache_key ?? undefined,
    serviceTier: fields.service_tier ?? undefined,
    extra: notes.extra,
    places: notes.places,
    verbatimOnly: verbatimOnlyOf(fields),
    answers: fields.n ?? undefined,
    usageInStream: fields.stream_options?.include_usage === true,
  };
}

/** Tools as they were before they had that name. */
function isOlder({ functions }: JsonObject): boolean {
  return Array.isArray(functions) && functions.length > 0;
}

type Fields = z.infer<typeof requestBody>;

function limitOf({ max_tokens: older, max_completion_tokens: newer }: Fields): number | undefined {
  if (typeof older === 'number' && typeof newer === 'number' && older !== newer) {
    const message =
      "Mutually exclusive parameters: 'max_tokens' and 'max_completion_tokens'. Ensure you are only providing one of them.";
    throw new GatewayError('invalid_value', message, { param: 'max_tokens' });
  }
  return newer ?? older ?? undefined;
}

/** One answer, in text, is all that the neutral model knows. */
function verbatimOnlyOf({ n, modalities, audio }: Fields): string[] {
  const params: string[] = [];
  if (typeof n === 'number' && n > 1) params.push('n');
  if (modalities?.includes('audio') === true) params.push('modalities');
  if (isJsonObject(audio)) params.push('audio');
  return params;
}

const stopText = z.string().min(1);
const maxStops = 4;

function decodeStop(stop: unknown): string[] {
  if (stop === undefined || stop === null) return [];
  if (typeof stop === 'string') return [check(stopText, stop, 'stop')];
  if (!Array.isArray(stop)) throw invalidType('stop', 'one of a string or an array of strings', stop);
  if (stop.length > maxStops) throw tooMany('stop', maxStops, stop.length);
  return stop.map((each: unknown, index) => check(stopText, each, `stop[${index}]`));
}

const schemaFormat = z.object({
  json_schema: z.object({
    name: nameSchema(64),
    description: text,
    schema: jsonObject.nullish(),
    strict: flag,
  }),
});

function decodeFormat(format: { type: TextFormat['type'] } | undefined, notes: RequestNotes): TextFormat {
  if (format === undefined || format.type === 'text') return { type: 'text' };
  if (format.type === 'json_object') return { type: 'json_object' };
  const path = 'response_format';
  const { json_schema: said } = check<z.infer<typeof schemaFormat>>(schemaFormat, format, path);
  notes.keepUnknown(format, ['type', 'json_schema'], path);
  notes.keepUnknown(said, Object.keys(schemaFormat.shape.json_schema.shape), `${path}.json_schema`);
  const { name, description, schema, strict } = said;
  const decoded = { type: format.type, name, schema: schema ?? {}, strict: strict ?? null };
  return typeof description === 'string' ? { ...decoded, description } : decoded;
}
