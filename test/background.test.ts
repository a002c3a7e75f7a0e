/** Background responses and resumable streams, over real sockets. What the store must do is in store/event-laws.ts. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import type { Answer } from './support/client.ts';
import { createClient } from './support/client.ts';
import { messagesEcho } from './support/fake-models.ts';
import { parseEvents } from './support/read-events.ts';
import { done, openStream, suffix } from './support/open-stream.ts';
import { type SlowModel, slowModel } from './support/slow-model.ts';
import { spawnGateway, type SpawnedGateway, temporaryFolder } from './support/spawn-gateway.ts';

const ended = new Set(['completed', 'incomplete', 'failed', 'cancelled']);

interface Setup {
  upstream: SlowModel;
  config: string;
  folder: string;
  gateway: SpawnedGateway;
  client: ReturnType<typeof createClient>;
}

async function setUp(more = ''): Promise<Setup> {
  const upstream = await slowModel();
  const folder = temporaryFolder();
  const config = `
models: [{ name: m, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]
${more}`;
  const gateway = await spawnGateway({ config, folder });
  return { upstream, config, folder, gateway, client: createClient(gateway.url) };
}

const background = { model: 'm', input: 'hello', background: true };

async function untilEnded(client: Setup['client'], id: string, headers: Record<string, string> = {}): Promise<Answer> {
  for (;;) {
    const answer = await client.request('GET', `/v1/responses/${id}`, undefined, headers);
    if (ended.has(answer.body.status)) return answer;
  }
}

const cancel = (client: Setup['client'], id: string) => client.request('POST', `/v1/responses/${id}/cancel`);
const resume = (client: Setup['client'], id: string, after?: number) =>
  client.request('GET', `/v1/responses/${id}?stream=true${after === undefined ? '' : `&starting_after=${after}`}`);

function queryFile(folder: string, text: string) {
  const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
  try {
    return database.prepare(text).all();
  } finally {
    database.close();
  }
}

describe('a background response', () => {
  test('is queued at once, runs by itself, and is what it would have been', async () => {
    const { upstream, client } = await setUp();
    const queued = await client.create({ ...background, metadata: { a: 'b' } });
    expect(queued.status, queued.text).toBe(200);
    expect(queued.body).toMatchObject({ status: 'queued', background: true, output: [], usage: null, error: null });
    expect(queued.headers.get('x-turnpike-session-id')).toMatch(/^sess_/);
    const { id } = queued.body;
    const call = await upstream.call(0);
    expect((await client.get(id)).body.status).toBe('in_progress');
    const early = await client.create({ model: 'm', input: 'go on', previous_response_id: id });
    expect(early.status).toBe(400);
    expect(early.body.error).toMatchObject({ code: 'previous_response_not_found', param: 'previous_response_id' });
    call.say('It is ');
    call.say('done');
    call.end();
    const { body } = await untilEnded(client, id);
    expect(body).toMatchObject({ id, status: 'completed', background: true, metadata: { a: 'b' } });
    expect(body.output[0].content[0].text).toBe('It is done');
    expect(body.created_at).toBe(queued.body.created_at);
    upstream.model.answer = messagesEcho;
    const next = await client.create({ model: 'm', input: 'and then?', previous_response_id: id });
    expect(next.body.output[0].content[0].text).toBe('Re: and then?');
    const said = upstream.requests.at(-1)?.body.messages.map(({ role }: { role: string }) => role);
    expect(said).toEqual(['user', 'assistant', 'user']);
  });

  test('with a stream is read from the beginning, left, and taken up at any event by any number of readers', async () => {
    const { upstream, client, gateway } = await setUp();
    const first = await openStream(gateway.url, '/v1/responses', { ...background, stream: true });
    const begin = await first.until('response.in_progress');
    const id = /"id":"(resp_\w+)"/.exec(begin)?.[1] ?? '';
    const call = await upstream.call(0);
    call.say('one ');
    await first.until('"delta":"one "');
    const second = await openStream(gateway.url, `/v1/responses/${id}?stream=true`);
    const third = await openStream(gateway.url, `/v1/responses/${id}?stream=true&starting_after=3`);
    await second.until('"delta":"one "');
    first.leave();
    call.say('two');
    await third.until('"delta":"two"');
    call.end();
    const whole = await second.rest();
    const events = parseEvents(whole);
    expect(events.map(({ data }) => data.sequence_number)).toEqual(events.map((_, index) => index));
    expect(events.slice(0, 3).map(({ event }) => event)).toEqual([
      'response.created',
      'response.queued',
      'response.in_progress',
    ]);
    expect(events.slice(0, 3).map(({ data }) => data.response.status)).toEqual(['queued', 'queued', 'in_progress']);
    expect(events.at(-1)?.event).toBe('response.completed');
    expect(await third.rest()).toBe(suffix(whole, 3));
    expect(events.at(-1)?.data.response).toEqual((await client.get(id)).body);
    for (let after = -1; after <= events.length + 1; after++) {
      const resumed = await resume(client, id, after === -1 ? undefined : after);
      expect(resumed.text, String(after)).toBe(suffix(whole, after));
    }
  });

  test('without a stream runs too, and its stream cannot be asked for', async () => {
    const { upstream, client } = await setUp();
    const { body } = await client.create(background);
    const call = await upstream.call(0);
    call.say('x');
    call.end();
    await untilEnded(client, body.id);
    upstream.model.answer = messagesEcho;
    const sync = await client.create({ model: 'm', input: 'x' });
    for (const { id } of [body, sync.body]) {
      const refused = await resume(client, id, 1);
      expect([refused.status, refused.body.error]).toEqual([
        400,
        {
          message: 'This response cannot be streamed because it was not created with background=true and stream=true.',
          type: 'invalid_request_error',
          param: 'stream',
          code: null,
        },
      ]);
    }
    const refused = await cancel(client, sync.body.id);
    expect([refused.status, refused.body.error.message]).toEqual([400, 'Cannot cancel a synchronous response.']);
  });

  test('is refused at once where it could not run', async () => {
    const { upstream, client } = await setUp();
    const refusals: [object, number, object][] = [
      [
        { store: false },
        400,
        { param: 'background', message: "Invalid 'background': it can only be used when 'store' is true." },
      ],
      [{ model: 'none' }, 404, { code: 'model_not_found' }],
      [{ previous_response_id: 'resp_none' }, 400, { code: 'previous_response_not_found' }],
      [{ top_logprobs: 3 }, 400, { param: 'top_logprobs' }],
      [{ input: [{ type: 'function_call_output', call_id: 'c', output: 'o' }] }, 400, { param: 'input' }],
    ];
    for (const [fields, status, error] of refusals) {
      const answer = await client.create({ ...background, ...fields });
      expect([answer.status, answer.body.error], JSON.stringify(fields)).toMatchObject([status, error]);
    }
    expect(upstream.requests).toEqual([]);
  });

  test.each([
    ['stream=yes', 'stream'],
    ['stream=true&starting_after=x', 'starting_after'],
    ['stream=true&starting_after=', 'starting_after'],
    ['stream=true&starting_after=1.5', 'starting_after'],
    ['stream=true&starting_after=-1', 'starting_after'],
    ['stream=true&starting_after=99999999999', 'starting_after'],
    ['starting_after=1', 'starting_after'],
  ])('a wrong query is refused: %s', async (query, param) => {
    const { client } = await setUp();
    const answer = await client.request('GET', `/v1/responses/resp_x?${query}`);
    expect([answer.status, answer.body.error.param]).toEqual([400, param]);
  });

  test('waits its turn where too many run, tenants in turn', async () => {
    const { upstream, client } = await setUp(`
background: { max_running: 1 }
auth: { master_key: sk-0, keys: [{ name: a, key: sk-a }, { name: b, key: sk-b }] }`);
    const ask = async (key: string, input: string) =>
      (await client.create({ ...background, input }, { authorization: `Bearer ${key}` })).body.id as string;
    await ask('sk-a', 'a1');
    await upstream.call(0);
    for (const [key, input] of [
      ['sk-a', 'a2'],
      ['sk-a', 'a3'],
      ['sk-b', 'b1'],
    ] as const)
      await ask(key, input);
    for (let n = 0; n < 4; n++) {
      const call = await upstream.call(n);
      expect(upstream.calls).toHaveLength(n + 1);
      call.say('x');
      call.end();
    }
    const said = upstream.requests.map(({ body }) => body.messages[0].content);
    expect(said.map((content) => (typeof content === 'string' ? content : content[0].text))).toEqual([
      'a1',
      'b1',
      'a2',
      'a3',
    ]);
  });

  test('with an idempotency key is queued once, and answered again as it is', async () => {
    const { upstream, client, gateway } = await setUp();
    const headers = { 'idempotency-key': 'once' };
    const first = await client.create(background, headers);
    const call = await upstream.call(0);
    const again = await client.create(background, headers);
    expect(again.body).toMatchObject({ id: first.body.id, status: 'in_progress' });
    expect(again.headers.get('x-turnpike-idempotent-replay')).toBe('true');
    call.say('x');
    call.end();
    const { body } = await untilEnded(client, first.body.id);
    expect((await client.create(background, headers)).body).toEqual(body);
    const other = await client.create({ ...background, input: 'other' }, headers);
    expect([other.status, other.body.error.code]).toEqual([400, 'idempotency_key_mismatch']);

    const streamed = { ...background, stream: true };
    const one = openStream(gateway.url, '/v1/responses', streamed, { 'idempotency-key': 'twice' });
    const second = await upstream.call(1);
    const two = openStream(gateway.url, '/v1/responses', streamed, { 'idempotency-key': 'twice' });
    second.say('y');
    await (await two).until('"delta":"y"');
    second.end();
    const text = await (await one).rest();
    expect(await (await two).rest()).toBe(text);
    expect(parseEvents(text).at(-1)?.event).toBe('response.completed');

    await client.request('DELETE', `/v1/responses/${first.body.id}`);
    const gone = await client.create(background, headers);
    expect([gone.status, gone.body.error.code]).toEqual([400, 'idempotency_result_not_kept']);
    expect(upstream.requests).toHaveLength(2);
  });

  test('that fails says so in every place alike', async () => {
    const { upstream, client } = await setUp();
    upstream.model.answer = (_, response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message: 'no' } }));
      return undefined;
    };
    const answer = await client.create({ ...background, stream: true });
    expect(answer.events.map(({ event }) => event)).toEqual([
      'response.created',
      'response.queued',
      'response.in_progress',
      'error',
      'response.failed',
    ]);
    expect(answer.body).toMatchObject({
      status: 'failed',
      background: true,
      error: { message: expect.stringContaining('no') },
    });
    expect((await client.get(answer.body.id)).body).toEqual(answer.body);
    expect((await resume(client, answer.body.id, 2)).text).toBe(suffix(answer.text, 2));
  });

  test('has a warning for what could not go along', async () => {
    const { client, upstream } = await setUp();
    const { headers } = await client.create({ ...background, prompt_cache_retention: '24h' });
    expect(headers.get('x-turnpike-warnings')).toContain('prompt_cache_retention');
    (await upstream.call(0)).end();
  });
});

test('of a key that is revoked, what waits is not run, and what runs goes on', async () => {
  const { upstream, client } = await setUp(`
background: { max_running: 1 }
auth: { master_key: sk-0, keys: [{ name: other, key: sk-other }] }`);
  const master = { authorization: 'Bearer sk-0' };
  const ofTeam = async (method: string, path: string, body?: object) =>
    (await client.request(method, `/admin/v1${path}`, body, master)).body;
  const team = await ofTeam('POST', '/teams', { name: 'research' });
  const [stolen, own] = [
    await ofTeam('POST', '/keys', { name: 'stolen', team_id: team.id }),
    await ofTeam('POST', '/keys', { name: 'own', team_id: team.id }),
  ];
  const withOwn = { authorization: `Bearer ${own.key}` };
  const ask = async (key: string) =>
    (await client.create(background, { authorization: `Bearer ${key}` })).body.id as string;
  const running = await ask(stolen.key);
  const call = await upstream.call(0);
  const [waiting, others] = [await ask(stolen.key), await ask(own.key)];
  await ofTeam('PATCH', `/keys/${stolen.id}`, { blocked: true });
  call.say('x');
  call.end();
  (await upstream.call(1)).end();
  const ended = await Promise.all([running, waiting, others].map((id) => untilEnded(client, id, withOwn)));
  expect(ended.map(({ body }) => body.status)).toEqual(['completed', 'failed', 'completed']);
  expect(ended[1]?.body.error.message).toBe('The key of this response was revoked before it could run.');
  expect(upstream.requests).toHaveLength(2);
});

describe('in a conversation', () => {
  test('it keeps others out from when it is queued until it has ended, and leaves there what it said', async () => {
    const { upstream, client } = await setUp('background: { max_running: 1 }');
    const conversation = (await client.request('POST', '/v1/conversations', {})).body.id as string;
    const items = async () =>
      (await client.request('GET', `/v1/conversations/${conversation}/items?order=asc`)).body.data.map(
        ({ content }: { content: { text: string }[] }) => content[0]?.text,
      );
    await client.create(background);
    const blocking = await upstream.call(0);
    const first = (await client.create({ ...background, conversation, input: 'one' })).body.id;
    const early = await client.create({ model: 'm', conversation, input: 'two' });
    expect([early.status, early.body.error.code]).toEqual([400, 'conversation_locked']);
    blocking.end();
    const call = await upstream.call(1);
    expect((await client.create({ ...background, conversation, input: 'two' })).status).toBe(400);
    call.say('said');
    call.end();
    expect((await untilEnded(client, first)).body.conversation).toEqual({ id: conversation });
    expect(await items()).toEqual(['one', 'said']);
    const second = (await client.create({ ...background, conversation, input: 'two' })).body.id;
    await upstream.call(2);
    await cancel(client, second);
    const third = (await client.create({ ...background, conversation, input: 'three' })).body.id;
    const last = await upstream.call(3);
    last.say('done');
    last.end();
    await untilEnded(client, third);
    expect(await items()).toEqual(['one', 'said', 'three', 'done']);
    const said = upstream.requests.at(-1)?.body.messages.map(({ role }: { role: string }) => role);
    expect(said).toEqual(['user', 'assistant', 'user']);
  });
});

describe('a cancel', () => {
  test('of a running response hangs up, keeps what there is, and may be repeated', async () => {
    const { upstream, client, gateway, folder } = await setUp();
    const reader = await openStream(gateway.url, '/v1/responses', { ...background, stream: true });
    const id = /"id":"(resp_\w+)"/.exec(await reader.until('response.queued'))?.[1] ?? '';
    const call = await upstream.call(0);
    call.say('half a word');
    await reader.until('half a word');
    const cancelled = await cancel(client, id);
    expect(cancelled.status, cancelled.text).toBe(200);
    expect(cancelled.body).toMatchObject({ id, status: 'cancelled', background: true });
    expect(cancelled.body.output[0].content[0].text).toBe('half a word');
    await call.hungUp;
    const text = await reader.rest();
    expect(text.endsWith(done)).toBe(true);
    expect(text).not.toMatch(/event: response\.(completed|failed|incomplete|cancelled)/);
    expect((await client.get(id)).body).toEqual(cancelled.body);
    expect((await cancel(client, id)).body).toEqual(cancelled.body);
    expect((await resume(client, id)).text).toBe(text);
    const padded = await client.request('GET', `/v1/responses/${id}?stream=true&include_obfuscation=true`);
    expect([padded.text, padded.headers.get('x-turnpike-warnings')]).toEqual([
      text,
      '[{"param":"include_obfuscation","message":"Events are not padded."}]',
    ]);
    const next = await client.create({ model: 'm', input: 'x', previous_response_id: id });
    expect([next.status, next.body.error.code]).toEqual([400, 'previous_response_not_found']);
    const [attempt] = queryFile(folder, 'SELECT status, estimated FROM attempts');
    expect(attempt).toEqual({ status: 'cancelled', estimated: 1 });
  });

  test('of a queued response keeps it from running; of one that has ended it changes nothing', async () => {
    const { upstream, client, gateway } = await setUp('background: { max_running: 1 }');
    const first = await client.create(background);
    const call = await upstream.call(0);
    const waiting = openStream(gateway.url, '/v1/responses', { ...background, stream: true });
    const reader = await waiting;
    const id = /"id":"(resp_\w+)"/.exec(await reader.until('response.queued'))?.[1] ?? '';
    const cancelled = await cancel(client, id);
    expect(cancelled.body).toMatchObject({ status: 'cancelled', output: [], usage: null });
    expect(parseEvents(await reader.rest()).map(({ event }) => event)).toEqual(['response.created', 'response.queued']);
    call.say('x');
    call.end();
    const { body } = await untilEnded(client, first.body.id);
    expect(body.status).toBe('completed');
    expect((await cancel(client, first.body.id)).body).toEqual(body);
    const last = await client.create(background);
    (await upstream.call(1)).end();
    await untilEnded(client, last.body.id);
    expect(upstream.requests).toHaveLength(2);
  });

  test('comes with a deletion', async () => {
    const { upstream, client, gateway, folder } = await setUp();
    const reader = await openStream(gateway.url, '/v1/responses', { ...background, stream: true, input: 'the secret' });
    const id = /"id":"(resp_\w+)"/.exec(await reader.until('response.in_progress'))?.[1] ?? '';
    const call = await upstream.call(0);
    call.say('secret');
    await reader.until('secret');
    const deleted = await client.request('DELETE', `/v1/responses/${id}`);
    expect(deleted.body).toEqual({ id, object: 'response', deleted: true });
    await call.hungUp;
    expect(await reader.rest()).not.toContain(done);
    const unknown = await cancel(client, 'resp_unknown');
    expect(unknown.status).toBe(404);
    for (const answer of [await client.get(id), await resume(client, id), await cancel(client, id)]) {
      expect([answer.status, answer.text.replace(id, 'resp_unknown')]).toEqual([404, unknown.text]);
    }
    while (queryFile(folder, "SELECT 1 FROM attempts WHERE status = 'started'").length > 0) await client.get(id);
    expect(queryFile(folder, 'SELECT count(*) AS n FROM events')).toEqual([{ n: 0 }]);
    expect(queryFile(folder, 'SELECT body FROM background_runs')).toEqual([{ body: '' }]);
    expect(queryFile(folder, 'SELECT count(*) AS n FROM items')).toEqual([{ n: 0 }]);
  });
});

describe('a process that ends', () => {
  test('by a kill: what ran has failed, one event after the last; what waited runs once', async () => {
    const setup = await setUp('background: { max_running: 1 }');
    const { upstream, gateway, config, folder } = setup;
    const running = await openStream(gateway.url, '/v1/responses', { ...background, stream: true });
    const id = /"id":"(resp_\w+)"/.exec(await running.until('response.in_progress'))?.[1] ?? '';
    (await upstream.call(0)).say('half a word');
    const seen = await running.until('half a word');
    const waiting = await openStream(gateway.url, '/v1/responses', { ...background, stream: true, input: 'later' });
    const queued = /"id":"(resp_\w+)"/.exec(await waiting.until('response.queued'))?.[1] ?? '';
    await gateway.kill('SIGKILL');

    const client = createClient((await spawnGateway({ config, folder })).url);
    const failed = await client.get(id);
    expect(failed.body).toMatchObject({ status: 'failed', error: { code: 'server_error' }, output: [] });
    const whole = await resume(client, id);
    const events = parseEvents(whole.text);
    const before = seen.slice(0, seen.lastIndexOf('\n\n') + 2);
    expect(whole.text.startsWith(before)).toBe(true);
    expect(events.map(({ data }) => data.sequence_number)).toEqual(events.map((_, index) => index));
    expect(events.slice(before.split('\n\n').length - 1).map(({ event }) => event)).toEqual(['response.failed']);
    expect(events.at(-1)?.data.response).toEqual(failed.body);
    const call = await upstream.call(1);
    call.say('done');
    call.end();
    expect((await untilEnded(client, queued)).body).toMatchObject({ status: 'completed', output: [{}] });
    const stream = parseEvents((await resume(client, queued)).text);
    expect(stream.map(({ data }) => data.sequence_number)).toEqual(stream.map((_, index) => index));
    expect(stream.at(-1)?.event).toBe('response.completed');
    const asked = upstream.requests.map(({ text }) => text.includes('later'));
    expect(asked).toEqual([false, true]);
  });

  test('as it was asked: what runs may end, within the time that is given; what waits stays', async () => {
    const { upstream, gateway, client, config, folder } = await setUp(
      'background: { max_running: 1 }\nserver: { drain_seconds: 600 }',
    );
    const reader = await openStream(gateway.url, '/v1/responses', { ...background, stream: true });
    const id = /"id":"(resp_\w+)"/.exec(await reader.until('response.in_progress'))?.[1] ?? '';
    const call = await upstream.call(0);
    call.say('one');
    await reader.until('one');
    const waiting = await openStream(gateway.url, '/v1/responses', { ...background, stream: true });
    await waiting.until('response.queued');
    const queued = (await client.create(background)).body.id;
    const exit = gateway.kill('SIGTERM');
    expect(await waiting.rest()).not.toContain(done);
    call.end();
    expect(await exit).toBe(0);
    const end = parseEvents(await reader.rest());
    expect(end.at(-1)?.event).toBe('response.completed');
    expect(upstream.requests).toHaveLength(1);
    upstream.model.answer = messagesEcho;
    const next = createClient((await spawnGateway({ config, folder })).url);
    expect((await next.get(id)).body).toEqual(end.at(-1)?.data.response);
    expect((await untilEnded(next, queued)).body.status).toBe('completed');
  });

  test('while it waits for a summary: that is not waited for, and nothing else is sent', async () => {
    const { upstream, gateway, client, config, folder } = await setUp('server: { drain_seconds: 0 }');
    const said = ['one', 'two', 'three'].flatMap((word) => [
      { role: 'user', content: word },
      { role: 'assistant', content: word.repeat(2000) },
    ]);
    const input = [...said, { role: 'user', content: 'go on' }];
    const context_management = [{ type: 'compaction', compact_threshold: 1000 }];
    const { id } = (await client.create({ ...background, input, context_management })).body;
    const reader = await openStream(gateway.url, '/v1/responses', {
      ...background,
      input,
      context_management,
      stream: true,
    });
    const streamed = /"id":"(resp_\w+)"/.exec(await reader.until('response.queued'))?.[1] ?? '';
    const summaries = [await upstream.call(0), await upstream.call(1)];
    expect(await gateway.kill('SIGTERM')).toBe(0);
    await Promise.all(summaries.map(({ hungUp }) => hungUp));
    expect(upstream.requests).toHaveLength(2);
    const next = createClient((await spawnGateway({ config, folder })).url);
    for (const each of [id, streamed]) {
      expect((await next.get(each)).body).toMatchObject({
        status: 'failed',
        error: { code: 'server_error', message: 'The gateway is shutting down.' },
      });
    }
  });

  test('and does not wait: what runs has failed, with what there is', async () => {
    const { upstream, gateway, config, folder } = await setUp('server: { drain_seconds: 0 }');
    const reader = await openStream(gateway.url, '/v1/responses', { ...background, stream: true });
    const id = /"id":"(resp_\w+)"/.exec(await reader.until('response.in_progress'))?.[1] ?? '';
    const call = await upstream.call(0);
    call.say('half a word');
    await reader.until('half a word');
    expect(await gateway.kill('SIGTERM')).toBe(0);
    await call.hungUp;
    const client = createClient((await spawnGateway({ config, folder })).url);
    const { body } = await client.get(id);
    expect(body).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: 'The gateway is shutting down.' },
    });
    expect(body.output[0].content[0].text).toBe('half a word');
    const stream = await resume(client, id);
    expect(stream.events.slice(-2).map(({ event }) => event)).toEqual(['error', 'response.failed']);
    expect(stream.body).toEqual(body);
  });
});

describe('limits', () => {
  test('what waits is told again to whoever comes again with its key, though no more may wait', async () => {
    const { upstream, client } = await setUp('background: { max_running: 1, max_queued: 1 }');
    await client.create(background);
    await upstream.call(0);
    const ask = (key: string) => client.create(background, { 'idempotency-key': key });
    const first = await ask('one');
    expect((await ask('two')).body.error).toMatchObject({ code: 'rate_limit_exceeded' });
    const again = await ask('one');
    expect([again.status, again.body]).toEqual([200, first.body]);
  });

  test('more than may wait are refused, for one tenant only', async () => {
    const { upstream, client } = await setUp(`
background: { max_running: 1, max_queued: 2 }
auth: { keys: [{ name: a, key: sk-a }, { name: b, key: sk-b }] }`);
    const ask = (key: string) => client.create(background, { authorization: `Bearer ${key}` });
    await ask('sk-a');
    await upstream.call(0);
    const answers = [await ask('sk-a'), await ask('sk-a'), await ask('sk-a'), await ask('sk-b')];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429, 200]);
    const refused = answers[2];
    expect(refused?.body.error).toMatchObject({ type: 'rate_limit_error', code: 'rate_limit_exceeded' });
    expect(refused?.headers.get('retry-after')).toBe('10');
  });

  test('when its events are gone, a request that comes again with its key gets its stream all the same', async () => {
    const { upstream, client } = await setUp('background: { events_kept_seconds: 0 }');
    upstream.model.answer = messagesEcho;
    const ask = () => client.create({ ...background, stream: true }, { 'idempotency-key': 'k' });
    const { id } = (await ask()).body;
    const { body } = await untilEnded(client, id);
    while ((await resume(client, id)).status === 200);
    const again = await ask();
    expect([again.status, again.headers.get('x-turnpike-idempotent-replay')]).toEqual([200, 'true']);
    expect(again.events.map(({ data }) => data.sequence_number)).toEqual(again.events.map((_, index) => index));
    expect(again.events.at(-1)).toMatchObject({ event: 'response.completed', data: { response: body } });
    await client.request('DELETE', `/v1/responses/${id}`);
    expect((await ask()).body.error).toMatchObject({ code: 'idempotency_result_not_kept' });
  });

  test('events are kept as long as configured', async () => {
    const { upstream, client } = await setUp('background: { events_kept_seconds: 0 }');
    upstream.model.answer = messagesEcho;
    const queued = await client.create({ ...background });
    await untilEnded(client, queued.body.id);
    const { id } = (await client.create({ ...background, stream: true })).body;
    await untilEnded(client, id);
    let late = await resume(client, id);
    while (late.status === 200) late = await resume(client, id);
    expect([late.status, late.body.error]).toEqual([
      400,
      {
        message: 'This response can no longer be streamed because it is more than 0 seconds old.',
        type: 'invalid_request_error',
        param: 'stream',
        code: null,
      },
    ]);
    expect((await client.get(id)).body.status).toBe('completed');
  });

  test('a run with more events than are kept for one has failed', async () => {
    const { upstream, client, gateway } = await setUp('background: { max_event_bytes: 20000 }');
    const reader = openStream(gateway.url, '/v1/responses', { ...background, stream: true });
    const call = await upstream.call(0);
    call.say('x'.repeat(30_000));
    await call.hungUp;
    const events = parseEvents(await (await reader).rest());
    expect(events.at(-1)?.data.response).toMatchObject({
      status: 'failed',
      error: { message: 'The response has more events than the gateway keeps for one.' },
    });
    expect((await client.get(events.at(-1)?.data.response.id)).body).toEqual(events.at(-1)?.data.response);
  });

  test('a model that is gone when a turn comes up fails it', async () => {
    const setup = await setUp('background: { max_running: 1 }');
    const { upstream, client, gateway, config, folder } = setup;
    await client.create(background);
    await upstream.call(0);
    const { id } = (await client.create(background)).body;
    await gateway.kill('SIGKILL');
    const other = config.replace('name: m,', 'name: n,');
    const next = createClient((await spawnGateway({ config: other, folder })).url);
    const { body } = await untilEnded(next, id);
    expect(body).toMatchObject({ status: 'failed', error: { code: 'invalid_prompt' } });
    expect(body.error.message).toContain("'m'");
  });
});
