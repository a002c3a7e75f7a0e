/** Budgets over real sockets: what a client is told, and that a cap holds over several processes of which one is killed. */
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, createClient } from './support/client.ts';
import {
  type ChatAnswer,
  chatEcho,
  fakeChatModel,
  fakeMessagesModel,
  type FakeModel,
  type MessagesAnswer,
} from './support/fake-models.ts';
import { queryDatabase, testPostgres } from './support/postgres.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

/** A token of output costs 0.001 USD, of input nothing, so that a call that may write 100 tokens reserves 0.1 USD. */
const price = 'price: { input: 0, output: 1000 }';
const maxTokens = 100;
const usdPerToken = 0.001;

const answerOf = (tokens: number): MessagesAnswer => ({
  blocks: [{ type: 'text', text: 'ok' }],
  endUsage: { output_tokens: tokens },
});
const withKey = (key: string) => ({ authorization: `Bearer ${key}` });
const ask = (url: string, key: string, fields: object = {}, headers: object = {}): Promise<Answer> =>
  createClient(url).create(
    { model: 'claude', input: 'hi', max_output_tokens: maxTokens, ...fields },
    {
      ...withKey(key),
      ...headers,
    },
  );
const isSpent = ({ status, headers }: Answer) => status === 429 && headers.get('x-should-retry') === 'false';

/** What never comes ends in the test's own time limit. */
async function until(isTrue: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setImmediate(resolve));
}

describe('a budget', () => {
  const cleanups: (() => void)[] = [];
  const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
  const folder = temporaryFolder();
  let gateway: SpawnedGateway;
  let upstream: FakeModel<MessagesAnswer>;
  let speaker: FakeModel<ChatAnswer>;
  beforeAll(async () => {
    upstream = await fakeMessagesModel(onCleanup);
    speaker = await fakeChatModel(onCleanup);
    const config = `
auth:
  master_key: sk-master
  keys:
    - { name: cheap, key: sk-cheap, budget_usd: 0.05 }
    - { name: one, key: sk-one, team: alpha }
    - { name: two, key: sk-two, team: alpha, budget_usd: 100 }
    - { name: free, key: sk-free }
  teams: { alpha: { budget_usd: 0.05 } }
models:
  - { name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k, ${price} }
  - { name: published, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }
  - { name: speaker, provider: openai, model: gpt-audio, base_url: "${speaker.url}", api_key: k }
  - { name: unpriced, provider: anthropic, model: no-such-model, base_url: "${upstream.url}", api_key: k }
routing: { retries: 1 }
`;
    gateway = await spawnGateway({ config, folder, onCleanup });
  });
  afterAll(() => {
    for (const cleanup of cleanups) cleanup();
  });

  const rows = (sql: string) => {
    const db = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
    const found = db.prepare(sql).all();
    db.close();
    return found;
  };
  const admin = (method: string, path: string, body?: object) =>
    createClient(gateway.url).request(method, `/admin/v1${path}`, body, withKey('sk-master'));
  const createKey = async (fields: object): Promise<{ id: string; key: string }> => {
    const { status, body, text } = await admin('POST', '/keys', { name: 'k', ...fields });
    expect(status, text).toBe(200);
    return body;
  };
  const budgetOf = async (path: string) => (await admin('GET', path)).body.budget;

  test('of a key ends its calls, with an error that SDKs do not repeat; others do not notice', async () => {
    upstream.answer = () => answerOf(60);
    expect((await ask(gateway.url, 'sk-cheap')).status).toBe(200);
    const sent = upstream.requests.length;
    const refused = await ask(gateway.url, 'sk-cheap');
    expect(refused).toMatchObject({ status: 429 });
    expect(refused.body.error).toEqual({
      message: 'The budget of this key is spent.',
      type: 'rate_limit_error',
      param: null,
      code: 'budget_exceeded',
    });
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(refused.headers.get('retry-after')).toBe('3600');
    expect(upstream.requests).toHaveLength(sent);
    expect(rows(`SELECT 1 FROM turns WHERE key_id = 'key_cheap'`)).toHaveLength(1);
    expect((await ask(gateway.url, 'sk-free')).status).toBe(200);
    expect((await ask(gateway.url, 'sk-master')).status).toBe(200);
    expect(
      rows(`SELECT DISTINCT budget_id FROM reservations UNION SELECT id FROM budgets ORDER BY 1`),
    ).not.toContainEqual({
      budget_id: 'key:key_free',
    });
  });

  test('of a team is that of all its keys', async () => {
    upstream.answer = () => answerOf(60);
    expect((await ask(gateway.url, 'sk-one')).status).toBe(200);
    const refused = await ask(gateway.url, 'sk-two');
    expect([refused.status, refused.body.error.message]).toEqual([429, "The budget of this key's team is spent."]);
    expect(isSpent(refused)).toBe(true);
  });

  test('is set, read, raised and taken away through the admin API, of keys and of teams', async () => {
    upstream.answer = () => answerOf(50);
    const team = (await admin('POST', '/teams', { name: 'research', budget_usd: 7.5 })).body;
    expect(team.budget).toEqual({ limit_usd: 7.5, spent_usd: 0, reserved_usd: 0 });
    const { id, key } = await createKey({ team_id: team.id, budget_usd: 0.05 });
    expect((await ask(gateway.url, key)).status).toBe(200);
    expect(isSpent(await ask(gateway.url, key))).toBe(true);
    expect(await budgetOf(`/keys/${id}`)).toEqual({ limit_usd: 0.05, spent_usd: 0.05, reserved_usd: 0 });
    expect(await budgetOf(`/teams/${team.id}`)).toEqual({ limit_usd: 7.5, spent_usd: 0.05, reserved_usd: 0 });
    expect((await admin('GET', '/keys')).body.data[0].budget).toMatchObject({ limit_usd: 0.05 });
    expect((await admin('GET', '/teams')).body.data[0].budget).toMatchObject({ limit_usd: 7.5 });

    expect((await admin('PATCH', `/keys/${id}`, { budget_usd: 0.1 })).body.budget).toMatchObject({ limit_usd: 0.1 });
    expect((await ask(gateway.url, key)).status).toBe(200);
    expect(isSpent(await ask(gateway.url, key))).toBe(true);
    expect((await admin('PATCH', `/keys/${id}`, { name: 'same' })).body.budget).toMatchObject({ limit_usd: 0.1 });
    expect((await admin('PATCH', `/keys/${id}`, { budget_usd: null })).body.budget).toBeNull();
    expect((await ask(gateway.url, key)).status).toBe(200);
    const { budget } = (await admin('PATCH', `/teams/${team.id}`, { budget_usd: 0.1 })).body;
    expect(budget).toEqual({ limit_usd: 0.1, spent_usd: 0.15, reserved_usd: 0 });
    // What was spent under a limit stays spent; the call without one is not counted.
    const again = (await admin('PATCH', `/keys/${id}`, { budget_usd: 1 })).body.budget;
    expect(again).toEqual({ limit_usd: 1, spent_usd: 0.1, reserved_usd: 0 });
    for (const budget_usd of [-1, 'ten', 1e12])
      expect((await admin('PATCH', `/keys/${id}`, { budget_usd })).body.error).toMatchObject({ param: 'budget_usd' });
  });

  test('holds what runs; what waits for it is told to come again; what ended is free', async () => {
    const { id, key } = await createKey({ budget_usd: 0.15 });
    const held = Promise.withResolvers<MessagesAnswer>();
    const sent = upstream.requests.length;
    upstream.answer = () => held.promise;
    const running = ask(gateway.url, key);
    await until(() => upstream.requests.length > sent);
    expect(await budgetOf(`/keys/${id}`)).toEqual({ limit_usd: 0.15, spent_usd: 0, reserved_usd: 0.1 });
    const refused = await ask(gateway.url, key);
    expect([refused.status, refused.body.error.code]).toEqual([429, 'budget_exceeded']);
    expect([refused.headers.get('retry-after'), refused.headers.get('x-should-retry')]).toEqual(['1', null]);
    held.resolve(answerOf(3));
    expect((await running).status).toBe(200);
    expect(await budgetOf(`/keys/${id}`)).toEqual({ limit_usd: 0.15, spent_usd: 0.003, reserved_usd: 0 });
    // It would not fit, and is let past the limit because it is alone.
    expect((await ask(gateway.url, key, { max_output_tokens: 10_000 })).status).toBe(200);
  });

  test('holds the output of every answer that a call asks for', async () => {
    const qwen = await fakeChatModel(onCleanup);
    const { url } = await spawnGateway({
      config: `
auth: { keys: [{ name: k, key: sk-k, budget_usd: 0.5 }] }
models: [{ name: qwen, provider: openai-compatible, model: qwen3-32b, base_url: "${qwen.url}/v1", api_key: k, ${price} }]
`,
      folder: temporaryFolder(),
      onCleanup,
    });
    const held = Promise.withResolvers<void>();
    qwen.answer = async (...call) => {
      await held.promise;
      return chatEcho(...call);
    };
    // Four answers of 100 tokens are 0.4 USD: one call fits, and beside it neither another one nor, at n = 2, a smaller one.
    const body = { model: 'qwen', messages: [{ role: 'user', content: 'hi' }], max_tokens: maxTokens };
    const complete = (n: number) =>
      createClient(url).request('POST', '/v1/chat/completions', { ...body, n }, withKey('sk-k'));
    const running = complete(4);
    await until(() => qwen.requests.length === 1);
    const others = await Promise.all([4, 4, 2, 4].map(complete));
    expect(others.map(({ status, body: { error } }) => [status, error.code])).toEqual(
      others.map(() => [429, 'budget_exceeded']),
    );
    expect(others.map(({ headers }) => headers.get('retry-after'))).toEqual(others.map(() => '1'));
    expect(qwen.requests.map(({ body: { n } }) => n)).toEqual([4]);
    const small = complete(1);
    await until(() => qwen.requests.length === 2);
    held.resolve();
    expect([(await running).status, (await small).status]).toEqual([200, 200]);
  });

  test('holds the dearest that a call may be: every byte of its input written to the cache for an hour', async () => {
    const { id, key } = await createKey({ budget_usd: 100 });
    const held = Promise.withResolvers<MessagesAnswer>();
    const sent = upstream.requests.length;
    upstream.answer = () => held.promise;
    const running = ask(gateway.url, key, { model: 'published', input: '漢'.repeat(40_000) });
    await until(() => upstream.requests.length > sent);
    const { reserved_usd: reserved } = await budgetOf(`/keys/${id}`);
    // 120,000 tokens and some at 2 USD a million, and 100 of output.
    expect(reserved).toBeGreaterThan(0.24);
    expect(reserved).toBeLessThan(0.244);
    held.resolve(answerOf(3));
    expect((await running).status).toBe(200);
  });

  test('holds for sound, and is spent by it, at the price of sound', async () => {
    const { id, key } = await createKey({ budget_usd: 100 });
    const held = Promise.withResolvers<ChatAnswer>();
    speaker.answer = () => held.promise;
    const body = { model: 'speaker', messages: [{ role: 'user', content: 'hi' }], max_completion_tokens: 1000 };
    const running = createClient(gateway.url).request('POST', '/v1/chat/completions', body, withKey(key));
    await until(() => speaker.requests.length > 0);
    // 1,000 tokens of output at 64 USD a million; a thousand and some of input at 32, of which a chat's own words are few.
    expect((await budgetOf(`/keys/${id}`)).reserved_usd).toBeGreaterThan(0.096);
    const usage = {
      prompt_tokens: 60,
      completion_tokens: 25,
      prompt_tokens_details: { text_tokens: 10, audio_tokens: 50 },
      completion_tokens_details: { text_tokens: 5, audio_tokens: 20 },
    };
    held.resolve({ content: 'ok', usage });
    expect((await running).status).toBe(200);
    const spentUsd = (10 * 2.5 + 50 * 32 + 5 * 10 + 20 * 64) / 1e6;
    expect(await budgetOf(`/keys/${id}`)).toEqual({ limit_usd: 100, spent_usd: spentUsd, reserved_usd: 0 });
  });

  test('is not spent by what the upstream refuses, and has room for the next attempt', async () => {
    const { id, key } = await createKey({ budget_usd: 0.1 });
    let calls = 0;
    upstream.answer = (_, response) => {
      calls += 1;
      if (calls > 1) return answerOf(5);
      response.writeHead(529, { 'content-type': 'application/json' });
      response.end('{"type":"error","error":{"type":"overloaded_error","message":"busy"}}');
      return undefined;
    };
    expect((await ask(gateway.url, key)).status).toBe(200);
    expect(calls).toBe(2);
    upstream.answer = (_, response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end('{"type":"error","error":{"type":"invalid_request_error","message":"no"}}');
      return undefined;
    };
    expect((await ask(gateway.url, key)).status).toBe(400);
    expect(await budgetOf(`/keys/${id}`)).toEqual({ limit_usd: 0.1, spent_usd: 0.005, reserved_usd: 0 });
  });

  test('is not asked for an answer that was paid for: the same Idempotency-Key gets it from a spent budget', async () => {
    upstream.answer = () => answerOf(50);
    const { id, key } = await createKey({ budget_usd: 0.05 });
    const once = { 'idempotency-key': 'once' };
    const first = await ask(gateway.url, key, {}, once);
    expect(first.status).toBe(200);
    const again = await ask(gateway.url, key, {}, once);
    expect([again.status, again.body.id]).toEqual([200, first.body.id]);
    expect(isSpent(await ask(gateway.url, key, {}, { 'idempotency-key': 'twice' }))).toBe(true);
    expect(await budgetOf(`/keys/${id}`)).toEqual({ limit_usd: 0.05, spent_usd: 0.05, reserved_usd: 0 });
  });

  describe('of a background response', () => {
    const background = { background: true };
    const isOver = async (id: string, key: string) => !['queued', 'in_progress'].includes((await get(id, key)).status);
    const get = async (id: string, key: string) =>
      (await createClient(gateway.url).request('GET', `/v1/responses/${id}`, undefined, withKey(key))).body;

    test('lets it wait for calls that run, behind which nobody else waits', async () => {
      const { key } = await createKey({ budget_usd: 0.15 });
      const held = Promise.withResolvers<MessagesAnswer>();
      const sent = upstream.requests.length;
      upstream.answer = () => (upstream.requests.length <= sent + 2 ? held.promise : answerOf(3));
      const running = ask(gateway.url, key);
      await until(() => upstream.requests.length === sent + 1);
      // Who has a turn that runs comes after who has none.
      const other = (await ask(gateway.url, 'sk-free', background)).body;
      await until(() => upstream.requests.length === sent + 2);
      const waiting = (await ask(gateway.url, key, background)).body;
      expect(waiting.status).toBe('queued');
      const free = (await ask(gateway.url, 'sk-free', background)).body;
      await until(() => isOver(free.id, 'sk-free'));
      expect((await get(free.id, 'sk-free')).status).toBe('completed');
      // It was there before the other one, and has been looked at.
      expect((await get(waiting.id, key)).status).toBe('queued');
      held.resolve(answerOf(3));
      expect((await running).status).toBe(200);
      await until(() => isOver(waiting.id, key));
      expect((await get(waiting.id, key)).status).toBe('completed');
      await until(() => isOver(other.id, 'sk-free'));
    });

    test('that is spent fails it, with nothing sent', async () => {
      upstream.answer = () => answerOf(50);
      const { id, key } = await createKey({ budget_usd: 0.05 });
      expect((await ask(gateway.url, key)).status).toBe(200);
      const sent = upstream.requests.length;
      const queued = (await ask(gateway.url, key, background)).body;
      await until(() => isOver(queued.id, key));
      const { status, error } = await get(queued.id, key);
      expect([status, error]).toEqual([
        'failed',
        { code: 'rate_limit_exceeded', message: 'The budget of this key is spent.' },
      ]);
      expect(upstream.requests).toHaveLength(sent);
      expect(await budgetOf(`/keys/${id}`)).toEqual({ limit_usd: 0.05, spent_usd: 0.05, reserved_usd: 0 });
      const [logged] = rows(`SELECT metadata FROM "LiteLLM_SpendLogs" WHERE request_id = '${queued.id}'`);
      expect(JSON.parse(String(logged?.['metadata']))).toMatchObject({
        cost_nano_usd: 0,
        error_information: { error_code: 'budget_exceeded' },
      });
    });

    test('goes with its key to another team, spent as it is', async () => {
      upstream.answer = () => answerOf(50);
      const home = temporaryFolder();
      const start = (team: string) =>
        spawnGateway({
          config: `
auth: { keys: [{ name: k, key: sk-k, team: ${team}, budget_usd: 0.05 }] }
models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k, ${price} }]
`,
          folder: home,
          onCleanup,
        });
      const before = await start('t');
      expect((await ask(before.url, 'sk-k')).status).toBe(200);
      expect(await before.kill('SIGTERM')).toBe(0);
      expect(isSpent(await ask((await start('u')).url, 'sk-k'))).toBe(true);
    });

    test('limits nobody any more when it was taken out of the configuration', async () => {
      upstream.answer = () => answerOf(50);
      const home = temporaryFolder();
      const start = (budget: string) =>
        spawnGateway({
          config: `
auth: { keys: [{ name: k, key: sk-k, team: t${budget} }]${budget === '' ? '' : ', teams: { t: { budget_usd: 0.05 } }'} }
models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k, ${price} }]
`,
          folder: home,
          onCleanup,
        });
      const limited = await start(', budget_usd: 0.05');
      expect((await ask(limited.url, 'sk-k')).status).toBe(200);
      expect(isSpent(await ask(limited.url, 'sk-k'))).toBe(true);
      expect(await limited.kill('SIGTERM')).toBe(0);
      const { url } = await start('');
      expect((await ask(url, 'sk-k')).status).toBe(200);
      const { id } = (await ask(url, 'sk-k', background)).body;
      const found = async () =>
        (await createClient(url).request('GET', `/v1/responses/${id}`, undefined, withKey('sk-k'))).body;
      await until(async () => !['queued', 'in_progress'].includes((await found()).status));
      expect((await found()).status).toBe('completed');
    });
  });

  test('is neither spent nor seen by others, whatever they are called', async () => {
    upstream.answer = () => answerOf(60);
    const team = (await admin('POST', '/teams', { name: 'alpha', budget_usd: 0.05 })).body;
    const { key: member } = await createKey({ name: 'two', team_id: team.id });
    const { id, key: namesake } = await createKey({ name: 'cheap', budget_usd: 1 });
    // Those of the configuration are spent, and theirs is another.
    expect(isSpent(await ask(gateway.url, 'sk-cheap'))).toBe(true);
    expect(isSpent(await ask(gateway.url, 'sk-one'))).toBe(true);
    expect((await ask(gateway.url, namesake)).status).toBe(200);
    expect((await ask(gateway.url, member)).status).toBe(200);
    expect(isSpent(await ask(gateway.url, member))).toBe(true);
    expect(await budgetOf(`/keys/${id}`)).toEqual({ limit_usd: 1, spent_usd: 0.06, reserved_usd: 0 });
    expect(await budgetOf(`/teams/${team.id}`)).toEqual({ limit_usd: 0.05, spent_usd: 0.06, reserved_usd: 0 });
    // Not even by the keys that are under them: budgets are the master key's to read and to set.
    for (const key of ['sk-cheap', namesake, member, 'sk-free']) {
      for (const [method, body] of [['GET'], ['PATCH', { budget_usd: 9 }]] as const) {
        const [own, unknown] = await Promise.all(
          [id, 'key_unknown'].map((of) =>
            createClient(gateway.url).request(method, `/admin/v1/keys/${of}`, body, withKey(key)),
          ),
        );
        expect([own?.status, own?.text]).toEqual([403, unknown?.text]);
      }
    }
  });

  test('does not limit a model without a price', async () => {
    upstream.answer = () => answerOf(50);
    const { key } = await createKey({ budget_usd: 0 });
    expect(isSpent(await ask(gateway.url, key))).toBe(true);
    expect((await ask(gateway.url, key, { model: 'unpriced' })).status).toBe(200);
  });
});

interface Rig {
  /** Cap of the key `sk-limited`. */
  capUsd: number;
  urls: string[];
  upstream: FakeModel<MessagesAnswer>;
  query: (sql: string) => Promise<Record<string, unknown>[]>;
  /** Kills the gateway of that URL, with its calls. @returns the URLs of those that serve from then on. */
  killOne: (at: number) => Promise<string[]>;
}

/** 200 calls at once, a SIGKILL while as many of them run as may, then calls until the budget is spent. */
async function expectCapToHold({ capUsd, urls, upstream, query, killOne }: Rig): Promise<void> {
  const capTokens = Math.round(capUsd / usdPerToken);
  let seed = 7;
  const nextTokens = () => (seed = (seed * 48_271) % 2_147_483_647) % (maxTokens + 1);
  // The upstream bills what it was asked for, whether or not anybody is left to hear the answer.
  let billed = 0;
  let inFlight = 0;
  let worst = 0;
  const barrier = Promise.withResolvers<void>();
  upstream.answer = async () => {
    const tokens = nextTokens();
    inFlight += maxTokens;
    worst = Math.max(worst, billed + inFlight);
    await barrier.promise;
    inFlight -= maxTokens;
    billed += tokens;
    return answerOf(tokens);
  };

  let unanswered = Array.from({ length: 200 }, (_, index) => index);
  const calls = unanswered.map(async (index) => {
    const answer = await ask(urls[index % urls.length] ?? '', 'sk-limited').catch(() => undefined);
    unanswered = unanswered.filter((each) => each !== index);
    return answer;
  });
  // Nothing that was sent is answered before the barrier is lifted.
  await until(() => upstream.requests.length === unanswered.length);
  // As many as fit, and no fewer than all but a slice of a tenth.
  expect(worst).toBeLessThanOrEqual(capTokens + maxTokens);
  expect(worst).toBeGreaterThan(capTokens * 0.9 - maxTokens);
  const running = urls.map((_, at) => unanswered.filter((index) => index % urls.length === at).length);
  const left = await killOne(running.indexOf(Math.max(...running)));
  barrier.resolve();
  const statuses = (await Promise.all(calls)).map((answer) => answer?.status);
  expect(statuses).toContain(undefined);
  expect(statuses.every((status) => status === undefined || status === 200 || status === 429)).toBe(true);

  for (const url of left) {
    await until(async () => {
      const answers = await Promise.all(Array.from({ length: 5 }, () => ask(url, 'sk-limited')));
      return answers.every(isSpent);
    });
  }
  expect(worst).toBeLessThanOrEqual(capTokens + maxTokens);
  expect(billed).toBeLessThanOrEqual(capTokens + maxTokens);
  await until(async () => {
    const rows = await query('SELECT budget_id FROM reservations UNION ALL SELECT budget_id FROM budget_leases');
    return rows.length === 0;
  });
  const [budget] = await query(`SELECT spent_nano_usd AS spent FROM budgets WHERE id = 'key:key_limited'`);
  expect(budget?.['spent']).toBeGreaterThanOrEqual(capUsd * 1e9);
  expect(budget?.['spent']).toBeGreaterThanOrEqual(Math.round(billed * usdPerToken * 1e9));
  expect(await query(`SELECT 1 AS one FROM turns WHERE status = 'in_progress'`)).toEqual([]);
}

const capUsd = 3;
const limited = (upstream: FakeModel<MessagesAnswer>) => `
auth: { keys: [{ name: limited, key: sk-limited, budget_usd: ${capUsd} }] }
models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k, ${price} }]
routing: { retries: 0 }
`;

describe('a cap holds under 200 calls at once', () => {
  test('on three processes of which one is killed', { timeout: 300_000 }, async () => {
    const server = await testPostgres();
    const gateways: SpawnedGateway[] = [];
    try {
      const url = await server.createDatabase();
      const upstream = await fakeMessagesModel();
      const config = `${limited(upstream)}store: { url: "${url}", secret: "${randomBytes(32).toString('hex')}", lease_seconds: 2, timeout_ms: 10000 }\n`;
      gateways.push(...(await Promise.all([1, 2, 3].map(() => spawnGateway({ config, folder: temporaryFolder() })))));
      const urls = gateways.map((gateway) => gateway.url);
      await expectCapToHold({
        capUsd,
        urls,
        upstream,
        query: (sql) => queryDatabase(url, sql),
        killOne: async (at) => {
          await gateways[at]?.kill('SIGKILL');
          return urls.toSpliced(at, 1);
        },
      });
    } finally {
      // Before the server, which waits for those who use it.
      await Promise.all(gateways.map((gateway) => gateway.kill('SIGKILL')));
      await server.stop();
    }
  });

  test('on one process that is killed and started again', { timeout: 300_000 }, async () => {
    const upstream = await fakeMessagesModel();
    const folder = temporaryFolder();
    const start = () => spawnGateway({ config: limited(upstream), folder });
    const gateway = await start();
    await expectCapToHold({
      capUsd,
      urls: [gateway.url],
      upstream,
      query: async (sql) => {
        const db = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
        const rows = db.prepare(sql).all();
        db.close();
        return rows;
      },
      killOne: async () => {
        await gateway.kill('SIGKILL');
        return [(await start()).url];
      },
    });
  });
});
