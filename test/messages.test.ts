/**
 * Anthropic's Messages API towards clients, over a real socket: what upstreams are sent, what clients read, and what is kept.
 */
import { connect } from 'node:net';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, type Client, createClient } from './support/client.ts';
import { claudeCode, claudeCodeHeaders } from './fixtures/claude-code.ts';
import { collectMessage } from './support/collect-message.ts';
import {
  chatEcho,
  type ChatAnswer,
  fakeChatModel,
  fakeMessagesModel,
  type FakeModel,
  type MessagesAnswer,
  messagesEcho,
} from './support/fake-models.ts';
import { frame, messageEvents, type UpstreamRequest } from './support/fake-upstream.ts';
import { call, openAiEcho, openAiUpstream, type OpenAiUpstream, text, thought } from './support/openai-upstream.ts';
import { spawnGateway, type SpawnedGateway, temporaryFolder } from './support/spawn-gateway.ts';

// oxlint-disable-next-line no-explicit-any -- whatever was sent
type Json = any;

let claude: FakeModel<MessagesAnswer>;
let broken: FakeModel<MessagesAnswer>;
let qwen: FakeModel<ChatAnswer>;
let openai: OpenAiUpstream;
let gateway: SpawnedGateway;
let client: Client;
const folder = temporaryFolder();
const cleanups: (() => void)[] = [];
const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);

beforeAll(async () => {
  claude = await fakeMessagesModel(onCleanup);
  broken = await fakeMessagesModel(onCleanup);
  qwen = await fakeChatModel(onCleanup);
  openai = await openAiUpstream(onCleanup);
  const anthropic = (name: string, url: string, rest = '') =>
    `  - { name: ${name}, provider: anthropic, model: claude-haiku-4-5, base_url: "${url}", api_key: upstream-key${rest} }`;
  gateway = await spawnGateway({
    folder,
    onCleanup,
    config: `
auth: { master_key: sk-master, keys: [{ name: alpha, key: sk-alpha }, { name: beta, key: sk-beta }] }
routing: { retries: 1, fallbacks: { brittle: [qwen] } }
models:
${anthropic('claude', claude.url)}
  - { name: opus, provider: anthropic, model: claude-opus-4-8, base_url: "${claude.url}", api_key: upstream-key }
${anthropic('configured', claude.url, ', headers: { anthropic-beta: "files-api-2025-04-14" }')}
${anthropic('shaky', broken.url, ', weight: 1.0e+12')}
${anthropic('shaky', claude.url, ', weight: 1.0e-12')}
${anthropic('brittle', broken.url)}
  - { name: qwen, provider: openai-compatible, model: qwen3-32b, base_url: "${qwen.url}/v1", api_key: k }
  - { name: gpt, provider: openai, model: gpt-5.1, base_url: "${openai.url}/v1", api_key: k }
  - { name: mini, provider: openai, model: gpt-5-mini, base_url: "${openai.url}/v1", api_key: k }
`,
  });
  client = createClient(gateway.url);
});
beforeEach(() => {
  claude.answer = messagesEcho;
  broken.answer = messagesEcho;
  qwen.answer = chatEcho;
  openai.answer = openAiEcho;
  for (const { requests } of [claude, broken, qwen, openai]) requests.length = 0;
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
  rmSync(folder, { recursive: true, maxRetries: 10 });
});

const asAlpha = { 'x-api-key': 'sk-alpha', 'anthropic-version': '2023-06-01' };
const hello = { model: 'claude', max_tokens: 100, messages: [{ role: 'user', content: 'Hello.' }] };

interface Sent {
  status: number;
  headers: Headers;
  text: string;
  body: Json;
}

/** @param body text goes as it is. */
async function post(body: object | string, headers: Record<string, string> = {}, path = '/v1/messages'): Promise<Sent> {
  const reply = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { ...asAlpha, 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const sent = await reply.text();
  const isJson = reply.headers.get('content-type')?.startsWith('application/json') === true;
  return {
    status: reply.status,
    headers: reply.headers,
    text: sent,
    body: isJson ? JSON.parse(sent) : undefined,
  };
}

async function message(body: object, headers?: Record<string, string>): Promise<Json> {
  const sent = await post({ ...hello, ...body }, headers);
  expect(sent.status, sent.text).toBe(200);
  return sent.body;
}

const warningsOf = ({ headers }: Sent): string[] =>
  (JSON.parse(headers.get('x-turnpike-warnings') ?? '[]') as { param: string }[]).map(({ param }) => param);

const stored = (id: string): Promise<Answer> =>
  client.request('GET', `/v1/responses/${id}`, undefined, { authorization: 'Bearer sk-alpha' });

function query(sql: string, ...values: string[]): Json[] {
  const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
  try {
    return database.prepare(sql).all(...values);
  } finally {
    database.close();
  }
}

const lastOf = ({ requests }: { requests: UpstreamRequest[] }): UpstreamRequest => {
  const last = requests.at(-1);
  if (last === undefined) throw new Error('nothing was sent');
  return last;
};

const weather = { name: 'get_weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } };
const useOf = (id: string, input: object = { city: 'Paris' }) => ({ type: 'tool_use', id, name: 'get_weather', input });

describe('over Anthropic', () => {
  test('the request goes up byte for byte, but for the model', async () => {
    const body = `{ "messages":[ {"role":"user","content":[{"type":"text","text":"\\u0048i \\"model\\":1","cache_control":{"type":"ephemeral"}}]},
      {"role":"assistant","content":[{"type":"tool_use","id":"toolu_1","name":"f","input":{"2":18446744073709551616,"1":1.0}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","is_error":true,"content":"no"}]}],
      "model" : "claude","max_tokens":9, "tools":[{"name":"f","input_schema":{"type":"object"}}], "shoe_size":43.0 }`;
    const { status, text: answer } = await post(body);
    expect(status, answer).toBe(200);
    expect(lastOf(claude).text).toBe(body.replace('"claude"', '"claude-haiku-4-5"'));
  });

  test('of the headers it goes with what is the upstream’s, and never the client’s key', async () => {
    const beta = 'context-1m-2025-08-07,interleaved-thinking-2025-05-14';
    await message(
      {},
      { 'anthropic-beta': beta, 'anthropic-version': '2023-01-01', 'x-mine': 'canary', cookie: 'canary' },
    );
    const { headers, text: sent } = lastOf(claude);
    expect(headers).toMatchObject({
      'anthropic-beta': beta,
      'anthropic-version': '2023-01-01',
      'x-api-key': 'upstream-key',
    });
    expect(JSON.stringify(headers) + sent).not.toMatch(/canary|sk-alpha/);
    await message({ model: 'configured' }, { 'anthropic-beta': 'b' });
    expect(lastOf(claude).headers['anthropic-beta']).toBe('files-api-2025-04-14,b');
  });

  test('a stream comes down as it is, under our names', async () => {
    const events = messageEvents([{ type: 'text', text: 'Well.' }, useOf('toolu_1')], { stopReason: 'tool_use' });
    const odd = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: ' ' }, odd: 1.5 };
    claude.answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end([...events.slice(0, 4), odd, ...events.slice(4)].map(frame).join(''));
      return undefined;
    };
    const sent = await post({ ...hello, stream: true });
    const { id } = collectMessage(sent.text).message;
    expect(id).toMatch(/^resp_/);
    const expected = [...events.slice(0, 4), odd, ...events.slice(4)].map(frame).join('');
    expect(sent.text).toBe(
      expected.replace('"id":"msg_upstream"', `"id":"${id}"`).replace('"model":"claude-test-1"', '"model":"claude"'),
    );
    expect((await stored(id)).body).toMatchObject({ id, status: 'completed', model: 'claude' });
  });

  test('it is not verbatim where something is ours: a file goes by value, with all else as the client said it', async () => {
    const form = new FormData();
    form.set('purpose', 'user_data');
    form.set('file', new File(['%PDF-1.4 the secret'], 'a.pdf'));
    const uploaded = await fetch(`${gateway.url}/v1/files`, { method: 'POST', headers: asAlpha, body: form });
    const { id: file_id } = (await uploaded.json()) as { id: string };
    const cache_control = { type: 'ephemeral', ttl: '1h' };
    const document = {
      type: 'document',
      source: { type: 'file', file_id },
      title: 'T',
      citations: { enabled: true },
      cache_control,
    };
    const body = {
      max_tokens: 2000,
      system: [{ type: 'text', text: 'Be brief.', cache_control }],
      thinking: { type: 'enabled', budget_tokens: 1025 },
      tools: [{ ...weather, input_examples: [{ city: 'Paris' }], cache_control }],
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
      metadata: { user_id: 'u' },
      stop_sequences: ['END'],
      context_management: { edits: [{ type: 'clear_thinking_20251015', keep: 'all' }] },
      shoe_size: 43,
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Read.' }, document] },
        { role: 'assistant', content: [{ type: 'thinking', thinking: 'Hm.', signature: 'c2ln' }, useOf('toolu_1')] },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'no', is_error: true, cache_control }],
        },
      ],
    };
    await message(body);
    const [user, ...rest] = body.messages;
    const source = {
      type: 'base64',
      media_type: 'application/pdf',
      data: Buffer.from('%PDF-1.4 the secret').toString('base64'),
    };
    expect(lastOf(claude).body).toEqual({
      ...body,
      model: 'claude-haiku-4-5',
      messages: [
        {
          ...user,
          content: [
            { type: 'text', text: 'Read.' },
            { ...document, source },
          ],
        },
        ...rest,
      ],
    });
    // Nobody else has such a file.
    const foreign = await post({ ...hello, ...body }, { 'x-api-key': 'sk-beta' });
    expect(foreign.status).toBe(400);
    expect(foreign.body.error).toMatchObject({
      type: 'invalid_request_error',
      details: { param: 'messages[0].content[1].file_id' },
    });
  });

  test('a pause is the client’s to go on from', async () => {
    const use = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'x' } };
    claude.answer = () => ({ blocks: [use], stopReason: 'pause_turn' });
    const paused = await message({ tools: [{ type: 'web_search_20250305', name: 'web_search' }] });
    expect(paused).toMatchObject({ stop_reason: 'pause_turn', content: [use] });
    claude.answer = messagesEcho;
    await message({
      tools: [{ type: 'web_search_20250305', name: 'web_search' }],
      messages: [...hello.messages, { role: 'assistant', content: paused.content }],
    });
    expect(lastOf(claude).body.messages[1].content).toEqual([use]);
  });
});

describe('over others', () => {
  test('a chat model is told all that it has words for, and the client of the rest', async () => {
    const beta = { 'anthropic-beta': 'context-1m-2025-08-07' };
    const sent = await post(
      {
        model: 'qwen',
        max_tokens: 77,
        system: [
          { type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } },
          { type: 'text', text: 'Be kind.' },
        ],
        temperature: 0.5,
        top_k: 5,
        stop_sequences: ['END'],
        metadata: { user_id: 'u' },
        tools: [{ ...weather, description: 'Looks.', input_examples: [{ city: 'Paris' }] }],
        tool_choice: { type: 'any', disable_parallel_tool_use: true },
        shoe_size: 43,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'A' },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } },
            ],
          },
          {
            role: 'assistant',
            content: [{ type: 'text', text: 'B' }, useOf('toolu_1'), useOf('toolu_2', { city: 'Rome' })],
          },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 'toolu_2', content: [{ type: 'text', text: '27' }] },
              { type: 'tool_result', tool_use_id: 'toolu_1', content: 'no such city', is_error: true },
              { type: 'text', text: 'C' },
            ],
          },
          { role: 'system', content: 'D' },
        ],
      },
      beta,
    );
    expect(sent.status, sent.text).toBe(200);
    const { body } = lastOf(qwen);
    expect(body).toMatchObject({
      model: 'qwen3-32b',
      temperature: 0.5,
      stop: ['END'],
      tool_choice: 'required',
      parallel_tool_calls: false,
      tools: [
        {
          type: 'function',
          function: { name: 'get_weather', description: 'Looks.', parameters: weather.input_schema },
        },
      ],
    });
    expect(body.max_tokens ?? body.max_completion_tokens).toBe(77);
    const call = (id: string, city: string) => ({
      id,
      type: 'function',
      function: { name: 'get_weather', arguments: JSON.stringify({ city }) },
    });
    expect(body.messages).toEqual([
      { role: 'system', content: 'Be brief.\n\nBe kind.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'A' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
        ],
      },
      { role: 'assistant', content: 'B', tool_calls: [call('toolu_1', 'Paris'), call('toolu_2', 'Rome')] },
      { role: 'tool', tool_call_id: 'toolu_1', content: 'Error: no such city' },
      { role: 'tool', tool_call_id: 'toolu_2', content: '27' },
      { role: 'user', content: 'C' },
      { role: 'system', content: 'D' },
    ]);
    const warned = warningsOf(sent);
    for (const param of ['cache_control', 'anthropic-beta', 'shoe_size', 'tools[0].input_examples'])
      expect(warned).toContain(param);
    expect(sent.body).toMatchObject({
      type: 'message',
      model: 'qwen',
      content: [{ type: 'text', text: 'Re: C' }],
      stop_reason: 'end_turn',
    });
    expect(sent.body.usage).toMatchObject({ input_tokens: 12, output_tokens: 5, cache_read_input_tokens: 0 });
  });

  test.each([false, true])('its calls are blocks, also cut and odd ones (streamed: %s)', async (stream) => {
    qwen.answer = () => ({
      content: 'Look.',
      tool_calls: [
        { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
        { id: 'call_2', type: 'function', function: { name: 'get_weather', arguments: '' } },
      ],
    });
    const sent = await post({ ...hello, model: 'qwen', tools: [weather], stream });
    const answer = stream ? collectMessage(sent.text).message : sent.body;
    expect(answer).toMatchObject({
      stop_reason: 'tool_use',
      content: [
        { type: 'text', text: 'Look.' },
        { type: 'tool_use', id: 'call_1', name: 'get_weather', input: { city: 'Paris' } },
        { type: 'tool_use', id: 'call_2', name: 'get_weather', input: {} },
      ],
    });
  });

  test.each([false, true])(
    'its reasoning is shown where thinking is on, signed for the way back (streamed: %s)',
    async (stream) => {
      qwen.answer = () => ({
        reasoning_content: 'Where is it warm?',
        tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{}' } }],
      });
      const asked = { ...hello, max_tokens: 2000, model: 'qwen', tools: [weather], stream };
      const without = await post(asked);
      const unasked = stream ? collectMessage(without.text).message : without.body;
      expect(unasked.content.map(({ type }: Json) => type)).toEqual(['tool_use']);

      const on = { ...asked, thinking: { type: 'enabled', budget_tokens: 1024 } };
      const sent = await post(on);
      const { content } = stream ? collectMessage(sent.text).message : sent.body;
      expect(content[0]).toMatchObject({ type: 'thinking', thinking: 'Where is it warm?' });
      expect(content[0].signature).toMatch(/^tp1\./);
      const result = { type: 'tool_result', tool_use_id: content.at(-1).id, content: '18' };
      const messages = [...hello.messages, { role: 'assistant', content }, { role: 'user', content: [result] }];

      // It goes back to the model that it came from, in that one's own words.
      qwen.answer = chatEcho;
      await post({ ...on, messages });
      expect(lastOf(qwen).body.messages[1]).toMatchObject({
        role: 'assistant',
        reasoning_content: 'Where is it warm?',
      });

      // Another's is not shown it, which the client is told.
      const moved = await post({ ...on, model: 'claude', messages, stream: false });
      expect(moved.status, moved.text).toBe(200);
      expect(JSON.stringify(lastOf(claude).body)).not.toContain('Where is it warm?');
      expect(warningsOf(moved)).toContain('messages');

      // Nor is what another tenant was given sent on as it is, where words would go on as they are.
      const foreign = await post({ ...on, model: 'opus', messages, stream: false }, { 'x-api-key': 'sk-beta' });
      expect(foreign.status, foreign.text).toBe(200);
      expect(lastOf(claude).text).not.toMatch(/tp1\.|Where is it warm/);
      expect(warningsOf(foreign)).toContain('messages');

      // Nor is a model of another vendor what Anthropic's has signed.
      const signed = [{ type: 'thinking', thinking: 'Signed.', signature: 'c2ln' }, ...content.slice(1)];
      const away = await post({
        ...on,
        messages: [hello.messages[0], { role: 'assistant', content: signed }, messages[2]],
        stream: false,
      });
      expect(away.status, away.text).toBe(200);
      expect(JSON.stringify(lastOf(qwen).body)).not.toContain('Signed.');
      expect(warningsOf(away)).toContain('messages');
    },
  );

  test('OpenAI’s reasoning without a word of its own is carried all the same', async () => {
    openai.answer = () => ({ output: [thought('gpt-5.1', ''), text('18')] });
    const body = {
      ...hello,
      max_tokens: 2000,
      model: 'gpt',
      thinking: { type: 'adaptive' },
      output_config: { effort: 'low' },
    };
    const { content } = await message(body);
    expect(content.map(({ type }: Json) => type)).toEqual(['thinking', 'text']);
    openai.answer = openAiEcho;
    await post({
      ...body,
      messages: [...hello.messages, { role: 'assistant', content }, { role: 'user', content: 'More.' }],
    });
    const { body: sent } = lastOf(openai);
    expect(sent.reasoning).toMatchObject({ effort: 'low', summary: 'auto' });
    expect(sent.input.filter(({ type }: Json) => type === 'reasoning')).toHaveLength(1);
  });

  test('a format is asked for in the vendor’s words', async () => {
    const schema = {
      type: 'object',
      properties: { a: { type: 'string' } },
      required: ['a'],
      additionalProperties: false,
    };
    openai.answer = () => ({ output: [text('{"a":"b"}')] });
    await message({ model: 'gpt', output_config: { format: { type: 'json_schema', schema } } });
    expect(lastOf(openai).body.text.format).toMatchObject({ type: 'json_schema', schema, strict: true });
  });

  test('an effort that the model does not know is learnt from its refusal', async () => {
    const sent = await post({ ...hello, model: 'mini', thinking: { type: 'disabled' } });
    expect(sent.status, sent.text).toBe(200);
    expect(warningsOf(sent)).toContain('thinking');
    const high = { max_tokens: 40_000, thinking: { type: 'enabled', budget_tokens: 31_999 } };
    await message({ model: 'mini', ...high });
    expect(openai.requests.map(({ body }) => body.reasoning.effort)).toEqual(['none', 'minimal', 'high']);
    openai.refusals.length = 0;
  });
});

// Haiku 4.5 knows neither adaptive thinking nor system messages in between: it is sent what it knows.
describe.each(['opus', 'claude', 'qwen', 'gpt'])('Claude Code over %s', (model) => {
  test.each(Object.entries(claudeCode))('%s', async (name, asked) => {
    const isTitle = name === 'asking for a title';
    const json = '{"title":"Reading"}';
    if (isTitle) {
      claude.answer = () => ({ blocks: [{ type: 'text', text: json }] });
      qwen.answer = () => ({ content: json });
      openai.answer = () => ({ output: [text(json)] });
    }
    const sent = await post({ model, ...asked }, claudeCodeHeaders, '/v1/messages?beta=true');
    expect(sent.status, sent.text).toBe(200);
    const { message: answer } = collectMessage(sent.text);
    expect(answer).toMatchObject({ model, stop_reason: 'end_turn' });
    if (isTitle) expect(answer.content).toEqual([expect.objectContaining({ type: 'text', text: json })]);
    expect(sent.headers.get('x-turnpike-session-id')).toBe(claudeCodeHeaders['x-claude-code-session-id']);
    const upstream = { claude, qwen, gpt: openai }[model] ?? claude;
    const { body, text: raw } = lastOf(upstream);
    if (model === 'opus') expect(body).toEqual({ ...asked, model: 'claude-opus-4-8' });
    if (model === 'claude') {
      expect(raw).not.toMatch(/adaptive|"role":"system"/);
      expect(isTitle || raw.includes('"cache_control"')).toBe(true);
    }
    if (asked.messages.length > 1)
      for (const said of ['You help with software.', 'Read it.', 'Available agent types']) expect(raw).toContain(said);
    if (asked.messages.length > 2) expect(raw).toContain('N-1-09be3b231792');
    // Nor what would be refused: names of users are shorter elsewhere.
    if (model === 'qwen' || model === 'gpt')
      expect(raw).not.toMatch(/cache_control|context_management|is_error|device_id/);
    if (openai.refusals.length > 0) throw new Error(openai.refusals.join());
  });
});

test.each([false, true])(
  'what other vendors’ own tools did is told of, not in silence: streamed %s',
  async (stream) => {
    const citation = { type: 'url_citation', url: 'https://example.org', title: 'E', start_index: 0, end_index: 2 };
    const said = {
      ...text('So it is.'),
      content: [{ type: 'output_text', text: 'So it is.', annotations: [citation] }],
    };
    const search = { type: 'web_search_call', status: 'completed', action: { type: 'search', query: 'x' } };
    openai.answer = () => ({ output: [search, said] });
    const tools = [{ type: 'web_search_20250305', name: 'web_search' }];
    const answer = await post({
      model: 'gpt',
      max_tokens: 100,
      messages: [{ role: 'user', content: 'x' }],
      tools,
      stream,
    });
    expect(answer.status, answer.text).toBe(200);
    const message = stream ? collectMessage(answer.text).message : JSON.parse(answer.text);
    expect(message.content).toMatchObject([{ type: 'text', text: 'So it is.' }]);
    const comment = /^: x-turnpike-warnings: (.*)$/m.exec(answer.text)?.[1];
    const warnings: Json[] = JSON.parse((stream ? comment : answer.headers.get('x-turnpike-warnings')) ?? '[]');
    const told = warnings.map((warning) => warning.message).join();
    expect(told).toContain('an item of type web_search_call');
    expect(told).toContain('What the answer cites');
    const { output } = (await stored(message.id)).body;
    expect(output.map(({ type }: Json) => type)).toEqual(['web_search_call', 'message']);
  },
);

describe('what is kept', () => {
  test.each(['claude', 'qwen', 'gpt'])('a message over %s is a stored response, in one row of spend', async (model) => {
    const { id, usage } = await message({ model, system: 'Be brief.', metadata: { user_id: 'somebody' } });
    const { body } = await stored(id);
    expect(body).toMatchObject({ id, object: 'response', status: 'completed', model, instructions: 'Be brief.' });
    expect(body.output.at(-1)).toMatchObject({
      type: 'message',
      content: [{ type: 'output_text', text: 'Re: Hello.' }],
    });
    const all = usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens;
    expect(body.usage).toMatchObject({ input_tokens: all, output_tokens: usage.output_tokens });
    const rows = query('SELECT * FROM "LiteLLM_SpendLogs" WHERE request_id = ?', id);
    expect(rows).toMatchObject([{ call_type: 'anthropic_messages', prompt_tokens: all, end_user: 'somebody' }]);
    expect(JSON.parse(rows[0].messages)).not.toEqual({});
    const headers = { authorization: 'Bearer sk-beta' };
    expect((await client.request('GET', `/v1/responses/${id}`, undefined, headers)).status).toBe(404);
  });

  test('a client of the Responses API can go on from it, over another vendor', async () => {
    const { id } = await message({
      messages: [{ role: 'user', content: [{ type: 'text', text: 'One.', cache_control: { type: 'ephemeral' } }] }],
    });
    const next = await client.request(
      'POST',
      '/v1/responses',
      { model: 'qwen', input: 'Two.', previous_response_id: id },
      { authorization: 'Bearer sk-alpha' },
    );
    expect(next.status).toBe(200);
    expect(lastOf(qwen).body.messages).toEqual([
      { role: 'user', content: 'One.' },
      { role: 'assistant', content: 'Re: One.' },
      { role: 'user', content: 'Two.' },
    ]);
    await client.request(
      'POST',
      '/v1/responses',
      { model: 'claude', input: 'Two.', previous_response_id: id },
      { authorization: 'Bearer sk-alpha' },
    );
    // A breakpoint of a turn that is over is past.
    expect(JSON.stringify(lastOf(claude).body.messages)).not.toContain('cache_control');
  });

  test.each([
    ['claude', false],
    ['claude', true],
    ['qwen', false],
    ['qwen', true],
  ])('an idempotency key answers with the same message, paid once: %s (streamed: %s)', async (model, stream) => {
    claude.answer = () => ({
      blocks: [
        { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
        { type: 'text', text: 'Once.' },
      ],
    });
    qwen.answer = () => ({ reasoning_content: 'Hm.', content: 'Once.' });
    const body = { ...hello, max_tokens: 2000, model, stream, thinking: { type: 'enabled', budget_tokens: 1024 } };
    const headers = { 'idempotency-key': `once-${model}-${stream}` };
    const read = async () => {
      const sent = await post(body, headers);
      return stream ? collectMessage(sent.text).message : sent.body;
    };
    const first = await read();
    const again = await read();
    expect(first.content[0]).toMatchObject({
      type: 'thinking',
      thinking: 'Hm.',
      signature: expect.stringMatching(/./),
    });
    expect(again.id).toBe(first.id);
    expect(again.stop_reason).toBe(first.stop_reason);
    expect(again.usage).toMatchObject({
      input_tokens: first.usage.input_tokens,
      output_tokens: first.usage.output_tokens,
    });
    // A text's citations may be null, or not be there.
    const said = (content: Json) => content.map((block: Json) => ({ ...block, citations: undefined }));
    expect(said(again.content)).toEqual(said(first.content));
    expect(claude.requests.length + qwen.requests.length).toBe(1);
  });
});

describe('a thread', () => {
  const cache_control = { type: 'ephemeral' };
  const asked = {
    system: [{ type: 'text', text: 'Be brief.', cache_control }],
    tools: [weather],
    thread: { type: 'create' },
    messages: [{ role: 'user', content: [{ type: 'text', text: 'One.', cache_control }] }],
  };
  const goOn = (previous_message_id: string, fields: object = {}) => ({
    thread: { type: 'continue', previous_message_id },
    messages: [{ role: 'user', content: 'Two.' }],
    ...fields,
  });

  test.each(['claude', 'qwen', 'gpt'])('is held here, over %s: its turns bring only what is new', async (model) => {
    const first = await message({ model, ...asked });
    const second = await message({ model, ...goOn(first.id) });
    const third = await message({ model, ...goOn(second.id, { messages: [{ role: 'user', content: 'Three.' }] }) });
    expect(third.content).toMatchObject([{ type: 'text', text: 'Re: Three.' }]);
    const { requests } = { claude, qwen, gpt: openai }[model] ?? claude;
    const [created, , last] = requests;
    for (const said of ['Be brief.', 'get_weather', 'One.', 'Re: One.', 'Two.', 'Re: Two.', 'Three.'])
      expect(last?.text).toContain(said);
    expect(created?.body.thread ?? null).toBeNull();
    expect(last?.body).not.toHaveProperty('thread');
    expect(last?.text).not.toContain('cache_control');
    // A fork sees its ancestors only.
    await message({ model, ...goOn(first.id) });
    expect(requests.at(-1)?.text).not.toContain('Three.');
  });

  test('goes on over another vendor, with what the first one thought kept for it', async () => {
    const thinking = { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' };
    claude.answer = () => ({ blocks: [thinking, { type: 'text', text: 'Well.' }] });
    const first = await message(asked);
    const second = await message({ model: 'qwen', ...goOn(first.id) });
    expect(lastOf(qwen).text).not.toContain('Hm.');
    claude.answer = messagesEcho;
    await message(goOn(second.id));
    expect(lastOf(claude).body.messages[1].content[0]).toEqual(thinking);
  });

  test('that is another’s, or nobody’s, is not found, in words by which an SDK sends it anew', async () => {
    const { id } = await message(asked);
    for (const [previous, key] of [
      [id, 'sk-beta'],
      ['resp_1', 'sk-alpha'],
    ] as const) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const { status, body } = await post({ ...hello, ...goOn(previous) }, { 'x-api-key': key });
      expect(status).toBe(400);
      expect(body.error.details).toMatchObject({ error_code: 'thread_not_found', param: 'thread.previous_message_id' });
    }
  });
});

describe('what goes wrong', () => {
  const failing = (
    status: number,
    type: string,
    headers: Record<string, string> = {},
  ): FakeModel<MessagesAnswer>['answer'] => {
    return (_, response) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify({ type: 'error', error: { type, message: `The upstream's ${type}.` } }));
      return undefined;
    };
  };

  test.each<[string, number, string, number, string]>([
    ['a request that it rejects', 400, 'invalid_request_error', 400, 'invalid_request_error'],
    ['a rate limit', 429, 'rate_limit_error', 429, 'rate_limit_error'],
    ['an overload', 529, 'overloaded_error', 503, 'overloaded_error'],
    ['a fault', 500, 'api_error', 502, 'api_error'],
    ['a key that it refuses', 401, 'authentication_error', 502, 'api_error'],
  ])('%s of the upstream', async (_name, status, type, expected, name) => {
    claude.answer = failing(status, type, { 'retry-after': '3' });
    for (const stream of [false, true]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another
      const sent = await post({ ...hello, stream });
      expect(sent.status).toBe(expected);
      expect(sent.body).toMatchObject({
        type: 'error',
        error: { type: name },
        request_id: sent.headers.get('request-id'),
      });
      expect(sent.body.request_id).toMatch(/^req_/);
    }
  });

  test('another deployment answers, and the client sees one message', async () => {
    broken.answer = failing(529, 'overloaded_error');
    const sent = await post({ ...hello, model: 'shaky', stream: true });
    expect(collectMessage(sent.text).message.content).toEqual([{ type: 'text', text: 'Re: Hello.' }]);
    expect([broken.requests.length, claude.requests.length]).toEqual([1, 1]);
    // What came before the first block is not shown, so that a stream that breaks there is no loss.
    broken.answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(messageEvents([]).slice(0, 2).map(frame).join(''));
      return undefined;
    };
    const second = await post({ ...hello, model: 'brittle', stream: true });
    expect(collectMessage(second.text).message).toMatchObject({
      model: 'brittle',
      content: [{ type: 'text', text: 'Re: Hello.' }],
    });
    expect(qwen.requests).toHaveLength(1);
  });

  test.each([
    ['a stream that is cut', ''],
    [
      'a stream that says that it fails',
      frame({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } } as Json),
    ],
  ])('%s ends in an error, never as if it were whole', async (_name, rest) => {
    claude.answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(
        messageEvents([{ type: 'text', text: 'Half of it.' }])
          .slice(0, 4)
          .map(frame)
          .join('') + rest,
      );
      return undefined;
    };
    const sent = await post({ ...hello, stream: true });
    expect(sent.status).toBe(200);
    expect(sent.text).not.toContain('message_stop');
    const { error, message: begun } = collectMessage(sent.text);
    expect(error.type).toBe(rest === '' ? 'api_error' : 'overloaded_error');
    expect((await stored(begun.id)).body).toMatchObject({ status: 'failed' });
  });

  test('a chat stream that is cut does so too', async () => {
    qwen.answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(
        'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Half"},"finish_reason":null}]}\n\n',
      );
      return undefined;
    };
    const {
      types,
      error,
      message: begun,
    } = collectMessage((await post({ ...hello, model: 'qwen', stream: true })).text);
    expect(types.slice(0, 3)).toEqual(['message_start', 'content_block_start', 'content_block_delta']);
    expect(types.at(-1)).toBe('error');
    expect(error.type).toBe('api_error');
    expect((await stored(begun.id)).body).toMatchObject({ status: 'failed' });
  });

  test('a client that leaves: the upstream is hung up on, and what there is is billed', async () => {
    let hungUp = (): void => {};
    const gone = new Promise<void>((resolve) => (hungUp = resolve));
    claude.answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(
        messageEvents([{ type: 'text', text: 'Half of it.' }])
          .slice(0, 4)
          .map(frame)
          .join(''),
      );
      response.on('close', hungUp);
      return undefined;
    };
    const body = JSON.stringify({ ...hello, stream: true });
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
    socket.write(
      `POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: sk-alpha\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    let seen = '';
    await new Promise<void>((resolve) => {
      socket.setEncoding('utf8').on('data', (chunk: string) => {
        seen += chunk;
        if (seen.includes('content_block_delta')) resolve();
      });
    });
    socket.destroy();
    await gone;
    const id = /"id":"(resp_\w+)"/.exec(seen)?.[1] ?? '';
    await expect.poll(async () => (await stored(id)).body.status, { timeout: 20_000 }).toBe('cancelled');
    expect(query('SELECT status FROM attempts WHERE turn_id = ?', id)).toMatchObject([{ status: 'cancelled' }]);
  });
});

describe('before there is a turn', () => {
  test.each<[string, () => Promise<Response>, number, string]>([
    ['no key', () => fetch(`${gateway.url}/v1/messages`, { method: 'POST', body: '{}' }), 401, 'authentication_error'],
    [
      'a wrong key',
      () => fetch(`${gateway.url}/v1/messages`, { method: 'POST', body: '{}', headers: { 'x-api-key': 'sk-none' } }),
      401,
      'authentication_error',
    ],
    ['another method', () => fetch(`${gateway.url}/v1/messages`, { headers: asAlpha }), 405, 'invalid_request_error'],
    ['a path below', () => fetch(`${gateway.url}/v1/messages/batches`, { headers: asAlpha }), 404, 'not_found_error'],
    [
      'no JSON',
      () =>
        fetch(`${gateway.url}/messages`, {
          method: 'POST',
          body: '{',
          headers: { ...asAlpha, 'content-type': 'application/json' },
        }),
      400,
      'invalid_request_error',
    ],
    [
      'another type',
      () =>
        fetch(`${gateway.url}/v1/messages`, {
          method: 'POST',
          body: '{}',
          headers: { ...asAlpha, 'content-type': 'text/plain' },
        }),
      415,
      'invalid_request_error',
    ],
    [
      'too much',
      () =>
        fetch(`${gateway.url}/v1/messages`, {
          method: 'POST',
          body: ' '.repeat(33 * 1024 * 1024),
          headers: { ...asAlpha, 'content-type': 'application/json' },
        }),
      413,
      'request_too_large',
    ],
  ])('%s is answered in Anthropic’s shape', async (_name, ask, status, type) => {
    const reply = await ask();
    expect(reply.status).toBe(status);
    expect(await reply.json()).toMatchObject({
      type: 'error',
      error: { type, message: expect.any(String) },
      request_id: reply.headers.get('request-id'),
    });
  });

  test('an unknown model is not found', async () => {
    const { status, body } = await post({ ...hello, model: 'nobody' });
    expect(status).toBe(404);
    expect(body.error).toMatchObject({ type: 'not_found_error', details: { param: 'model' } });
  });

  test('HEAD / needs no key', async () => {
    expect((await fetch(gateway.url, { method: 'HEAD' })).status).toBe(200);
  });
});

describe('tools of Anthropic that the client runs, over models that never heard of them', () => {
  type Tool = { type: string; name: string; [field: string]: unknown };
  const cases: [tool: Tool, input: object, properties: string[], warned: string[]][] = [
    [{ type: 'bash_20250124', name: 'bash' }, { command: 'ls "a b"' }, ['command', 'restart'], []],
    [
      { type: 'text_editor_20250728', name: 'str_replace_based_edit_tool', max_characters: 10_000 },
      { command: 'insert', path: '/a.md', insert_line: 0, insert_text: 'x' },
      ['command', 'path', 'view_range', 'file_text', 'old_str', 'insert_line', 'new_str', 'insert_text'],
      [],
    ],
    [
      { type: 'text_editor_20250124', name: 'str_replace_editor', cache_control: { type: 'ephemeral' } },
      { command: 'undo_edit', path: '/a.md' },
      ['command', 'path', 'view_range', 'file_text', 'old_str', 'insert_line', 'new_str'],
      ['cache_control'],
    ],
    [
      { type: 'memory_20250818', name: 'memory', input_examples: [{ command: 'view', path: '/memories' }] },
      { command: 'rename', old_path: '/memories/a', new_path: '/memories/b' },
      'command path view_range file_text old_str insert_line new_str insert_text old_path new_path'.split(' '),
      ['tools[0].input_examples'],
    ],
  ];

  const wireOf = {
    qwen: {
      answer: (name: string, input: string) => {
        qwen.answer = () =>
          qwen.requests.length === 1
            ? { tool_calls: [{ id: 'call_1', type: 'function', function: { name, arguments: input } }] }
            : { content: 'Done.' };
      },
      tool: () => qwen.requests[0]?.body.tools[0].function,
      choice: () => qwen.requests[0]?.body.tool_choice.function.name,
      history: () => {
        const [called, told] = qwen.requests[1]?.body.messages.slice(-2) ?? [];
        return [called.tool_calls[0].function.name, called.tool_calls[0].function.arguments, told.content];
      },
    },
    gpt: {
      answer: (name: string, input: string) => {
        openai.answer = () => ({
          output: openai.requests.length === 1 ? [call(name, input, 'call_1')] : [text('Done.')],
        });
      },
      tool: () => openai.requests[0]?.body.tools[0],
      choice: () => openai.requests[0]?.body.tool_choice.name,
      history: () => {
        const [called, told] = openai.requests[1]?.body.input.slice(-2) ?? [];
        return [called.name, called.arguments, told.output];
      },
    },
  };

  describe.each(['qwen', 'gpt'] as const)('%s', (model) => {
    test.each(cases)('$type', async (tool, input, properties, warned) => {
      const { name } = tool;
      const written = JSON.stringify(input);
      wireOf[model].answer(name, written);
      const body = { ...hello, model, tools: [tool], tool_choice: { type: 'tool', name } };
      const first = await post(body);
      expect(first.status, first.text).toBe(200);
      expect(warningsOf(first)).toEqual(warned);
      expect(first.body.content).toEqual([{ type: 'tool_use', id: 'call_1', name, input }]);
      expect(first.body.stop_reason).toBe('tool_use');
      const { description, parameters, ...offered } = wireOf[model].tool();
      expect(offered).toMatchObject({ name, strict: false });
      expect(description).toMatch(tool['max_characters'] === undefined ? /\.$/ : /10000 characters\.$/);
      expect(Object.keys(parameters.properties)).toEqual(properties);
      expect(Object.keys(input).filter((field) => !properties.includes(field))).toEqual([]);
      expect(wireOf[model].choice()).toBe(name);

      const told = [{ type: 'tool_result', tool_use_id: 'call_1', content: 'a.md' }];
      const messages = [
        ...hello.messages,
        { role: 'assistant', content: first.body.content },
        { role: 'user', content: told },
      ];
      const second = await post({ ...hello, model, tools: [tool], messages, stream: true });
      const { message: answer, error } = collectMessage(second.text);
      expect(error).toBeUndefined();
      expect(answer.content).toMatchObject([{ type: 'text', text: 'Done.' }]);
      expect(wireOf[model].history()).toEqual([name, written, 'a.md']);
    });
  });

  test('OpenAI is not sent what it does not know', async () => {
    const { status, body } = await post({
      ...hello,
      model: 'gpt',
      tools: [{ type: 'web_fetch_20250910', name: 'web_fetch' }],
    });
    expect([status, body.error.details.param]).toEqual([400, 'tools[0].type']);
    expect(openai.requests).toHaveLength(0);
  });
});

describe('count_tokens', () => {
  const count = (body: object, headers?: Record<string, string>) =>
    post({ ...hello, ...body }, headers, '/v1/messages/count_tokens?beta=true');

  test('Anthropic’s own count, of the client’s own words', async () => {
    claude.answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"input_tokens":2095}');
      return undefined;
    };
    const { max_tokens: _, ...asked } = hello;
    const body = { system: 'Be brief.', tools: [weather], thinking: { type: 'enabled', budget_tokens: 1024 } };
    const sent = await post({ ...asked, ...body }, { 'anthropic-beta': 'b' }, '/v1/messages/count_tokens');
    expect(sent.body).toEqual({ input_tokens: 2095 });
    const { path, headers, body: counted } = lastOf(claude);
    expect(path).toBe('/v1/messages/count_tokens');
    expect(headers['anthropic-beta']).toBe('b');
    expect(counted).toMatchObject({
      ...body,
      system: [{ type: 'text', text: 'Be brief.' }],
      model: 'claude-haiku-4-5',
    });
    expect(counted).not.toHaveProperty('max_tokens');
  });

  test('an estimate says that it is one', async () => {
    const sent = await count({ model: 'qwen', system: 'Be brief.' });
    expect(sent.body.input_tokens).toBeGreaterThan(5);
    expect(warningsOf(sent)).toContain('input_tokens');
    expect(qwen.requests).toHaveLength(0);
  });

  test('what is wrong is refused as in a message', async () => {
    const { status, body } = await count({ messages: [{ role: 'user', content: [{ type: 'text' }] }] });
    expect(status).toBe(400);
    expect(body.error.message).toContain('messages[0].content[0].text');
  });
});
