/** Background turns where several processes share a database: read, cancelled and taken up at any of them. */
import { randomBytes } from 'node:crypto';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Client, createClient } from './support/client.ts';
import { databaseProxy, queryDatabase, testPostgres } from './support/postgres.ts';
import { openStream, suffix } from './support/open-stream.ts';
import { parseEvents } from './support/read-events.ts';
import { slowModel } from './support/slow-model.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const server = await testPostgres();
afterAll(() => server.stop());

async function setUp(more = '') {
  const upstream = await slowModel();
  const database = await server.createDatabase();
  const config = `
store: { url: "${database}", secret: "${randomBytes(32).toString('hex')}", timeout_ms: 10000 }
models: [{ name: m, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]
${more}`;
  const spawn = async (url = database) => {
    const gateway = await spawnGateway({ config: config.replace(database, url), folder: temporaryFolder() });
    return { gateway, url: gateway.url, client: createClient(gateway.url) };
  };
  return { upstream, database, spawn };
}

const background = { model: 'm', input: 'hello', background: true, stream: true };
const idIn = (text: string) => /"id":"(resp_\w+)"/.exec(text)?.[1] ?? '';
const untilEnded = async (client: Client, id: string) => {
  let answer = await client.get(id);
  while (['queued', 'in_progress'].includes(answer.body.status)) answer = await client.get(id);
  return answer;
};
const lastSequence = (text: string) => Number([...text.matchAll(/"sequence_number":(\d+)/g)].at(-1)?.[1] ?? -1);
/** Whole events only, as a client has them that is cut off in the middle of one. */
const wholeEvents = (text: string) => text.slice(0, text.lastIndexOf('\n\n') + 2);

describe('a stream', () => {
  test('is the same at every node for every reader, however often they leave and come back', async () => {
    const { upstream, spawn } = await setUp();
    const nodes = [await spawn(), await spawn()] as const;
    const [first, second] = nodes;
    const whole = await openStream(first.url, '/v1/responses', background);
    const id = idIn(await whole.until('response.queued'));
    const call = await upstream.call(0);
    const words = Array.from({ length: 60 }, (_, n) => `word-${n} `);

    // Each comes back at the other node, behind the last event that it has whole.
    const roam = async (seed: number): Promise<string> => {
      let text = '';
      for (let visit = seed; ; visit++) {
        const node = nodes[visit % 2] ?? first;
        const after = lastSequence(text);
        const stream = await openStream(
          node.url,
          `/v1/responses/${id}?stream=true${after < 0 ? '' : `&starting_after=${after}`}`,
        );
        const next = words[Math.min(words.length - 1, visit * 7)];
        if (visit * 7 >= words.length) return text + (await stream.rest());
        text += wholeEvents(await stream.until(`"delta":"${next}"`));
        stream.leave();
      }
    };
    const readers = [roam(0), roam(1), roam(2), roam(3)];
    for (const word of words) {
      call.say(word);
      await whole.until(word);
    }
    call.end();
    const text = await whole.rest();
    for (const reader of readers) expect(suffix(await reader, -1)).toBe(suffix(text, -1));
    for (const after of [0, 1, 17, 63]) {
      for (const { client } of nodes) {
        const { text: resumed } = await client.request(
          'GET',
          `/v1/responses/${id}?stream=true&starting_after=${after}`,
        );
        expect(resumed).toBe(suffix(text, after));
      }
    }
    expect(parseEvents(text).at(-1)?.data.response).toEqual((await second.client.get(id)).body);
  });
});

describe('a cancel at another node', () => {
  test('hangs up here, and keeps what there is', async () => {
    const { upstream, spawn, database } = await setUp();
    const [here, there] = [await spawn(), await spawn()];
    const reader = await openStream(here.url, '/v1/responses', background);
    const id = idIn(await reader.until('response.in_progress'));
    const call = await upstream.call(0);
    call.say('half a word');
    await reader.until('half a word');
    const owner = await queryDatabase(database, `SELECT owner FROM turns WHERE id = '${id}'`);
    expect(owner).toHaveLength(1);
    const answers = await Promise.all(
      [here, there, there, here].map(({ client }) => client.request('POST', `/v1/responses/${id}/cancel`)),
    );
    // Whichever node answers, what there is is there.
    const kept = await there.client.get(id);
    expect(kept.body).toMatchObject({ status: 'cancelled', output: [{ content: [{ text: 'half a word' }] }] });
    for (const { status, body } of answers) expect([status, body]).toEqual([200, kept.body]);
    await call.hungUp;
    expect((await here.client.get(id)).body).toEqual(kept.body);
    expect(await reader.rest()).not.toMatch(/event: response\.(completed|failed|incomplete)/);
  });

  test('and the end of the response at once: one of them, the same to everybody', async () => {
    const { upstream, spawn } = await setUp();
    const [here, there] = [await spawn(), await spawn()];
    for (let round = 0; round < 12; round++) {
      const reader = await openStream(here.url, '/v1/responses', background);
      const id = idIn(await reader.until('response.in_progress'));
      const call = await upstream.call(round);
      call.say('x');
      await reader.until('"delta":"x"');
      call.end();
      const answers = await Promise.all(
        [there, here].map(({ client }) => client.request('POST', `/v1/responses/${id}/cancel`)),
      );
      const text = await reader.rest();
      const { status } = (await here.client.get(id)).body;
      expect(['completed', 'cancelled']).toContain(status);
      for (const { body } of answers) expect(body.status).toBe(status);
      expect((await there.client.get(id)).body.status).toBe(status);
      expect(text.includes('event: response.completed')).toBe(status === 'completed');
      const again = await there.client.request('GET', `/v1/responses/${id}?stream=true`);
      expect(again.text).toBe(suffix(text, -1));
    }
  });
});

test('of a process that is killed the others take up what waited, once, and fail what ran', async () => {
  const { upstream, spawn, database } = await setUp('background: { max_running: 1 }');
  const dying = await spawn();
  const running = await openStream(dying.url, '/v1/responses', background);
  const id = idIn(await running.until('response.in_progress'));
  (await upstream.call(0)).say('half a word');
  const seen = await running.until('half a word');
  const waiting: string[] = [];
  for (let n = 0; n < 4; n++) {
    waiting.push((await dying.client.create({ ...background, stream: n % 2 === 1 ? undefined : false })).body.id);
  }
  const streamed = await openStream(dying.url, '/v1/responses', { ...background, input: 'streamed' });
  waiting.push(idIn(await streamed.until('response.queued')));
  await dying.gateway.kill('SIGKILL');
  const [one, other] = [await spawn(), await spawn(), await spawn()];
  for (let n = 0; n < waiting.length; n++) {
    const call = await upstream.call(n + 1);
    call.say(`answer ${n}`);
    call.end();
  }
  for (const each of waiting) expect((await untilEnded(one.client, each)).body.status).toBe('completed');
  const failed = await untilEnded(one.client, id);
  expect(failed.body).toMatchObject({ status: 'failed', error: { code: 'server_error' } });
  const { events, text } = await other.client.request('GET', `/v1/responses/${id}?stream=true`);
  expect(text.startsWith(wholeEvents(seen))).toBe(true);
  expect(events.map(({ data }) => data.sequence_number)).toEqual(events.map((_, index) => index));
  expect(events.at(-1)).toMatchObject({ event: 'response.failed', data: { sequence_number: lastSequence(seen) + 1 } });
  expect(events.at(-1)?.data.response).toEqual(failed.body);
  expect(upstream.requests).toHaveLength(waiting.length + 1);
  const attempts = await queryDatabase(
    database,
    'SELECT status, count(*)::integer AS n FROM attempts GROUP BY status ORDER BY 1',
  );
  expect(attempts).toEqual([
    { status: 'completed', n: waiting.length },
    { status: 'crashed', n: 1 },
  ]);
});

test('where nobody knows whether the attempt behind a summary has begun, nothing is sent that would be on no bill', async () => {
  const { upstream, database, spawn } = await setUp();
  const proxy = await databaseProxy(database);
  onTestFinished(() => proxy.close());
  const { client } = await spawn(proxy.url);
  const said = ['one', 'two', 'three'].flatMap((word) => [
    { role: 'user', content: word },
    { role: 'assistant', content: word.repeat(2000) },
  ]);
  const { id } = (
    await client.create({
      model: 'm',
      background: true,
      input: [...said, { role: 'user', content: 'go on' }],
      context_management: [{ type: 'compaction', compact_threshold: 1000 }],
    })
  ).body;
  const summary = await upstream.call(0);
  proxy.loseReplyTo = 'INSERT INTO attempts';
  summary.say('They said one, two, three.');
  summary.end();
  expect((await untilEnded(client, id)).body).toMatchObject({ status: 'failed' });
  expect(proxy.loseReplyTo).toBeUndefined();
  expect(upstream.requests).toHaveLength(1);
});
