import { describe, expect, test } from 'vitest';
import type { ContextItem, Item, Origin } from '../../core/items.ts';
import type { ModelProfile } from '../codec.ts';
import type { Effort } from '../../core/request.ts';
import { decodeRequest } from './request.ts';
import { responsesUpstreamCodec as codec } from './upstream.ts';
import { frozen } from '../../../test/support/frozen.ts';

const profile: ModelProfile = {
  maxOutputTokens: undefined,
  reasoning: 'effort',
  reasoningField: 'none',
  midConversationSystem: true,
  maxTokensField: 'max_completion_tokens',
  jsonSchemaOutput: true,
  customTools: true,
};

function encode(fields: object, known: Partial<ModelProfile> = {}, context?: ContextItem[]) {
  const request = decodeRequest({ model: 'group', input: 'Hi', ...fields });
  const own = request.input as Item[];
  const encoded = codec.encodeRequest({
    request,
    context: frozen([...(context ?? []), ...own.map((item) => ({ item, origin: undefined }))]),
    inheritedTools: [],
    model: 'gpt-5',
    profile: { ...profile, ...known },
  });
  // oxlint-disable-next-line no-explicit-any -- JSON that is looked into
  const body: any = JSON.parse(encoded.body);
  return { ...encoded, body, text: encoded.body, warned: encoded.warnings.map(({ param }) => param) };
}

describe('parameters', () => {
  const least = { model: 'gpt-5', store: false, include: ['reasoning.encrypted_content'] };
  const hi = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hi' }] };

  test('what the client did not say is left to the upstream', () => {
    expect(encode({}).body).toEqual({ ...least, input: [hi] });
    expect(encode({ metadata: { a: 'b' }, store: true, tool_choice: 'auto', text: {} }).body).toEqual({
      ...least,
      input: [hi],
    });
  });

  test.each<[what: string, fields: object, known: Partial<ModelProfile>, sent: object, warned: string[]]>([
    ['a stream', { stream: true }, {}, { stream: true }, []],
    ['sampling', { temperature: 0, top_p: 1 }, {}, { temperature: 0, top_p: 1 }, []],
    [
      'sampling that is refused',
      { temperature: 0, top_p: 1 },
      { samplingParameters: false },
      {},
      ['temperature', 'top_p'],
    ],
    ['a limit', { max_output_tokens: 9 }, { maxOutputTokens: 5 }, { max_output_tokens: 5 }, ['max_output_tokens']],
    ['reasoning', { reasoning: { summary: 'auto' } }, {}, { reasoning: { summary: 'auto' } }, []],
    [
      'reasoning fields of its own',
      { reasoning: { context: 'auto', effort: 'low' } },
      {},
      { reasoning: { context: 'auto', effort: 'low' } },
      [],
    ],
    [
      'no strictness',
      { text: { format: { type: 'json_schema', name: 'a', schema: {} } } },
      {},
      { text: { format: { type: 'json_schema', name: 'a', schema: {} } } },
      [],
    ],
    [
      'fields within',
      { text: { format: { type: 'text', tone: 1 }, mood: 2 } },
      {},
      { text: { format: { tone: 1 }, mood: 2 } },
      [],
    ],
    [
      'padding',
      { stream: true, stream_options: { include_obfuscation: true } },
      {},
      { stream: true },
      ['stream_options.include_obfuscation'],
    ],
    ['penalties', { presence_penalty: 1 }, {}, {}, ['presence_penalty']],
    ['fields that are new to us', { personality: { a: [1] }, 'a.b': 1 }, {}, { personality: { a: [1] }, 'a.b': 1 }, []],
  ])('%s', (_what, fields, known, sent, warned) => {
    const encoded = encode(fields, known);
    expect(encoded.body).toEqual({ ...least, ...sent, input: [hi] });
    expect(encoded.warned).toEqual(warned);
  });

  test.each<[known: Partial<ModelProfile>, include: string[], sent: string[] | undefined]>([
    [{}, ['message.output_text.logprobs'], ['message.output_text.logprobs', 'reasoning.encrypted_content']],
    [{}, ['reasoning.encrypted_content'], ['reasoning.encrypted_content']],
    [{ encryptedReasoning: false }, ['reasoning.encrypted_content'], undefined],
    [{ reasoning: 'none' }, ['web_search_call.results'], ['web_search_call.results']],
  ])('%j includes %j: %j', (known, include, sent) => {
    const encoded = encode({ include }, known);
    expect(encoded.body.include).toEqual(sent);
    expect(encoded.warned).toEqual([]);
  });

  test('a client of chat, which has no word for summaries, asks for none', () => {
    const request = {
      ...decodeRequest({ model: 'group', input: 'Hi', reasoning: { effort: 'low', summary: 'auto' } }),
    };
    const context = request.input.map((item) => ({ item: item as Item, origin: undefined }));
    const asked = (protocol: 'chat' | 'responses') => {
      const input = { request: { ...request, protocol }, context, inheritedTools: [], model: 'gpt-5', profile };
      return (JSON.parse(codec.encodeRequest(input).body) as { reasoning: unknown }).reasoning;
    };
    expect(asked('responses')).toEqual({ effort: 'low', summary: 'auto' });
    expect(asked('chat')).toEqual({ effort: 'low' });
  });

  test('a model that does not reason is not asked to', () => {
    const { body, warned } = encode({ reasoning: { effort: 'low' } }, { reasoning: 'none' });
    expect([body.reasoning, warned]).toEqual([undefined, ['reasoning']]);
    expect(encode({ reasoning: { effort: 'none' } }, { reasoning: 'none' }).warned).toEqual([]);
  });

  test('half a character is replaced, and said', () => {
    const { body, warned } = encode({ input: 'a\ud83d' });
    expect(body.input[0].content[0].text).toBe('a\ufffd');
    expect(warned).toEqual(['input']);
  });

  test('nothing to say is a 400', () => {
    expect(() => encode({ input: [], previous_response_id: 'resp_1' })).toThrow(
      expect.objectContaining({ param: 'input' }),
    );
    const answer: ContextItem = {
      item: { type: 'message', id: 'a', role: 'assistant', content: [] },
      origin: undefined,
    };
    expect(() => encode({ input: [], previous_response_id: 'resp_1' }, {}, [answer])).toThrow(
      expect.objectContaining({ param: 'input' }),
    );
  });
});

test('tools of every type travel as they are', () => {
  const parameters = { type: 'object', properties: { file_id: { type: 'string' } } };
  const tools = [
    { type: 'function', name: 'f', parameters, strict: true, defer_loading: true },
    { type: 'custom', name: 'c', format: { type: 'text' }, async: true },
    { type: 'namespace', name: 'crm', description: 'd', tools: [{ type: 'function', name: 'g', parameters: null }] },
    { type: 'web_search', filters: { allowed_domains: ['a.example'] }, more: null },
    { type: 'mcp', server_label: 's', server_url: 'https://mcp.example', headers: { a: 'b' } },
    { type: 'code_interpreter', container: { type: 'auto' } },
    { type: 'tool_search' },
  ];
  const choice = { type: 'allowed_tools', mode: 'required', tools: [{ type: 'mcp', server_label: 's' }] };
  const { body, warned } = encode({ tools, tool_choice: choice });
  expect(body.tools).toEqual(tools);
  expect(body.tool_choice).toEqual(choice);
  expect(warned).toEqual([]);
});

test.each<[effort: Effort | null, sent: Effort | undefined]>([
  ['none', 'minimal'],
  ['minimal', 'minimal'],
  ['max', 'high'],
  [null, undefined],
])('of an effort %s that is another vendor’s word the model is asked for %s', (effort, sent) => {
  const request = decodeRequest({ model: 'group', input: 'Hi', reasoning: { effort, summary: 'auto' } });
  const context = (request.input as Item[]).map((item) => ({ item, origin: undefined }));
  const refusing = { ...profile, refusedEfforts: ['none', 'xhigh', 'max'] } satisfies ModelProfile;
  const encoded = (protocol: 'messages' | 'responses') => {
    const input = { request: { ...request, protocol }, context, inheritedTools: [], model: 'gpt-5' };
    const { body, warnings } = codec.encodeRequest({ ...input, profile: refusing });
    return { effort: JSON.parse(body).reasoning.effort, warned: warnings.map(({ param }) => param) };
  };
  expect(encoded('messages')).toEqual({
    effort: sent,
    warned: sent === (effort ?? undefined) ? [] : ['reasoning.effort'],
  });
  expect(encoded('responses')).toEqual({ effort: effort ?? undefined, warned: [] });
});

test.each<['messages' | 'responses', asked: number, sent: number]>([
  ['messages', 1, 16],
  ['messages', 16, 16],
  ['messages', 0, 0],
  ['responses', 1, 1],
])('the limit of a client of %s that asks for %i is %i', (protocol, asked, sent) => {
  const request = { ...decodeRequest({ model: 'group', input: 'Hi' }), protocol, maxOutputTokens: asked };
  const context = (request.input as Item[]).map((item) => ({ item, origin: undefined }));
  const { body, warnings } = codec.encodeRequest({ request, context, inheritedTools: [], model: 'gpt-5', profile });
  expect(JSON.parse(body).max_output_tokens).toBe(sent);
  expect(warnings.map(({ param }) => param)).toEqual(sent === asked ? [] : ['max_output_tokens']);
});

test.each<['chat' | 'responses', boolean | null, boolean | undefined]>([
  ['chat', null, false],
  ['chat', true, true],
  ['responses', null, undefined],
])('a function of a client of %s that says strict %s is sent with %s', (protocol, strict, sent) => {
  const tools = [{ type: 'function', name: 'f', parameters: {}, strict }];
  const request = { ...decodeRequest({ model: 'group', input: 'Hi', tools }), protocol };
  const context = (request.input as Item[]).map((item) => ({ item, origin: undefined }));
  const { body } = codec.encodeRequest({ request, context, inheritedTools: [], model: 'gpt-5', profile });
  expect(JSON.parse(body).tools[0].strict).toBe(sent);
});

test.each(['required', { type: 'function', name: 'f' }])('the choice %j holds for tools that items bring', (choice) => {
  const brought = { type: 'additional_tools', role: 'developer', tools: [{ type: 'function', name: 'f' }] };
  const input = [brought, { role: 'user', content: 'Hi' }];
  expect(encode({ input, tool_choice: choice }).body.tool_choice).toEqual(choice);
  const items = decodeRequest({ model: 'group', input }).input as Item[];
  const before = items.map((item) => ({ item, origin: undefined }));
  const later = { previous_response_id: 'resp_1', input: 'More', tool_choice: choice };
  expect(encode(later, {}, before).body.tool_choice).toEqual(choice);
});

test.each<[file: object, filename: string | undefined]>([
  [{ file_data: 'data:application/pdf;base64,JVBERi0=' }, 'file.pdf'],
  [{ file_data: 'data:application/pdf;base64,JVBERi0=', filename: 'Report 3.1' }, 'Report 3.1.pdf'],
  [{ file_data: 'data:application/pdf;base64,JVBERi0=', filename: 'a.PDF' }, 'a.PDF'],
  [{ file_data: 'data:text/plain;base64,YQ==', filename: 'T' }, 'T.txt'],
  [{ file_data: 'data:application/x-new;base64,YQ==' }, undefined],
  [{ file_url: 'https://a.example/b' }, undefined],
])('the file %j is called %s, by which OpenAI knows what it is', (file, filename) => {
  const part = { type: 'input_file', ...file };
  const called = [{ type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' }];
  const input = [
    { role: 'user', content: [part] },
    ...called,
    { type: 'function_call_output', call_id: 'c', output: [part] },
  ];
  const [message, , output] = encode({ input }).body.input;
  expect([message.content[0], output.output[0]]).toEqual([
    { ...part, filename },
    { ...part, filename },
  ]);
});

describe('items', () => {
  const origin = (source: string, fields: Partial<Origin> = {}): Origin => ({
    protocol: 'responses',
    model: 'gpt-5',
    source,
    ...fields,
  });
  const items = (context: ContextItem[], fields: object = {}) => {
    const encoded = encode(fields, {}, context);
    return { ...encoded, sent: encoded.body.input.slice(0, -1) };
  };
  const reasoning: ContextItem = {
    item: { type: 'reasoning', id: 'rs_ours', status: 'completed', summary: [] },
    origin: origin('{"id":"rs_u","type":"reasoning","status":null,"encrypted_content":"gAAA","summary":[],"more":1}'),
  };
  const sealed = { id: 'rs_u', type: 'reasoning', encrypted_content: 'gAAA', summary: [], more: 1 };
  const said: ContextItem = {
    item: {
      type: 'message',
      id: 'msg_ours',
      status: 'completed',
      role: 'assistant',
      content: [{ type: 'output_text', text: 'A', annotations: [] }],
    },
    origin: origin('{"id":"msg_u"}'),
  };
  const saidBack = { ...said.item, id: 'msg_u' };
  const call = (fields: object, from?: Origin): ContextItem => ({
    item: {
      type: 'function_call',
      id: 'fc_ours',
      status: 'completed',
      call_id: 'call_1',
      name: 'f',
      arguments: '{}',
      ...fields,
    },
    origin: from,
  });
  const output = (call_id: string): ContextItem => ({
    item: { type: 'function_call_output', id: 'fco_ours', status: 'completed', call_id, output: 'x' },
    origin: undefined,
  });

  test('reasoning stays with what follows it', () => {
    expect(items([reasoning, said]).sent).toEqual([sealed, saidBack]);
    const alone = items([reasoning]);
    expect([alone.sent, alone.warned]).toEqual([[], ['input']]);
    const cut = items([reasoning, call({ status: 'incomplete', arguments: '{"' })]);
    expect([cut.sent, cut.warned]).toEqual([[], ['input', 'input']]);
  });

  test.each<[what: string, from: Partial<Origin>, withheld: ContextItem['withheld'], reason: string]>([
    ['another model', { model: 'gpt-5-mini' }, undefined, 'model_mismatch'],
    ['another protocol', { protocol: 'messages' }, undefined, 'model_mismatch'],
    ['another organization', {}, 'organization_mismatch', 'organization_mismatch'],
  ])('reasoning of %s is removed, and what follows goes without its id', (_what, from, withheld, reason) => {
    const removed = { ...reasoning, origin: origin('{}', from), ...(withheld === undefined ? {} : { withheld }) };
    const { sent, inputTransformations } = items([removed, said]);
    const { id: _id, ...bare } = said.item;
    expect(sent).toEqual([bare]);
    expect(inputTransformations).toEqual([{ id: 'rs_ours', type: 'reasoning', action: 'removed', reason }]);
  });

  test('reasoning that was never sealed is left out, and said', () => {
    const { sent, warned } = items([{ ...reasoning, origin: origin('{"id":"rs_u"}') }, said]);
    expect(sent).toHaveLength(1);
    expect(warned).toEqual(['input']);
  });

  test('a native item goes back as it was printed, under an id that nobody knows where its reasoning is gone', () => {
    const raw = '{"id":"tsc_u","type":"tool_search_call","arguments":{"2":18446744073709551616,"1":0}}';
    const item: Item = { type: 'tool_search_call', id: 'tsc_ours', arguments: { '1': 0, '2': 18446744073709552000 } };
    expect(items([{ item, origin: origin(raw) }]).text).toContain(`[${raw},`);
    const gone = { ...reasoning, origin: origin('{}') };
    const { sent, text } = items([gone, { item, origin: origin(raw) }]);
    const [{ id }] = sent as [{ id: string }];
    expect(id).toMatch(/^tsc_[0-9a-f]{48}$/);
    expect(text).toContain(`[${raw.replace('tsc_u', id)},`);
    expect(items([{ item, origin: origin('{"id":"tsc_u"}') }]).sent).toEqual([{ ...item, id: 'tsc_u' }]);
    expect(items([gone, { item, origin: origin('{"id":"tsc_u"}') }]).sent).toEqual([{ ...item, id }]);
  });

  test('an item of another protocol that has no words here is left out, and so is one that was cut', () => {
    const block: ContextItem = {
      item: { type: 'messages:server_tool_use', id: 'ext_1', block: {} },
      origin: origin('{}', { protocol: 'messages' }),
    };
    const search: ContextItem = {
      item: { type: 'web_search_call', id: 'ws_1', status: 'incomplete', container_id: 'c' },
      origin: undefined,
    };
    expect(items([block]).warned).toEqual(['input']);
    expect(items([search])).toMatchObject({ sent: [], warned: ['input'] });
  });

  test('what another vendor’s model said is spelled anew', () => {
    const foreign = origin('{"type":"tool_use"}', { protocol: 'messages', model: 'claude' });
    const cited: Item = {
      type: 'message',
      id: 'msg_ours',
      status: 'completed',
      role: 'assistant',
      content: [
        { type: 'output_text', text: 'A', annotations: [{ type: 'x' }], logprobs: [1] },
        { type: 'output_text', text: '', annotations: [] },
        { type: 'refusal', refusal: 'No.' },
      ],
    };
    const empty: Item = { type: 'message', id: 'm', role: 'assistant', content: [] };
    const long = 'c'.repeat(70);
    const { sent, warned } = items([
      { item: cited, origin: foreign },
      { item: empty, origin: foreign },
      call({ call_id: long, name: 'a.b', arguments: '', extra: 1 }, foreign),
      output(long),
    ]);
    expect(sent).toEqual([
      {
        type: 'message',
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'A', annotations: [] },
          { type: 'refusal', refusal: 'No.' },
        ],
      },
      { type: 'function_call', call_id: expect.stringMatching(/^call_[0-9a-f]{24}$/), name: 'a_b', arguments: '{}' },
      { type: 'function_call_output', call_id: sent[1].call_id, output: 'x' },
    ]);
    expect(warned).toEqual(['input', 'input']);
  });

  test('what the client wrote goes as it wrote it, but for ids', () => {
    const { sent } = items([call({ namespace: 'crm', caller: { type: 'direct' } }), output('call_1')]);
    expect(sent).toEqual([
      {
        type: 'function_call',
        call_id: 'call_1',
        name: 'f',
        arguments: '{}',
        namespace: 'crm',
        caller: { type: 'direct' },
      },
      { type: 'function_call_output', call_id: 'call_1', output: 'x' },
    ]);
  });
});

describe('objects in the account of the provider', () => {
  test.each<[param: string, fields: object]>([
    ['image.mask.file_id', { image: { mask: { file_id: 'f' } } }],
    ['file_ids', { file_ids: ['f'] }],
    ['tools[0].vector_store_ids', { tools: [{ type: 'function', name: 'f', vector_store_ids: ['v'] }] }],
    [
      'tools[0].environment.container_id',
      { tools: [{ type: 'function', name: 'f', environment: { container_id: 'c' } }] },
    ],
    ['reasoning.container', { reasoning: { container: 'cntr_1' } }],
    ['tools[0].vector_store_ids', { tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }] }],
    ['tools[0].container', { tools: [{ type: 'code_interpreter', container: 'cntr_1' }] }],
    [
      'tools[0].container.file_ids',
      { tools: [{ type: 'code_interpreter', container: { type: 'auto', file_ids: ['file-1'] } }] },
    ],
    ['tools[0].connector_id', { tools: [{ type: 'mcp', server_label: 's', connector_id: 'connector_gmail' }] }],
    [
      'tools[0].input_image_mask.file_id',
      { tools: [{ type: 'image_generation', input_image_mask: { file_id: 'f' } }] },
    ],
    [
      'tools[0].environment.skills[0].skill_id',
      { tools: [{ type: 'shell', environment: { type: 'container_auto', skills: [{ skill_id: 's' }] } }] },
    ],
    ['input[0].skills[0].skill_id', { input: [{ role: 'user', content: 'x', skills: [{ skill_id: 's' }] }] }],
    ['moderation[1].connector_id', { moderation: [{}, { connector_id: 'c' }] }],
  ])('%s is a 400', (param, fields) => {
    expect(() => encode(fields)).toThrow(expect.objectContaining({ code: 'unsupported_parameter', param }));
  });

  test('names in schemas, in texts and in what says nothing are none', () => {
    const parameters = { type: 'object', properties: { file_id: { type: 'string' } } };
    const input = [
      {
        role: 'assistant',
        content: [{ type: 'output_text', text: 'x', annotations: [{ type: 'file_citation', file_id: 'f' }] }],
      },
      { role: 'user', content: [{ type: 'input_image', image_url: 'https://i.example/a.png', file_id: null }] },
    ];
    const fields = { input, client_metadata: { file_id: 'f' }, container: { type: 'auto' } };
    expect(encode({ ...fields, tools: [{ type: 'function', name: 'f', parameters }] }).warned).toEqual([]);
  });

  test('an item of the chain that was cut may name what the model made', () => {
    const item: Item = { type: 'code_interpreter_call', id: 'ci_1', status: 'incomplete', container_id: 'cntr_1' };
    expect(encode({}, {}, [{ item, origin: undefined }]).warned).toEqual(['input']);
  });
});

test("a call that another vendor's model made of a tool of the API's own goes along, with what came of it", () => {
  const call: Item = {
    type: 'shell_call',
    id: 'sh_1',
    call_id: 'toolu_1',
    status: 'completed',
    action: { commands: ['ls'] },
  };
  const origin: Origin = { protocol: 'messages', model: 'claude-haiku-4-5', source: '{"type":"tool_use"}' };
  const output = { type: 'shell_call_output', call_id: 'toolu_1', output: [] };
  const { body, warned } = encode({ input: [output] }, {}, [{ item: call, origin }]);
  expect(body.input).toMatchObject([call, output]);
  expect(warned).toEqual([]);
});
