/** Chat Completions towards clients, over every kind of upstream: what is answered there is a stored response like any other. */
import type { ServerResponse } from 'node:http';
import { describe, expect, test, vi } from 'vitest';
import { once } from 'node:events';
import { collectChunks } from './support/collect-chunks.ts';
import { openStream } from './support/open-stream.ts';
import { shakyGroups, stateRig } from './support/state-rig.ts';

// oxlint-disable-next-line no-explicit-any -- a test reads whatever was sent
type Json = any;

const rig = stateRig();
const path = '/v1/chat/completions';

interface ChatAnswer {
  status: number;
  headers: Headers;
  text: string;
  completion: Json;
}

async function ask(body: object, headers: Record<string, string> = {}): Promise<ChatAnswer> {
  const reply = await fetch(`${rig.gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const text = await reply.text();
  const isStream = reply.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const completion = isStream ? collectChunks(text).completion : JSON.parse(text);
  return { status: reply.status, headers: reply.headers, text, completion };
}

const warnedOf = ({ headers }: ChatAnswer): string[] =>
  JSON.parse(headers.get('x-turnpike-warnings') ?? '[]').map(({ param }: Json) => param);

const user = (content: string) => ({ role: 'user', content });
const tools = ['get_weather', 'get_time'].map((name) => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties: { city: { type: 'string' } } } },
}));
const models = ['claude', 'qwen', 'simulator'];
const ways = { plain: {}, streamed: { stream: true, stream_options: { include_usage: true } } };

describe.each(models)('over %s', (model) => {
  test.each(Object.entries(ways))('%s: the answer is a stored response, by its own id', async (_, way) => {
    const { status, headers, completion } = await ask({ model, ...way, messages: [user('Hello.')], user: 'ann' });
    expect(status).toBe(200);
    const { id, choices, usage } = completion;
    expect(id).toMatch(/^resp_/);
    expect(completion).toMatchObject({ object: 'chat.completion', model });
    const [{ message, finish_reason }] = choices;
    expect(finish_reason).toBe('stop');
    const { body: stored } = await rig.client.get(id);
    expect(stored).toMatchObject({
      id,
      object: 'response',
      status: 'completed',
      model,
      user: 'ann',
      instructions: null,
    });
    expect(stored.output.at(-1).content[0].text).toBe(message.content);
    // In the verbatim lane the time is the upstream's.
    if (model !== 'qwen') expect(stored.created_at).toBe(completion.created);
    expect([usage.prompt_tokens, usage.completion_tokens, usage.total_tokens]).toEqual([
      stored.usage.input_tokens,
      stored.usage.output_tokens,
      stored.usage.total_tokens,
    ]);
    const { body: input } = await rig.client.request('GET', `/v1/responses/${id}/input_items`);
    expect(input.data).toMatchObject([{ role: 'user', content: [{ type: 'input_text', text: 'Hello.' }] }]);
    const rows = rig.query('SELECT * FROM "LiteLLM_SpendLogs" WHERE request_id = ?', id);
    expect(rows).toMatchObject([
      { session_id: headers.get('x-turnpike-session-id'), total_tokens: usage.total_tokens },
    ]);
    expect(rig.query('SELECT protocol FROM turns WHERE id = ?', id)).toEqual([{ protocol: 'chat' }]);
  });

  test.each(Object.entries(ways))('%s: a conversation with parallel calls', async (_, way) => {
    const calls = ['Paris', 'Rome'].map((city, at) => ({ id: `call_${at}`, city }));
    if (model === 'claude') {
      rig.messages.answer = () => ({
        blocks: calls.map(({ id, city }) => ({ type: 'tool_use', id, name: 'get_weather', input: { city } })),
        stopReason: 'tool_use',
      });
    }
    rig.chat.answer = () => ({
      tool_calls: calls.map(({ id, city }) => ({
        id,
        type: 'function' as const,
        function: { name: 'get_weather', arguments: JSON.stringify({ city }) },
      })),
    });
    const messages: Json[] = [user('What is the weather in Paris and Rome?')];
    const first = await ask({ model, ...way, tools, messages });
    const [choice] = first.completion.choices;
    expect(choice.finish_reason).toBe('tool_calls');
    expect(choice.message.tool_calls.map(({ function: f }: Json) => JSON.parse(f.arguments))).toEqual([
      { city: 'Paris' },
      { city: 'Rome' },
    ]);
    rig.messages.answer = () => ({ blocks: [{ type: 'text', text: 'kestrel and heron' }] });
    rig.chat.answer = () => ({ content: 'kestrel and heron' });
    messages.push(choice.message);
    for (const [at, { id }] of choice.message.tool_calls.entries()) {
      messages.push({ role: 'tool', tool_call_id: id, content: at === 0 ? 'kestrel' : 'heron' });
    }
    const second = await ask({ model, ...way, tools, messages });
    expect(second.completion.choices[0].message.content).toMatch(/kestrel[^]*heron/);
    // The same conversation, gone on with by a client of the Responses API.
    const third = await rig.client.create({
      model,
      previous_response_id: second.completion.id,
      input: 'And what did I ask?',
    });
    expect(third.status, third.text).toBe(200);
    expect(third.headers.get('x-turnpike-session-id')).toBe(second.headers.get('x-turnpike-session-id'));
  });
});

test('what is not to be stored leaves no word behind', async () => {
  const word = 'canary-chat-4711';
  const { completion } = await ask({ model: 'claude', store: false, messages: [user(word)] });
  expect(completion.choices[0].message.content).toContain(word);
  expect((await rig.client.get(completion.id)).status).toBe(404);
  expect(rig.filesWith(word)).toEqual([]);
});

test('a session header names the session', async () => {
  const { headers } = await ask({ model: 'claude', messages: [user('Hi')] }, { 'x-session-id': 'mine' });
  expect(headers.get('x-turnpike-session-id')).toBe('mine');
});

test('what a target cannot carry is told in the words of the client', async () => {
  const body = {
    model: 'claude',
    messages: [{ ...user('Hi'), name: 'ann' }],
    seed: 1,
    verbosity: 'low',
    logit_bias: { '1': 1 },
    max_tokens: 10_000_000,
    response_format: { type: 'json_object' },
    web_search_options: {},
    prediction: { type: 'content', content: 'x' },
  };
  expect([...new Set(warnedOf(await ask(body)))].toSorted()).toEqual([
    'logit_bias',
    'max_tokens',
    'messages[0].name',
    'prediction',
    'response_format',
    'seed',
    'verbosity',
  ]);
});

describe('reasoning, refusals and cuts as chat clients know them', () => {
  test.each(Object.entries(ways))('%s: what the model thought', async (_, way) => {
    rig.messages.answer = () => ({
      blocks: [
        { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
        { type: 'text', text: 'Done.' },
      ],
    });
    const body = { model: 'sonnet', messages: [user('Hi')], reasoning_effort: 'low', max_tokens: 4000 };
    const { completion } = await ask({ ...body, ...way });
    expect(completion.choices[0].message).toMatchObject({ content: 'Done.', reasoning_content: 'Hm.' });
    expect(rig.messages.requests[0]?.text).not.toContain('omitted');
  });

  test.each(Object.entries(ways))('%s: cut by the limit, and refused', async (_, way) => {
    rig.messages.answer = () => ({ blocks: [{ type: 'text', text: 'Once' }], stopReason: 'max_tokens' });
    const cut = await ask({ model: 'claude', messages: [user('Hi')], ...way });
    expect(cut.completion.choices[0]).toMatchObject({ message: { content: 'Once' }, finish_reason: 'length' });
    rig.messages.answer = () => ({ blocks: [{ type: 'text', text: 'No' }], stopReason: 'refusal' });
    const refused = await ask({ model: 'claude', messages: [user('Hi')], ...way });
    expect(refused.completion.choices[0].finish_reason).toBe('content_filter');
  });
});

/** The beginning of an answer of Anthropic's. */
function beginText(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (type: string, fields: object) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
  send('message_start', { message: { id: 'm', model: 'x', usage: { input_tokens: 1, output_tokens: 1 } } });
  send('content_block_start', { index: 0, content_block: { type: 'text', text: '' } });
  send('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });
}

describe('a stream that breaks', () => {
  test('says so in place of an end, and is stored as failed', async () => {
    rig.messages.answer = (_request, response) => {
      beginText(response, 'Half a');
      response.end();
      return undefined;
    };
    const { status, text } = await ask({ model: 'claude', stream: true, messages: [user('Hi')] });
    expect(status).toBe(200);
    expect(text).not.toMatch(/DONE|"finish_reason":"/);
    const { completion, error } = collectChunks(text);
    expect(error.type).toBe('server_error');
    expect(completion.choices[0].message.content).toBe('Half a');
    expect((await rig.client.get(completion.id)).body).toMatchObject({ status: 'failed' });
    const attempts = rig.query('SELECT status, error_code FROM attempts WHERE turn_id = ?', completion.id);
    expect(attempts).toEqual([{ status: 'failed', error_code: 'upstream_stream_broken' }]);
  });

  test('is begun again elsewhere as long as nothing was shown', async () => {
    rig.broken.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end('event: ping\ndata: {"type":"ping"}\n\n');
      return undefined;
    };
    for (const model of shakyGroups.filter((name) => name !== 'shaky-500')) {
      // oxlint-disable-next-line no-await-in-loop -- one upstream, which is told what to do
      const { completion } = await ask({ model: `${model}-stream`, stream: true, messages: [user('Hi')] });
      expect(completion.choices[0].message.content).toBe('Re: Hi');
      const attempts = rig.query('SELECT status FROM attempts WHERE turn_id = ? ORDER BY number', completion.id);
      expect(attempts).toEqual([{ status: 'failed' }, { status: 'completed' }]);
    }
  });

  test('is hung up on when its client leaves, and what there was is kept and billed', async () => {
    let left: Promise<unknown> | undefined;
    rig.messages.answer = (_request, response) => {
      left = once(response, 'close');
      beginText(response, 'Half a');
      return undefined;
    };
    const stream = await openStream(rig.gateway.url, path, { model: 'claude', stream: true, messages: [user('Hi')] });
    const id = /resp_\w+/.exec(await stream.until('Half a'))?.[0] ?? '';
    stream.leave();
    await left;
    await vi.waitFor(async () => expect((await rig.client.get(id)).body.status).toBe('cancelled'), { timeout: 20_000 });
    expect((await rig.client.get(id)).body.output[0]).toMatchObject({
      status: 'incomplete',
      content: [{ text: 'Half a' }],
    });
    expect(rig.query('SELECT status, estimated FROM attempts WHERE turn_id = ?', id)).toEqual([
      { status: 'cancelled', estimated: 1 },
    ]);
  });
});

test('who sends a message back whole brings what the model signed of its thoughts', async () => {
  const thinking = { type: 'thinking', thinking: 'Hm.', signature: 'c2lnbmVk/+==' };
  const called = { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Oslo' } };
  const body = { model: 'sonnet', tools, reasoning_effort: 'low', max_tokens: 4000 };
  for (const way of Object.values(ways)) {
    rig.messages.answer = () => ({ blocks: [thinking, called], stopReason: 'tool_use' });
    // oxlint-disable-next-line no-await-in-loop -- a conversation
    const { completion } = await ask({ ...body, ...way, messages: [user('Hi')] });
    const { message } = completion.choices[0];
    rig.messages.answer = () => ({ blocks: [{ type: 'text', text: 'Done.' }] });
    const output = { role: 'tool', tool_call_id: message.tool_calls[0].id, content: '18' };
    // oxlint-disable-next-line no-await-in-loop -- a conversation
    const second = await ask({ ...body, ...way, messages: [user('Hi'), message, output] });
    expect(second.status, second.text).toBe(200);
    expect(rig.messages.requests.at(-1)?.body.messages[1].content[0]).toEqual(thinking);
    expect(warnedOf(second)).toEqual([]);
  }
});
