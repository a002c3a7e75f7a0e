import { expect, test } from 'vitest';
import { call, type Given, inputOf, message, model, output } from '../../../test/fixtures/chat/encode-input.ts';
import { GatewayError } from '../../core/errors.ts';
import type { ContextItem, Item } from '../../core/items.ts';
import type { JsonObject } from '../../core/json-object.ts';
import { aiSdkCodec } from './index.ts';

function encode(given: Given) {
  const encoded = aiSdkCodec.encodeRequest(inputOf(given));
  const { prompt, ...options } = JSON.parse(encoded.body) as JsonObject & { prompt: JsonObject[] };
  return { ...encoded, prompt, options, warned: encoded.warnings.map(({ param }) => param) };
}

function refusal(given: Given): string | null {
  try {
    encode(given);
  } catch (error) {
    if (error instanceof GatewayError) return error.param;
    throw error;
  }
  return 'nothing';
}

const at = (item: Item, origin?: ContextItem['origin']): ContextItem => ({ item, origin });
const text = (value: string) => ({ type: 'text', text: value });

test('what the specification has a word for is in its words, the rest is warned of', () => {
  const { options, warned } = encode({
    request: {
      maxOutputTokens: 100,
      temperature: 0.5,
      topP: 0.9,
      topK: 3,
      seed: 7,
      presencePenalty: 0.1,
      frequencyPenalty: 0.2,
      stop: ['END'],
      reasoning: { effort: 'high', summary: 'auto' },
      textFormat: { type: 'json_schema', name: 'a', schema: { type: 'object' }, strict: true },
      tools: [
        { type: 'function', name: 'f', description: 'F', parameters: null, strict: true },
        {
          type: 'custom',
          name: 'c',
          description: null,
          format: { type: 'grammar', syntax: 'regex', definition: 'a+' },
        },
      ],
      toolChoice: { type: 'function', name: 'f' },
      parallelToolCalls: false,
      verbosity: 'low',
      serviceTier: 'flex',
      user: 'u',
      extra: { odd: 1 },
    },
  });
  expect(options).toEqual({
    maxOutputTokens: 100,
    temperature: 0.5,
    topP: 0.9,
    topK: 3,
    presencePenalty: 0.1,
    frequencyPenalty: 0.2,
    seed: 7,
    stopSequences: ['END'],
    reasoning: 'high',
    responseFormat: { type: 'json', schema: { type: 'object' }, name: 'a' },
    tools: [
      { type: 'function', name: 'f', description: 'F', inputSchema: { type: 'object', properties: {} }, strict: true },
      {
        type: 'function',
        name: 'c',
        description: expect.stringContaining('a+'),
        inputSchema: {
          type: 'object',
          properties: { input: { type: 'string', description: 'The whole input of the tool, as plain text.' } },
          required: ['input'],
          additionalProperties: false,
        },
      },
    ],
    toolChoice: { type: 'tool', toolName: 'f' },
  });
  expect(warned).toEqual([
    'tools[1].format',
    'text.verbosity',
    'service_tier',
    'user',
    'parallel_tool_calls',
    'reasoning.summary',
    'odd',
  ]);
});

test('calls, results and what stands between them, in an order that packages take', () => {
  const { prompt, warned } = encode({
    request: { instructions: 'Be brief.' },
    items: [
      message('developer', 'Always.'),
      message('user', 'Go.'),
      message('assistant', 'Well.'),
      call('a', '{"n":18446744073709551616}'),
      call('b', 'no JSON', 'g'),
      message('system', 'In French.'),
      output('b'),
      output('a'),
      message('user', 'And?'),
    ],
  });
  const result = (toolCallId: string, toolName: string) => ({
    type: 'tool-result',
    toolCallId,
    toolName,
    output: { type: 'text', value: `out ${toolCallId}` },
  });
  expect(prompt).toEqual([
    { role: 'system', content: 'Be brief.\n\nAlways.' },
    { role: 'user', content: [text('Go.')] },
    {
      role: 'assistant',
      content: [
        text('Well.'),
        { type: 'tool-call', toolCallId: 'a', toolName: 'f', input: '{"n":18446744073709551616}' },
        { type: 'tool-call', toolCallId: 'b', toolName: 'g', input: '{"arguments":"no JSON"}' },
      ],
    },
    { role: 'tool', content: [result('a', 'f'), result('b', 'g')] },
    { role: 'user', content: [text('<system>\nIn French.\n</system>'), text('And?')] },
  ]);
  expect(new Set(warned)).toEqual(new Set(['input']));
});

test('a second step of a loop is a message of its own', () => {
  const { prompt } = encode({ items: [message('user', 'Go.'), call('a'), output('a'), call('b'), output('b')] });
  expect(prompt.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant', 'tool']);
});

test('what a package said of its model’s parts goes back to that model, value for value, and to no other', () => {
  const metadata = { bedrock: { signature: 'c2ln', deep: [1, { two: null }] } };
  const source = JSON.stringify({ providerMetadata: metadata });
  const reasoning: Item = {
    type: 'reasoning',
    id: 'rs_1',
    summary: [],
    content: [{ type: 'reasoning_text', text: 'Because' }],
  };
  const context = (from: string): ContextItem[] => [
    at(message('user', 'Go.')),
    at(reasoning, { protocol: 'ai-sdk', model: from, source }),
    at(call('a'), { protocol: 'ai-sdk', model: from, source }),
    at(output('a')),
  ];
  const own = encode({ context: context(model) });
  expect(own.prompt[1]).toEqual({
    role: 'assistant',
    content: [
      { type: 'reasoning', text: 'Because', providerOptions: metadata },
      { type: 'tool-call', toolCallId: 'a', toolName: 'f', input: '{}', providerOptions: metadata },
    ],
  });
  expect(own.inputTransformations).toEqual([]);
  const other = encode({ context: context('another') });
  expect(other.prompt[1]).toEqual({
    role: 'assistant',
    content: [{ type: 'tool-call', toolCallId: 'a', toolName: 'f', input: '{}' }],
  });
  expect(other.inputTransformations).toMatchObject([{ id: 'rs_1', reason: 'model_mismatch' }]);
});

test('images and files go by value or by address, as the client has them', () => {
  const { prompt } = encode({
    items: [
      message(
        'user',
        { type: 'input_image', image_url: 'data:image/png;base64,AAAA' },
        { type: 'input_image', image_url: 'https://a.example/b.png' },
        { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0x' },
        { type: 'input_file', filename: 'a.txt', file_data: 'data:text/plain;base64,SGk=' },
      ),
    ],
  });
  expect(prompt[0]?.['content']).toEqual([
    { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'AAAA' } },
    { type: 'file', mediaType: 'image/*', data: { type: 'url', url: 'https://a.example/b.png' } },
    { type: 'file', mediaType: 'application/pdf', filename: 'a.pdf', data: { type: 'data', data: 'JVBERi0x' } },
    text('Hi'),
  ]);
});

test.each<[param: string, given: Given]>([
  ['top_logprobs', { request: { topLogprobs: 1 } }],
  ['include', { request: { include: ['message.output_text.logprobs'] } }],
  ['tool_choice', { request: { toolChoice: 'required' } }],
  ['input[0].content[0]', { items: [message('user', { type: 'input_image', file_id: 'file-1' })] }],
  ['input', { items: [] }],
])('%s is refused', (param, given) => {
  expect(refusal(given)).toBe(param);
});
