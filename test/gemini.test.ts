/**
 * Conversations over Gemini: what Google is sent, value for value, and what the client reads. The upstream refuses what Google
 * refuses: calls of the current turn without a signature, signatures of another model, calls and results that do not match.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { expectStream } from './support/check-stream.ts';
import { type Answer, type Client, createClient } from './support/client.ts';
import {
  chatEcho,
  type ChatAnswer,
  fakeChatModel,
  fakeMessagesModel,
  type FakeModel,
  type MessagesAnswer,
  messagesEcho,
} from './support/fake-models.ts';
import {
  type GeminiAnswer,
  geminiEcho,
  type GeminiUpstream,
  geminiUpstream,
  googleError,
  signatureOf,
} from './support/gemini-upstream.ts';
import { sendJson } from './support/fake-upstream.ts';
import { spawnGateway, type SpawnedGateway, temporaryFolder } from './support/spawn-gateway.ts';

// oxlint-disable-next-line no-explicit-any -- JSON of either side
type Json = any;

const pro = 'gemini-3-pro-preview';
let google: GeminiUpstream;
let claude: FakeModel<MessagesAnswer>;
let qwen: FakeModel<ChatAnswer>;
let gateway: SpawnedGateway;
let client: Client;
const cleanups: (() => void)[] = [];
const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
const folder = temporaryFolder();

beforeAll(async () => {
  google = await geminiUpstream(onCleanup);
  claude = await fakeMessagesModel(onCleanup);
  qwen = await fakeChatModel(onCleanup);
  const config = `
routing: { retries: 0 }
models:
  - { name: "gemini-*", provider: gemini, model: "*", base_url: "${google.url}", api_key: google-key-canary }
  - { name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${claude.url}", api_key: k }
  - { name: qwen, provider: openai-compatible, model: qwen3-32b, base_url: "${qwen.url}/v1", api_key: k }
`;
  gateway = await spawnGateway({ folder, onCleanup, config });
  client = createClient(gateway.url);
});
beforeEach(() => {
  google.answer = geminiEcho;
  claude.answer = messagesEcho;
  qwen.answer = chatEcho;
  for (const { requests } of [google, claude, qwen]) requests.length = 0;
  google.refusals.length = 0;
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
  rmSync(folder, { recursive: true, maxRetries: 10 });
});

/** The next answers, one a request; then echoes again. */
function script(...answers: GeminiAnswer[]): void {
  google.answer = (request, response) => answers.shift() ?? geminiEcho(request, response);
}

/** It answers with this body whatever it is asked. */
function refuseWith(body: object, status: number): void {
  google.answer = (_, response) => {
    sendJson(response, body, status);
    return undefined;
  };
}

const contentsOf = (at = -1): Json[] => google.requests.at(at)?.body.contents;
const user = (text: string) => ({ role: 'user', content: text });
const tool = (name: string) => ({
  type: 'function',
  name,
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
});
const result = (call_id: string, output: string) => ({ type: 'function_call_output', call_id, output });
const callOf = (name: string, args: object, fields: object = {}) => ({ functionCall: { name, args }, ...fields });
const signed = (model: string, of: string) => ({ thoughtSignature: signatureOf(model, of) });

async function created(body: object): Promise<Json> {
  const answer: Answer = await client.create(body);
  expect(answer.status, answer.text).toBe(200);
  if ('stream' in body && body.stream === true) expect(expectStream(answer.events).status).toBe('completed');
  expect(google.refusals).toEqual([]);
  return answer.body;
}

describe.each([false, true])('stream: %s', (stream) => {
  test('a tool loop with parallel calls and thinking goes on by id, and Google sees what it said', async () => {
    const first = [
      { text: 'Two cities.', thought: true },
      { text: 'I will look.' },
      callOf('weather', { city: 'Paris' }, signed(pro, 'calls')),
      callOf('weather', { city: 'Rome' }),
    ];
    const second = [callOf('weather', { city: 'Oslo' }, signed(pro, 'more'))];
    const third = [{ text: 'Warm, warmer, cold.', ...signed(pro, 'text') }];
    script({ parts: first }, { parts: second }, { parts: third });
    const fields = { model: pro, stream, tools: [tool('weather')], reasoning: { effort: 'low', summary: 'auto' } };
    const one = await created({ ...fields, instructions: 'Be brief.', input: 'Weather?' });
    expect(one.output.map((item: Json) => item.type)).toEqual([
      'reasoning',
      'message',
      'reasoning',
      'function_call',
      'function_call',
    ]);
    expect(one.output[0].summary).toEqual([{ type: 'summary_text', text: 'Two cities.' }]);
    const [a, b] = one.output.slice(3).map((item: Json) => item.call_id);
    expect(a).toMatch(/^call_/);
    expect(a).not.toBe(b);
    expect(one.output[3].arguments).toBe('{"city":"Paris"}');
    expect(one.usage).toMatchObject({
      input_tokens: 25,
      input_tokens_details: { cached_tokens: 5 },
      output_tokens: 27,
      output_tokens_details: { reasoning_tokens: 20 },
    });
    // The results come in another order than the calls.
    const two = await created({
      ...fields,
      previous_response_id: one.id,
      input: [result(b, '{"t":25}'), result(a, 'mild')],
    });
    const [c] = two.output.filter((item: Json) => item.type === 'function_call').map((item: Json) => item.call_id);
    const three = await created({ ...fields, previous_response_id: two.id, input: [result(c, '-3')] });
    expect(three.output.at(-1).content[0].text).toBe('Warm, warmer, cold.');
    const four = await created({ ...fields, previous_response_id: three.id, input: 'Thanks.' });
    expect(four.output[0].content[0].text).toBe('Re: Thanks.');

    const spoken = stream ? [{ text: 'Warm, warmer, cold.' }, { text: '', ...signed(pro, 'text') }] : third;
    expect(contentsOf()).toEqual([
      { role: 'user', parts: [{ text: 'Weather?' }] },
      { role: 'model', parts: first },
      {
        role: 'user',
        parts: [
          { functionResponse: { name: 'weather', response: { output: 'mild' } } },
          { functionResponse: { name: 'weather', response: { t: 25 } } },
        ],
      },
      { role: 'model', parts: second },
      { role: 'user', parts: [{ functionResponse: { name: 'weather', response: { output: '-3' } } }] },
      { role: 'model', parts: spoken },
      { role: 'user', parts: [{ text: 'Thanks.' }] },
    ]);
    // The longer request goes on from the shorter one.
    const [before, after] = [google.requests[1]?.text ?? '', google.requests[2]?.text ?? ''].map((text) =>
      text.slice(text.indexOf('"contents"'), -2),
    );
    expect(after?.startsWith(before ?? '?')).toBe(true);
    const { path, headers, body } = google.requests[0] ?? { path: '', headers: {}, body: {} };
    expect(path).toBe(`/v1beta/models/${pro}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`);
    expect(headers).toMatchObject({ 'x-goog-api-key': 'google-key-canary' });
    expect(body.generationConfig).toEqual({ thinkingConfig: { thinkingLevel: 'low', includeThoughts: true } });
  });

  test('a client that carries all itself sends Google what a chain would', async () => {
    const turns = [
      [{ text: 'Hm.', thought: true }, callOf('f', { a: 1 }, signed(pro, 'c')), callOf('f', { a: 2 })],
      [callOf('g', {}, signed(pro, 'd'))],
      [{ text: 'Done.', ...signed(pro, 't') }],
    ];
    const sent: string[] = [];
    for (const carries of [false, true]) {
      google.requests.length = 0;
      script(...turns.map((parts) => ({ parts })));
      const carried: Json[] = [];
      let previous_response_id: string | undefined;
      let news: Json[] = [user('Go.')];
      for (let turn = 0; turn < 4; turn++) {
        carried.push(...news);
        const state = carries ? { store: false, input: carried } : { previous_response_id, input: news };
        const { id, output } = await created({ model: pro, stream, tools: [tool('f'), tool('g')], ...state });
        carried.push(...output);
        previous_response_id = id;
        const calls = output.filter((item: Json) => item.type === 'function_call');
        news = calls.length === 0 ? [user('More.')] : calls.map((item: Json) => result(item.call_id, 'r'));
      }
      // A text and its signature are two parts where the client cannot say more of a text.
      sent.push(JSON.stringify(contentsOf()).replaceAll('},{"text":"","thoughtSignature"', ',"thoughtSignature"'));
    }
    expect(sent[1]).toBe(sent[0]);
    expect(sent[1]).toContain(signatureOf(pro, 't'));
    expect(sent[1]).toContain(signatureOf(pro, 'd'));
  });

  test('a chain goes through other models and comes back, with tools open and closed', async () => {
    const tools = [tool('f')];
    const toolUse = (id: string) => [
      { type: 'thinking', thinking: 'Claude thinks.', signature: 'c2ln' },
      { type: 'tool_use', id, name: 'f', input: '{"city":"Paris"}' },
    ];
    const common = { stream, tools };
    // Claude opens a loop that Gemini closes.
    claude.answer = () => ({ blocks: toolUse('toolu_1'), stopReason: 'tool_use' });
    const one = await created({ ...common, model: 'claude', input: 'Go.', reasoning: { effort: 'low' } });
    script({ parts: [callOf('f', { city: 'Rome' }, signed(pro, '2'))] });
    const two = await created({
      ...common,
      model: pro,
      previous_response_id: one.id,
      input: [result('toolu_1', 'one')],
    });
    expect(two.input_transformations).toMatchObject([{ action: 'removed', reason: 'model_mismatch' }]);
    expect(contentsOf()[1].parts).toEqual([
      callOf('f', { city: 'Paris' }, { thoughtSignature: 'skip_thought_signature_validator' }),
    ]);
    // Gemini opens one that a chat model closes, and opens anew.
    const open = two.output.at(-1).call_id;
    qwen.answer = () => ({
      tool_calls: [{ id: 'call_q', type: 'function', function: { name: 'f', arguments: '{"city":"Oslo"}' } }],
    });
    const three = await created({
      ...common,
      model: 'qwen',
      previous_response_id: two.id,
      input: [result(open, 'two')],
    });
    expect(three.input_transformations.length).toBeGreaterThan(0);
    expect(JSON.stringify(qwen.requests.at(-1)?.body)).not.toContain(signatureOf(pro, '2'));
    script({ parts: [{ text: 'All three.', ...signed(pro, '4') }] });
    const four = await created({
      ...common,
      model: pro,
      previous_response_id: three.id,
      input: [result('call_q', 'three')],
    });
    expect(four.output.at(-1).type).toBe('message');
    claude.answer = messagesEcho;
    const five = await created({ ...common, model: 'claude', previous_response_id: four.id, input: 'And?' });
    await created({ ...common, model: pro, previous_response_id: five.id, input: 'Last.' });
    const text = stream
      ? [{ text: 'All three.' }, { text: '', ...signed(pro, '4') }]
      : [{ text: 'All three.', ...signed(pro, '4') }];
    const skip = { thoughtSignature: 'skip_thought_signature_validator' };
    const answered = (output: string) => ({
      role: 'user',
      parts: [{ functionResponse: { name: 'f', response: { output } } }],
    });
    expect(contentsOf()).toEqual([
      { role: 'user', parts: [{ text: 'Go.' }] },
      { role: 'model', parts: [callOf('f', { city: 'Paris' }, skip)] },
      answered('one'),
      { role: 'model', parts: [callOf('f', { city: 'Rome' }, signed(pro, '2'))] },
      answered('two'),
      { role: 'model', parts: [callOf('f', { city: 'Oslo' }, skip)] },
      answered('three'),
      { role: 'model', parts: text },
      { role: 'user', parts: [{ text: 'And?' }] },
      { role: 'model', parts: [{ text: 'Re: And?' }] },
      { role: 'user', parts: [{ text: 'Last.' }] },
    ]);
  });

  test('custom tools, namespaces and the API’s own tools are functions there, and themselves here', async () => {
    script({
      parts: [
        callOf('note', { input: 'a\nb' }, signed(pro, 'n')),
        callOf('crm__find', { city: 'x' }),
        callOf('apply_patch', { type: 'delete_file', path: 'a' }),
      ],
    });
    const tools = [
      { type: 'custom', name: 'note' },
      { type: 'namespace', name: 'crm', tools: [tool('find')] },
      { type: 'apply_patch' },
    ];
    const one = await created({ model: pro, stream, tools, input: 'Go.' });
    const [note, find, patch] = one.output.slice(1);
    expect(note).toMatchObject({ type: 'custom_tool_call', name: 'note', input: 'a\nb' });
    expect(find).toMatchObject({ type: 'function_call', name: 'find', namespace: 'crm' });
    expect(patch).toMatchObject({ type: 'apply_patch_call', operation: { type: 'delete_file', path: 'a' } });
    await created({
      model: pro,
      stream,
      tools,
      previous_response_id: one.id,
      input: [
        { type: 'custom_tool_call_output', call_id: note.call_id, output: 'noted' },
        result(find.call_id, 'found'),
        { type: 'apply_patch_call_output', call_id: patch.call_id, status: 'completed', output: '' },
      ],
    });
    expect(
      contentsOf()
        .at(-1)
        .parts.map((part: Json) => part.functionResponse.name),
    ).toEqual(['note', 'crm__find', 'apply_patch']);
  });

  test('one call at a time is the first of several', async () => {
    script({ parts: [callOf('f', { n: 1 }, signed(pro, 'f')), callOf('f', { n: 2 })] });
    const answer = await client.create({
      model: pro,
      stream,
      tools: [tool('f')],
      parallel_tool_calls: false,
      input: 'Go.',
    });
    expect(answer.headers.get('x-turnpike-warnings')).toContain('parallel_tool_calls');
    const calls = answer.body.output.filter((item: Json) => item.type === 'function_call');
    expect(calls.map((item: Json) => item.arguments)).toEqual(['{"n":1}']);
    await created({
      model: pro,
      stream,
      tools: [tool('f')],
      previous_response_id: answer.body.id,
      input: [result(calls[0].call_id, 'r')],
    });
  });

  test('what Google refuses of the input is the client’s to know', async () => {
    refuseWith({ promptFeedback: { blockReason: 'PROHIBITED_CONTENT' }, usageMetadata: { promptTokenCount: 9 } }, 200);
    const { status, body } = await client.create({ model: pro, stream, input: 'x' });
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: 'upstream_rejected', param: 'input' });
  });
});

test('OpenAI’s own client streams over Gemini', async () => {
  const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'k', maxRetries: 0 });
  script({ parts: [callOf('f', { city: 'Paris' }, signed(pro, 'f'))] });
  const stream = openai.responses.stream({
    model: pro,
    input: 'Go.',
    tools: [{ ...tool('f'), type: 'function', strict: false }],
  });
  const first = await stream.finalResponse();
  const call = first.output.find((item) => item.type === 'function_call');
  expect(call?.arguments).toBe('{"city":"Paris"}');
  const next = await openai.responses.create({
    model: pro,
    previous_response_id: first.id,
    input: [{ type: 'function_call_output', call_id: call?.call_id ?? '', output: 'secret 4711' }],
  });
  expect(next.output_text).toContain('4711');
});

test('an attempt leaves its tokens and its price', async () => {
  const { id } = await created({ model: pro, input: 'Count.' });
  const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
  const row = database.prepare('SELECT * FROM attempts WHERE turn_id = ?').get(id);
  database.close();
  // $2 a million in, $0.20 from the cache, $12 out.
  expect(row).toMatchObject({
    status: 'completed',
    provider: 'gemini',
    upstream_id: 'google-response',
    input_tokens: 25,
    output_tokens: 27,
    cost_nano_usd: 20 * 2000 + 5 * 200 + 27 * 12_000,
  });
});

test('input tokens are counted by Google', async () => {
  const { status, body } = await client.request('POST', '/v1/responses/input_tokens', {
    model: pro,
    input: 'Count.',
    tools: [tool('f')],
  });
  expect({ status, body }).toEqual({ status: 200, body: { object: 'response.input_tokens', input_tokens: 42 } });
  expect(google.requests[0]).toMatchObject({
    path: `/v1beta/models/${pro}:countTokens`,
    headers: { 'x-goog-api-key': 'google-key-canary' },
  });
});

test('a model’s name stays a name', async () => {
  const { status } = await client.create({ model: 'gemini-x:countTokens?key=/../y', input: 'x' });
  expect(status).toBe(200);
  expect(google.requests.map(({ path }) => path)).toEqual([
    `/v1beta/models/${encodeURIComponent('gemini-x:countTokens?key=/../y')}:generateContent`,
  ]);
});

test.each([
  [400, 'INVALID_ARGUMENT', 'Bad thing.', [], 400, 'upstream_rejected'],
  [
    400,
    'INVALID_ARGUMENT',
    'API key not valid. Please pass a valid API key.',
    [{ reason: 'API_KEY_INVALID' }],
    502,
    'upstream_auth',
  ],
  [400, 'FAILED_PRECONDITION', 'User location is not supported for the API use.', [], 502, 'upstream_auth'],
  [
    400,
    'INVALID_ARGUMENT',
    'The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).',
    [],
    400,
    'context_length_exceeded',
  ],
  [404, 'NOT_FOUND', 'models/x is not found', [], 502, 'upstream_error'],
  [429, 'RESOURCE_EXHAUSTED', 'Quota.', [{ retryDelay: '34.4s' }], 429, 'rate_limit_exceeded'],
  [503, 'UNAVAILABLE', 'The model is overloaded.', [], 503, 'upstream_overloaded'],
])('%i %s (%s) is told as %s', async (status, word, message, details, told, code) => {
  refuseWith(googleError(status, word, message, details), status);
  const { status: seen, headers, text } = await client.create({ model: pro, input: 'x' });
  const { error }: Json = JSON.parse(text);
  expect([seen, error.code]).toEqual([told, code]);
  expect(headers.get('retry-after')).toBe(status === 429 ? '35' : null);
  expect(text).not.toContain('canary');
});

test('the key is in no log', () => {
  expect(gateway.output()).not.toContain('canary');
});

test('what is too long for the model goes without its oldest, whole calls with their outputs', async () => {
  const long = (word: string) => `${word} ${'lorem '.repeat(200)}`;
  const tool = { type: 'function', name: 'f', parameters: { type: 'object', properties: {} } };
  google.answer = (request, response) => {
    if (request.text.length < 3000) return geminiEcho(request, response);
    const message = 'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).';
    sendJson(response, googleError(400, 'INVALID_ARGUMENT', message), 400);
    return undefined;
  };
  const call = (call_id: string) => ({ type: 'function_call', call_id, name: 'f', arguments: '{}' });
  const output = (call_id: string) => ({ type: 'function_call_output', call_id, output: long(call_id) });
  const input = [
    { role: 'user', content: long('one') },
    call('call_a'),
    output('call_a'),
    { role: 'assistant', content: 'first' },
    { role: 'user', content: long('two') },
    call('call_b'),
    output('call_b'),
    { role: 'assistant', content: 'second' },
    { role: 'user', content: 'three' },
  ];
  const body = { model: 'gemini-2.5-flash', tools: [tool], input };
  const refused = await client.create(body);
  expect([refused.status, refused.body.error.code]).toEqual([400, 'context_length_exceeded']);
  for (const stream of [false, true]) {
    const answer = await client.create({ ...body, stream, truncation: 'auto' });
    expect(answer.body.status, answer.text).toBe('completed');
    expect(answer.headers.get('x-turnpike-warnings')).toContain('"param":"truncation"');
    const sent = google.requests.at(-1)?.text;
    for (const gone of ['one lorem', 'call_a', 'first']) expect(sent).not.toContain(gone);
    expect(sent).toContain('three');
  }
  expect(google.refusals).toEqual([]);
});

test('a file that was uploaded is sent by value', async () => {
  const form = new FormData();
  form.set('purpose', 'user_data');
  form.set('file', new File(['a,b'], 'a.csv', { type: 'text/csv' }));
  const made = await fetch(`${gateway.url}/v1/files`, { method: 'POST', body: form });
  const { id } = (await made.json()) as { id: string };
  const content = [
    { type: 'input_file', file_id: id },
    { type: 'input_text', text: 'What is in it?' },
  ];
  const answer = await client.create({ model: pro, input: [{ role: 'user', content }] });
  expect(answer.status, answer.text).toBe(200);
  const sent = google.requests.at(-1)?.text;
  expect(sent).toMatch(/a,b|YSxi/);
  expect(sent).not.toContain(id);
});

test.each([false, true])('a prompt that Google blocks is the client’s error, background: %s', async (background) => {
  google.answer = (_, response) => {
    sendJson(response, {
      promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
      usageMetadata: { promptTokenCount: 4 },
    });
    return undefined;
  };
  const answer = await client.create({ model: pro, input: 'x', background });
  if (!background) {
    expect([answer.status, answer.body.error.type, answer.body.error.param]).toEqual([
      400,
      'invalid_request_error',
      'input',
    ]);
    return;
  }
  const ended = async () => (await client.get(answer.body.id)).body;
  await expect.poll(async () => (await ended()).status).toBe('failed');
  expect((await ended()).error).toMatchObject({ code: 'invalid_prompt' });
});
