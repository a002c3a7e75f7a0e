import { describe, expect, test } from 'vitest';
import { call, encode, type Given, message, output } from '../../../test/fixtures/chat/encode-input.ts';
import type { Item } from '../../core/items.ts';
import type { TurnRequest } from '../../core/request.ts';
import { decodeRequest } from './decode-request.ts';

const schema = { type: 'object', properties: { a: { type: 'string' } } };
const jsonSchema = { type: 'json_schema', name: 'n', schema, strict: null } as const;

/** The body without what every body has. */
function fieldsOf(given: Given): Record<string, unknown> {
  const { model: _model, messages: _messages, ...fields } = encode(given).parsed;
  return fields;
}

describe('parameters', () => {
  test.each<[what: string, given: Given, fields: object]>([
    ['nothing said', {}, {}],
    ['the limit', { request: { maxOutputTokens: 9 } }, { max_completion_tokens: 9 }],
    [
      'the limit of old',
      { request: { maxOutputTokens: 9 }, profile: { maxTokensField: 'max_tokens' } },
      { max_tokens: 9 },
    ],
    ['sampling', { request: { temperature: 0, topP: 0.5 } }, { temperature: 0, top_p: 0.5 }],
    [
      'penalties',
      { request: { presencePenalty: 1, frequencyPenalty: -1 } },
      { presence_penalty: 1, frequency_penalty: -1 },
    ],
    ['JSON', { request: { textFormat: { type: 'json_object' } } }, { response_format: { type: 'json_object' } }],
    [
      'a schema',
      { request: { textFormat: jsonSchema } },
      { response_format: { type: 'json_schema', json_schema: { name: 'n', schema } } },
    ],
    [
      'a schema with all said',
      { request: { textFormat: { ...jsonSchema, description: 'd', strict: true } } },
      { response_format: { type: 'json_schema', json_schema: { name: 'n', description: 'd', schema, strict: true } } },
    ],
    ['effort', { request: { reasoning: { effort: 'low', summary: null } } }, { reasoning_effort: 'low' }],
    ['no effort', { request: { reasoning: { effort: null, summary: null } } }, {}],
    ['verbosity', { request: { verbosity: 'low' } }, { verbosity: 'low' }],
    ['logprobs', { request: { topLogprobs: 3 } }, { logprobs: true, top_logprobs: 3 }],
    [
      'logprobs without others',
      { request: { topLogprobs: 0, include: ['message.output_text.logprobs'] } },
      { logprobs: true },
    ],
    ['user', { request: { user: 'u' } }, { user: 'u' }],
    ['safety identifier', { request: { safetyIdentifier: 's' } }, { user: 's' }],
    ['tier', { request: { serviceTier: 'flex' } }, { service_tier: 'flex' }],
    ['tier auto', { request: { serviceTier: 'auto' } }, {}],
    ['stream', { request: { stream: true } }, { stream: true, stream_options: { include_usage: true } }],
    ["the gateway's own", { request: { metadata: { a: 'b' }, previousResponseId: 'resp_1', store: false } }, {}],
    ['a null that is not known', { request: { extra: { background: null } } }, {}],
  ])('%s', (_what, given, fields) => {
    expect(fieldsOf(given)).toEqual(fields);
    expect(encode(given).warnings).toEqual([]);
  });

  test.each<[what: string, given: Given, params: string[], fields: object]>([
    [
      'more than the model writes',
      { request: { maxOutputTokens: 9 }, profile: { maxOutputTokens: 5 } },
      ['max_output_tokens'],
      { max_completion_tokens: 5 },
    ],
    [
      'sampling',
      { request: { temperature: 0, topP: 1 }, profile: { samplingParameters: false } },
      ['temperature', 'top_p'],
      {},
    ],
    [
      'effort',
      { request: { reasoning: { effort: 'low', summary: null } }, profile: { reasoning: 'none' } },
      ['reasoning.effort'],
      {},
    ],
    ['summary', { request: { reasoning: { effort: null, summary: 'auto' } } }, ['reasoning.summary'], {}],
    ['verbosity', { request: { verbosity: 'low' }, profile: { reasoning: 'none' } }, ['text.verbosity'], {}],
    ['two names of the user', { request: { user: 'u', safetyIdentifier: 's' } }, ['user'], { user: 's' }],
    ['cache key', { request: { promptCacheKey: 'k' } }, ['prompt_cache_key'], {}],
    ['tool call limit', { request: { maxToolCalls: 3 } }, ['max_tool_calls'], {}],
    ['sources of a search', { request: { include: ['web_search_call.action.sources'] } }, ['include'], {}],
    ['unknown fields', { request: { extra: { background: true, constructor: 1 } } }, ['background', 'constructor'], {}],
    ['top_k', { request: { topK: 3 } }, ['top_k'], {}],
  ])('%s: with a warning', (_what, given, params, fields) => {
    expect(encode(given).warned).toEqual(params);
    expect(fieldsOf(given)).toEqual(fields);
  });
});

describe('the leading system message', () => {
  const withoutSchemas = { jsonSchemaOutput: false };

  test.each<[what: string, given: Given, leading: unknown]>([
    ['instructions', { request: { instructions: 'Be kind.' } }, { role: 'system', content: 'Be kind.' }],
    ['empty instructions', { request: { instructions: '' } }, { role: 'user' }],
    ['none', {}, { role: 'user' }],
  ])('%s', (_what, given, leading) => {
    expect(encode(given).parsed.messages[0]).toMatchObject(leading as object);
  });

  test('holds the system messages that lead the conversation, and no later one', () => {
    const items = [message('developer', 'a'), message('system', 'b'), message('user', 'c'), message('system', 'd')];
    const { messages } = encode({ request: { instructions: 'Be kind.' }, items }).parsed;
    expect(messages).toEqual([
      { role: 'system', content: 'Be kind.\n\na\n\nb' },
      { role: 'user', content: 'c' },
      { role: 'system', content: 'd' },
    ]);
    expect(encode({ items: [message('system', 'a')] }).parsed.messages).toEqual([{ role: 'system', content: 'a' }]);
  });

  test('holds the schema where the upstream takes none', () => {
    const { parsed, warned } = encode({
      request: { instructions: 'Be kind.', textFormat: { ...jsonSchema, description: 'd' } },
      profile: withoutSchemas,
    });
    expect(parsed['response_format']).toEqual({ type: 'json_object' });
    expect(parsed.messages[0]?.content).toMatch(/^Be kind\.\n\nd\n/);
    expect(parsed.messages[0]?.content).toContain(JSON.stringify(schema));
    expect(parsed.messages.filter(({ role }) => role === 'system')).toHaveLength(1);
    expect(warned).toEqual(['text.format']);
  });
});

describe('a conversation that ends with the model’s own words', () => {
  const words = [message('user', 'a'), message('assistant', 'b')];
  const context = words.map((item) => ({ item, origin: undefined }));

  test('is continued where the client brings them', () => {
    expect(encode({ items: words }).parsed.messages.at(-1)).toEqual({ role: 'assistant', content: 'b' });
    const input = [{ type: 'item_reference' as const, id: 'msg_1' }];
    expect(encode({ context, request: { input } }).parsed.messages).toHaveLength(2);
  });

  test('is refused where it brings nothing', () => {
    const refusal = expect.objectContaining({ code: 'invalid_value', param: 'input', status: 400 }) as Error;
    expect(() => encode({ context })).toThrow(refusal);
  });

  test('is none where the model said nothing, refused, or a system message follows', () => {
    const then = (...items: Item[]) => encode({ context: [...context.slice(0, 1), ...items.map(at)] }).parsed.messages;
    const at = (item: Item) => ({ item, origin: undefined });
    expect(then()).toHaveLength(1);
    expect(then(message('assistant', { type: 'refusal', refusal: 'no' }))).toHaveLength(1);
    expect(then(message('assistant', 'b'), message('system', 's'))).toHaveLength(3);
  });
});

test('fields come in one order, whatever the request says first', () => {
  const all: Partial<TurnRequest> = {
    stream: true,
    serviceTier: 'flex',
    user: 'u',
    topLogprobs: 1,
    verbosity: 'low',
    reasoning: { effort: 'low', summary: null },
    textFormat: jsonSchema,
    frequencyPenalty: 1,
    presencePenalty: 1,
    topP: 1,
    temperature: 1,
    maxOutputTokens: 1,
    parallelToolCalls: false,
    toolChoice: 'required',
    tools: [{ type: 'function', name: 'f', description: null, parameters: null, strict: null }],
  };
  expect(Object.keys(encode({ request: all }).parsed)).toEqual([
    'model',
    'messages',
    'tools',
    'tool_choice',
    'parallel_tool_calls',
    'max_completion_tokens',
    'temperature',
    'top_p',
    'presence_penalty',
    'frequency_penalty',
    'response_format',
    'reasoning_effort',
    'verbosity',
    'logprobs',
    'top_logprobs',
    'user',
    'service_tier',
    'stream',
    'stream_options',
  ]);
});

describe('halves of characters', () => {
  test('are replaced, with one warning', () => {
    const { body, warned } = encode({
      items: [message('user', 'a\ud83d'), call('1', '{"a":"\udc00"}'), output('1', '\ud83db')],
    });
    expect(body.isWellFormed()).toBe(true);
    expect(body).not.toMatch(/\\ud[89a-f]/i);
    expect(warned).toEqual(['input']);
  });

  test('an escape within arguments is text, and stays', () => {
    const text = String.raw`{"a":"\ud83d"}`;
    const { parsed, warned } = encode({ items: [call('1', text), output('1')] });
    expect(parsed.messages[0]).toMatchObject({ tool_calls: [{ function: { arguments: text } }] });
    expect(warned).toEqual([]);
  });
});

describe('a client of chat, where its words cannot go as they are', () => {
  const asked = (body: object, messages: object[] = [{ role: 'user', content: 'Hi' }]) => {
    const request = decodeRequest({ model: 'm', messages, ...body });
    return encode({ request, items: request.input.filter((item) => item.type !== 'item_reference') });
  };

  test('loses none of them', () => {
    const body = {
      user: 'u',
      safety_identifier: 's',
      prompt_cache_key: 'k',
      seed: 4,
      stop: ['x'],
      logit_bias: { '1': 2 },
      prediction: { type: 'content', content: 'y' },
      web_search_options: {
        search_context_size: 'low',
        user_location: { type: 'approximate', approximate: { city: 'Oslo' } },
      },
      some_field: { a: 1 },
    };
    const { parsed, warned } = asked(body);
    expect(parsed).toMatchObject(body);
    expect(warned).toEqual([]);
  });

  test('names of users and assistants go along, others are told', () => {
    const { parsed, warned } = asked({}, [
      { role: 'system', content: 'a', name: 'sys' },
      { role: 'user', content: 'b', name: 'ann' },
      { role: 'assistant', content: 'c', name: 'bot' },
      { role: 'user', content: 'd' },
    ]);
    expect(parsed.messages).toEqual([
      { role: 'system', content: 'a' },
      { role: 'user', content: 'b', name: 'ann' },
      { role: 'assistant', content: 'c', name: 'bot' },
      { role: 'user', content: 'd' },
    ]);
    expect(warned).toEqual(['messages[0].name']);
  });

  test('sound is sent as sound', () => {
    const input_audio = { data: 'UklG', format: 'mp3' };
    const { parsed } = asked({}, [{ role: 'user', content: [{ type: 'input_audio', input_audio }] }]);
    expect(parsed.messages).toEqual([{ role: 'user', content: [{ type: 'input_audio', input_audio }] }]);
  });
});
