/**
 * Conversations, end to end: what a turn in one sees, what it leaves behind, who may write, and every way to ask wrongly.
 * What the store keeps of them is in store/conversation-laws.ts.
 */
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import type { Answer } from './support/client.ts';
import { expectStream } from './support/check-stream.ts';
import { frame, messageEvents, type UpstreamRequest } from './support/fake-upstream.ts';
import { connect } from './support/socket-client.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();
const create = (body: object, headers?: Record<string, string>) => rig.client.create(body, headers);
const send = (method: string, path: string, body?: object) =>
  rig.client.request(method, `/v1/conversations${path}`, body);
const openai = () => new OpenAI({ baseURL: `${rig.gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
const attempts = () => rig.query('SELECT COUNT(*) AS count FROM attempts')[0]?.['count'];

const user = (content: string) => ({ role: 'user' as const, content });
const call = (call_id: string) => ({
  type: 'function_call' as const,
  call_id,
  name: 'get_weather',
  arguments: '{"city":"Oslo"}',
});
const output = (call_id: string, text = '18 °C') => ({ type: 'function_call_output' as const, call_id, output: text });
const tool = {
  type: 'function' as const,
  name: 'get_weather',
  description: 'Get the current weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  strict: false,
};

/** Who said what, of a request in either protocol. */
const saidIn = ({ body }: UpstreamRequest): string[] =>
  body.messages.map(({ role, content }: { role: string; content: string | { text: string }[] }) => {
    return `${role}: ${typeof content === 'string' ? content : content.map(({ text }) => text).join('|')}`;
  });
const sentTo = (model: string) => (model === 'qwen' ? rig.chat.requests : rig.messages.requests);
const lastSaid = (model: string): string[] => {
  const sent = sentTo(model).at(-1);
  return sent === undefined ? [] : saidIn(sent);
};

const made = async (body: object = {}): Promise<string> => {
  const answer = await send('POST', '', body);
  expect(answer.status, answer.text).toBe(200);
  return answer.body.id;
};
/** A turn that has to end well. */
const turn = async (body: object, headers?: Record<string, string>): Promise<Answer> => {
  const answer = await create({ model: 'claude', ...body }, headers);
  expect(answer.status, answer.text).toBe(200);
  expect(answer.body.status, answer.text).toBe('completed');
  return answer;
};
interface ListedItem {
  id: string;
  type: string;
  role?: string;
  content?: { text: string }[];
}
const items = async (id: string, query = '?order=asc&limit=100'): Promise<ListedItem[]> =>
  (await send('GET', `/${id}/items${query}`)).body.data;
const texts = async (id: string) => (await items(id)).map(({ type, content }) => content?.[0]?.text ?? type);
const errorOf = ({ status, body }: Answer) => [status, body.error];
const error = (message: string, param: string, code: string | null) => ({
  message,
  type: 'invalid_request_error',
  param,
  code,
});
const locked = error(
  'Another process is currently operating on this conversation. Please retry in a few seconds.',
  'conversation',
  'conversation_locked',
);

/** Begins to answer, and goes on when `release` is called. */
function holdAnswer(): { begun: Promise<unknown>; release: () => void } {
  const { answer } = rig.messages;
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  rig.messages.answer = async (_request, response) => {
    rig.messages.answer = answer;
    const frames = messageEvents([{ type: 'text', text: 'slowly' }]).map(frame);
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(frames.slice(0, 3).join(''));
    begun.resolve();
    await gate.promise;
    response.end(frames.slice(3).join(''));
    return undefined;
  };
  return { begun: begun.promise, release: gate.resolve };
}

describe.each([
  { model: 'claude', stream: false },
  { model: 'claude', stream: true },
  { model: 'qwen', stream: false },
  { model: 'qwen', stream: true },
])('$model, stream: $stream', ({ model, stream }) => {
  test('each turn sees what was said before, and is appended', async () => {
    const id = await made({
      items: [user('zero'), { role: 'assistant', content: 'Re: zero' }],
      metadata: { topic: 'x' },
    });
    const first = await turn({ model, stream, conversation: id, input: 'one' });
    expect(first.body).toMatchObject({ conversation: { id }, previous_response_id: null });
    expect(lastSaid(model)).toEqual(['user: zero', 'assistant: Re: zero', 'user: one']);
    if (stream) {
      for (const { data } of first.events)
        if (data.response !== undefined) expect(data.response.conversation).toEqual({ id });
    }
    const second = await turn({ model, stream, conversation: { id }, input: 'two' });
    const said = ['user: zero', 'assistant: Re: zero', 'user: one', 'assistant: Re: one', 'user: two'];
    expect(lastSaid(model)).toEqual(said);
    expect(await texts(id)).toEqual(['zero', 'Re: zero', 'one', 'Re: one', 'two', 'Re: two']);
    const sessions = [first, second].map(({ headers }) => headers.get('x-turnpike-session-id'));
    expect(sessions[0]).toBe(sessions[1]);
    // The response is what GET gives, and its input what the model saw.
    expect((await rig.client.get(second.body.id)).body).toEqual(second.body);
    const input = await rig.client.request('GET', `/v1/responses/${second.body.id}/input_items?order=asc`);
    expect(input.body.data).toHaveLength(5);
    expect(input.body.data.map(({ id: itemId }: ListedItem) => itemId)).toEqual(
      (await items(id)).slice(0, 5).map((item) => item.id),
    );
  });

  test('a tool loop inside a conversation, with nothing sent twice', async () => {
    const id = await made();
    const name = tool.name;
    if (model === 'qwen') {
      const { answer } = rig.chat;
      rig.chat.answer = () => {
        rig.chat.answer = answer;
        return {
          tool_calls: ['a', 'b'].map((callId) => ({
            id: callId,
            type: 'function',
            function: { name, arguments: '{}' },
          })),
        };
      };
    } else {
      const { answer } = rig.messages;
      rig.messages.answer = () => {
        rig.messages.answer = answer;
        return {
          blocks: ['a', 'b'].map((callId) => ({ type: 'tool_use', id: callId, name, input: {} })),
          stopReason: 'tool_use',
        };
      };
    }
    await turn({ model, stream, conversation: id, input: 'weather?', tools: [tool] });
    const before = attempts();
    const wrong: [object[], string][] = [
      [[user('never mind')], 'No tool output found for function call a.'],
      [[output('a')], 'No tool output found for function call b.'],
      [[output('a'), output('b'), output('x')], 'No tool call found for function call output with call_id x.'],
    ];
    for (const [input, message] of wrong) {
      const refused = await create({ model, stream, conversation: id, input });
      expect(errorOf(refused)).toEqual([400, error(message, 'input', null)]);
    }
    expect(attempts()).toBe(before);
    await turn({ model, stream, conversation: id, input: [output('b'), output('a')] });
    expect((await items(id)).map(({ type }) => type)).toEqual([
      'message',
      'function_call',
      'function_call',
      'function_call_output',
      'function_call_output',
      'message',
    ]);
  });

  test('a response of a conversation is a parent as any other, of what was there then', async () => {
    const id = await made();
    const first = await turn({ model, stream, conversation: id, input: 'one' });
    await turn({ model, stream, conversation: id, input: 'two' });
    const fork = await turn({ model, stream, previous_response_id: first.body.id, input: 'aside' });
    expect(lastSaid(model)).toEqual(['user: one', 'assistant: Re: one', 'user: aside']);
    expect(fork.body.conversation).toBeUndefined();
    await turn({ model, stream, previous_response_id: fork.body.id, input: 'further' });
    expect(await texts(id)).toEqual(['one', 'Re: one', 'two', 'Re: two']);
  });

  test('store: false: the conversation has the items, and nobody the response', async () => {
    const id = await made();
    const hidden = await turn({ model, stream, conversation: id, input: 'one', store: false });
    expect(hidden.body).toMatchObject({ store: false, conversation: { id } });
    expect((await rig.client.get(hidden.body.id)).status).toBe(404);
    expect((await create({ model, previous_response_id: hidden.body.id, input: 'x' })).status).toBe(400);
    await turn({ model, stream, conversation: id, input: 'two' });
    expect(lastSaid(model)).toEqual(['user: one', 'assistant: Re: one', 'user: two']);
    expect(await texts(id)).toHaveLength(4);
  });
});

describe('one writer at a time', () => {
  test('while a turn runs others are refused with nothing spent; its end lets the next one in', async () => {
    const id = await made({ items: [user('zero')] });
    const { begun, release } = holdAnswer();
    const running = turn({ stream: true, conversation: id, input: 'one' });
    await begun;
    const before = attempts();
    for (const stream of [false, true]) {
      expect(errorOf(await create({ model: 'claude', stream, conversation: id, input: 'two' }))).toEqual([400, locked]);
    }
    expect(errorOf(await send('POST', `/${id}/items`, { items: [user('two')] }))).toEqual([400, locked]);
    expect(attempts()).toBe(before);
    // Reading goes on, and shows nothing half-way; so do other conversations.
    expect(await texts(id)).toEqual(['zero']);
    await turn({ conversation: await made(), input: 'elsewhere' });
    release();
    await running;
    await turn({ conversation: id, input: 'two' });
    expect(await texts(id)).toEqual(['zero', 'one', 'slowly', 'two', 'Re: two']);
  });

  test('of fifty at once each is refused or appended whole', async () => {
    const id = await made();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        create({ model: 'claude', conversation: id, input: `turn ${index}`, stream: index % 2 === 0 }),
      ),
    );
    const won = answers.flatMap(({ status }, index) => (status === 200 ? [index] : []));
    expect(won.length).toBeGreaterThan(0);
    for (const answer of answers) if (answer.status !== 200) expect(errorOf(answer)).toEqual([400, locked]);
    const listed = await texts(id);
    expect(listed).toHaveLength(2 * won.length);
    for (const index of won)
      expect(listed.slice(listed.indexOf(`turn ${index}`)).slice(0, 2)).toEqual([`turn ${index}`, `Re: turn ${index}`]);
  });

  test('a turn that fails, or whose client leaves, appends nothing and frees the conversation', async () => {
    const id = await made();
    const { answer } = rig.messages;
    rig.messages.answer = (_request, response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end('{"type":"error","error":{"type":"invalid_request_error","message":"no"}}');
      return undefined;
    };
    expect((await create({ model: 'claude', conversation: id, input: 'one' })).status).toBe(400);
    rig.messages.answer = answer;
    const { begun, release } = holdAnswer();
    const leaving = new AbortController();
    const left = fetch(`${rig.gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'claude', stream: true, conversation: id, input: 'two' }),
      signal: leaving.signal,
    }).then((reply) => reply.text());
    const gone = left.catch((thrown: unknown) => thrown);
    await begun;
    leaving.abort();
    await gone;
    const states = () => rig.query('SELECT status FROM turns WHERE conversation = ?', id).map(({ status }) => status);
    await expect.poll(states).toEqual(['failed', 'cancelled']);
    release();
    expect(await texts(id)).toEqual([]);
    await turn({ conversation: id, input: 'three' });
    expect(lastSaid('claude')).toEqual(['user: three']);
    expect(await texts(id)).toEqual(['three', 'Re: three']);
  });

  test('a turn that was cut at its limit is appended', async () => {
    const id = await made();
    const { answer } = rig.messages;
    rig.messages.answer = () => {
      rig.messages.answer = answer;
      return { blocks: [{ type: 'text', text: 'so far' }], stopReason: 'max_tokens' };
    };
    expect((await create({ model: 'claude', conversation: id, input: 'one' })).body.status).toBe('incomplete');
    expect(await texts(id)).toEqual(['one', 'so far']);
  });

  test('a process that is killed while it writes leaves the conversation free, and nothing in it', async () => {
    const id = await made({ items: [user('zero')] });
    const { begun, release } = holdAnswer();
    const cut = create({ model: 'claude', stream: true, conversation: id, input: 'one' }).catch(
      (thrown: unknown) => thrown,
    );
    await begun;
    await rig.restart();
    await cut;
    release();
    expect(await texts(id)).toEqual(['zero']);
    await turn({ conversation: id, input: 'two' });
    expect(lastSaid('claude')).toEqual(['user: zero|two']);
  });

  test('the same Idempotency-Key gets the first answer, though the conversation has moved on', async () => {
    const id = await made();
    const key = { 'idempotency-key': 'key-of-a-conversation' };
    const body = { conversation: id, input: [user('weather?'), call('a'), output('a')] };
    const first = await turn(body, key);
    const again = await turn(body, key);
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('x-turnpike-idempotent-replay')).toBe('true');
    // Answered with the loop that it closed itself: the pairing of a first call, and of none that comes again.
    const loop = await made({ items: [user('weather?'), call('b')] });
    const closing = { conversation: loop, input: [output('b')] };
    const other = { 'idempotency-key': 'key-of-a-loop' };
    const closed = await turn(closing, other);
    expect((await turn(closing, other)).body).toEqual(closed.body);
    expect((await create({ model: 'claude', ...closing })).body.error.message).toContain('Duplicate tool output');
    expect(await items(loop)).toHaveLength(4);
    // While the first runs the second waits for it.
    const { begun, release } = holdAnswer();
    const waiting = { conversation: id, input: 'slow', stream: true };
    const slow = turn(waiting, { 'idempotency-key': 'slow' });
    await begun;
    const second = turn(waiting, { 'idempotency-key': 'slow' });
    release();
    expect((await second).body).toEqual((await slow).body);
    expect(await items(id)).toHaveLength(6);
  });
});

describe('the official client', () => {
  test('makes, reads, changes and deletes a conversation', async () => {
    const { conversations, responses } = openai();
    const empty = await conversations.create();
    expect(empty).toEqual({ id: empty.id, object: 'conversation', created_at: expect.any(Number), metadata: {} });
    expect(empty.id).toMatch(/^conv_[0-9a-f]{44}$/);
    const conversation = await conversations.create({ items: [user('zero')], metadata: { topic: 'tides' } });
    expect(await conversations.retrieve(conversation.id)).toEqual(conversation);
    const updated = await conversations.update(conversation.id, { metadata: { topic: 'moons', '10': 'a' } });
    expect(updated).toEqual({ ...conversation, metadata: { '10': 'a', topic: 'moons' } });
    expect(await conversations.retrieve(conversation.id)).toEqual(updated);
    const response = await responses.create({ model: 'claude', conversation: conversation.id, input: 'one' });
    expect(response.conversation).toEqual({ id: conversation.id });
    const stream = await responses.create({
      model: 'claude',
      conversation: { id: conversation.id },
      input: 'two',
      stream: true,
    });
    for await (const event of stream) void event;
    expect(await texts(conversation.id)).toEqual(['zero', 'one', 'Re: one', 'two', 'Re: two']);

    expect(await conversations.delete(conversation.id)).toEqual({
      id: conversation.id,
      object: 'conversation.deleted',
      deleted: true,
    });
    const gone = { status: 404, message: `404 Conversation with id '${conversation.id}' not found.` };
    await expect(conversations.retrieve(conversation.id)).rejects.toMatchObject(gone);
    await expect(conversations.delete(conversation.id)).rejects.toMatchObject(gone);
    await expect(conversations.items.list(conversation.id)).rejects.toMatchObject(gone);
    await expect(
      responses.create({ model: 'claude', conversation: conversation.id, input: 'x' }),
    ).rejects.toMatchObject(gone);
    // Its responses stay.
    expect((await responses.retrieve(response.id)).output_text).toBe('Re: one');
    await turn({ previous_response_id: response.id, input: 'aside' });
    expect(lastSaid('claude')).toEqual(['user: zero|one', 'assistant: Re: one', 'user: aside']);
  });

  test('lists items page by page, and reads and deletes one', async () => {
    const { conversations } = openai();
    const { id } = await conversations.create({ items: [user('0'), user('1')] });
    const given = [
      user('2'),
      { ...user('3'), id: 'msg_mine' },
      call('c'),
      output('c', 'canary of c'),
      { role: 'assistant' as const, content: '6' },
    ];
    const added = await conversations.items.create(id, { items: given });
    expect(added).toMatchObject({
      object: 'list',
      has_more: false,
      first_id: added.data[0]?.id,
      last_id: added.data[4]?.id,
    });
    expect(added.data.map(({ type }) => type)).toEqual([
      'message',
      'message',
      'function_call',
      'function_call_output',
      'message',
    ]);
    // Ids are given by the server, whichever the client had.
    expect(added.data.map((item) => item.id)).not.toContain('msg_mine');
    for (const item of added.data)
      expect(await conversations.items.retrieve(String(item.id), { conversation_id: id })).toEqual(item);
    const all = await items(id);
    expect(all).toHaveLength(7);
    expect(all.slice(2)).toEqual(added.data);
    for (const order of ['asc', 'desc'] as const) {
      for (const limit of [1, 3, 7, 100]) {
        const seen: unknown[] = [];
        for await (const item of conversations.items.list(id, { order, limit })) seen.push(item);
        expect(seen).toEqual(order === 'asc' ? all : all.toReversed());
      }
    }
    const page = await conversations.items.list(id);
    expect(page.data.map((item) => item.id)).toEqual(all.toReversed().map((item) => item.id));

    const target = String(added.data[0]?.id);
    expect(await conversations.items.delete(target, { conversation_id: id })).toMatchObject({
      id,
      object: 'conversation',
    });
    const gone = { status: 404, message: `404 Item with id '${target}' not found.` };
    await expect(conversations.items.retrieve(target, { conversation_id: id })).rejects.toMatchObject(gone);
    await expect(conversations.items.delete(target, { conversation_id: id })).rejects.toMatchObject(gone);
    await turn({ conversation: id, input: 'now' });
    expect(JSON.stringify(sentTo('claude').at(-1)?.body)).not.toContain('"2"');
    // A pair that is broken is said, with nothing spent.
    await conversations.items.delete(String(added.data[3]?.id), { conversation_id: id });
    const before = attempts();
    expect(errorOf(await create({ model: 'claude', conversation: id, input: 'x' }))).toEqual([
      400,
      error('No tool output found for function call c.', 'input', null),
    ]);
    await conversations.items.delete(String(added.data[2]?.id), { conversation_id: id });
    expect(attempts()).toBe(before);
    await turn({ conversation: id, input: 'x' });
    expect(rig.query(`SELECT id FROM items WHERE body LIKE '%canary of c%'`)).toEqual([]);
  });
});

test('signed reasoning goes back to its model when a session puts it into a conversation', async () => {
  const signature = 'c2lnbmVkIGJ5IHRoZSBtb2RlbA==';
  const { answer } = rig.messages;
  rig.messages.answer = () => {
    rig.messages.answer = answer;
    const calls = { type: 'tool_use', id: 'toolu_1', name: tool.name, input: { city: 'Oslo' } };
    return { blocks: [{ type: 'thinking', thinking: 'Which city?', signature }, calls], stopReason: 'tool_use' };
  };
  const asked = { tools: [tool], reasoning: { effort: 'low', summary: 'auto' } };
  const first = await turn({ ...asked, input: 'weather?' });
  const kept: ListedItem[] = first.body.output;
  expect(kept.map(({ type }) => type)).toEqual(['reasoning', 'function_call']);
  // By its id alone, and by the envelope that the client carries.
  const [reasoning, called] = kept;
  for (const sent of [reasoning, { ...reasoning, encrypted_content: undefined }]) {
    const id = await made({ items: [user('weather?'), sent, called, output('toolu_1')] });
    const [, listed] = await items(id);
    expect(listed?.id).not.toBe(reasoning?.id);
    await turn({ ...asked, conversation: id });
    expect(sentTo('claude').at(-1)?.text).toContain(signature);
  }
});

test('over a WebSocket a conversation is as over HTTP, and cannot be made ready without a turn', async () => {
  const id = await made({ items: [user('zero')] });
  const socket = await connect(rig.gateway.url);
  const response = expectStream(await socket.create({ model: 'claude', conversation: id, input: 'one' }));
  expect(response).toMatchObject({ status: 'completed', conversation: { id } });
  await turn({ conversation: id, input: 'two' });
  expect(await texts(id)).toEqual(['zero', 'one', 'Re: one', 'two', 'Re: two']);
  const [refused] = await socket.create({
    model: 'claude',
    conversation: id,
    store: false,
    generate: false,
    input: 'x',
  });
  expect(refused?.data).toMatchObject({ type: 'error', status: 400, error: { param: 'generate' } });
  const { begun, release } = holdAnswer();
  const running = turn({ stream: true, conversation: id, input: 'three' });
  await begun;
  const [busy] = await socket.create({ model: 'claude', conversation: id, input: 'four' });
  expect(busy?.data).toMatchObject({ type: 'error', status: 400, error: locked });
  release();
  await running;
});

describe.each([false, true])('a background turn, stream: %s', (stream) => {
  const body = { model: 'claude', background: true, stream };
  const statusOf = async (id: string) => (await rig.client.get(id)).body.status;
  /** Its id, as soon as its upstream answers. */
  const start = async (conversation: string, input: string): Promise<{ id: string; release: () => void }> => {
    const { begun, release } = holdAnswer();
    const created = create({ ...body, conversation, input });
    // The stream of a run that is deleted is cut.
    created.catch(() => undefined);
    await begun;
    const [row] = rig.query(`SELECT id FROM turns WHERE status = 'in_progress'`);
    if (!stream) expect((await created).body).toMatchObject({ id: row?.['id'], conversation: { id: conversation } });
    return { id: String(row?.['id']), release };
  };

  test('holds the conversation until its end, and is appended', async () => {
    const id = await made({ items: [user('zero')] });
    const run = await start(id, 'one');
    expect(errorOf(await create({ ...body, conversation: id, input: 'two' }))).toEqual([400, locked]);
    expect(errorOf(await create({ model: 'claude', conversation: id, input: 'two' }))).toEqual([400, locked]);
    run.release();
    await expect.poll(() => statusOf(run.id)).toBe('completed');
    expect(await texts(id)).toEqual(['zero', 'one', 'slowly']);
    await turn({ conversation: id, input: 'two' });
    expect(await texts(id)).toEqual(['zero', 'one', 'slowly', 'two', 'Re: two']);
  });

  test.each([
    ['cancelled', 'POST', '/cancel'],
    ['deleted', 'DELETE', ''],
  ])('frees the conversation when it is %s, and appends nothing', async (_, method, path) => {
    const id = await made();
    const run = await start(id, 'one');
    expect((await rig.client.request(method, `/v1/responses/${run.id}${path}`)).status).toBe(200);
    await turn({ conversation: id, input: 'two' });
    run.release();
    expect(await texts(id)).toEqual(['two', 'Re: two']);
  });
});

describe('what is refused', () => {
  const unknown = `conv_${'f'.repeat(44)}`;
  const notFound = (param: string) => error(`Conversation with id '${unknown}' not found.`, param, null);

  test.each([
    ['GET', ''],
    ['POST', '', { metadata: {} }],
    ['DELETE', ''],
    ['POST', '/items', { items: [user('x')] }],
    ['GET', '/items'],
    ['GET', '/items/msg_1'],
    ['DELETE', '/items/msg_1'],
  ] as [string, string, object?][])(
    '%s /v1/conversations/{id}%s: an unknown id, and what is none',
    async (method, path, body) => {
      expect(errorOf(await send(method, `/${unknown}${path}`, body))).toEqual([404, notFound('conversation_id')]);
      for (const id of ['resp_1', 'CONV_1', 'x', '%00']) {
        const refused = await send(method, `/${id}${path}`, body);
        expect([refused.status, refused.body.error.param, refused.body.error.code]).toEqual([
          400,
          'conversation_id',
          'invalid_value',
        ]);
      }
      for (const id of ['conv_', 'conv_%00', `conv_${'x'.repeat(9000)}`, 'conv_%F0%9F%98%80']) {
        expect((await send(method, `/${id}${path}`, body)).status, id).toBe(404);
      }
    },
  );

  test.each([
    ['an unknown conversation', { conversation: unknown, input: 'x' }, 404, notFound('conversation')],
    [
      'a conversation and a parent',
      { conversation: unknown, previous_response_id: 'resp_1', input: 'x' },
      400,
      error(
        "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Ensure you are only providing one of them.",
        'conversation',
        'invalid_value',
      ),
    ],
  ])('%s', async (_, body, status, expected) => {
    const before = attempts();
    for (const stream of [false, true]) {
      expect(errorOf(await create({ model: 'claude', stream, ...body }))).toEqual([status, expected]);
    }
    expect(attempts()).toBe(before);
  });

  test('a turn of nothing at all; a conversation that has something needs no input', async () => {
    const id = await made();
    for (const input of [undefined, null, []]) {
      const refused = await create({ model: 'claude', conversation: id, input });
      expect([refused.status, refused.body.error.param]).toEqual([400, 'input']);
    }
    await send('POST', `/${id}/items`, { items: [user('one')] });
    await turn({ conversation: id });
    expect(lastSaid('claude')).toEqual(['user: one']);
  });

  test('items out of order: the output before its call', async () => {
    const id = await made({ items: [user('x'), output('c'), call('c')] });
    const before = attempts();
    expect(errorOf(await create({ model: 'claude', conversation: id, input: 'x' }))).toEqual([
      400,
      error('No tool call found for function call output with call_id c.', 'input', null),
    ]);
    expect(attempts()).toBe(before);
  });

  test('an item of the conversation that is sent again; a reference to one adds nothing', async () => {
    const id = await made({ items: [user('one')] });
    const [first] = await items(id);
    const refused = await create({ model: 'claude', conversation: id, input: [{ ...user('one'), id: first?.id }] });
    expect(refused.body.error.message).toContain(`Duplicate item found with id ${first?.id}`);
    await turn({ conversation: id, input: [{ type: 'item_reference', id: first?.id }, user('two')] });
    expect(await texts(id)).toEqual(['one', 'two', 'Re: two']);
  });

  test.each(['limit=0', 'limit=101', 'limit=x', 'order=up', 'after=msg_nobody', 'include=nope', 'include[]=nope'])(
    '?%s',
    async (query) => {
      const id = await made({ items: [user('x')] });
      const refused = await send('GET', `/${id}/items?${query}`);
      expect(refused.status).toBe(400);
      expect(refused.body.error.param).toBe(query.replace(/(\[\])?=.*/, ''));
    },
  );

  test('the id of what a client appended is no response', async () => {
    const id = await made({ items: [user('x')] });
    const [row] = rig.query('SELECT id, status FROM turns WHERE conversation = ?', id);
    const turnId = String(row?.['id']);
    expect((await rig.client.get(turnId)).status).toBe(404);
    expect((await rig.client.request('DELETE', `/v1/responses/${turnId}`)).status).toBe(404);
    expect((await create({ model: 'claude', previous_response_id: turnId, input: 'x' })).status).toBe(400);
    expect(rig.query('SELECT request_id FROM "LiteLLM_SpendLogs" WHERE request_id = ?', turnId)).toEqual([]);
  });
});
