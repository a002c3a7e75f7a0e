import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  collect,
  eventsOfPlain,
  eventsOfStream,
  fixtureNames,
  plainFixture,
  streamFixture,
} from '../../../test/fixtures/messages/collect.ts';
import type { ContextItem, InputPart, Item, Origin } from '../../core/items.ts';
import { sliceJson } from '../../core/json-slice.ts';
import type { FunctionTool, Tool, TurnRequest } from '../../core/request.ts';
import type { EncodeInput, ModelProfile } from '../codec.ts';
import { messagesCodec } from './index.ts';
import { plainRequest } from '../../../test/fixtures/plain-request.ts';
import { frozen } from '../../../test/support/frozen.ts';

const profile: ModelProfile = {
  maxOutputTokens: 8000,
  reasoning: 'adaptive',
  reasoningField: 'none',
  midConversationSystem: false,
  maxTokensField: 'max_tokens',
  jsonSchemaOutput: true,
  customTools: false,
};

const baseRequest = { ...plainRequest, model: 'fast' };

const message = (role: 'user' | 'assistant' | 'developer', ...content: (InputPart | string)[]): ContextItem => ({
  item: {
    type: 'message',
    id: 'msg_1',
    role,
    content: content.map((part) => (typeof part === 'string' ? { type: 'input_text', text: part } : part)),
  },
  origin: undefined,
});
const go = message('user', 'go');
const call: Item = { type: 'function_call', id: 'fc_1', call_id: 'toolu_1', name: 'f', arguments: '{"a":1}' };
const result: Item = { type: 'function_call_output', id: 'fco_1', call_id: 'toolu_1', output: 'done' };
const loop: ContextItem[] = [go, { item: call, origin: undefined }, { item: result, origin: undefined }];
const tool = (name: string, more: Partial<FunctionTool> = {}): FunctionTool => ({
  type: 'function',
  name,
  description: null,
  parameters: null,
  strict: null,
  ...more,
});
const noSchema = { type: 'object', properties: {} };

interface Case {
  request?: Partial<TurnRequest>;
  context?: ContextItem[];
  profile?: Partial<ModelProfile>;
  inheritedTools?: Tool[];
}

function inputOf(given: Case): EncodeInput {
  const context = frozen(given.context ?? [go]);
  return {
    request: { ...baseRequest, input: context.map(({ item }) => item), ...given.request },
    context,
    inheritedTools: given.inheritedTools ?? [],
    model: 'claude-haiku-4-5',
    profile: { ...profile, ...given.profile },
  };
}

function encode(given: Case) {
  const { body, warnings, inputTransformations, decode } = messagesCodec.encodeRequest(inputOf(given));
  const { model, max_tokens, messages, ...fields } = JSON.parse(body) as Record<string, unknown>;
  return {
    body,
    model,
    max_tokens,
    messages,
    fields,
    params: warnings.map(({ param }) => param),
    inputTransformations,
    decode,
  };
}

test('the least request', () => {
  expect(messagesCodec.encodeRequest(inputOf({}))).toEqual({
    body: '{"model":"claude-haiku-4-5","max_tokens":8000,"messages":[{"role":"user","content":[{"type":"text","text":"go"}]}]}',
    warnings: [],
    inputTransformations: [],
    decode: { tools: new Map(), include: [] },
  });
});

const text = (value: string) => ({ type: 'text', text: value });
const summarized = { type: 'adaptive', display: 'summarized' };
const omitted = { type: 'adaptive', display: 'omitted' };
const off = { type: 'disabled' };
const high = { effort: 'high' as const, summary: null };
const budget = { reasoning: 'budget' as const };
const open = { type: 'object', properties: { b: { type: 'string' }, a: {} } };
const schema = { ...open, additionalProperties: false };
const map = { type: 'object', additionalProperties: { type: 'string' } };
const bounded = { ...schema, properties: { age: { type: 'integer', minimum: 0, maximum: 150 } } };
const told = { ...schema, properties: { age: { type: 'integer', description: '{minimum: 0, maximum: 150}' } } };
const nested = { ...schema, properties: { b: { anyOf: [{ $ref: '#' }, { type: 'null' }] } } };
const jsonSchema = { type: 'json_schema' as const, name: 'n', schema, strict: true };

describe('fields: what is sent, and the params of the warnings', () => {
  test.each<[string, Case, object, string[]]>([
    ['stream', { request: { stream: true } }, { stream: true }, []],
    [
      'instructions and leading system messages',
      { request: { instructions: 'i' }, context: [message('developer', 'd', 'e'), message('developer', 'f'), go] },
      { system: ['i', 'd', 'e', 'f'].map(text) },
      [],
    ],
    ['blank instructions', { request: { instructions: ' ' } }, {}, ['input']],
    ['empty instructions', { request: { instructions: '' } }, {}, []],
    ['temperature', { request: { temperature: 0.5 } }, { temperature: 0.5 }, []],
    ['temperature above 1', { request: { temperature: 1.5 } }, { temperature: 1 }, ['temperature']],
    ['top_p', { request: { topP: 0.5 } }, { top_p: 0.5 }, []],
    ['both', { request: { temperature: 0.5, topP: 0.5 } }, { temperature: 0.5 }, ['top_p']],
    ['both, top_p without effect', { request: { temperature: 0.5, topP: 1 } }, { temperature: 0.5 }, []],
    [
      'sampling that the model refuses',
      { request: { temperature: 1, topP: 0.5 }, profile: { samplingParameters: false } },
      {},
      ['temperature', 'top_p'],
    ],
    ['user', { request: { user: 'u' } }, { metadata: { user_id: 'u' } }, []],
    ['safety_identifier', { request: { safetyIdentifier: 's' } }, { metadata: { user_id: 's' } }, []],
    ['both of them', { request: { user: 'u', safetyIdentifier: 's' } }, { metadata: { user_id: 's' } }, ['user']],
    ['service_tier auto', { request: { serviceTier: 'auto' } }, { service_tier: 'auto' }, []],
    ['service_tier default', { request: { serviceTier: 'default' } }, { service_tier: 'standard_only' }, []],
    ['service_tier flex', { request: { serviceTier: 'flex' } }, {}, ['service_tier']],
    ['verbosity', { request: { verbosity: 'low' } }, {}, ['text.verbosity']],
    ["truncation, which is the gateway's", { request: { truncation: 'auto' } }, {}, []],
    ['max_tool_calls', { request: { maxToolCalls: 3 } }, {}, ['max_tool_calls']],
    ['prompt_cache_key', { request: { promptCacheKey: 'k' } }, {}, ['prompt_cache_key']],
    ['include of reasoning', { request: { include: ['reasoning.encrypted_content'] } }, {}, []],
    ['include of what is not there', { request: { include: ['message.input_image.image_url'] } }, {}, []],
    ["include of a search's results", { request: { include: ['web_search_call.results'] } }, {}, ['include']],
    ['metadata', { request: { metadata: { a: 'b' } } }, {}, []],
    ['unknown fields', { request: { extra: { top_k: 1, foo: {} } } }, {}, ['top_k', 'foo']],
    ['no logprobs', { request: { topLogprobs: 0 } }, {}, []],
    [
      'json_schema',
      { request: { textFormat: jsonSchema } },
      { output_config: { format: { type: 'json_schema', schema } } },
      [],
    ],
    [
      'json_schema with effort',
      { request: { textFormat: jsonSchema, reasoning: high } },
      { thinking: omitted, output_config: { effort: 'high', format: { type: 'json_schema', schema } } },
      [],
    ],
    [
      'json_schema of an open object',
      { request: { textFormat: { ...jsonSchema, schema: open } } },
      { output_config: { format: { type: 'json_schema', schema } } },
      ['text.format.schema'],
    ],
    [
      'json_schema of an object that must stay open',
      { request: { textFormat: { ...jsonSchema, schema: map } } },
      { system: [text(expect.stringContaining(JSON.stringify(map)) as string)] },
      ['text.format'],
    ],
    [
      'json_schema with bounds',
      { request: { textFormat: { ...jsonSchema, schema: bounded } } },
      { output_config: { format: { type: 'json_schema', schema: told } } },
      ['text.format.schema'],
    ],
    [
      'json_schema that contains itself',
      { request: { textFormat: { ...jsonSchema, schema: nested } } },
      { system: [text(expect.stringContaining(JSON.stringify(nested)) as string)] },
      ['text.format'],
    ],
    [
      'json_schema where it is not native',
      { request: { textFormat: jsonSchema }, profile: { jsonSchemaOutput: false } },
      { system: [text(expect.stringContaining(JSON.stringify(schema)) as string)] },
      ['text.format'],
    ],
    [
      'json_object',
      { request: { textFormat: { type: 'json_object' }, instructions: 'i' } },
      { system: [text('i'), text(expect.stringContaining('JSON') as string)] },
      ['text.format'],
    ],
    ['effort', { request: { reasoning: high } }, { thinking: omitted, output_config: { effort: 'high' } }, []],
    [
      'effort minimal',
      { request: { reasoning: { effort: 'minimal', summary: 'auto' } } },
      { thinking: summarized, output_config: { effort: 'low' } },
      ['reasoning.effort'],
    ],
    [
      'effort xhigh',
      { request: { reasoning: { effort: 'xhigh', summary: null } } },
      { thinking: omitted, output_config: { effort: 'xhigh' } },
      [],
    ],
    [
      'effort xhigh where there is none',
      { request: { reasoning: { effort: 'xhigh', summary: null } }, profile: { xhighEffort: false } },
      { thinking: omitted, output_config: { effort: 'high' } },
      ['reasoning.effort'],
    ],
    [
      'effort max, summary detailed',
      { request: { reasoning: { effort: 'max', summary: 'detailed' } } },
      { thinking: summarized, output_config: { effort: 'max' } },
      ['reasoning.summary'],
    ],
    ['summary alone', { request: { reasoning: { effort: null, summary: 'auto' } } }, { thinking: summarized }, []],
    ['reasoning of nothing', { request: { reasoning: { effort: null, summary: null } } }, {}, []],
    ['effort none', { request: { reasoning: { effort: 'none', summary: null } } }, { thinking: off }, []],
    [
      'a model that does not reason',
      { request: { reasoning: high }, profile: { reasoning: 'none' } },
      {},
      ['reasoning.effort'],
    ],
    [
      'its summary',
      { request: { reasoning: { effort: null, summary: 'auto' } }, profile: { reasoning: 'none' } },
      {},
      ['reasoning.summary'],
    ],
    [
      'its effort none',
      { request: { reasoning: { effort: 'none', summary: null } }, profile: { reasoning: 'none' } },
      {},
      [],
    ],
    [
      'a budget',
      { request: { reasoning: { effort: 'medium', summary: 'auto' } }, profile: budget },
      { thinking: { type: 'enabled', budget_tokens: 4096 } },
      [],
    ],
    [
      'a budget that leaves room for the answer',
      { request: { reasoning: high, maxOutputTokens: 4000 }, profile: budget },
      { thinking: { type: 'enabled', budget_tokens: 3000, display: 'omitted' } },
      [],
    ],
    [
      'the least budget',
      { request: { reasoning: { effort: 'low', summary: 'auto' }, maxOutputTokens: 1025 }, profile: budget },
      { thinking: { type: 'enabled', budget_tokens: 1024 } },
      [],
    ],
    [
      'no room for a budget',
      { request: { reasoning: high, maxOutputTokens: 1024 }, profile: budget },
      {},
      ['reasoning'],
    ],
    [
      'thinking with sampling',
      { request: { reasoning: high, temperature: 0.5, topP: 0.5 } },
      { thinking: omitted, output_config: { effort: 'high' } },
      ['temperature', 'top_p'],
    ],
    [
      'thinking with what may stand beside it',
      { request: { reasoning: high, topP: 0.97 } },
      { thinking: omitted, output_config: { effort: 'high' }, top_p: 0.97 },
      [],
    ],
    [
      'thinking with a forced tool',
      { request: { reasoning: high, tools: [tool('f')], toolChoice: 'required', temperature: 0.5 } },
      {
        thinking: off,
        output_config: { effort: 'high' },
        temperature: 0.5,
        tools: [{ name: 'f', input_schema: noSchema }],
        tool_choice: { type: 'any' },
      },
      ['reasoning'],
    ],
    [
      'thinking in a loop that began without it',
      { request: { reasoning: high, tools: [tool('f')] }, context: loop, profile: budget },
      { thinking: off, tools: [{ name: 'f', input_schema: noSchema }] },
      ['reasoning'],
    ],
    [
      'thinking after words of the assistant',
      { request: { reasoning: high }, context: [go, message('assistant', 'So')] },
      { thinking: off, output_config: { effort: 'high' } },
      ['reasoning'],
    ],
  ])('%s', (_, given, fields, params) => {
    const encoded = encode(given);
    expect(encoded.fields).toEqual(fields);
    expect(encoded.params).toEqual(params);
  });

  test('thinking goes on in a loop that began with it', () => {
    const source = '{"type":"thinking","thinking":"t","signature":"s"}';
    const origin: Origin = { protocol: 'messages', model: 'claude-haiku-4-5', source };
    const context = [go, { item: { type: 'reasoning' as const, id: 'rs_1', summary: [] }, origin }, ...loop.slice(1)];
    expect(encode({ request: { reasoning: high, tools: [tool('f')] }, context }).fields).toMatchObject({
      thinking: omitted,
    });
  });

  test.each<[Case, number, string[]]>([
    [{}, 8000, []],
    [{ profile: { maxOutputTokens: undefined } }, 4096, []],
    [{ request: { maxOutputTokens: 100 } }, 100, []],
    [{ request: { maxOutputTokens: 9000 } }, 8000, ['max_output_tokens']],
    [{ request: { maxOutputTokens: 9000 }, profile: { maxOutputTokens: undefined } }, 9000, []],
  ])('max_tokens of %j', (given, expected, params) => {
    expect(encode(given)).toMatchObject({ max_tokens: expected, params });
  });
});

const custom: Tool = { type: 'custom', name: 'c', description: 'd', format: { type: 'text' } };
const grammar: Tool = { ...custom, format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' } };
const customSchema = { type: 'object', properties: { input: { type: 'string' } }, required: ['input'] };
const single = { disable_parallel_tool_use: true };
const f = { name: 'f', input_schema: noSchema };
const g = { name: 'g', input_schema: noSchema };

describe('tools', () => {
  test.each<[string, Case, object, string[]]>([
    [
      'a function',
      { request: { tools: [tool('f', { description: 'd', strict: true, parameters: schema })] } },
      { tools: [{ name: 'f', description: 'd', input_schema: schema, strict: true }] },
      [],
    ],
    ['strict false', { request: { tools: [tool('f', { strict: false })] } }, { tools: [f] }, []],
    [
      'strict with an open object',
      { request: { tools: [tool('f'), tool('g', { strict: true, parameters: open })] } },
      { tools: [f, { name: 'g', input_schema: open }] },
      ['tools[1].strict'],
    ],
    [
      'strict with bounds',
      { request: { tools: [tool('f', { strict: true, parameters: bounded })] } },
      { tools: [{ name: 'f', input_schema: told, strict: true }] },
      ['tools[0].strict'],
    ],
    [
      'bounds of a tool that is not strict',
      { request: { tools: [tool('f', { parameters: bounded })] } },
      { tools: [{ name: 'f', input_schema: bounded }] },
      [],
    ],
    [
      'strict with a schema that contains itself',
      { request: { tools: [tool('f', { strict: true, parameters: nested })] } },
      { tools: [{ name: 'f', input_schema: nested }] },
      ['tools[0].strict'],
    ],
    [
      'strict without parameters',
      { request: { tools: [tool('f', { strict: true })] } },
      { tools: [{ name: 'f', input_schema: { ...noSchema, additionalProperties: false }, strict: true }] },
      [],
    ],
    [
      'strict where the model cannot be held to it',
      { request: { tools: [tool('f', { strict: true, parameters: schema })] }, profile: { jsonSchemaOutput: false } },
      { tools: [{ name: 'f', input_schema: schema }] },
      ['tools[0].strict'],
    ],
    [
      'a choice of schemas inside of a schema',
      { request: { tools: [tool('f', { parameters: { type: 'object', properties: { a: { anyOf: [schema] } } } })] } },
      { tools: [{ name: 'f', input_schema: { type: 'object', properties: { a: { anyOf: [schema] } } } }] },
      [],
    ],
    [
      'an inherited tool whose schema is a choice',
      { context: loop, inheritedTools: [tool('f', { parameters: { anyOf: [schema] } })] },
      { tools: [f], tool_choice: { type: 'none' } },
      [],
    ],
    [
      'a schema without a type',
      { request: { tools: [tool('f', { parameters: { properties: {} } })] } },
      { tools: [f] },
      [],
    ],
    [
      'a schema of another type',
      { request: { tools: [tool('f'), tool('g', { parameters: { type: 'null' } })] } },
      { tools: [f, { name: 'g', input_schema: { type: 'object' } }] },
      ['tools[1].parameters'],
    ],
    [
      'a custom tool',
      { request: { tools: [custom] } },
      { tools: [{ name: 'c', description: 'd', input_schema: customSchema }] },
      [],
    ],
    [
      'a grammar',
      { request: { tools: [grammar] } },
      { tools: [{ name: 'c', description: expect.stringContaining('start: "x"'), input_schema: customSchema }] },
      ['tools[0].format'],
    ],
    [
      'required',
      { request: { tools: [tool('f')], toolChoice: 'required' } },
      { tools: [f], tool_choice: { type: 'any' } },
      [],
    ],
    [
      'none',
      { request: { tools: [tool('f')], toolChoice: 'none', parallelToolCalls: false } },
      { tools: [f], tool_choice: { type: 'none' } },
      [],
    ],
    [
      'one',
      { request: { tools: [tool('f')], toolChoice: { type: 'function', name: 'f' } } },
      { tools: [f], tool_choice: { type: 'tool', name: 'f' } },
      [],
    ],
    [
      'one at a time',
      { request: { tools: [tool('f')], parallelToolCalls: false } },
      { tools: [f], tool_choice: { type: 'auto', ...single } },
      [],
    ],
    [
      'one of them, one at a time',
      { request: { tools: [tool('f')], toolChoice: { type: 'function', name: 'f' }, parallelToolCalls: false } },
      { tools: [f], tool_choice: { type: 'tool', name: 'f', ...single } },
      [],
    ],
    [
      'allowed',
      {
        request: {
          tools: [tool('f'), tool('g')],
          toolChoice: { type: 'allowed_tools', mode: 'required', tools: [{ type: 'function', name: 'g' }] },
        },
      },
      { tools: [g], tool_choice: { type: 'any' } },
      [],
    ],
    [
      'allowed, auto',
      {
        request: {
          tools: [tool('f'), tool('g')],
          toolChoice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'f' }] },
        },
      },
      { tools: [f] },
      [],
    ],
    [
      'none at all, with a history of calls: the inherited',
      { context: loop, inheritedTools: [tool('f'), tool('g'), grammar] },
      { tools: [f, g, expect.objectContaining({ name: 'c' })], tool_choice: { type: 'none' } },
      [],
    ],
    ['nor inherited: made from the calls', { context: loop }, { tools: [f], tool_choice: { type: 'none' } }, []],
    ['inherited, without calls', { inheritedTools: [tool('f')] }, {}, []],
    ['a choice without tools', { request: { toolChoice: 'required' } }, {}, ['tool_choice']],
    ['a choice of none without tools', { request: { toolChoice: 'none', parallelToolCalls: false } }, {}, []],
  ])('%s', (_, given, fields, params) => {
    const encoded = encode(given);
    expect(encoded.fields).toEqual(fields);
    expect(encoded.params).toEqual(params);
  });

  test('the decoder is told which tools are custom', () => {
    expect(encode({ request: { tools: [tool('f'), custom] } }).decode.tools.get('c')).toEqual({
      kind: 'custom',
      name: 'c',
    });
    expect(encode({ context: loop, inheritedTools: [custom] }).decode.tools.get('c')).toEqual({
      kind: 'custom',
      name: 'c',
    });
  });
});

const refusalPart = { type: 'refusal' as const, refusal: 'no' };
const png = 'data:image/png;base64,iVBORw0KGgo=';
const image = (more: object): InputPart => ({ type: 'input_image', image_url: png, ...more });
const file = (more: object): InputPart => ({ type: 'input_file', ...more });
const pdfSource = { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0x' };

const answeredBefore = [go, message('assistant', 'done')];

describe('refused', () => {
  test.each<[string, Case, string, string]>([
    ['top_logprobs', { request: { topLogprobs: 2 } }, 'unsupported_parameter', 'top_logprobs'],
    [
      'logprobs by include',
      { request: { include: ['message.output_text.logprobs'] } },
      'unsupported_parameter',
      'include',
    ],
    ['nothing to send', { context: [] }, 'invalid_value', 'input'],
    ['nothing new', { context: answeredBefore, request: { input: [] } }, 'invalid_value', 'input'],
    [
      'nothing new but blank text',
      { context: [...answeredBefore, message('user', ' ')], request: { input: [message('user', ' ').item] } },
      'invalid_value',
      'input',
    ],
    ...['oneOf', 'anyOf', 'allOf'].map((word): [string, Case, string, string] => [
      `${word} at the top of a tool's schema`,
      { request: { tools: [tool('f'), tool('g', { parameters: { type: 'object', [word]: [schema] } })] } },
      'unsupported_value',
      'tools[1].parameters',
    ]),
    [
      'a choice of a tool that is not there',
      { request: { tools: [custom], toolChoice: { type: 'function', name: 'c' } } },
      'invalid_value',
      'tool_choice',
    ],
    [
      'an allowed tool that is not there',
      {
        request: {
          tools: [tool('f')],
          toolChoice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'x' }] },
        },
      },
      'invalid_value',
      'tool_choice.tools[0]',
    ],
    [
      'an image by file id',
      { context: [message('user', image({ image_url: null, file_id: 'x' }))] },
      'unsupported_value',
      'input',
    ],
    [
      'a bitmap',
      { context: [message('user', image({ image_url: 'data:image/bmp;base64,AA==' }))] },
      'unsupported_value',
      'input',
    ],
    [
      'data that is not base64',
      { context: [message('user', image({ image_url: 'data:image/png,AA' }))] },
      'unsupported_value',
      'input',
    ],
    [
      'a data URL without data',
      { context: [message('user', image({ image_url: 'data:image/png' }))] },
      'invalid_value',
      'input',
    ],
    ['a file by id', { context: [message('user', file({ file_id: 'x' }))] }, 'unsupported_value', 'input'],
    [
      'a ZIP file',
      { context: [message('user', file({ file_data: 'UEsDBA==', filename: 'a.zip' }))] },
      'unsupported_value',
      'input',
    ],
    ['broken percents', { context: [message('user', file({ file_data: 'data:,%zz' }))] }, 'invalid_value', 'input'],
    [
      'a PDF in percents',
      { context: [message('user', file({ file_data: 'data:application/pdf,a' }))] },
      'unsupported_value',
      'input',
    ],
    ['an image of the assistant', { context: [message('assistant', image({}))] }, 'unsupported_value', 'input'],
    ['an image of the system', { context: [message('developer', image({})), go] }, 'unsupported_value', 'input'],
  ])('%s', (_, given, code, param) => {
    expect(() => encode(given)).toThrow(expect.objectContaining({ code, param, status: 400 }));
  });
});

test('nothing new is no cause to refuse where the last answer is not sent, or a system message follows', () => {
  const input = { request: { input: [] } };
  const refused: Item = { type: 'message', id: 'm', role: 'assistant', content: [refusalPart] };
  expect(encode({ ...input, context: [go, { item: refused, origin: undefined }] }).messages).toHaveLength(1);
  expect(encode({ ...input, context: [...answeredBefore, message('developer', 's')] }).messages).toHaveLength(3);
});

describe('content', () => {
  test.each<[string, InputPart | string, object | undefined, string[]]>([
    ['text', ' a ', text(' a '), []],
    ['blank text', ' ', undefined, ['input']],
    ['empty text', '', undefined, []],
    [
      'an image',
      image({ detail: 'auto' }),
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } },
      [],
    ],
    [
      'image/jpg',
      image({ image_url: 'data:image/jpg;base64,AA==' }),
      { type: 'image', source: { type: 'base64', media_type: 'image/jpeg', data: 'AA==' } },
      [],
    ],
    [
      'an image with detail',
      image({ detail: 'high', image_url: 'https://x/y.png' }),
      { type: 'image', source: { type: 'url', url: 'https://x/y.png' } },
      ['input'],
    ],
    [
      'a PDF',
      file({ file_data: 'data:application/pdf;base64,JVBERi0x', filename: 'a' }),
      { type: 'document', source: pdfSource, title: 'a' },
      [],
    ],
    ['a bare PDF', file({ file_data: 'JVBERi0x' }), { type: 'document', source: pdfSource }, []],
    [
      'a text file',
      file({ file_data: 'data:text/plain;charset=utf-8;base64,w6k=' }),
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'é' } },
      [],
    ],
    [
      'a text file in percents',
      file({ file_data: 'data:application/yaml,a:%20b' }),
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'a: b' } },
      [],
    ],
    [
      'a bare text file',
      file({ file_data: 'e30=', filename: 'a.json' }),
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: '{}' }, title: 'a.json' },
      [],
    ],
    [
      'a file by URL',
      file({ file_url: 'https://x/y.pdf' }),
      { type: 'document', source: { type: 'url', url: 'https://x/y.pdf' } },
      [],
    ],
  ])('%s', (_, part, block, params) => {
    const content = [text('go'), ...(block === undefined ? [] : [block])];
    const encoded = encode({ context: [message('user', 'go', part)] });
    expect(encoded.messages).toEqual([{ role: 'user', content }]);
    expect(encoded.params).toEqual(params);
    const output: Item = {
      ...result,
      output: typeof part === 'string' ? [{ type: 'input_text', text: part }] : [part],
    };
    const results = encode({
      context: [...loop.slice(0, 2), { item: output, origin: undefined }],
      request: { tools: [tool('f')] },
    });
    const answer = {
      type: 'tool_result',
      tool_use_id: 'toolu_1',
      ...(block === undefined ? {} : { content: [block] }),
    };
    expect(results.messages).toMatchObject([{}, {}, { role: 'user', content: [answer] }]);
    expect(results.messages).toHaveProperty('[2].content[0]', answer);
    expect(results.params).toEqual(params);
  });

  test.each([
    ['', { type: 'tool_result', tool_use_id: 'toolu_1' }],
    ['x', { type: 'tool_result', tool_use_id: 'toolu_1', content: 'x' }],
  ])('output %j', (output, block) => {
    const context = [...loop.slice(0, 2), { item: { ...result, output }, origin: undefined }];
    expect(encode({ context }).messages).toHaveProperty('[2].content', [block]);
  });

  test.each<[string, Item, string[], string]>([
    [
      'arguments are spliced',
      { ...call, arguments: '{"2": 1.0,"1":18446744073709551616}' },
      [],
      '{"2": 1.0,"1":18446744073709551616}',
    ],
    ['no arguments', { ...call, arguments: '' }, [], '{}'],
    ['arguments that are no object', { ...call, arguments: '[1]' }, ['input'], '{"arguments":"[1]"}'],
    ['arguments that are no JSON', { ...call, arguments: '{"a":' }, ['input'], '{"arguments":"{\\"a\\":"}'],
    [
      'a custom call',
      { type: 'custom_tool_call', id: 'ctc_1', call_id: 'toolu_1', name: 'f', input: 'a\n"b"' },
      [],
      '{"input":"a\\n\\"b\\""}',
    ],
  ])('%s', (_, item, params, input) => {
    const encoded = encode({ context: [go, { item, origin: undefined }, ...loop.slice(2)] });
    expect(sliceJson(encoded.body, ['messages', 1, 'content', 0])).toBe(
      `{"type":"tool_use","id":"toolu_1","name":"f","input":${input}}`,
    );
    expect(encoded.params).toEqual(params);
  });

  test('call ids that the upstream refuses are digests, the same for the call and its output', () => {
    for (const callId of ['x'.repeat(65), 'a b', '', 'call/1']) {
      const context = [
        go,
        { item: { ...call, call_id: callId }, origin: undefined },
        { item: { ...result, call_id: callId }, origin: undefined },
      ];
      const { body } = encode({ context });
      const id = sliceJson(body, ['messages', 1, 'content', 0, 'id']);
      expect(id).toMatch(/^"call_[0-9a-f]{24}"$/);
      expect(sliceJson(body, ['messages', 2, 'content', 0, 'tool_use_id'])).toBe(id);
    }
  });

  test('a call that the client knows by another id keeps all else that the upstream sent', () => {
    const source = '{"type":"tool_use","id":"","name":"f","input":{"a":1.0},"caller":{"type":"direct"}}';
    const origin: Origin = { protocol: 'messages', model: 'claude-haiku-4-5', source, upstreamCallId: '' };
    const { body } = encode({ context: [go, { item: call, origin }, ...loop.slice(2)] });
    expect(sliceJson(body, ['messages', 1, 'content', 0])).toBe(source.replace('"id":""', '"id":"toolu_1"'));
  });

  test.each<[string, ContextItem, string[]]>([
    [
      'a refused message',
      { item: { type: 'message', id: 'm', role: 'assistant', content: [refusalPart] }, origin: undefined },
      ['input'],
    ],
    ['a cut call', { item: { ...call, status: 'incomplete' }, origin: undefined }, ['input']],
    [
      'a cut extension',
      { item: { type: 'messages:x', id: 'e', status: 'incomplete', block: {} }, origin: undefined },
      ['input'],
    ],
    [
      'an extension of another protocol',
      { item: { type: 'chat:x', id: 'e', block: {} }, origin: undefined },
      ['input'],
    ],
    ['reasoning of the client', { item: { type: 'reasoning', id: 'r', summary: [] }, origin: undefined }, []],
  ])('%s is left out', (_, item, params) => {
    const encoded = encode({ context: [go, item, message('user', 'on')] });
    expect(encoded.messages).toEqual([{ role: 'user', content: [text('go'), text('on')] }]);
    expect(encoded.params).toEqual(params);
  });

  test('an extension that a client gives back is sent', () => {
    const block = { type: 'server_tool_use', id: 's', name: 'web_search', input: {} };
    const item: Item = { type: 'messages:server_tool_use', id: 'e', block };
    expect(encode({ context: [go, { item, origin: undefined }, message('user', 'on')] }).messages).toHaveProperty(
      '[1].content',
      [block],
    );
  });

  test('a phase is said to be left out', () => {
    const item: Item = {
      type: 'message',
      id: 'm',
      role: 'assistant',
      content: [{ type: 'output_text', text: 'x', annotations: [] }],
      phase: 'commentary',
    };
    expect(encode({ context: [go, { item, origin: undefined }, go] }).params).toEqual(['input']);
  });

  test('lone surrogates are replaced wherever they are, with one warning', () => {
    const context = [
      message('user', 'a\ud800'),
      { item: { ...call, arguments: '{"x":"\\ud83d\\\\ud83d","y":"\udc00"}' }, origin: undefined },
      ...loop.slice(2),
    ];
    const { body, params } = encode({ context, request: { instructions: '\udfff', tools: [tool('f')] } });
    expect(body).not.toMatch(/(?<!\\)\\ud83d/i);
    expect(JSON.parse(body)).toMatchObject({
      system: [text('\ufffd')],
      messages: [{ content: [text('a\ufffd')] }, { content: [{ input: { x: '\ufffd\\ud83d', y: '\ufffd' } }] }, {}],
    });
    expect(params).toEqual(['input']);
  });
});

/** An assistant's turn, answered: its calls get outputs, so that it can be replayed. */
function answered(reply: readonly ContextItem[]): ContextItem[] {
  const outputs = reply.flatMap(({ item }): ContextItem[] =>
    item.type === 'function_call' || item.type === 'custom_tool_call'
      ? [
          {
            item: { type: 'function_call_output', id: `o_${item.id}`, call_id: item.call_id, output: 'done' },
            origin: undefined,
          },
        ]
      : [],
  );
  return [go, ...reply, ...outputs, message('user', 'and now?')];
}

/** JSON with each string spelled as JSON.stringify spells it: escapes may differ, numbers and order may not. */
const respelled = (json: string | undefined) =>
  json?.replaceAll(/"(?:[^"\\]|\\.)*"/g, (string) => JSON.stringify(JSON.parse(string)));

describe('replay: what a model said goes back to it as it was', () => {
  test.each(fixtureNames.filter((name) => name !== 'refusal'))('%s', (name) => {
    const body = plainFixture(name);
    for (const events of [eventsOfStream(messagesCodec, streamFixture(name)), eventsOfPlain(messagesCodec, body)]) {
      const encoded = encode({ context: answered(collect(events).context) });
      expect(sliceJson(encoded.body, ['messages', 1, 'content'])).toBe(respelled(sliceJson(body, ['content'])));
      expect([encoded.params, encoded.inputTransformations]).toEqual([[], []]);
    }
  });

  test('a refused turn does not', () => {
    const encoded = encode({
      context: answered(collect(eventsOfPlain(messagesCodec, plainFixture('refusal'))).context),
    });
    expect(encoded.messages).toEqual([{ role: 'user', content: [text('go'), text('and now?')] }]);
    expect(encoded.params).toEqual(['input']);
  });

  test('any text, thinking and arguments', () => {
    const visible = fc.string({ unit: 'binary', maxLength: 20 }).map((value) => `${value}.`);
    const object = fc.dictionary(fc.string({ unit: 'binary', maxLength: 4 }), fc.jsonValue({ maxDepth: 2 }), {
      maxKeys: 4,
    });
    const block = fc.oneof(
      visible.map((value) => JSON.stringify({ type: 'text', text: value })),
      visible.map((value) => JSON.stringify({ type: 'thinking', thinking: value, signature: 's=' })),
      fc.tuple(fc.uuid(), object).map(([id, input]) => JSON.stringify({ type: 'tool_use', id, name: 'f', input })),
    );
    fc.assert(
      fc.property(fc.array(block, { maxLength: 6 }), (blocks) => {
        const last = '{"type":"text","text":"end"}';
        const content = `[${[...blocks, last].join(',')}]`;
        const reply = collect(eventsOfPlain(messagesCodec, `{"content":${content},"stop_reason":"tool_use"}`));
        const { body } = encode({ context: answered(reply.context) });
        expect(JSON.parse(sliceJson(body, ['messages', 1, 'content']) ?? '')).toEqual(JSON.parse(content));
      }),
    );
  });
});
