/** `Idempotency-Key`: however often a request is sent, one upstream is paid once, and every answer is the same. */
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { expectStream } from './support/check-stream.ts';
import { type Answer, createClient } from './support/client.ts';
import { frame, messageEvents } from './support/fake-upstream.ts';
import { fakeMessagesModel, type FakeModel, lastText, type MessagesAnswer } from './support/fake-models.ts';
import { queryDatabase, testPostgres } from './support/postgres.ts';
import type { ClientEvent } from './support/read-events.ts';
import { spawnGateway, type SpawnedGateway, temporaryFolder } from './support/spawn-gateway.ts';

const replayed = 'x-turnpike-idempotent-replay';
const key = (value = 'order-1') => ({ 'idempotency-key': value });
const bearer = (value: string) => ({ authorization: `Bearer ${value}` });

interface Rig {
  model: FakeModel<MessagesAnswer>;
  create: (body?: object, headers?: Record<string, string>) => Promise<Answer>;
  url: string;
  /** Kills the gateway and starts it again in its folder. */
  restart: () => Promise<void>;
  database: () => DatabaseSync;
}

async function startRig(auth = ''): Promise<Rig> {
  const model = await fakeMessagesModel();
  const folder = temporaryFolder();
  const config = `
models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${model.url}", api_key: k }]
routing: { retries: 0 }
${auth}`;
  let gateway = await spawnGateway({ config, folder });
  return {
    model,
    create: (body = {}, headers = key()) =>
      createClient(gateway.url).create({ model: 'claude', input: 'hello', ...body }, headers),
    get url() {
      return gateway.url;
    },
    async restart() {
      await gateway.kill('SIGKILL');
      gateway = await spawnGateway({ config, folder });
    },
    database() {
      const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
      onTestFinished(() => database.close());
      return database;
    },
  };
}

/** Holds the model's answers back. */
function hold(model: FakeModel<MessagesAnswer>): { asked: Promise<void>; release: () => void } {
  const asked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  model.answer = async (request) => {
    asked.resolve();
    await released.promise;
    return { blocks: [{ type: 'text', text: `Re: ${lastText(request)}` }] };
  };
  return { asked: asked.promise, release: () => released.resolve() };
}

/** Runs it, and resolves when a request that it sent has met the turn that holds its key: the store has said so. */
async function untilJoined<T>(rig: Rig, send: () => T): Promise<T> {
  const database = rig.database();
  const version = () => database.prepare('PRAGMA data_version').get()?.['data_version'];
  const before = version();
  const sent = send();
  while (version() === before) await new Promise((resolve) => setImmediate(resolve));
  return sent;
}

const errorOf = ({ status, body }: Answer) => ({ status, ...body.error });

const everything: MessagesAnswer = {
  blocks: [
    { type: 'thinking', thinking: 'Let me see.', signature: 'c2lnbmVk' },
    { type: 'text', text: 'It is 18 °C. 👋' },
    { type: 'tool_use', id: 'toolu_1', name: 'look_up', input: '{"10":1,"2":18446744073709551616}' },
    { type: 'tool_use', id: 'toolu_2', name: 'look_up', input: {} },
  ],
  stopReason: 'tool_use',
};
const tools = [{ type: 'function', name: 'look_up', parameters: { type: 'object' } }];

/** The stream without its deltas and their numbers: a replay has one delta for each text. */
const ceremony = (events: ClientEvent[]) =>
  events
    .filter(({ event }) => !event.endsWith('.delta'))
    .map(({ data: { sequence_number: _number, ...rest } }) => rest as unknown);

describe.each([false, true])('a repeated request (stream: %s)', (stream) => {
  const body = { stream, tools, metadata: { b: '1', '10': '2' }, reasoning: { effort: 'low' } };

  test('is answered with the same response, also after kill -9', async () => {
    const rig = await startRig();
    rig.model.answer = () => everything;
    const first = await rig.create(body);
    expect(first.body).toMatchObject({ status: 'completed' });
    expect(first.headers.get(replayed)).toBeNull();
    for (const restarts of [false, true]) {
      if (restarts) await rig.restart();
      const again = await rig.create(body);
      expect(again.status).toBe(200);
      expect(again.headers.get(replayed)).toBe('true');
      expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
      expect(again.headers.get('x-turnpike-session-id')).toBe(first.headers.get('x-turnpike-session-id'));
      if (stream) {
        expectStream(again.events);
        expect(ceremony(again.events)).toEqual(ceremony(first.events));
      } else {
        expect(again.text).toBe(first.text);
      }
    }
    expect(rig.model.requests).toHaveLength(1);
    expect((await createClient(rig.url).get(first.body.id)).body).toEqual(first.body);
  });

  test('and 49 others beside it make one upstream call, and have one answer', async () => {
    const rig = await startRig();
    const { asked, release } = hold(rig.model);
    const calls = Array.from({ length: 50 }, () => rig.create({ stream }));
    await asked;
    release();
    const answers = await Promise.all(calls);
    expect(new Set(answers.map(({ body: response }) => JSON.stringify(response))).size).toBe(1);
    expect(answers[0]?.body).toMatchObject({ status: 'completed' });
    expect(answers.filter(({ headers }) => headers.get(replayed) === null)).toHaveLength(1);
    expect(rig.model.requests).toHaveLength(1);
  });

  test('waits for the turn that runs', async () => {
    const rig = await startRig();
    const { asked, release } = hold(rig.model);
    const first = rig.create({ stream });
    await asked;
    const second = await untilJoined(rig, () => [rig.create({ stream })]);
    release();
    expect((await second[0])?.body).toEqual((await first).body);
    expect(rig.model.requests).toHaveLength(1);
  });

  test('whose first client left is run again', async () => {
    const rig = await startRig();
    const { asked } = hold(rig.model);
    const { hostname, port } = new URL(rig.url);
    const text = JSON.stringify({ model: 'claude', input: 'hello', stream });
    const leaving = connect(Number(port), hostname);
    leaving.write(
      `POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nidempotency-key: order-1\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    );
    await asked;
    const second = await untilJoined(rig, () => [rig.create({ stream })]);
    rig.model.answer = () => ({ blocks: [{ type: 'text', text: 'of the second' }] });
    leaving.destroy();
    const answer = await second[0];
    expect(answer?.body).toMatchObject({ status: 'completed', output: [{ content: [{ text: 'of the second' }] }] });
    expect(answer?.headers.get(replayed)).toBeNull();
    expect(rig.model.requests).toHaveLength(2);
  });

  test('is run again where the process died in the midst of it', async () => {
    const rig = await startRig();
    const { asked } = hold(rig.model);
    const lost = rig.create({ stream }).catch(() => 'lost');
    await asked;
    await rig.restart();
    expect(await lost).toBe('lost');
    rig.model.answer = () => ({ blocks: [{ type: 'text', text: 'after all' }] });
    expect((await rig.create({ stream })).body).toMatchObject({ status: 'completed' });
    expect(rig.model.requests).toHaveLength(2);
  });

  test('is tried again where it failed before anything was paid', async () => {
    const rig = await startRig();
    rig.model.answer = (_, response) => void response.writeHead(500).end('{}');
    const failed = await rig.create({ stream });
    expect(failed.status).toBe(502);
    expect(failed.headers.get('x-should-retry')).toBeNull();
    rig.model.answer = () => ({ blocks: [{ type: 'text', text: 'better' }] });
    const answer = await rig.create({ stream });
    expect(answer.body).toMatchObject({ status: 'completed' });
    expect(answer.headers.get(replayed)).toBeNull();
    expect(rig.model.requests).toHaveLength(2);
  });

  test('fails as it did where an upstream was paid', async () => {
    const rig = await startRig();
    rig.model.answer = (_, response) => cut(response, stream);
    const failed = await rig.create({ stream });
    for (const restarts of [false, true]) {
      if (restarts) await rig.restart();
      const again = await rig.create({ stream });
      expect(again.status).toBe(failed.status);
      expect(again.headers.get('x-should-retry')).toBe(failed.headers.get('x-should-retry'));
      if (stream) expect(ceremony(again.events)).toEqual(ceremony(failed.events));
      else expect(again.text).toBe(failed.text);
    }
    expect(rig.model.requests).toHaveLength(1);
    if (stream) expect(failed.body).toMatchObject({ status: 'failed', output: [{ status: 'incomplete' }] });
    else expect([failed.status, failed.headers.get('x-should-retry')]).toEqual([502, 'false']);
  });

  test.each([true, false])(
    'that waits for a turn which fails is told the same (an upstream was paid: %s)',
    async (paid) => {
      const rig = await startRig();
      const { asked, release } = hold(rig.model);
      const answerWell = rig.model.answer;
      rig.model.answer = async (request, response) => {
        await answerWell(request, response);
        return paid ? cut(response, stream) : void response.writeHead(500).end('{}');
      };
      const first = rig.create({ stream });
      await asked;
      const second = await untilJoined(rig, () => [rig.create({ stream })]);
      release();
      const [failed, joined] = await Promise.all([first, ...second]);
      expect(joined?.status).toBe(failed.status);
      expect(joined?.headers.get('x-should-retry')).toBe(failed.headers.get('x-should-retry'));
      if (stream && paid) expect(ceremony(joined?.events ?? [])).toEqual(ceremony(failed.events));
      else expect(joined?.text).toBe(failed.text);
      expect([failed.status, failed.headers.get('x-should-retry')]).toEqual([
        stream && paid ? 200 : 502,
        paid && !stream ? 'false' : null,
      ]);
      expect(rig.model.requests).toHaveLength(1);
    },
  );

  test('that is not stored is shared while it runs, and is not kept', async () => {
    const rig = await startRig();
    const { asked, release } = hold(rig.model);
    const unstored = { stream, store: false };
    const first = rig.create(unstored);
    await asked;
    const second = await untilJoined(rig, () => [rig.create(unstored)]);
    release();
    const answer = await second[0];
    expect(answer?.body).toEqual((await first).body);
    expect(answer?.headers.get(replayed)).toBe('true');
    const late = await rig.create(unstored);
    expect(errorOf(late)).toMatchObject({ status: 400, code: 'idempotency_result_not_kept', param: 'Idempotency-Key' });
    expect(late.headers.get('x-should-retry')).toBe('false');
    expect(rig.model.requests).toHaveLength(1);
  });
});

/** Begins well, and breaks off in the midst of a text. */
function cut(response: ServerResponse, stream: boolean): undefined {
  if (stream) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const events = messageEvents([{ type: 'text', text: 'half of a text' }]);
    response.write(events.slice(0, 4).map(frame).join(''));
  } else {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write('{"id":"msg_1","type":"message"');
  }
  setImmediate(() => response.destroy());
}

describe('a key', () => {
  test('that comes with another body is refused, while the first runs and later', async () => {
    const rig = await startRig();
    const { asked, release } = hold(rig.model);
    const first = rig.create();
    await asked;
    const expected = { status: 400, code: 'idempotency_key_mismatch', param: 'Idempotency-Key' };
    const refused = await rig.create({ input: 'hello ' });
    expect(errorOf(refused)).toMatchObject(expected);
    expect(refused.headers.get('x-should-retry')).toBe('false');
    release();
    expect((await first).status).toBe(200);
    expect(errorOf(await rig.create({ stream: true }))).toMatchObject(expected);
    expect((await rig.create({ input: 'hello ' }, key('order-2'))).status).toBe(200);
    expect(rig.model.requests).toHaveLength(2);
  });

  test('belongs to one endpoint, by whichever of its paths, for one body', async () => {
    const rig = await startRig();
    const post = (path: string, body: object, value: string) =>
      createClient(rig.url).request('POST', path, { model: 'claude', ...body }, key(value));
    const expected = { status: 400, code: 'idempotency_key_mismatch', param: 'Idempotency-Key' };

    const first = await post('/v1/responses', { input: 'hello' }, 'one');
    expect(errorOf(await post('/v1/responses/compact', { input: 'hello' }, 'one'))).toMatchObject(expected);
    for (const path of ['/responses', '/v1//responses/', '/v1/responses?a=b'])
      expect((await post(path, { input: 'hello' }, 'one')).body).toEqual(first.body);

    const chat = { max_tokens: 100, messages: [{ role: 'user', content: 'hello' }] };
    const completion = await post('/chat/completions', chat, 'two');
    const message = await post('/v1/messages', chat, 'two');
    expect(message.status).toBe(400);
    expect(message.body).toMatchObject({ type: 'error', error: { details: { code: 'idempotency_key_mismatch' } } });
    expect((await post('/v1/chat/completions', chat, 'two')).body).toEqual(completion.body);
    expect(rig.model.requests).toHaveLength(2);
  });

  test('belongs to one tenant, and is stored as a hash', async () => {
    const rig = await startRig('auth: { keys: [{ name: a, key: sk-aaaaaaaa }, { name: b, key: sk-bbbbbbbb }] }');
    const own = await rig.create({}, { ...key('canary-key'), ...bearer('sk-aaaaaaaa') });
    const others = await rig.create({ input: 'other' }, { ...key('canary-key'), ...bearer('sk-bbbbbbbb') });
    expect([own.status, others.status]).toEqual([200, 200]);
    expect(others.body.id).not.toBe(own.body.id);
    const rows = rig.database().prepare('SELECT * FROM idempotency').all();
    expect(rows).toHaveLength(2);
    expect(new Set(rows.map((row) => row['key_hash'])).size).toBe(2);
    expect(JSON.stringify(rows)).not.toContain('canary');
  });

  test('whose response was deleted has no answer', async () => {
    const rig = await startRig();
    const { body } = await rig.create();
    await createClient(rig.url).request('DELETE', `/v1/responses/${body.id}`);
    expect(errorOf(await rig.create())).toMatchObject({ status: 400, code: 'idempotency_result_not_kept' });
    expect(rig.model.requests).toHaveLength(1);
  });

  test('is answered as it was, though it would be refused now: its parent is gone', async () => {
    const rig = await startRig();
    const parent = (await rig.create({ input: 'one' }, {})).body.id;
    const child = { previous_response_id: parent };
    const first = await rig.create(child);
    await createClient(rig.url).request('DELETE', `/v1/responses/${parent}`);
    const again = await rig.create(child);
    expect([again.status, again.headers.get(replayed)]).toEqual([200, 'true']);
    expect(again.body).toEqual(first.body);
    expect(errorOf(await rig.create(child, key('order-2')))).toMatchObject({ code: 'previous_response_not_found' });
    expect(rig.model.requests).toHaveLength(2);
  });

  test('is taken by no request that was refused for its own sake', async () => {
    const rig = await startRig();
    expect((await rig.create({ model: 'nobody' })).status).toBe(404);
    expect((await rig.create({ previous_response_id: 'resp_0' })).status).toBe(400);
    expect((await rig.create()).status).toBe(200);
  });

  test('is 1 to 255 visible ASCII characters', async () => {
    const rig = await startRig();
    const expected = { status: 400, code: 'invalid_value', param: 'Idempotency-Key' };
    for (const value of ['', 'a b', 'é', 'x'.repeat(256)]) {
      expect(errorOf(await rig.create({}, key(value)))).toMatchObject(expected);
    }
    expect((await rig.create({}, key(`!~${'x'.repeat(253)}`))).status).toBe(200);
    expect(rig.model.requests).toHaveLength(1);
  });
});

describe.each([false, true])('two gateways on one database (stream: %s)', async (stream) => {
  const server = await testPostgres();
  afterAll(() => server.stop());

  const startTwo = async () => {
    const model = await fakeMessagesModel();
    const url = await server.createDatabase();
    const config = `
store: { url: "${url}", secret: "${randomBytes(32).toString('hex')}", timeout_ms: 10000 }
models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${model.url}", api_key: k }]
`;
    const gateways = await Promise.all([0, 1].map(() => spawnGateway({ config, folder: temporaryFolder() })));
    const askOf = ({ url: gatewayUrl }: SpawnedGateway) =>
      createClient(gatewayUrl).create({ model: 'claude', input: 'hello', stream }, key());
    return { model, url, gateways, askOf };
  };

  test('make one upstream call between them, and one answers for the other', async () => {
    const { model, gateways, askOf } = await startTwo();
    const { asked, release } = hold(model);
    const calls = Array.from({ length: 10 }, () => gateways.map(askOf)).flat();
    await asked;
    release();
    const answers = await Promise.all(calls);
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(answers[0]?.body).toMatchObject({ status: 'completed' });
    for (const gateway of gateways) {
      expect((await askOf(gateway)).body).toEqual(answers[0]?.body);
      await gateway.kill('SIGKILL');
    }
    expect(model.requests).toHaveLength(1);
  });

  test('wait for one another', async () => {
    const { model, url, gateways, askOf } = await startTwo();
    const { asked, release } = hold(model);
    const [first, second] = gateways.map((gateway) => () => askOf(gateway));
    const leading = first?.();
    await asked;
    // A claim that finds its key held writes the row as it was.
    const version = async () => (await queryDatabase(url, 'SELECT xmin::text FROM idempotency'))[0]?.['xmin'];
    const before = await version();
    const waiting = second?.();
    while ((await version()) === before);
    release();
    const answer = await waiting;
    expect(answer?.body).toEqual((await leading)?.body);
    expect(answer?.headers.get(replayed)).toBe('true');
    expect(model.requests).toHaveLength(1);
  });
});
