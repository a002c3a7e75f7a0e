import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import { decodeRequest } from './decode-request.ts';
import { paramName } from './param-name.ts';

const hello = { role: 'user', content: 'Hello.' };
const decode = (more: object, messages: unknown[] = [hello]) => decodeRequest({ model: 'm', messages, ...more });
const said = (role: string, text: string) => ({
  type: 'message',
  id: '',
  status: 'completed',
  role,
  content: [{ type: 'input_text', text }],
});
const answered = (...content: object[]) => ({
  type: 'message',
  id: '',
  status: 'completed',
  role: 'assistant',
  content,
});
const outputText = (text: string) => ({ type: 'output_text', text, annotations: [] });
const functionCall = (call_id: string, name = 'f', args = '{}') => ({
  type: 'function_call',
  id: '',
  status: 'completed',
  call_id,
  name,
  arguments: args,
});
const outputOf = (call_id: string, output: unknown, type = 'function_call_output') => ({
  type,
  id: '',
  status: 'completed',
  call_id,
  output,
});
const toolCall = (id: string, name = 'f', args = '{}') => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});

test('what is not said has a default, and null says nothing', () => {
  const nothing = Object.fromEntries(
    `store stream stream_options parallel_tool_calls max_tokens max_completion_tokens temperature top_p presence_penalty
     frequency_penalty n seed logprobs top_logprobs reasoning_effort verbosity response_format modalities audio user
     safety_identifier prompt_cache_key service_tier stop tools tool_choice functions function_call metadata logit_bias
     prediction web_search_options moderation some_field`
      .split(/\s+/)
      .map((field) => [field, null]),
  );
  const plain = decode({});
  expect(decode(nothing)).toEqual(plain);
  expect(plain).toEqual({
    protocol: 'chat',
    model: 'm',
    input: [said('user', 'Hello.')],
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
    stop: [],
    seed: undefined,
    presencePenalty: undefined,
    frequencyPenalty: undefined,
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
    places: { 'input[0]': 'messages[0]' },
    verbatimOnly: [],
    usageInStream: false,
  });
});

test('every parameter has its place', () => {
  expect(
    decode({
      store: false,
      stream: true,
      stream_options: { include_usage: true },
      parallel_tool_calls: false,
      max_completion_tokens: 5,
      temperature: 0.5,
      top_p: 0.25,
      presence_penalty: 1.5,
      frequency_penalty: -0.5,
      seed: -7,
      logprobs: true,
      top_logprobs: 3,
      reasoning_effort: 'high',
      verbosity: 'low',
      user: 'u',
      safety_identifier: 's',
      prompt_cache_key: 'k',
      service_tier: 'flex',
      stop: 'end',
      metadata: { a: 'b' },
      logit_bias: { '50256': -100 },
      some_field: { x: 1 },
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } },
    }),
  ).toMatchObject({
    store: false,
    stream: true,
    usageInStream: true,
    parallelToolCalls: false,
    maxOutputTokens: 5,
    temperature: 0.5,
    topP: 0.25,
    presencePenalty: 1.5,
    frequencyPenalty: -0.5,
    seed: -7,
    include: ['message.output_text.logprobs'],
    topLogprobs: 3,
    reasoning: { effort: 'high', summary: 'auto' },
    verbosity: 'low',
    user: 'u',
    safetyIdentifier: 's',
    promptCacheKey: 'k',
    serviceTier: 'flex',
    stop: ['end'],
    metadata: { a: 'b' },
    textFormat: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true },
    extra: { logit_bias: { '50256': -100 }, some_field: { x: 1 } },
  });
});

describe('messages', () => {
  test.each<[what: string, messages: object[], items: object[]]>([
    [
      'instructions stay where they are',
      [{ role: 'system', content: 'a' }, hello, { role: 'developer', content: [{ type: 'text', text: 'b' }] }],
      [said('system', 'a'), said('user', 'Hello.'), said('developer', 'b')],
    ],
    [
      'what the assistant thought, said and called, in this order; its calls of both kinds are answered as such',
      [
        hello,
        {
          role: 'assistant',
          content: 'Let me see.',
          refusal: null,
          reasoning_content: 'Hm.',
          tool_calls: [
            { ...toolCall('call_1', 'f', '{"2": 1, "1": 18446744073709551617}'), index: 0 },
            { id: 'call_2', type: 'custom', custom: { name: 'g', input: 'x' } },
          ],
        },
        { role: 'tool', tool_call_id: 'call_2', content: 'two' },
        { role: 'tool', tool_call_id: 'call_1', content: [{ type: 'text', text: 'one' }] },
      ],
      [
        said('user', 'Hello.'),
        { type: 'reasoning', id: '', summary: [], content: [{ type: 'reasoning_text', text: 'Hm.' }] },
        answered(outputText('Let me see.')),
        functionCall('call_1', 'f', '{"2": 1, "1": 18446744073709551617}'),
        { type: 'custom_tool_call', id: '', status: 'completed', call_id: 'call_2', name: 'g', input: 'x' },
        outputOf('call_2', 'two', 'custom_tool_call_output'),
        outputOf('call_1', [{ type: 'input_text', text: 'one' }]),
      ],
    ],
    [
      'nothing is said beside calls where the content is empty or null',
      [
        { role: 'assistant', content: null, tool_calls: [toolCall('call_1')] },
        { role: 'tool', tool_call_id: 'call_1', content: '' },
        { role: 'assistant', content: '', tool_calls: [toolCall('call_2')] },
        { role: 'tool', tool_call_id: 'call_2', content: 'x' },
      ],
      [functionCall('call_1'), outputOf('call_1', ''), functionCall('call_2'), outputOf('call_2', 'x')],
    ],
    ['an answer that was empty', [{ role: 'assistant', content: '' }, hello], [answered(), said('user', 'Hello.')]],
    [
      'refusals, as a field and as a part',
      [
        { role: 'assistant', content: null, refusal: 'No.' },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'Well,' },
            { type: 'refusal', refusal: 'no.' },
          ],
        },
        hello,
      ],
      [
        answered({ type: 'refusal', refusal: 'No.' }),
        answered(outputText('Well,'), { type: 'refusal', refusal: 'no.' }),
        said('user', 'Hello.'),
      ],
    ],
    [
      'reasoning as other vendors write it',
      [
        { role: 'assistant', content: 'a', reasoning: 'One.' },
        { role: 'assistant', content: 'b', reasoning_details: [{ type: 'reasoning.text', text: 'Two.' }] },
        hello,
      ],
      [
        { type: 'reasoning', id: '', summary: [], content: [{ type: 'reasoning_text', text: 'One.' }] },
        answered(outputText('a')),
        { type: 'reasoning', id: '', summary: [], content: [{ type: 'reasoning_text', text: 'Two.' }] },
        answered(outputText('b')),
        said('user', 'Hello.'),
      ],
    ],
    [
      'a function call from before there were tools',
      [
        hello,
        { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
        { role: 'function', name: 'f', content: '18' },
      ],
      [said('user', 'Hello.'), functionCall('function_call_1'), outputOf('function_call_1', '18')],
    ],
    [
      'pictures, files and sound',
      [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'low' } },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,aaaa' } },
            { type: 'file', file: { file_data: 'data:application/pdf;base64,JVBE', filename: 'a.pdf' } },
            { type: 'file', file: { file_id: 'file_1' } },
            { type: 'input_audio', input_audio: { data: 'UklG', format: 'wav' } },
          ],
        },
      ],
      [
        {
          ...said('user', ''),
          content: [
            { type: 'input_image', image_url: 'https://example.com/a.png', detail: 'low' },
            { type: 'input_image', image_url: 'data:image/png;base64,aaaa' },
            { type: 'input_file', file_data: 'data:application/pdf;base64,JVBE', filename: 'a.pdf' },
            { type: 'input_file', file_id: 'file_1' },
            { type: 'input_file', file_data: 'data:audio/wav;base64,UklG', filename: 'audio.wav' },
          ],
        },
      ],
    ],
    [
      'citations, which chat nests',
      [
        {
          role: 'assistant',
          content: 'a',
          annotations: [{ type: 'url_citation', url_citation: { url: 'u', title: 't', start_index: 0, end_index: 1 } }],
        },
        hello,
      ],
      [
        answered({
          ...outputText('a'),
          annotations: [{ type: 'url_citation', url: 'u', title: 't', start_index: 0, end_index: 1 }],
        }),
        said('user', 'Hello.'),
      ],
    ],
  ])('%s', (_, messages, items) => {
    expect(decode({}, messages).input).toEqual(items);
  });

  test('what the model has no word for is kept under its place', () => {
    const { extra } = decode({}, [
      { ...hello, name: 'ann' },
      {
        role: 'assistant',
        content: 'a',
        tool_calls: [{ ...toolCall('c'), extra_content: { google: { thought_signature: 's' } } }],
      },
      { role: 'tool', tool_call_id: 'c', content: [{ type: 'text', text: 'x', some_field: 1 }] },
    ]);
    expect(extra).toEqual({
      'messages[0].name': 'ann',
      'messages[1].tool_calls[0].extra_content': { google: { thought_signature: 's' } },
      'messages[2].content[0].some_field': 1,
    });
  });

  test.each([
    [{ prompt_cache_breakpoint: { mode: 'explicit', ttl: '12h' } }, { mode: 'explicit', ttl: '12h' }],
    [{ cache_control: { type: 'ephemeral' } }, { mode: 'explicit' }],
    [{ cache_control: { type: 'ephemeral', ttl: '1h' } }, { mode: 'explicit', ttl: '30m' }],
  ])('%j marks what is to be cached', (mark, prompt_cache_breakpoint) => {
    const { input, extra } = decode({}, [{ role: 'user', content: [{ type: 'text', text: 'x', ...mark }] }]);
    expect(input).toMatchObject([{ content: [{ type: 'input_text', text: 'x', prompt_cache_breakpoint }] }]);
    expect(extra).toEqual({});
  });
});

describe('tools', () => {
  const spec = { name: 'f', description: 'd', parameters: { type: 'object' }, strict: true };
  const custom = { type: 'custom', custom: { name: 'g' } };

  test('of both kinds, and the web search of search models', () => {
    const grammar = { syntax: 'lark', definition: 'start: "a"' };
    const { tools } = decode({
      tools: [
        { type: 'function', function: spec },
        custom,
        { type: 'custom', custom: { name: 'h', description: null, format: { type: 'grammar', grammar } } },
      ],
      web_search_options: {
        search_context_size: 'low',
        user_location: { type: 'approximate', approximate: { city: 'Oslo' } },
      },
    });
    expect(tools).toEqual([
      { type: 'function', ...spec },
      { type: 'custom', name: 'g', description: null, format: { type: 'text' } },
      { type: 'custom', name: 'h', description: null, format: { type: 'grammar', ...grammar } },
      { type: 'web_search', search_context_size: 'low', user_location: { type: 'approximate', city: 'Oslo' } },
    ]);
  });

  const both = { tools: [{ type: 'function', function: spec }, custom] };
  test.each<[body: object, choice: unknown]>([
    [{ tool_choice: 'none' }, 'none'],
    [{ ...both, tool_choice: 'required' }, 'required'],
    [
      { ...both, tool_choice: { type: 'function', function: { name: 'f' } } },
      { type: 'function', name: 'f' },
    ],
    [
      { ...both, tool_choice: { type: 'custom', custom: { name: 'g' } } },
      { type: 'custom', name: 'g' },
    ],
    [
      {
        ...both,
        tool_choice: {
          type: 'allowed_tools',
          allowed_tools: { mode: 'auto', tools: [{ type: 'function', function: { name: 'f' } }] },
        },
      },
      { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'f' }] },
    ],
    [{ functions: [spec], function_call: 'none' }, 'none'],
    [
      { functions: [spec], function_call: { name: 'f' } },
      { type: 'function', name: 'f' },
    ],
  ])('%j', (body, choice) => {
    expect(decode(body).toolChoice).toEqual(choice);
  });

  test('functions, as tools were called before, are called one at a time', () => {
    const { tools, parallelToolCalls } = decode({ functions: [spec], parallel_tool_calls: true });
    expect(tools).toEqual([{ type: 'function', ...spec }]);
    expect(parallelToolCalls).toBe(false);
  });
});

test.each<[body: object, only: string[]]>([
  [{ n: 1, modalities: ['text'] }, []],
  [{ n: 2 }, ['n']],
  [{ modalities: ['text', 'audio'], audio: { voice: 'a', format: 'wav' } }, ['modalities', 'audio']],
])('%j: only a verbatim lane has %j', (body, only) => {
  expect(decode(body).verbatimOnly).toEqual(only);
});

test('warnings and errors name what the client sent', () => {
  const request = decode(
    {
      max_tokens: 5,
      tools: [{ type: 'function', function: { name: 'f' } }],
      web_search_options: {},
    },
    [
      hello,
      { role: 'assistant', content: 'a', reasoning_content: 'r', tool_calls: [toolCall('c')] },
      { role: 'tool', tool_call_id: 'c', content: [{ type: 'text', text: 'x' }] },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'x' },
          { type: 'image_url', image_url: { url: 'https://a.example/b' } },
          { type: 'file', file: { file_id: 'file_1' } },
          { type: 'input_audio', input_audio: { data: '', format: 'mp3' } },
        ],
      },
    ],
  );
  const names = {
    input: 'messages',
    'input[0]': 'messages[0]',
    'input[0].content[0].text': 'messages[0].content[0].text',
    'input[1]': 'messages[1]',
    'input[2]': 'messages[1]',
    'input[3].name': 'messages[1].tool_calls[0].function.name',
    'input[4].output[0]': 'messages[2].content[0]',
    'input[5].content[0]': 'messages[3].content[0]',
    'input[5].content[1].image_url': 'messages[3].content[1].image_url.url',
    'input[5].content[2].file_id': 'messages[3].content[2].file.file_id',
    'input[5].content[3].file_data': 'messages[3].content[3].input_audio.data',
    'tools[0].strict': 'tools[0].function.strict',
    'tools[1]': 'web_search_options',
    'tool_choice.tools[0]': 'tool_choice.allowed_tools.tools[0]',
    max_output_tokens: 'max_tokens',
    'text.format': 'response_format',
    'text.format.schema': 'response_format.json_schema.schema',
    'text.verbosity': 'verbosity',
    'reasoning.effort': 'reasoning_effort',
    include: 'logprobs',
    seed: 'seed',
    'messages[0].name': 'messages[0].name',
    constructor: 'constructor',
  };
  for (const [param, name] of Object.entries(names)) expect(paramName(param, request)).toBe(name);
  expect(paramName('max_output_tokens', decode({ max_completion_tokens: 5 }))).toBe('max_completion_tokens');
});

test.each<[body: object, param: string]>([
  [{ audio_id: null, file_ids: ['f'] }, 'file_ids'],
  [{ extra_body: { google: { cached_content: 'c' } } }, 'extra_body.google.cached_content'],
  [{ messages: [{ role: 'assistant', content: 'a', audio: { id: 'audio_1' } }, hello] }, 'messages[0].audio'],
  [{ audio: { format: 'wav', voice: { id: 'voice_1' } } }, 'audio.voice.id'],
  [{ extra_body: { voice: { id: 'voice_1' } } }, 'extra_body.voice.id'],
  [{ data_sources: [] }, 'data_sources'],
  [{ preset: 'p' }, 'preset'],
])('%j names an object that tenants share', (body, param) => {
  expect(() => decode(body)).toThrow(GatewayError);
  expect(() => decode(body)).toThrow(expect.objectContaining({ code: 'unsupported_parameter', param }));
});
