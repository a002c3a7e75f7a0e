import type { ErrorCode } from '../../core/errors.ts';
import type { Item } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { json, type Json } from '../../core/json-text.ts';
import type { TextFormat, Tool, TurnRequest } from '../../core/request.ts';
import type { ResponseErrorCode, ResponseState, ResponseStatus } from '../../core/response.ts';
import type { Usage } from '../../core/usage.ts';
import { serviceTiers } from './wire.ts';

/**
 * JSON object: the fields of a Response that are large and that turn after turn repeats, and of the others those that hardly
 * ever change and that no upstream fills.
 * Every key is there, null where the client did not say: Open Responses' readers ask for that.
 */
export function envelopeText(request: TurnRequest): string {
  return JSON.stringify(envelopeOf(request));
}

export function envelopeOf(request: TurnRequest) {
  return {
    instructions: request.instructions,
    tools: request.tools.map(echoOf),
    text: { format: formatEcho(request.textFormat), verbosity: request.verbosity ?? 'medium' },
    background: request.background,
    max_tool_calls: request.maxToolCalls ?? null,
    parallel_tool_calls: request.parallelToolCalls,
    store: request.store,
    truncation: request.truncation,
  };
}

/** A custom tool's description is a string where it is there at all; a function's may be null. */
function echoOf(tool: Tool) {
  if (tool.type !== 'custom' || tool.description !== null) return withoutSecrets(tool);
  const { description: _, ...rest } = tool;
  return rest;
}

/** What a client lends the upstream to reach a server with is neither stored nor shown; OpenAI does not echo it either. */
function withoutSecrets(tool: Tool): Tool {
  if (tool.type !== 'mcp') return tool;
  const { authorization: _, headers, ...rest } = tool;
  if (!isJsonObject(headers)) return { ...rest, type: tool.type };
  const hidden = Object.fromEntries(Object.keys(headers).map((name) => [name, '<redacted>']));
  return { ...rest, type: tool.type, headers: hidden };
}

/** The tools of a stored turn, in the neutral spelling: the envelope's own, but for what {@link echoOf} leaves out. */
export function toolsOfEnvelope(envelope: string): Tool[] {
  const { tools }: { tools: Tool[] } = JSON.parse(envelope);
  return tools.map((tool) => (tool.type === 'custom' ? { ...tool, description: tool.description ?? null } : tool));
}

/**
 * JSON object: the fields of a Response that neither the envelope nor the output holds.
 * @see https://platform.openai.com/docs/api-reference/responses/object
 */
export function headText(state: ResponseState): string {
  const { upstreamFields } = state;
  const inputTransformations = [...state.inputTransformations, ...upstreamTransformations(upstreamFields)];
  const input_transformations = inputTransformations.length === 0 ? undefined : inputTransformations;
  return JSON.stringify(Object.assign(headOf(state), upstreamFields, { input_transformations }));
}

/** What of them the gateway says itself. */
export function headOf(state: ResponseState) {
  const { request, status, error, incompleteReason, completedAtMs, usage } = state;
  return {
    id: state.id,
    object: 'response' as const,
    created_at: Math.floor(state.createdAtMs / 1000),
    status,
    // OpenAI fills it for completed responses only.
    completed_at: status === 'completed' && completedAtMs !== undefined ? Math.floor(completedAtMs / 1000) : null,
    error: error === undefined ? null : { code: error.code, message: error.message },
    incomplete_details: incompleteReason === undefined ? null : { reason: incompleteReason },
    access_programs: null,
    max_output_tokens: request.maxOutputTokens ?? null,
    metadata: request.metadata,
    model: request.model,
    previous_response_id: request.previousResponseId ?? null,
    ...(request.conversationId === undefined ? {} : { conversation: { id: request.conversationId } }),
    prompt_cache_key: request.promptCacheKey ?? null,
    reasoning: request.reasoning ?? { effort: null, summary: null },
    safety_identifier: request.safetyIdentifier ?? null,
    service_tier: serviceTierOf(status, state.serviceTier ?? request.serviceTier),
    temperature: request.temperature ?? 1,
    top_p: request.topP ?? 1,
    top_logprobs: request.topLogprobs ?? 0,
    presence_penalty: request.presencePenalty ?? 0,
    frequency_penalty: request.frequencyPenalty ?? 0,
    tool_choice: request.toolChoice,
    usage: usage === undefined ? null : usageOf(usage),
    user: request.user ?? null,
  };
}

/** What the upstream left out itself comes behind what we left out. */
function upstreamTransformations(fields: JsonObject = {}): unknown[] {
  const { input_transformations: transformations } = fields;
  return Array.isArray(transformations) ? transformations : [];
}

/** A response as clients read it. */
export type ResponseObject = ReturnType<typeof headOf> & ReturnType<typeof envelopeOf> & { output: Item[] };

/**
 * The whole Response object, spliced from the JSON of its parts.
 * @param output bodies of the output items, in order.
 */
export function responseText(head: string, envelope: string, output: readonly string[]): Json<ResponseObject> {
  return `${head.slice(0, -1)},"output":[${output.join(',')}],${envelope.slice(1)}` as Json<ResponseObject>;
}

/** The `error.code` of a failed response: a closed list that strict clients refuse to read beyond. */
export function responseErrorCode(code: ErrorCode): ResponseErrorCode {
  return responseErrorCodes[code];
}

const responseErrorCodes: Record<ErrorCode, ResponseErrorCode> = {
  invalid_json: 'invalid_prompt',
  invalid_type: 'invalid_prompt',
  invalid_value: 'invalid_prompt',
  missing_required_parameter: 'invalid_prompt',
  unknown_parameter: 'invalid_prompt',
  unsupported_parameter: 'invalid_prompt',
  unsupported_value: 'invalid_prompt',
  string_above_max_length: 'invalid_prompt',
  array_above_max_length: 'invalid_prompt',
  integer_out_of_range: 'invalid_prompt',
  decimal_out_of_range: 'invalid_prompt',
  previous_response_not_found: 'invalid_prompt',
  tool_output_missing: 'invalid_prompt',
  tool_call_missing: 'invalid_prompt',
  tool_output_duplicate: 'invalid_prompt',
  reasoning_unfollowed: 'invalid_prompt',
  item_duplicate: 'invalid_prompt',
  item_not_found: 'invalid_prompt',
  response_not_found: 'invalid_prompt',
  conversation_not_found: 'invalid_prompt',
  conversation_locked: 'invalid_prompt',
  response_not_cancellable: 'invalid_prompt',
  response_not_streamable: 'invalid_prompt',
  file_not_found: 'invalid_prompt',
  file_quota_exceeded: 'invalid_prompt',
  unsupported_image_media_type: 'invalid_prompt',
  team_not_found: 'invalid_prompt',
  team_name_taken: 'invalid_prompt',
  team_has_keys: 'invalid_prompt',
  key_not_found: 'invalid_prompt',
  idempotency_key_mismatch: 'invalid_prompt',
  idempotency_result_not_kept: 'invalid_prompt',
  websocket_connection_limit_reached: 'invalid_prompt',
  websocket_stream_limit_reached: 'invalid_prompt',
  context_length_exceeded: 'invalid_prompt',
  upstream_rejected: 'invalid_prompt',
  model_not_found: 'invalid_prompt',
  not_found: 'invalid_prompt',
  method_not_allowed: 'invalid_prompt',
  request_timeout: 'server_error',
  request_too_large: 'invalid_prompt',
  unsupported_media_type: 'invalid_prompt',
  expectation_failed: 'invalid_prompt',
  host_not_allowed: 'server_error',
  origin_not_allowed: 'server_error',
  model_not_allowed: 'server_error',
  master_key_required: 'server_error',
  invalid_api_key: 'server_error',
  too_many_queued: 'rate_limit_exceeded',
  budget_exceeded: 'rate_limit_exceeded',
  upstream_rate_limited: 'rate_limit_exceeded',
  internal_error: 'server_error',
  upstream_auth: 'server_error',
  upstream_unreachable: 'server_error',
  upstream_tls: 'server_error',
  upstream_invalid_response: 'server_error',
  upstream_stream_broken: 'server_error',
  upstream_error: 'server_error',
  upstream_overloaded: 'server_error',
  upstream_timeout: 'server_error',
  no_healthy_deployment: 'server_error',
  store_unavailable: 'server_error',
  shutting_down: 'server_error',
};

function formatEcho(format: TextFormat) {
  if (format.type !== 'json_schema') return { type: format.type };
  const { type, name, description = null, schema, strict } = format;
  return { type, description, name, schema, strict };
}

/** The tier that was used; until it is known, the one that was asked for. */
function serviceTierOf(status: ResponseStatus, tier: string | undefined): ServiceTier {
  if (tier === undefined) return unsaidTier[status];
  // A vendor's own word for a tier is none of the list that clients know.
  return serviceTiers.find((known) => known === tier) ?? 'default';
}

type ServiceTier = (typeof serviceTiers)[number];

const unsaidTier: Record<ResponseStatus, ServiceTier> = {
  queued: 'auto',
  in_progress: 'auto',
  completed: 'default',
  incomplete: 'default',
  failed: 'default',
  cancelled: 'default',
};

/** JSON of a `usage`. */
export function usageText(usage: Usage) {
  return json(usageOf(usage));
}

export function usageOf({ inputTokens, cachedTokens, cacheWriteTokens, outputTokens, reasoningTokens }: Usage) {
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: cachedTokens, cache_write_tokens: cacheWriteTokens },
    output_tokens: outputTokens,
    output_tokens_details: { reasoning_tokens: reasoningTokens },
    total_tokens: inputTokens + outputTokens,
  };
}
