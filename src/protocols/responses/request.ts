import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { refuseRouting } from '../../core/refuse-routing.ts';
import { efforts, type Reasoning, type TurnRequest } from '../../core/request.ts';
import { check, emptyArray, invalidType } from '../../core/check.ts';
import { decodeMetadata } from '../../core/decode-metadata.ts';
import { decodeContextManagement } from './context-management.ts';
import { checkConversationId } from './conversation-id.ts';
import { decodeInput, takeTrigger } from './request-items.ts';
import { decodeToolChoice, decodeTools } from './request-tools.ts';
import { decodeTextFormat, textFormatKind } from './text-format.ts';
import { includables, serviceTiers } from './wire.ts';

const flag = z.boolean().nullish();
const text = z.string().nullish();
const penalty = z.number().min(-2).max(2).nullish();
const summary = z.enum(['auto', 'concise', 'detailed']).nullish();

/** Everything but `input`, `tools`, `tool_choice` and `metadata`, which have decoders of their own. */
const requestBody = z.object({
  model: z.string().min(1),
  instructions: text,
  previous_response_id: text,
  store: flag,
  stream: flag,
  background: flag,
  generate: flag,
  stream_options: z.object({ include_obfuscation: flag }).nullish(),
  parallel_tool_calls: flag,
  // OpenAI's least is 16. Other upstreams have no such bound, so a small number is theirs to answer.
  max_output_tokens: z.int().min(1).nullish(),
  max_tool_calls: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  // Open Responses has them, OpenAI has not.
  presence_penalty: penalty,
  frequency_penalty: penalty,
  text: z
    .object({
      format: textFormatKind.nullish(),
      verbosity: z.enum(['low', 'medium', 'high']).nullish(),
    })
    .nullish(),
  reasoning: z
    .object({
      effort: z.enum(efforts).nullish(),
      summary,
      generate_summary: summary,
    })
    .nullish(),
  include: z.array(z.enum(includables)).nullish(),
  truncation: z.enum(['auto', 'disabled']).nullish(),
  user: text,
  safety_identifier: z.string().max(128).nullish(),
  prompt_cache_key: text,
  service_tier: z.enum(serviceTiers).nullish(),
});

const conversationObject = z.object({ id: z.string() });

const decodedFields: ReadonlySet<string> = new Set([
  ...Object.keys(requestBody.shape),
  'input',
  'tools',
  'tool_choice',
  'metadata',
  'conversation',
  'prompt',
  'context_management',
]);

const knownWithin: Record<'text' | 'text.format' | 'reasoning' | 'stream_options', ReadonlySet<string>> = {
  text: new Set(['format', 'verbosity']),
  'text.format': new Set(['type', 'name', 'description', 'schema', 'strict']),
  reasoning: new Set(['effort', 'summary', 'generate_summary']),
  stream_options: new Set(['include_obfuscation']),
};

/**
 * The body of `POST /v1/responses`. A null means that the field was not given. What the neutral request has no word for is
 * in `extra`: top-level fields under their names, fields of known objects under dotted ones (`reasoning.context`,
 * `tools[0].cache_control`).
 * @throws GatewayError (400) with OpenAI's message, code and param.
 * @see https://platform.openai.com/docs/api-reference/responses/create
 */
export function decodeRequest(body: unknown): TurnRequest {
  if (!isJsonObject(body)) throw invalidType('', 'an object', body);
  refuseLaterParameters(body);
  refuseRouting(body);
  const fields = check(requestBody, body, '');
  if (fields.stream_options && fields.stream !== true) {
    const message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
    throw new GatewayError('invalid_value', message, { param: 'stream_options' });
  }
  if (fields.background === true && fields.store === false) {
    const message = "Invalid 'background': it can only be used when 'store' is true.";
    throw new GatewayError('invalid_value', message, { param: 'background' });
  }
  const extra = extraOf(body);
  const tools = decodeTools(body['tools'], extra);
  const compactThreshold = decodeContextManagement(body['context_management']);
  const conversationId = decodeConversation(body);
  const taken = takeTrigger(body['input']);
  // A conversation can hold all that is to be answered.
  const input = conversationId !== undefined && !given(taken.input) ? [] : decodeInput(taken.input);
  if (input.length === 0 && typeof fields.previous_response_id !== 'string' && conversationId === undefined) {
    if (!taken.isTriggered) throw emptyArray('input');
    const message = 'There is nothing to compact: the trigger is all that was sent.';
    throw new GatewayError('invalid_value', message, { param: 'input' });
  }
  return {
    protocol: 'responses',
    model: fields.model,
    input,
    instructions: fields.instructions ?? null,
    previousResponseId: fields.previous_response_id ?? undefined,
    conversationId,
    store: fields.store ?? true,
    stream: fields.stream ?? false,
    generate: fields.generate ?? true,
    background: fields.background ?? false,
    tools,
    toolChoice: decodeToolChoice(
      body['tool_choice'],
      tools,
      mayBringTools(fields.previous_response_id ?? conversationId, input),
    ),
    parallelToolCalls: fields.parallel_tool_calls ?? true,
    maxOutputTokens: fields.max_output_tokens ?? undefined,
    maxToolCalls: fields.max_tool_calls ?? undefined,
    temperature: fields.temperature ?? undefined,
    topP: fields.top_p ?? undefined,
    topLogprobs: fields.top_logprobs ?? undefined,
    presencePenalty: fields.presence_penalty ?? undefined,
    frequencyPenalty: fields.frequency_penalty ?? undefined,
    textFormat: decodeTextFormat(fields.text?.format ?? undefined, 'text.format'),
    verbosity: fields.text?.verbosity ?? undefined,
    reasoning: decodeReasoning(fields.reasoning ?? undefined),
    include: fields.include ?? [],
    metadata: decodeMetadata(body['metadata']),
    truncation: fields.truncation ?? 'disabled',
    ...(taken.isTriggered ? { compaction: 'item' } : {}),
    ...(compactThreshold === undefined ? {} : { compactThreshold }),
    user: fields.user ?? undefined,
    safetyIdentifier: fields.safety_identifier ?? undefined,
    promptCacheKey: fields.prompt_cache_key ?? undefined,
    serviceTier: fields.service_tier ?? undefined,
    extra,
  };
}

/** Tools may come with items of this turn's input, and with an ancestor's. */
function mayBringTools(previousResponseId: string | null | undefined, input: readonly { type: string }[]): boolean {
  if (typeof previousResponseId === 'string') return true;
  return input.some(({ type }) => type === 'additional_tools' || type === 'tool_search_output');
}

/** What would change the meaning of the answer if it were left out. */
function refuseLaterParameters(body: JsonObject): void {
  for (const name of ['__proto__', 'constructor', 'prototype']) {
    if (!Object.hasOwn(body, name)) continue;
    throw new GatewayError('unknown_parameter', `Unknown parameter: '${name}'.`, { param: name });
  }
  if (given(body['prompt'])) throw unsupported('prompt');
}

function given(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function unsupported(param: string): GatewayError {
  const message = `Unsupported parameter: '${param}' is not supported yet.`;
  return new GatewayError('unsupported_parameter', message, { param });
}

/** An id, or the object of one. */
function decodeConversation(body: JsonObject): string | undefined {
  const value = body['conversation'];
  if (!given(value)) return undefined;
  let id: string;
  if (isJsonObject(value)) {
    id = checkConversationId(check(conversationObject, value, 'conversation').id, 'conversation.id');
  } else {
    if (typeof value !== 'string') throw invalidType('conversation', 'one of a string or an object', value);
    id = checkConversationId(value, 'conversation');
  }
  if (given(body['previous_response_id'])) {
    const message =
      "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are only providing one of them.";
    throw new GatewayError('invalid_value', message, { param: 'conversation' });
  }
  return id;
}

function extraOf(body: JsonObject): JsonObject {
  const extra: JsonObject = {};
  for (const key of Object.keys(body)) {
    if (body[key] !== null && !decodedFields.has(key)) extra[key] = body[key];
  }
  const format = isJsonObject(body['text']) ? body['text']['format'] : undefined;
  collectWithin('text', body['text'], extra);
  collectWithin('text.format', format, extra);
  collectWithin('reasoning', body['reasoning'], extra);
  collectWithin('stream_options', body['stream_options'], extra);
  // Padding is a defence that a client can ask for, and that we do not give.
  if (isJsonObject(body['stream_options']) && body['stream_options']['include_obfuscation'] === true) {
    extra['stream_options.include_obfuscation'] = true;
  }
  return extra;
}

function collectWithin(name: keyof typeof knownWithin, value: unknown, extra: JsonObject): void {
  if (!isJsonObject(value)) return;
  for (const key of Object.keys(value)) {
    if (value[key] !== null && !knownWithin[name].has(key)) extra[`${name}.${key}`] = value[key];
  }
}

function decodeReasoning(reasoning: z.infer<typeof requestBody>['reasoning'] | undefined): Reasoning | undefined {
  if (reasoning === undefined || reasoning === null) return undefined;
  return { effort: reasoning.effort ?? null, summary: reasoning.summary ?? reasoning.generate_summary ?? null };
}
