import type { Response as WireResponse, ResponseError } from 'openai/resources/responses/responses';
import { describe, expect, test } from 'vitest';
import { errorBody } from '../../core/error-body.ts';
import { type ErrorCode, errorKinds, GatewayError } from '../../core/errors.ts';
import type { ResponseState } from '../../core/response.ts';
import { noUsage } from '../../core/usage.ts';
import { responsesCodec } from './index.ts';
import { decodeRequest } from './request.ts';
import { envelopeText, headText, responseErrorCode, responseText, toolsOfEnvelope } from './response.ts';

function stateOf(fields: Record<string, unknown> = {}, state: Partial<ResponseState> = {}): ResponseState {
  return {
    id: 'resp_1',
    createdAtMs: 1_700_000_000_999,
    status: 'in_progress',
    completedAtMs: undefined,
    error: undefined,
    incompleteReason: undefined,
    request: decodeRequest({ model: 'smart', input: 'x', ...fields }),
    usage: undefined,
    serviceTier: undefined,
    inputTransformations: [],
    ...state,
  };
}

function responseOf(
  fields: Record<string, unknown> = {},
  state: Partial<ResponseState> = {},
  output: string[] = [],
): unknown {
  const full = stateOf(fields, state);
  return JSON.parse(responseText(headText(full), envelopeText(full.request), output));
}

/** A response of the least request, when it begins: every field that a reader may ask for, without `output_text`. */
const begun = {
  id: 'resp_1',
  object: 'response',
  created_at: 1_700_000_000,
  status: 'in_progress',
  background: false,
  completed_at: null,
  error: null,
  incomplete_details: null,
  access_programs: null,
  max_output_tokens: null,
  max_tool_calls: null,
  metadata: {},
  model: 'smart',
  parallel_tool_calls: true,
  previous_response_id: null,
  prompt_cache_key: null,
  reasoning: { effort: null, summary: null },
  safety_identifier: null,
  service_tier: 'auto',
  store: true,
  temperature: 1,
  top_p: 1,
  top_logprobs: 0,
  presence_penalty: 0,
  frequency_penalty: 0,
  tool_choice: 'auto',
  truncation: 'disabled',
  usage: null,
  user: null,
  output: [],
  instructions: null,
  tools: [],
  text: { format: { type: 'text' }, verbosity: 'medium' },
} as const;

// The SDK's type leaves out that usage and user may be null, and has a field that it computes itself.
begun satisfies Omit<WireResponse, 'output_text' | 'usage' | 'user' | 'output' | 'tools'> & Record<string, unknown>;

test('a response that has begun', () => {
  expect(responseOf()).toEqual(begun);
});

test('a response that has ended echoes what was asked and says what was used', () => {
  const fields = {
    instructions: 'Be brief.',
    previous_response_id: 'resp_0',
    store: false,
    parallel_tool_calls: false,
    max_output_tokens: 9,
    max_tool_calls: 2,
    temperature: 0,
    top_p: 0.5,
    top_logprobs: 3,
    truncation: 'auto',
    user: 'u',
    safety_identifier: 's',
    prompt_cache_key: 'k',
    service_tier: 'flex',
    metadata: { a: 'b' },
    reasoning: { effort: 'low' },
    text: { format: { type: 'json_schema', name: 'n', schema: { a: 1 } }, verbosity: 'high' },
    tools: [
      { type: 'function', name: 'f' },
      { type: 'custom', name: 'c', description: 'd' },
    ],
    tool_choice: { type: 'function', name: 'f' },
  };
  const usage = {
    ...noUsage,
    inputTokens: 10,
    cachedTokens: 4,
    cacheWriteTokens: 3,
    outputTokens: 7,
    reasoningTokens: 5,
  };
  const removed = { id: 'rs_1', type: 'reasoning', action: 'removed', reason: 'model_mismatch' } as const;
  const state = {
    status: 'completed',
    completedAtMs: 1_700_000_009_001,
    usage,
    inputTransformations: [removed],
  } as const;
  expect(
    responseOf(fields, { ...state, inputTransformations: [removed] }, ['{"id":"msg_1"}', '{"id":"msg_2"}']),
  ).toEqual({
    ...begun,
    ...fields,
    status: 'completed',
    completed_at: 1_700_000_009,
    reasoning: { effort: 'low', summary: null },
    usage: {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 4, cache_write_tokens: 3 },
      output_tokens: 7,
      output_tokens_details: { reasoning_tokens: 5 },
      total_tokens: 17,
    },
    text: {
      format: { type: 'json_schema', description: null, name: 'n', schema: { a: 1 }, strict: null },
      verbosity: 'high',
    },
    tools: [
      { type: 'function', name: 'f', description: null, parameters: null, strict: null },
      { type: 'custom', name: 'c', description: 'd', format: { type: 'text' } },
    ],
    input_transformations: [removed],
    output: [{ id: 'msg_1' }, { id: 'msg_2' }],
  });
});

test.each([
  ['in_progress', undefined, undefined, 'auto'],
  ['in_progress', undefined, 'flex', 'flex'],
  ['completed', undefined, undefined, 'default'],
  ['completed', undefined, 'priority', 'priority'],
  ['completed', 'default', 'priority', 'default'],
  ['completed', 'standard', 'priority', 'default'],
  ['failed', undefined, undefined, 'default'],
] as const)('service tier: %s, used %s, asked for %s', (status, serviceTier, asked, expected) => {
  const fields = asked === undefined ? {} : { service_tier: asked };
  expect(responseOf(fields, { status, serviceTier })).toMatchObject({ service_tier: expected });
});

test.each([
  ['incomplete', { incompleteReason: 'max_output_tokens' }, { incomplete_details: { reason: 'max_output_tokens' } }],
  ['failed', { error: { code: 'server_error', message: 'No.' } }, { error: { code: 'server_error', message: 'No.' } }],
  ['cancelled', {}, { error: null }],
] as const)('%s', (status, state, expected) => {
  const ended = { status, completedAtMs: 1_700_000_009_000, ...state };
  expect(responseOf({}, ended)).toMatchObject({ status, completed_at: null, ...expected });
});

test('the output is spliced byte for byte, in a plain answer as well', () => {
  const body = '{"arguments":"{\\"a\\": 1e400}", "n":18446744073709551616}';
  const state = stateOf();
  const reply = { state, head: headText(state), envelope: envelopeText(state.request), output: [] };
  const text = responseText(reply.head, reply.envelope, [body]);
  expect(text).toContain(`"output":[${body}]`);
  const item = { type: 'item:x', id: 'i', block: null } as const;
  expect(responsesCodec.encodeReply({ ...reply, output: [{ item, body }] })).toBe(text);
});

test('tools come back from a stored envelope as they were', () => {
  const schema = '{"type":"object","properties":{"__proto__":{"const":"\\ud800"}}}';
  const request = decodeRequest(
    JSON.parse(`{"model":"m","input":"x","tools":[{"type":"function","name":"f","parameters":${schema}},
      {"type":"custom","name":"c","format":{"type":"grammar","syntax":"regex","definition":"a+"}}]}`),
  );
  const tools = toolsOfEnvelope(envelopeText(request));
  expect(tools).toEqual(request.tools);
  expect(JSON.stringify(tools[0])).toContain(schema);
});

describe('errors', () => {
  test('an answer has all four keys', () => {
    const error = new GatewayError('invalid_value', 'No.', { param: 'input[0]' });
    const expected =
      '{"error":{"message":"No.","type":"invalid_request_error","param":"input[0]","code":"invalid_value"}}';
    expect(errorBody(error)).toBe(expected);
    expect(responsesCodec.encodeError(error)).toBe(expected);
    expect(errorBody(new GatewayError('tool_call_missing', 'No.'))).toBe(
      '{"error":{"message":"No.","type":"invalid_request_error","param":null,"code":null}}',
    );
  });

  test.each(Object.keys(errorKinds) as ErrorCode[])(
    'a response that failed with %s says whose fault it was',
    (code) => {
      const { type, status } = new GatewayError(code, '');
      // What took too long is nobody's prompt.
      const invalid = type === 'invalid_request_error' && status !== 408;
      const expected =
        type === 'rate_limit_error' ? 'rate_limit_exceeded' : invalid ? 'invalid_prompt' : 'server_error';
      expect(responseErrorCode(code) satisfies ResponseError['code']).toBe(expected);
    },
  );
});

test('what the upstream says of its own stands over what was asked for, and behind what was left out', () => {
  const removed = { id: 'rs_1', type: 'reasoning', action: 'removed', reason: 'model_mismatch' } as const;
  const theirs = { id: 'rs_2', type: 'reasoning', action: 'removed', reason: 'turn_boundary' };
  const upstreamFields = { reasoning: { effort: 'medium' }, tool_usage: {}, input_transformations: [theirs] };
  expect(responseOf({}, { inputTransformations: [removed], upstreamFields })).toMatchObject({
    reasoning: { effort: 'medium' },
    tool_usage: {},
    input_transformations: [removed, theirs],
  });
});

test('what a client lends to reach an MCP server is neither stored nor echoed', () => {
  const server = { type: 'mcp', server_label: 'm', server_url: 'https://m.example' } as const;
  const lent = { ...server, authorization: 'canary-1', headers: { 'X-Key': 'canary-2' }, require_approval: 'never' };
  const envelope = envelopeText({ ...stateOf().request, tools: [lent, { ...server, server_label: 'n' }] });
  expect(envelope).not.toContain('canary');
  expect(toolsOfEnvelope(envelope)).toEqual([
    { ...server, headers: { 'X-Key': '<redacted>' }, require_approval: 'never' },
    { ...server, server_label: 'n' },
  ]);
});
