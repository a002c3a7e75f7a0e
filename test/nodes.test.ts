/** Many nodes over one Postgres: workers behind one port, and gateways that share nothing but the database. */
import { spawn as spawnProcess, spawnSync } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { createPostgresStore } from '../src/store/postgres/create-postgres-store.ts';
import { intentOf, startMs } from './store/make.ts';
import { createClient } from './support/client.ts';
import { fakeMessagesModel, type FakeModel, lastText, type MessagesAnswer } from './support/fake-models.ts';
import { type Block, frame, messageEvents } from './support/fake-upstream.ts';
import { queryDatabase, testPostgres } from './support/postgres.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

/** How many turns go from node to node. */
const turns = Number(process.env['TURNPIKE_NODE_TURNS'] ?? 300);
const log = { info: () => {}, warn: () => {}, error: () => {} };
const main = new URL('../src/main.ts', import.meta.url).pathname;
const generous = { timeout: 120_000, interval: 100 };

const server = await testPostgres();
afterAll(() => server.stop());

interface Setup {
  url: string;
  config: string;
  upstream: FakeModel<MessagesAnswer>;
}

async function setUp(): Promise<Setup> {
  const url = await server.createDatabase();
  const upstream = await fakeMessagesModel();
  const config = `
store: { url: "${url}", secret: "${randomBytes(32).toString('hex')}", timeout_ms: 10000 }
models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]
routing: { retries: 0 }
`;
  return { url, config, upstream };
}

const spawn = ({ config }: Setup, ...args: string[]) =>
  spawnGateway({ config, folder: temporaryFolder(), arguments: args });

/** The processes of a primary's workers. */
function workersOf({ pid }: { pid?: number | undefined }): number[] {
  const { stdout } = spawnSync('pgrep', ['-P', String(pid)], { encoding: 'latin1' });
  return stdout.split('\n').filter(Boolean).map(Number);
}

/** The texts of the conversation that a request to the upstream holds. */
function conversationIn({ messages }: { messages: { content: string | Block[] }[] }): unknown[] {
  return messages.map(({ content }) => (typeof content === 'string' ? content : content[0]?.['text']));
}

interface StreamedResponse {
  id: string;
  status: string;
}

interface RunningStream {
  /** The id in `response.created`. */
  created: Promise<string>;
  /** Resolves as soon as the terminal event has been read; undefined: the connection broke before. */
  end: Promise<StreamedResponse | undefined>;
}

/** A turn as a stream that is read event by event, so that a client can act on the last one at once. */
function streamTurn(url: string, body: object): RunningStream {
  let onCreated = (_id: string): void => {};
  let onFailure = (_error: unknown): void => {};
  const created = new Promise<string>((resolve, reject) => {
    onCreated = resolve;
    onFailure = reject;
  });
  const read = async (): Promise<StreamedResponse | undefined> => {
    const response = await fetch(`${url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'claude', stream: true, ...body }),
    });
    if (response.status !== 200 || response.body === null) {
      throw new Error(`${response.status} ${await response.text()}`);
    }
    let text = '';
    const pieces = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value } = await pieces.read().catch(() => ({ value: undefined }));
      if (value === undefined) return undefined;
      text += value;
      const id = /^event: response\.created\ndata: .*?"id":"(resp_\w+)"/m.exec(text)?.[1];
      if (id !== undefined) onCreated(id);
      const end = /^event: response\.(?:completed|failed|incomplete)\ndata: (.+)\n\n/m.exec(text)?.[1];
      if (end !== undefined) return (JSON.parse(end) as { response: StreamedResponse }).response;
    }
  };
  const end = read();
  end.catch(onFailure);
  return { created, end };
}

/** Answers up to its first text, and goes on when `release` is called: how much is behind it is told by `held`. */
function heldAnswer(upstream: FakeModel<MessagesAnswer>): { release: () => void } {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  upstream.answer = async (request, response) => {
    const frames = messageEvents([{ type: 'text', text: `Re: ${lastText(request)}` }]).map(frame);
    const begun = frames.findIndex((each) => each.includes('text_delta')) + 1;
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(frames.slice(0, begun).join(''));
    await released;
    response.end(frames.slice(begun).join(''));
    return undefined;
  };
  return { release };
}

/** Why nobody answers; undefined: somebody does. */
async function failureOf({ url }: SpawnedGateway): Promise<unknown> {
  try {
    await fetch(`${url}/health/live`);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.cause : error;
  }
}

test(
  'two workers serve one port; one that is killed is replaced, and its turns fail',
  { timeout: 300_000 },
  async () => {
    const setup = await setUp();
    const gateway = await spawn(setup, '--workers', '2');
    const client = createClient(gateway.url);
    const { release } = heldAnswer(setup.upstream);
    const owners = async () =>
      (await queryDatabase(setup.url, `SELECT DISTINCT owner FROM turns WHERE status = 'in_progress'`)).length;

    // Which worker takes a connection is the kernel's choice: as many as it takes until each has some.
    const streams: RunningStream[] = [];
    do {
      const more = Array.from({ length: 8 }, (_, index) =>
        streamTurn(gateway.url, { input: `question ${streams.length + index}` }),
      );
      streams.push(...more);
      await Promise.all(more.map(({ created }) => created));
    } while ((await owners()) < 2);

    const before = workersOf(gateway);
    expect(before).toHaveLength(2);
    const [victim = 0, survivor] = before;
    process.kill(victim, 'SIGKILL');
    // Those of the dead end by themselves; the others wait for their upstream.
    await expect.poll(() => workersOf(gateway).filter((pid) => pid !== victim).length, generous).toBe(2);
    expect(workersOf(gateway)).toContain(survivor);
    release();

    const ids = await Promise.all(streams.map(({ created }) => created));
    const ends = await Promise.all(streams.map(({ end }) => end));
    const lost = ids.filter((_, index) => ends[index] === undefined);
    expect(lost.length).toBeGreaterThan(0);
    expect(lost.length).toBeLessThan(ids.length);
    for (const [index, id] of ids.entries()) {
      if (ends[index] === undefined) {
        await expect.poll(async () => (await client.get(id)).body.status, generous).toBe('failed');
        continue;
      }
      expect(ends[index]).toMatchObject({ id, status: 'completed' });
      const next = await client.create({ model: 'claude', previous_response_id: id, input: 'and then?' });
      expect(next.body).toMatchObject({ status: 'completed' });
      expect(conversationIn(setup.upstream.requests.at(-1)?.body)).toEqual([
        `question ${index}`,
        `Re: question ${index}`,
        'and then?',
      ]);
    }
    const crashed = await queryDatabase(
      setup.url,
      `SELECT turn_id, estimated FROM attempts WHERE status = 'crashed' ORDER BY turn_id`,
    );
    expect(crashed).toEqual(lost.toSorted().map((id) => ({ turn_id: id, estimated: 1 })));

    const workers = workersOf(gateway);
    expect(await gateway.kill('SIGTERM')).toBe(0);
    for (const pid of workers) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(await failureOf(gateway)).toMatchObject({ code: 'ECONNREFUSED' });
    expect(gateway.output().match(/turnpike ready on/g)).toHaveLength(1);
    expect(await queryDatabase(setup.url, 'SELECT owner FROM nodes')).toEqual([]);
  },
);

test('SIGTERM lets the workers end what they serve', async () => {
  const setup = await setUp();
  const gateway = await spawn(setup, '--workers', '2');
  const { release } = heldAnswer(setup.upstream);
  const running = Array.from({ length: 4 }, () => streamTurn(gateway.url, { input: 'go on' }));
  await Promise.all(running.map(({ created }) => created));
  const exit = gateway.kill('SIGTERM');
  await expect.poll(() => failureOf(gateway), generous).toMatchObject({ code: 'ECONNREFUSED' });
  release();
  for (const { end } of running) expect(await end).toMatchObject({ status: 'completed' });
  expect(await exit).toBe(0);
});

test('SIGTERM before the workers serve ends them too', async () => {
  const { config } = await setUp();
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'turnpike.yaml'), `server: { port: 0, workers: 2 }\n${config}`);
  const { PATH = '' } = process.env;
  const primary = spawnProcess(process.execPath, [main], { cwd: folder, env: { PATH }, stdio: 'ignore' });
  onTestFinished(() => void primary.kill('SIGKILL'));
  const exit = once(primary, 'exit');
  await expect.poll(() => workersOf(primary), generous).toHaveLength(1);
  primary.kill('SIGTERM');
  expect(await exit).toEqual([0, null]);
});

test('workers end with their primary, even one that is killed', async () => {
  const gateway = await spawn(await setUp(), '--workers', '2');
  await gateway.kill('SIGKILL');
  await expect.poll(() => failureOf(gateway), generous).toMatchObject({ code: 'ECONNREFUSED' });
});

test('what a process left running that has ended for sure is failed without waiting for its lease', async () => {
  const url = await server.createDatabase();
  const never = 2 ** 31 - 1;
  const limits = { timeoutMs: 30_000, heartbeatMs: never, sweepMs: never, leaseMs: never };
  const open = (owner: string, replaces: string[]) =>
    createPostgresStore({ url, secret: Buffer.alloc(32, 7), owner, replaces, log, limits });
  const [first, second] = await Promise.all([open('first', []), open('second', [])]);
  await first.forTenant('default').beginTurn(intentOf({ owner: 'first' }));
  await second.forTenant('default').beginTurn(intentOf({ owner: 'second' }));
  const third = await open('third', ['first']);
  expect(await third.sweep(startMs)).toBe(1);
  expect(await queryDatabase(url, 'SELECT owner, status FROM turns ORDER BY owner')).toEqual([
    { owner: 'first', status: 'failed' },
    { owner: 'second', status: 'in_progress' },
  ]);
  await Promise.all([first, second, third].map((store) => store.close()));
});

test('workers that cannot start say why once, and the primary ends with them', async () => {
  const config = `store: { url: "postgres://u:p4ssword@127.0.0.1:1/gone", secret: "${'0f'.repeat(32)}" }\nserver: { workers: 3 }\n`;
  const failure = await spawnGateway({ config, folder: temporaryFolder() }).then(
    () => '',
    (error: Error) => error.message,
  );
  expect(failure).toMatch(
    /ended with 1 before it was ready:\nturnpike: The store postgres:\/\/127\.0\.0\.1:1\/gone cannot be opened: [^\n]+\n$/,
  );
});

test('workers on SQLite are refused', async () => {
  const failure = await spawnGateway({ folder: temporaryFolder(), arguments: ['--workers', '2'] }).then(
    () => '',
    (error: Error) => error.message,
  );
  expect(failure).toMatch(/ended with 1 .*\ncommand line: --workers: must be 1 with SQLite, [^\n]+\n$/);
});

test(
  `${turns} turns, each at another node the moment its parent's end was read (TURNPIKE_NODE_TURNS)`,
  { timeout: 3_600_000 },
  async () => {
    const setup = await setUp();
    const nodes = await Promise.all(Array.from({ length: 3 }, () => spawn(setup)));
    const chainLength = 20;
    let left = turns;
    let answered = 0;

    async function goOn(loop: number): Promise<void> {
      let node = randomInt(nodes.length);
      let previous: string | null = null;
      let said: string[] = [];
      while (left > 0) {
        const turn = --left;
        const question = `question ${turn} of loop ${loop}`;
        const { end } = streamTurn(nodes[node]?.url ?? '', { previous_response_id: previous, input: question });
        const response: StreamedResponse | undefined = await end;
        expect(response).toMatchObject({ status: 'completed' });
        said.push(question, `Re: ${question}`);
        answered += 1;
        previous = response?.id ?? null;
        node = (node + 1 + randomInt(nodes.length - 1)) % nodes.length;
        if (said.length < 2 * chainLength) continue;
        previous = null;
        said = [];
      }
    }

    await Promise.all(Array.from({ length: 4 }, (_, loop) => goOn(loop)));
    expect(answered).toBe(turns);
    expect(setup.upstream.requests).toHaveLength(turns);
    // What the model saw: all that was said on the chain, once and in order.
    const chains = new Map<string, string[]>();
    for (const { body } of setup.upstream.requests) {
      const seen = conversationIn(body).map(String);
      const question = seen.at(-1) ?? '';
      const parent = seen.at(-3);
      expect(seen).toEqual(parent === undefined ? [question] : [...(chains.get(parent) ?? []), question]);
      chains.set(question, [...seen, `Re: ${question}`]);
    }
    const deep = [...chains.values()].filter(({ length }) => length === 2 * chainLength);
    expect(deep.length).toBeGreaterThan(0);
  },
);

test('a node that was frozen, swept and wakes does no harm', { timeout: 300_000 }, async () => {
  const setup = await setUp();
  const [frozen, other] = await Promise.all([spawn(setup), spawn(setup)]);
  const { release } = heldAnswer(setup.upstream);
  const running = streamTurn(frozen.url, { input: 'wait for me' });
  const id = await running.created;
  const attempts = () =>
    queryDatabase(setup.url, 'SELECT status, estimated, input_tokens, output_tokens, cost_nano_usd FROM attempts');

  frozen.process.kill('SIGSTOP');
  const elsewhere = createClient(other.url);
  await expect.poll(async () => (await elsewhere.get(id)).body.status, generous).toBe('failed');
  const [swept] = await attempts();
  expect(swept).toMatchObject({ status: 'crashed', estimated: 1 });

  release();
  frozen.process.kill('SIGCONT');
  expect(await running.end).toMatchObject({ id, status: 'failed' });
  for (const client of [elsewhere, createClient(frozen.url)]) {
    expect((await client.get(id)).body).toMatchObject({ status: 'failed', output: [] });
    const next = await client.create({ model: 'claude', previous_response_id: id, input: 'go on' });
    expect([next.status, next.body.error.code]).toEqual([400, 'previous_response_not_found']);
  }
  // What the upstream said is what it costs: an estimate gives way to it.
  const rows = await attempts();
  expect(rows).toMatchObject([{ status: 'completed', estimated: 0, input_tokens: 30, output_tokens: 7 }]);
  expect(rows[0]?.['cost_nano_usd']).not.toBe(swept?.['cost_nano_usd']);
  // And it serves on, as the same node.
  const again = await createClient(frozen.url).create({ model: 'claude', input: 'hello' });
  expect(again.body).toMatchObject({ status: 'completed' });
});
