import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import { decodeRequest } from './request.ts';
import { toolTypes } from './wire.ts';

const full = (): unknown => JSON.parse(readFileSync(new URL('full.json', import.meta.url), 'utf8'));
const minimal = { model: 'm', input: 'Hello' };
const tool = { type: 'function', name: 'f', parameters: {} };

/** What a client would read of the refusal: message, param and code. */
function refusal(body: unknown): string {
  try {
    decodeRequest(body);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return `${error.status} ${error.code} ${error.param ?? '-'} ${error.message}`;
  }
  return 'accepted';
}

describe('what is accepted', () => {
  test('the least', () => {
    expect(decodeRequest(minimal)).toEqual({
      protocol: 'responses',
      model: 'm',
      input: [
        {
          type: 'message',
          id: '',
          status: 'completed',
          role: 'user',
          content: [{ type: 'input_text', text: 'Hello' }],
        },
      ],
      instructions: null,
      previousResponseId: undefined,
      store: true,
      stream: false,
      generate: true,
      background: false,
      tools: [],
      toolChoice: 'auto',
      parallelToolCalls: true,
      maxOutputTokens: undefined,
      maxToolCalls: undefined,
      temperature: undefined,
      topP: undefined,
      topLogprobs: undefined,
      textFormat: { type: 'text' },
      verbosity: undefined,
      reasoning: undefined,
      include: [],
      metadata: {},
      truncation: 'disabled',
      user: undefined,
      safetyIdentifier: undefined,
      promptCacheKey: undefined,
      serviceTier: undefined,
      extra: {},
    });
  });

  test('everything at once', () => {
    const { input, ...rest } = decodeRequest(full());
    expect(rest).toEqual({
      protocol: 'responses',
      model: 'smart',
      instructions: 'Be brief.',
      previousResponseId: 'resp_0001',
      store: true,
      stream: true,
      generate: true,
      background: true,
      tools: [
        {
          type: 'function',
          name: 'look_up',
          description: 'Looks it up.',
          parameters: { type: 'object', properties: { key: { type: 'string' } }, additionalProperties: false },
          strict: true,
        },
        { type: 'function', name: 'bare', description: null, parameters: null, strict: null },
        { type: 'custom', name: 'sql', description: null, format: { type: 'text' } },
        {
          type: 'custom',
          name: 'math',
          description: 'A sum.',
          format: { type: 'grammar', syntax: 'lark', definition: 'start: NUMBER' },
        },
      ],
      toolChoice: {
        type: 'allowed_tools',
        mode: 'required',
        tools: [
          { type: 'function', name: 'look_up' },
          { type: 'custom', name: 'sql' },
        ],
      },
      parallelToolCalls: false,
      maxOutputTokens: 1,
      maxToolCalls: 3,
      temperature: 0.5,
      topP: 0.9,
      topLogprobs: 5,
      textFormat: {
        type: 'json_schema',
        name: 'answer',
        schema: { $schema: 'http://json-schema.org/draft-07/schema#', type: 'object', properties: {} },
        strict: null,
      },
      verbosity: 'low',
      reasoning: { effort: 'high', summary: 'concise' },
      include: ['reasoning.encrypted_content', 'message.output_text.logprobs'],
      metadata: { ticket: '42' },
      truncation: 'auto',
      user: 'u-1',
      safetyIdentifier: 's-1',
      promptCacheKey: 'k-1',
      serviceTier: 'flex',
      presencePenalty: 0.5,
      extra: {
        client_metadata: { turn_id: 't' },
        'reasoning.context': 'all_turns',
        'tools[0].cache_control': { type: 'ephemeral' },
      },
    });
    expect(input).toHaveLength(13);
  });

  test.each(['conv_1', { id: 'conv_1' }])(
    'a conversation by its id, or as an object, with input or without: %j',
    (conversation) => {
      const decoded = decodeRequest({ model: 'm', conversation });
      expect(decoded).toMatchObject({ conversationId: 'conv_1', input: [], previousResponseId: undefined });
      expect(decodeRequest({ model: 'm', conversation, input: 'x', previous_response_id: null }).input).toHaveLength(1);
    },
  );

  test('a null in place of everything that may be absent', () => {
    const nulls = Object.fromEntries(
      [
        'instructions',
        'previous_response_id',
        'store',
        'stream',
        'stream_options',
        'background',
        'conversation',
        'prompt',
      ]
        .concat(['tools', 'tool_choice', 'parallel_tool_calls', 'max_output_tokens', 'max_tool_calls', 'temperature'])
        .concat([
          'top_p',
          'top_logprobs',
          'text',
          'reasoning',
          'include',
          'metadata',
          'truncation',
          'user',
          'moderation',
        ])
        .concat(['safety_identifier', 'prompt_cache_key', 'service_tier', 'context_management', 'generate', 'image'])
        .map((name) => [name, null]),
    );
    expect(decodeRequest({ ...nulls, ...minimal })).toEqual(decodeRequest(minimal));
  });

  test.each([
    { text: {} },
    { text: { format: null, verbosity: null } },
    { text: { format: { type: 'json_object' } } },
    { reasoning: {} },
    { reasoning: { effort: null, summary: null } },
    { tool_choice: 'required', tools: [tool] },
    { tool_choice: { type: 'function', name: 'f' }, tools: [tool] },
    { tool_choice: { type: 'custom', name: 'c' }, tools: [tool, { type: 'custom', name: 'c', format: null }] },
    { include: [] },
    { input: [], previous_response_id: 'resp_1' },
    { generate: false },
    { previous_response_id: 'whatever' },
    { temperature: 2, top_p: 1, top_logprobs: 20 },
    { temperature: 0, top_p: 0, top_logprobs: 0 },
    {
      metadata: Object.fromEntries(Array.from({ length: 16 }, (_, index) => ['k'.repeat(48 + index), 'v'.repeat(512)])),
    },
    { instructions: 'x'.repeat(10_000_000) },
  ])('%o', (fields) => {
    expect(refusal({ ...minimal, ...fields })).toBe('accepted');
  });

  test('what no field stands for travels in extra, under the name by which a warning can point at it', () => {
    const fields = { future: { a: 1 }, text: { tone: 'dry', format: { type: 'text', colour: 'red' } }, stream: true };
    const body = { ...minimal, ...fields, stream_options: { include_obfuscation: true, include_usage: true } };
    expect(decodeRequest(body).extra).toEqual({
      future: { a: 1 },
      'text.tone': 'dry',
      'text.format.colour': 'red',
      'stream_options.include_obfuscation': true,
      'stream_options.include_usage': true,
    });
  });
});

describe('a key named __proto__', () => {
  test.each(['__proto__', 'constructor', 'prototype'])('%s is refused at top level', (name) => {
    const body: unknown = JSON.parse(`{"model":"m","input":"x","${name}":{"store":false}}`);
    expect(refusal(body)).toBe(`400 unknown_parameter ${name} Unknown parameter: '${name}'.`);
  });

  test('survives in a schema, in metadata, in an item and in a part', () => {
    const schema = '{"type":"object","properties":{"__proto__":{"type":"string"}}}';
    const part = '{"type":"input_text","text":"x","__proto__":{"a":2}}';
    const { tools, metadata, input, textFormat } = decodeRequest(
      JSON.parse(`{"model":"m","tools":[{"type":"function","name":"f","parameters":${schema}}],
        "text":{"format":{"type":"json_schema","name":"n","schema":${schema}}},
        "metadata":{"__proto__":"p"},"input":[{"role":"user","content":[${part}],"__proto__":{"a":1}}]}`),
    );
    expect(JSON.stringify(tools[0])).toContain(schema);
    expect(JSON.stringify(textFormat)).toContain(schema);
    expect(JSON.stringify(metadata)).toBe('{"__proto__":"p"}');
    expect(JSON.stringify(input[0])).toContain('"__proto__":{"a":1}');
    expect(JSON.stringify(input[0])).toContain(part);
  });

  test('is checked like any other', () => {
    const body: unknown = JSON.parse('{"model":"m","input":"x","metadata":{"__proto__":5}}');
    expect(refusal(body)).toContain('400 invalid_type metadata.__proto__');
  });
});

describe('what is refused', () => {
  const grammar = { type: 'grammar', syntax: 'ebnf', definition: 'x' };
  const schema = { type: 'json_schema', name: 'n', schema: {} };
  const unsupported = (name: string) =>
    `unsupported_parameter ${name} Unsupported parameter: '${name}' is not supported yet.`;
  const missing = (param: string) => `missing_required_parameter ${param} Missing required parameter: '${param}'.`;
  const listed = (words: readonly string[]) =>
    `${words
      .slice(0, -1)
      .map((word) => `'${word}'`)
      .join(', ')}, and '${words.at(-1)}'`;
  const pattern = "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.";

  test.each([
    [null, 'invalid_type - Invalid type for the request body: expected an object, but got null instead.'],
    [[], 'invalid_type - Invalid type for the request body: expected an object, but got an array instead.'],
    [{ input: 'x' }, "missing_required_parameter model Missing required parameter: 'model'."],
    [{ model: 'm' }, "missing_required_parameter input Missing required parameter: 'input'."],
    [{ model: 'm', input: null }, "missing_required_parameter input Missing required parameter: 'input'."],
  ])('body %j', (body, expected) => {
    expect(refusal(body)).toBe(`400 ${expected}`);
  });

  test.each([
    [{ model: null }, "invalid_type model Invalid type for 'model': expected a string, but got null instead."],
    [
      { model: '' },
      "invalid_value model Invalid 'model': empty string. Expected a string with minimum length 1, but got an empty string instead.",
    ],
    [
      { input: 5 },
      "invalid_type input Invalid type for 'input': expected one of a string or an array of input items, but got an integer instead.",
    ],
    [
      { input: [] },
      "invalid_value input Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array instead.",
    ],
    [
      { instructions: ['x'] },
      "invalid_type instructions Invalid type for 'instructions': expected a string, but got an array instead.",
    ],
    [
      { previous_response_id: 7 },
      "invalid_type previous_response_id Invalid type for 'previous_response_id': expected a string, but got an integer instead.",
    ],
    [{ store: 'no' }, "invalid_type store Invalid type for 'store': expected a boolean, but got a string instead."],
    [
      { background: 'yes' },
      "invalid_type background Invalid type for 'background': expected a boolean, but got a string instead.",
    ],
    [
      { stream_options: {} },
      "invalid_value stream_options The 'stream_options' parameter is only allowed when 'stream' is enabled.",
    ],
    [
      { stream: true, stream_options: { include_obfuscation: 1 } },
      "invalid_type stream_options.include_obfuscation Invalid type for 'stream_options.include_obfuscation': expected a boolean, but got an integer instead.",
    ],
    [
      { temperature: '1' },
      "invalid_type temperature Invalid type for 'temperature': expected a number, but got a string instead.",
    ],
    [
      { temperature: 2.5 },
      "decimal_out_of_range temperature Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
    ],
    [
      { top_p: -1 },
      "decimal_out_of_range top_p Invalid 'top_p': decimal below minimum value. Expected a value >= 0, but got -1 instead.",
    ],
    [
      { temperature: JSON.parse('1e999') },
      "invalid_type temperature Invalid type for 'temperature': expected a number, but got a number out of range instead.",
    ],
    [
      { max_output_tokens: 0 },
      "integer_out_of_range max_output_tokens Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 1, but got 0 instead.",
    ],
    [
      { max_output_tokens: 1.5 },
      "invalid_type max_output_tokens Invalid type for 'max_output_tokens': expected an integer, but got a decimal number instead.",
    ],
    [
      { max_tool_calls: {} },
      "invalid_type max_tool_calls Invalid type for 'max_tool_calls': expected an integer, but got an object instead.",
    ],
    [
      { top_logprobs: 21 },
      "integer_out_of_range top_logprobs Invalid 'top_logprobs': integer above maximum value. Expected a value <= 20, but got 21 instead.",
    ],
    [
      { truncation: 'never' },
      "invalid_value truncation Invalid value: 'never'. Supported values are: 'auto' and 'disabled'.",
    ],
    [
      { truncation: 1 },
      "invalid_type truncation Invalid type for 'truncation': expected one of 'auto' or 'disabled', but got an integer instead.",
    ],
    [
      { service_tier: 'gold' },
      "invalid_value service_tier Invalid value: 'gold'. Supported values are: 'auto', 'default', 'flex', 'scale', 'priority', 'fast', and 'ultrafast'.",
    ],
    [
      { safety_identifier: 'x'.repeat(129) },
      "string_above_max_length safety_identifier Invalid 'safety_identifier': string too long. Expected a string with maximum length 128, but got a string with length 129 instead.",
    ],
    [
      { reasoning: { effort: 'huge' } },
      "invalid_value reasoning.effort Invalid value: 'huge'. Supported values are: 'none', 'minimal', 'low', 'medium', 'high', 'xhigh', and 'max'.",
    ],
    [
      { reasoning: { summary: 'long' } },
      "invalid_value reasoning.summary Invalid value: 'long'. Supported values are: 'auto', 'concise', and 'detailed'.",
    ],
    [
      { reasoning: 'high' },
      "invalid_type reasoning Invalid type for 'reasoning': expected an object, but got a string instead.",
    ],
    [
      { text: { verbosity: 'x'.repeat(200) } },
      `invalid_value text.verbosity Invalid value: '${'x'.repeat(100)}…'. Supported values are: 'low', 'medium', and 'high'.`,
    ],
    [
      { text: { format: { type: 'xml' } } },
      "invalid_value text.format.type Invalid value: 'xml'. Supported values are: 'text', 'json_object', and 'json_schema'.",
    ],
    [
      { text: { format: { type: 'json_schema', schema: {} } } },
      "missing_required_parameter text.format.name Missing required parameter: 'text.format.name'.",
    ],
    [
      { text: { format: { type: 'json_schema', name: 'n' } } },
      "missing_required_parameter text.format.schema Missing required parameter: 'text.format.schema'.",
    ],
    [
      { text: { format: { ...schema, name: 'a b' } } },
      `invalid_value text.format.name Invalid 'text.format.name': ${pattern}`,
    ],
    [
      { text: { format: { ...schema, schema: [] } } },
      "invalid_type text.format.schema Invalid type for 'text.format.schema': expected an object, but got an array instead.",
    ],
    [
      { include: ['x'] },
      "invalid_value include[0] Invalid value: 'x'. Supported values are: 'file_search_call.results', 'web_search_call.results', 'web_search_call.action.sources', 'message.input_image.image_url', 'computer_call_output.output.image_url', 'code_interpreter_call.outputs', 'reasoning.encrypted_content', and 'message.output_text.logprobs'.",
    ],
    [
      { metadata: [] },
      "invalid_type metadata Invalid type for 'metadata': expected an object, but got an array instead.",
    ],
    [
      { metadata: { a: 1 } },
      "invalid_type metadata.a Invalid type for 'metadata.a': expected a string, but got an integer instead.",
    ],
    [
      { metadata: { a: 'x'.repeat(513) } },
      "string_above_max_length metadata.a Invalid 'metadata.a': string too long. Expected a string with maximum length 512, but got a string with length 513 instead.",
    ],
    [
      { metadata: { ['k'.repeat(65)]: '' } },
      "string_above_max_length metadata Invalid 'metadata': property name too long. Expected a string with maximum length 64, but got a string with length 65 instead.",
    ],
    [
      { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [index, ''])) },
      "array_above_max_length metadata Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object with 17 properties instead.",
    ],
    [
      { background: true, store: false },
      "invalid_value background Invalid 'background': it can only be used when 'store' is true.",
    ],
    [{ prompt: { id: 'p' } }, unsupported('prompt')],
    ...['conv_1', { id: 'conv_1' }].map((conversation): [Record<string, unknown>, string] => [
      { conversation, previous_response_id: 'r' },
      "invalid_value conversation Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are only providing one of them.",
    ]),
    [
      { conversation: 'resp_1' },
      "invalid_value conversation Invalid 'conversation': 'resp_1'. Expected an ID that begins with 'conv_'.",
    ],
    [
      { conversation: { id: '' } },
      "invalid_value conversation.id Invalid 'conversation.id': ''. Expected an ID that begins with 'conv_'.",
    ],
    [{ conversation: {} }, "missing_required_parameter conversation.id Missing required parameter: 'conversation.id'."],
    [
      { conversation: { id: 7 } },
      "invalid_type conversation.id Invalid type for 'conversation.id': expected a string, but got an integer instead.",
    ],
    [
      { conversation: ['conv_1'] },
      "invalid_type conversation Invalid type for 'conversation': expected one of a string or an object, but got an array instead.",
    ],
    [
      { tools: {} },
      "invalid_type tools Invalid type for 'tools': expected an array of objects, but got an object instead.",
    ],
    [
      { tools: ['f'] },
      "invalid_type tools[0] Invalid type for 'tools[0]': expected an object, but got a string instead.",
    ],
    [
      { tools: [{ name: 'f' }] },
      "missing_required_parameter tools[0].type Missing required parameter: 'tools[0].type'.",
    ],
    [
      { tools: [{ type: 'fn' }] },
      `invalid_value tools[0].type Invalid value: 'fn'. Supported values are: ${listed(toolTypes)}.`,
    ],
    [
      { tools: [{ type: 'constructor' }] },
      `invalid_value tools[0].type Invalid value: 'constructor'. Supported values are: ${listed(toolTypes)}.`,
    ],
    [
      { tools: [{ type: 'function', function: { name: 'f' } }] },
      "missing_required_parameter tools[0].name Missing required parameter: 'tools[0].name'.",
    ],
    [{ tools: [{ ...tool, name: 'a.b' }] }, `invalid_value tools[0].name Invalid 'tools[0].name': ${pattern}`],
    [
      { tools: [{ ...tool, name: 'x'.repeat(129) }] },
      "string_above_max_length tools[0].name Invalid 'tools[0].name': string too long. Expected a string with maximum length 128, but got a string with length 129 instead.",
    ],
    [
      { tools: [{ ...tool, parameters: 'x' }] },
      "invalid_type tools[0].parameters Invalid type for 'tools[0].parameters': expected an object, but got a string instead.",
    ],
    [
      { tools: [{ ...tool, strict: 'x' }] },
      "invalid_type tools[0].strict Invalid type for 'tools[0].strict': expected a boolean, but got a string instead.",
    ],
    [
      { tools: [tool, { type: 'custom', name: 'f' }] },
      "invalid_value tools[1].name Invalid 'tools[1].name': there is already a tool named 'f'. Tool names must be unique.",
    ],
    [
      { tools: [{ ...tool, async: 'yes' }] },
      "invalid_type tools[0].async Invalid type for 'tools[0].async': expected a boolean, but got a string instead.",
    ],
    [
      { tools: [{ ...tool, allowed_callers: ['me'] }] },
      "invalid_value tools[0].allowed_callers[0] Invalid value: 'me'. Supported values are: 'direct' and 'programmatic'.",
    ],
    [{ tools: [{ type: 'namespace', name: 'n' }] }, missing('tools[0].tools')],
    [
      { tools: [{ type: 'namespace', name: 'n', tools: [] }] },
      "invalid_value tools[0].tools Invalid 'tools[0].tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
    ],
    [
      { tools: [{ type: 'namespace', name: 'n', tools: [{ type: 'mcp' }] }] },
      "invalid_value tools[0].tools[0].type Invalid value: 'mcp'. Supported values are: 'function' and 'custom'.",
    ],
    [
      { tools: [{ type: 'namespace', name: 'n', tools: [tool, tool] }] },
      "invalid_value tools[0].tools[1].name Invalid 'tools[0].tools[1].name': there is already a tool named 'f'. Tool names must be unique.",
    ],
    [{ tools: [{ type: 'file_search' }] }, missing('tools[0].vector_store_ids')],
    [{ tools: [{ type: 'code_interpreter' }] }, missing('tools[0].container')],
    [
      { tools: [{ type: 'code_interpreter', container: 1 }] },
      "invalid_type tools[0].container Invalid type for 'tools[0].container': expected one of a string or an object, but got an integer instead.",
    ],
    [{ tools: [{ type: 'mcp', server_url: 'https://m.example' }] }, missing('tools[0].server_label')],
    [{ tools: [{ type: 'computer_use_preview' }] }, missing('tools[0].display_height')],
    [
      { tools: [{ type: 'web_search', search_context_size: 'huge' }] },
      "invalid_value tools[0].search_context_size Invalid value: 'huge'. Supported values are: 'low', 'medium', and 'high'.",
    ],
    [
      { tools: [{ type: 'custom', name: 'c', format: { type: 'json' } }] },
      "invalid_value tools[0].format.type Invalid value: 'json'. Supported values are: 'text' and 'grammar'.",
    ],
    [
      { tools: [{ type: 'custom', name: 'c', format: grammar }] },
      "invalid_value tools[0].format.syntax Invalid value: 'ebnf'. Supported values are: 'lark' and 'regex'.",
    ],
    [
      { tool_choice: 'any' },
      "invalid_value tool_choice Invalid value: 'any'. Supported values are: 'none', 'auto', and 'required'.",
    ],
    [
      { tool_choice: 1 },
      "invalid_type tool_choice Invalid type for 'tool_choice': expected an object, or one of 'none', 'auto', or 'required', but got an integer instead.",
    ],
    [
      { tool_choice: 'required' },
      "invalid_value tool_choice Tool choice 'required' must be specified with 'tools' parameter.",
    ],
    [
      { tool_choice: {} },
      "missing_required_parameter tool_choice.type Missing required parameter: 'tool_choice.type'.",
    ],
    [
      { tool_choice: { type: 'any' } },
      `invalid_value tool_choice.type Invalid value: 'any'. Supported values are: ${listed([...toolTypes.filter((type) => type !== 'namespace'), 'allowed_tools'])}.`,
    ],
    [
      { tool_choice: { type: 'mcp', server_label: 's' } },
      "invalid_value tool_choice Tool choice 'mcp' not found in 'tools' parameter.",
    ],
    [
      { tool_choice: { type: 'function' } },
      "missing_required_parameter tool_choice.name Missing required parameter: 'tool_choice.name'.",
    ],
    [
      { tool_choice: { type: 'function', name: 'g' }, tools: [tool] },
      "invalid_value tool_choice Tool choice 'g' not found in 'tools' parameter.",
    ],
    [
      { tool_choice: { type: 'custom', name: 'f' }, tools: [tool] },
      "invalid_value tool_choice Tool choice 'f' not found in 'tools' parameter.",
    ],
    [
      { tool_choice: { type: 'allowed_tools', mode: 'none', tools: [] } },
      "invalid_value tool_choice.mode Invalid value: 'none'. Supported values are: 'auto' and 'required'.",
    ],
    [
      { tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [] } },
      "invalid_value tool_choice.tools Invalid 'tool_choice.tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
    ],
    [
      { tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'mcp' }] } },
      missing('tool_choice.tools[0].server_label'),
    ],
    [
      { tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'g' }] } },
      "invalid_value tool_choice Tool choice 'g' not found in 'tools' parameter.",
    ],
  ])('%j', (fields: Record<string, unknown>, expected) => {
    expect(refusal({ ...minimal, ...fields })).toBe(`400 ${expected}`);
  });
});
