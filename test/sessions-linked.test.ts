/** Clients that send their whole history with each request: what their turns go on from, what is stored of them and what is sent. */
// oxlint-disable typescript/no-explicit-any -- a test reads whatever was sent
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { type Answer, type Client, createClient } from './support/client.ts';
import { connect } from './support/socket-client.ts';
import { fakeMessagesModel } from './support/fake-models.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const sessionOf = ({ headers }: Answer) => headers.get('x-turnpike-session-id');
const tool = {
  type: 'function',
  name: 'look',
  parameters: { type: 'object', properties: { at: { type: 'string' } }, required: ['at'] },
};

/** A gateway of its own over a model that calls a tool for whatever it is told, then says what it has seen. */
async function rigWith(ledger = '', keys = '') {
  const upstream = await fakeMessagesModel();
  let calls = 0;
  upstream.answer = ({ body }) => {
    const content = body.messages.at(-1)?.content;
    const [last] = Array.isArray(content) ? content.slice(-1) : [{ type: 'text', text: content }];
    if (last.type === 'tool_result')
      return { blocks: [{ type: 'text', text: `Seen: ${JSON.stringify(last.content)}` }] };
    const call = { type: 'tool_use', id: `toolu_${++calls}`, name: 'look', input: { at: last.text, 10: 1, 2: 2 } };
    return { blocks: [{ type: 'text', text: 'I look.' }, call], stopReason: 'tool_use' };
  };
  const folder = temporaryFolder();
  const config = `
models: [{ name: m, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]
${ledger === '' ? '' : `ledger: { content: ${ledger} }`}
${keys}
`;
  let gateway: SpawnedGateway;
  const start = async () => {
    gateway = await spawnGateway({ config, folder });
    return gateway.url;
  };
  let url = await start();
  let client: Client = createClient(url);
  const query = (sql: string, ...values: string[]) => {
    const db = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
    try {
      return db.prepare(sql).all(...values);
    } finally {
      db.close();
    }
  };
  return {
    upstream,
    folder,
    query,
    url: () => url,
    async restart() {
      await gateway.kill('SIGKILL');
      url = await start();
      client = createClient(url);
    },
    create: async (body: object, headers?: Record<string, string>) => {
      const answer = await client.create({ model: 'm', tools: [tool], ...body }, headers);
      expect(answer.status, answer.text).toBe(200);
      return answer;
    },
    request: (method: string, path: string, body?: object) => client.request(method, path, body),
    client: () => client,
    parentOf: ({ body }: Answer) => query('SELECT parent FROM turns WHERE id = ?', String(body.id))[0]?.['parent'],
    itemsOf: ({ body }: Answer) => query('SELECT body FROM items WHERE turn_id = ?', String(body.id)).length,
  };
}

/** A client that keeps its history, as items without ids, and says more with each request. */
function agentOf(rig: Awaited<ReturnType<typeof rigWith>>, body: object = {}, headers?: Record<string, string>) {
  const history: object[] = [];
  return {
    history,
    async say(...items: object[]) {
      history.push(...items);
      const answer = await rig.create({ input: history, ...body }, headers);
      for (const { id: _id, status: _status, ...item } of answer.body.output) history.push(item);
      return answer;
    },
  };
}
const user = (text: string) => ({ role: 'user', content: text });
const outputOf = (answer: Answer, output: string) => ({
  type: 'function_call_output',
  call_id: answer.body.output.at(-1).call_id,
  output,
});

describe('a client that carries its history', () => {
  test('has one session and a chain, of which each turn stores what is new; the model sees what was sent', async () => {
    const rig = await rigWith();
    const agent = agentOf(rig);
    const first = await agent.say({ role: 'developer', content: 'Be brief.' }, user('one'));
    const second = await agent.say(outputOf(first, 'N-1'));
    const third = await agent.say(user('two'));
    const turns = [first, second, third];
    expect(new Set(turns.map(sessionOf)).size).toBe(1);
    expect(turns.map(rig.parentOf)).toEqual([null, first.body.id, second.body.id]);
    expect(turns.map(rig.itemsOf)).toEqual([4, 2, 3]);
    // The context that the turns make together is the one that a client that stores it would have.
    const listed = await rig.request('GET', `/v1/responses/${third.body.id}/input_items?order=asc`);
    const types = listed.body.data.map(({ type, role }: { type: string; role?: string }) => role ?? type);
    expect(types).toEqual([
      'developer',
      'user',
      'assistant',
      'function_call',
      'function_call_output',
      'assistant',
      'user',
    ]);
    // Upstreams are sent what a client would be that has just come with the same history.
    const sent = rig.upstream.requests.at(-1)?.body;
    const stranger = await rigWith();
    await stranger.create({ input: agent.history.slice(0, -2) });
    expect(stranger.upstream.requests.at(-1)?.body).toEqual(sent);
    // And a turn can go on from it by its id.
    const chained = await rig.create({ previous_response_id: second.body.id, input: 'three' });
    expect(sessionOf(chained)).toBe(sessionOf(first));
    expect(rig.upstream.requests.at(-1)?.body.messages.slice(0, -1)).toEqual(sent.messages.slice(0, -1));
  });

  test('is linked after a kill too, and by others of its spelling', async () => {
    const rig = await rigWith();
    const first = await rig.create({ input: 'one' });
    const [said, call] = first.body.output;
    await rig.restart();
    const second = await rig.create({
      input: [
        user('one'),
        {
          role: 'assistant',
          content: [
            { type: 'output_text', text: 'I ' },
            { type: 'output_text', text: 'look.' },
          ],
        },
        { ...call, id: undefined, arguments: JSON.stringify(JSON.parse(call.arguments), null, 1) },
        outputOf(first, 'N-1'),
      ],
    });
    expect(said.content[0].text).toBe('I look.');
    expect([rig.parentOf(second), sessionOf(second)]).toEqual([first.body.id, sessionOf(first)]);
    // Spelled as the client did, not as it is stored.
    const sent = JSON.stringify(rig.upstream.requests.at(-1)?.body.messages[1]);
    expect(sent).toContain('"text":"I "');
  });

  test('agents at once that begin with the same words have sessions of their own', async () => {
    const rig = await rigWith();
    const agents = Array.from({ length: 8 }, () => agentOf(rig));
    const sessions = await Promise.all(
      agents.map(async (agent, number) => {
        const turns = [await agent.say({ role: 'system', content: 'You are an agent.' }, user('one'))];
        for (let n = 0; n < 4; n++) {
          const last = turns.at(-1) as Answer;
          const isCall = last.body.output.at(-1).type === 'function_call';
          turns.push(await agent.say(isCall ? outputOf(last, `N-${number}`) : user('go on')));
        }
        expect(turns.slice(1).map(rig.parentOf)).toEqual(turns.slice(0, -1).map(({ body }) => body.id));
        return new Set(turns.map(sessionOf));
      }),
    );
    expect(sessions.map((own) => own.size)).toEqual(agents.map(() => 1));
    expect(new Set(sessions.flatMap((own) => Array.from(own))).size).toBe(agents.length);
  });

  test('that edits, forks or shortens its history goes on from where it is still the same', async () => {
    const rig = await rigWith();
    const agent = agentOf(rig);
    const first = await agent.say(user('one'));
    const second = await agent.say(outputOf(first, 'N-1'));
    const untilSecond = agent.history.slice();
    await agent.say(user('two'));
    const fork = await rig.create({ input: [...untilSecond, user('2')] });
    const edited = await rig.create({ input: [...untilSecond.slice(0, 3), outputOf(first, 'N-2')] });
    const rewound = await rig.create({ input: [user('ONE'), ...untilSecond.slice(1)] });
    const summed = await rig.create({ input: [user('Summary: one was looked at.'), user('two')] });
    expect([fork, edited, rewound, summed].map(rig.parentOf)).toEqual([second.body.id, first.body.id, null, null]);
    const named = await rig.create({ input: [user('Summary.')] }, { 'x-session-id': String(sessionOf(first)) });
    expect([rig.parentOf(named), sessionOf(named)]).toEqual([null, sessionOf(first)]);
  });

  test('with another key of its team is another', async () => {
    const keys = 'auth: { keys: [{ name: a, key: sk-a, team: t }, { name: b, key: sk-b, team: t }] }';
    const rig = await rigWith('', keys);
    const as = (key: string) => ({ authorization: `Bearer ${key}` });
    const agent = agentOf(rig, {}, as('sk-a'));
    const first = await agent.say(user('one'));
    const input = [...agent.history, outputOf(first, 'N-1')];
    const [own, other] = [await rig.create({ input }, as('sk-a')), await rig.create({ input }, as('sk-b'))];
    expect([rig.parentOf(own), rig.parentOf(other)]).toEqual([first.body.id, null]);
    expect(sessionOf(other)).not.toBe(sessionOf(first));
  });
});

describe('what is stored of a history that is not told as it was', () => {
  const think = { reasoning: { effort: 'high', summary: 'auto' } };
  const sent = (rig: Awaited<ReturnType<typeof rigWith>>) =>
    JSON.stringify(rig.upstream.requests.at(-1)?.body.messages);

  /** Two conversations in which the same was said, each thinking something else. */
  async function twins(rig: Awaited<ReturnType<typeof rigWith>>) {
    const answers: Answer[] = [];
    for (const thinking of ['THOUGHT-ONE', 'THOUGHT-TWO']) {
      const thought = { type: 'thinking', thinking, signature: `signature of ${thinking}` };
      rig.upstream.answer = () => ({ blocks: [thought, { type: 'text', text: '4' }] });
      answers.push(await rig.create({ input: '2+2?', ...think }));
    }
    rig.upstream.answer = () => ({ blocks: [{ type: 'text', text: 'Yes.' }] });
    return answers as [Answer, Answer];
  }

  test('is its client’s own reasoning, and never another conversation’s', async () => {
    const rig = await rigWith();
    const [one, two] = await twins(rig);
    for (const [own, other] of [
      [one, two],
      [two, one],
    ] as const) {
      const next = await rig.create({ input: [user('2+2?'), ...own.body.output, user('Sure?')], ...think });
      const last = await rig.create({ previous_response_id: next.body.id, input: 'Really?', ...think });
      const thoughts = [own, other].map(({ body }) => String(body.output[0].summary[0].text));
      expect(thoughts.map((text) => sent(rig).includes(text))).toEqual([true, false]);
      // One of them was the newest; stored whole once, the other is a chain from there on.
      const listed = await rig.request('GET', `/v1/responses/${last.body.id}/input_items?order=asc`);
      expect(listed.body.data.slice(1, 3).map(({ id }: { id: string }) => id)).toEqual(
        own.body.output.map(({ id }: { id: string }) => id),
      );
    }
  });

  test.each<[string, (item: any) => object]>([
    ['with ids', (item) => item],
    ['without', ({ id: _id, ...item }) => item],
  ])('is no reasoning that its client has left out, %s', async (_, told) => {
    const rig = await rigWith();
    const [, two] = await twins(rig);
    const history = [user('2+2?'), told(two.body.output[1]), user('Sure?')];
    const next = await rig.create({ input: history });
    expect([rig.parentOf(next), rig.itemsOf(next)]).toEqual([two.body.id, 2]);
    const listed = await rig.request('GET', `/v1/responses/${next.body.id}/input_items?order=asc`);
    expect(listed.body.data.map(({ type }: { type: string }) => type)).toEqual(['message', 'message', 'message']);
    await rig.create({ previous_response_id: next.body.id, input: 'Really?', ...think });
    expect(sent(rig)).not.toContain('THOUGHT');
    // The turn that was thought has it still.
    await rig.create({ previous_response_id: two.body.id, input: 'Really?', ...think });
    expect(sent(rig)).toContain('THOUGHT-TWO');
  });

  test('is a call’s arguments and an error as they were sent last', async () => {
    const rig = await rigWith();
    const args = [
      ['{"id":12345678901234567890}', '{"id":12345678901234567891}'],
      ['{"what":null}', '{}'],
      ['{"cache_control":1}', '{}'],
    ];
    rig.upstream.answer = () => ({ blocks: [{ type: 'text', text: 'Seen.' }] });
    for (const [at, ways] of args.entries()) {
      let last: Answer | undefined;
      for (const [turn, text] of ways.entries()) {
        const call = { type: 'function_call', call_id: `call_${at}`, name: 'look', arguments: text };
        const output = { type: 'function_call_output', call_id: call.call_id, output: 'N' };
        const more = [{ role: 'assistant', content: 'Seen.' }, user('two')];
        last = await rig.create({ input: [user('one'), call, output, ...(turn === 0 ? [] : more)] });
      }
      await rig.create({ previous_response_id: last?.body.id, input: 'three' });
      expect(rig.upstream.requests.at(-1)?.text).toContain(`"input":${ways[1]}`);
    }
    const result = { type: 'tool_result', tool_use_id: 'toolu_0', content: 'N' };
    const tools = [{ name: tool.name, input_schema: tool.parameters }];
    const ask = async (block: object) => {
      const call = { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_0', name: 'look', input: {} }] };
      const messages = [
        user('one'),
        call,
        { role: 'user', content: [block] },
        { role: 'assistant', content: 'Seen.' },
        user('two'),
      ];
      await rig.request('POST', '/v1/messages', { model: 'm', max_tokens: 100, messages: messages.slice(0, 3), tools });
      return rig.request('POST', '/v1/messages', { model: 'm', max_tokens: 100, messages, tools });
    };
    await ask({ ...result, is_error: true });
    const { body } = await ask(result);
    expect(body.type).toBe('message');
    const id = String(rig.query('SELECT id FROM turns ORDER BY id DESC LIMIT 1')[0]?.['id']);
    await rig.create({ previous_response_id: id, input: 'three' });
    expect(sent(rig)).not.toContain('is_error');
  });

  test('is items under the ids that their client gives them', async () => {
    const rig = await rigWith();
    rig.upstream.answer = () => ({ blocks: [{ type: 'text', text: 'Yes.' }] });
    await rig.create({ input: 'one' });
    const message = (id: string, role: string, text: string) => ({
      type: 'message',
      id,
      role,
      content: [{ type: role === 'user' ? 'input_text' : 'output_text', text }],
    });
    const mine = [
      message('msg_1', 'user', 'one'),
      message('msg_2', 'assistant', 'Yes.'),
      message('msg_3', 'user', 'two'),
    ];
    const next = await rig.create({ input: mine });
    const listed = await rig.request('GET', `/v1/responses/${next.body.id}/input_items?order=asc`);
    expect(listed.body.data.map(({ id }: { id: string }) => id)).toEqual(['msg_1', 'msg_2', 'msg_3']);
    const again = await rig
      .client()
      .create({ model: 'm', previous_response_id: next.body.id, input: mine.slice(0, 1) });
    expect([again.status, again.body.error.message]).toEqual([
      400,
      expect.stringContaining('Duplicate item found with id msg_1'),
    ]);
    // Once: from there on what is new is stored.
    const more = await rig.create({ input: [...mine, ...next.body.output, user('three')] });
    expect([rig.parentOf(more), rig.itemsOf(more)]).toEqual([next.body.id, 2]);
  });
});

/** The same conversation as clients of other protocols carry it. */
const clients = {
  chat: {
    path: '/v1/chat/completions',
    tools: [{ type: 'function', function: { name: tool.name, parameters: tool.parameters } }],
    begin: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'one' },
    ],
    said: (body: any) => [body.choices[0].message],
    // As clients do that take an answer apart and put it together again.
    respelled: ([message]: any[]) => [
      {
        role: 'assistant',
        content: [{ type: 'text', text: message.content }],
        tool_calls: message.tool_calls?.map((call: any) => ({
          ...call,
          function: { ...call.function, arguments: JSON.stringify(JSON.parse(call.function.arguments), null, 2) },
        })),
      },
    ],
    output: ([message]: any[], text: string) => ({
      role: 'tool',
      tool_call_id: message.tool_calls[0].id,
      content: text,
    }),
    user: (text: string): object => ({ role: 'user', content: text }),
  },
  messages: {
    path: '/v1/messages',
    tools: [{ name: tool.name, input_schema: tool.parameters }],
    begin: [
      { role: 'user', content: 'one' },
      { role: 'system', content: 'Be brief.' },
    ],
    said: (body: any) => [{ role: 'assistant', content: body.content }],
    respelled: ([message]: any[]) => [
      {
        ...message,
        content: message.content.flatMap((block: any) =>
          block.type === 'text'
            ? [
                { type: 'text', text: block.text.slice(0, 2) },
                { type: 'text', text: block.text.slice(2), cache_control: { type: 'ephemeral' } },
              ]
            : [block],
        ),
      },
    ],
    output: ([message]: any[], text: string) => ({
      role: 'user',
      content: [{ type: 'tool_result', tool_use_id: message.content.at(-1).id, content: text }],
    }),
    user: (text: string): object => ({
      role: 'user',
      content: [{ type: 'text', text, cache_control: { type: 'ephemeral' } }],
    }),
  },
};

describe.each(Object.entries(clients))('a client of %s', (protocol, client) => {
  test('has one session and a chain, however it spells what it was told, and keeps nothing where nothing is to be kept', async () => {
    for (const ledger of ['request', 'never']) {
      const rig = await rigWith(ledger);
      const ask = async (messages: object[]) => {
        const body = { model: 'm', max_tokens: 100, messages, tools: client.tools };
        const answer = await rig.request('POST', client.path, body);
        expect(answer.status, answer.text).toBe(200);
        return answer;
      };
      const first = await ask(client.begin);
      const told = client.said(first.body);
      const second = await ask([...client.begin, ...client.respelled(told), client.output(told, 'N-1')]);
      const more = client.said(second.body);
      const third = await ask([...client.begin, ...told, client.output(told, 'N-1'), ...more, client.user('two')]);
      const rows = rig.query('SELECT id, parent, protocol, context_hash FROM turns ORDER BY id');
      expect(rows.map((row) => row['protocol'])).toEqual([protocol, protocol, protocol]);
      const counts = rows.map(({ id }) => rig.query('SELECT 1 FROM items WHERE turn_id = ?', String(id)).length);
      if (ledger === 'never') {
        expect(counts).toEqual([0, 0, 0]);
        expect(rows.map((row) => row['context_hash'])).toEqual([null, null, null]);
        continue;
      }
      expect(rows.map((row) => row['parent'])).toEqual([null, rows[0]?.['id'], rows[1]?.['id']]);
      expect(counts).toEqual([4, 2, 3]);
      expect(new Set([first, second, third].map(sessionOf)).size).toBe(1);
    }
  });

  test('that edits, forks or compacts its history is where it says that it is, and the model sees no more than was sent', async () => {
    const rig = await rigWith();
    const turns = () => rig.query('SELECT id, parent, session_id, keep, input_count FROM turns ORDER BY id');
    const ask = async (messages: object[], named: Record<string, string> = {}) => {
      const body = { model: 'm', max_tokens: 100, messages, tools: client.tools };
      const answer = await rig.client().request('POST', client.path, body, named);
      expect(answer.status, answer.text).toBe(200);
      const row = turns().at(-1);
      if (row === undefined) throw new Error('the turn is stored');
      const { id, parent, session_id, keep, input_count } = row;
      const stored = { id, parent, session_id, keep, input_count };
      return { ...stored, said: client.said(answer.body), sent: rig.upstream.requests.at(-1)?.body.messages };
    };
    const first = await ask(client.begin);
    const result = (text: string) => client.output(first.said, text);
    const second = await ask([...client.begin, ...first.said, result('N-1')]);
    const whole = [...client.begin, ...first.said, result('N-1'), ...second.said];

    // Two go on from one: both are its children.
    const [fork, other] = [await ask([...whole, client.user('two')]), await ask([...whole, client.user('2')])];
    expect([fork.parent, other.parent]).toEqual([second.id, second.id]);
    // What came behind the edit is no part of it: it goes on from the last turn before, and keeps that one's context only.
    const edited = await ask([...client.begin, ...first.said, result('edited'), ...second.said, client.user('three')]);
    expect([edited.parent, edited.keep]).toEqual([first.id, 4]);
    expect([fork, other, edited].map(({ session_id }) => session_id)).toEqual([1, 2, 3].map(() => first.session_id));
    // As a result, that is: the model has said it again.
    expect(JSON.stringify(edited.sent)).not.toContain('"N-1"');

    // A summary is words that nobody has said here: it begins anew, in the session that its client names, if any.
    const summary = [client.user('Summary: one was looked at.'), ...second.said, client.user('four')];
    const unnamed = await ask(summary);
    expect([unnamed.parent, unnamed.session_id === first.session_id]).toEqual([null, false]);
    const named = await ask([...summary, client.user('five')], { 'x-session-id': String(first.session_id) });
    expect([named.parent, named.session_id]).toEqual([null, first.session_id]);
    for (const { sent } of [unnamed, named]) expect(JSON.stringify(sent)).not.toContain('I look.');
    // And the compacted history goes on as any other does: what is new is stored.
    const next = await ask([...summary, client.user('five'), ...named.said, client.output(named.said, 'N-5')]);
    expect([next.parent, next.session_id, next.input_count]).toEqual([named.id, first.session_id, 1]);
  });
});

describe('ledger.content', () => {
  /** Two turns that are not stored, the first of which names its session. */
  const unstored = async (rig: Awaited<ReturnType<typeof rigWith>>) => {
    const agent = agentOf(rig, { store: false }, { 'session-id': 'codex-1' });
    const first = await agent.say(user('canary one'));
    return [first, await agent.say(outputOf(first, 'canary two'))] as const;
  };
  const filesWith = ({ folder }: { folder: string }, text: string) =>
    readdirSync(folder).filter(
      (name) => name.startsWith('turnpike.db') && readFileSync(join(folder, name)).includes(text),
    );

  test('request: what is not stored leaves no content and no hash, and is in the session that it names', async () => {
    const rig = await rigWith();
    const turns = await unstored(rig);
    expect(turns.map(sessionOf)).toEqual(['codex-1', 'codex-1']);
    expect(turns.map(rig.parentOf)).toEqual([null, null]);
    expect(filesWith(rig, 'canary')).toEqual([]);
    expect(rig.query('SELECT context_hash, head, envelope_hash FROM turns')).toEqual(
      turns.map(() => ({ context_hash: null, head: '', envelope_hash: null })),
    );
  });

  test('always: its content is kept as a chain, and no id of it resolves', async () => {
    const rig = await rigWith('always');
    const [first, second] = await unstored(rig);
    expect([rig.parentOf(second), rig.itemsOf(first), rig.itemsOf(second)]).toEqual([first.body.id, 3, 2]);
    expect(filesWith(rig, 'canary')).not.toEqual([]);
    const { id, output } = first.body;
    for (const path of [id, `${id}/input_items`]) {
      expect((await rig.request('GET', `/v1/responses/${path}`)).status).toBe(404);
    }
    expect((await rig.request('DELETE', `/v1/responses/${id}`)).status).toBe(404);
    const chained = await rig.client().create({ model: 'm', previous_response_id: id, input: 'x' });
    expect(chained.body.error.code).toBe('previous_response_not_found');
    const referred = await rig.client().create({ model: 'm', input: [{ type: 'item_reference', id: output[0].id }] });
    expect(referred.status).toBe(404);
    const [log] = rig.query('SELECT messages, response FROM "LiteLLM_SpendLogs" WHERE request_id = ?', String(id));
    expect(String(log?.['messages'])).toContain('canary one');
    expect(JSON.parse(String(log?.['response']))).toMatchObject({ id, store: false, output: [{}, {}] });
  });

  test('always: over a WebSocket each turn of a chain that its connection keeps stores what is new', async () => {
    const rig = await rigWith('always');
    const socket = await connect(rig.url());
    const first = (await socket.create({ model: 'm', store: false, input: 'one', tools: [tool] })).at(-1)?.data
      .response;
    const output = { type: 'function_call_output', call_id: first.output.at(-1).call_id, output: 'N-1' };
    const next = { model: 'm', store: false, previous_response_id: first.id, input: [output], tools: [tool] };
    const second = (await socket.create(next)).at(-1)?.data.response;
    const counts = rig.query('SELECT count(*) n FROM items GROUP BY turn_id ORDER BY turn_id').map(({ n }) => n);
    expect(second.status).toBe('completed');
    expect(counts).toEqual([3, 2]);
  });

  test('never: what clients store is all that is kept', async () => {
    const rig = await rigWith('never');
    await unstored(rig);
    expect(filesWith(rig, 'canary')).toEqual([]);
    const stored = await rig.create({ input: 'canary three' });
    expect((await rig.request('GET', `/v1/responses/${stored.body.id}`)).status).toBe(200);
  });
});
