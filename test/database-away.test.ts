/** The database is gone, or says nothing: the gateway says so before it spends anything, and goes on when it is back. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { mintVirtualKey } from '../src/keys/virtual-key.ts';
import { createClient } from './support/client.ts';
import { fakeMessagesModel } from './support/fake-models.ts';
import { databaseProxy, embeddedPostgres } from './support/postgres.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const server = await embeddedPostgres();
afterAll(() => server.stop());

const cap = { timeout: 60_000, interval: 100 };

test.each([
  { harm: 'frozen', take: async () => server.signal('SIGSTOP'), giveBack: async () => server.signal('SIGCONT') },
  { harm: 'killed', take: () => server.kill(), giveBack: () => server.start() },
])(
  'a database that is $harm: 503 and nothing sent, until it is back',
  { timeout: 300_000 },
  async ({ take, giveBack }) => {
    const upstream = await fakeMessagesModel();
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      config: `
store: { url: "${await server.createDatabase()}", secret: "${'0f'.repeat(32)}" }
${modelOf(upstream)}`,
    });
    const client = createClient(gateway.url);
    const ask = (fields: object) => client.create({ model: 'claude', input: 'hello', ...fields });
    const first = await ask({});
    expect(first.body).toMatchObject({ status: 'completed' });
    expect(upstream.requests).toHaveLength(1);

    await take();
    try {
      const refused = await Promise.all([
        ...[true, false].map((stream) => ask({ stream })),
        ask({ previous_response_id: first.body.id }),
        client.get(first.body.id),
        // Nobody can say whether it is known.
        client.create({ model: 'claude', input: 'hello' }, { authorization: `Bearer ${mintVirtualKey()}` }),
      ]);
      for (const { status, text } of refused) {
        expect([status, JSON.parse(text).error]).toMatchObject([
          503,
          { type: 'server_error', code: 'store_unavailable' },
        ]);
      }
      expect((await client.request('GET', '/health/ready')).status).toBe(503);
      expect((await client.request('GET', '/health/live')).status).toBe(200);
      expect(upstream.requests).toHaveLength(1);
    } finally {
      await giveBack();
    }

    await expect.poll(async () => (await client.request('GET', '/health/ready')).status, cap).toBe(200);
    const next = await ask({ previous_response_id: first.body.id });
    expect(next.body).toMatchObject({ status: 'completed', previous_response_id: first.body.id });
    expect(upstream.requests).toHaveLength(2);
    expect(await gateway.kill('SIGTERM')).toBe(0);
  },
);

const modelOf = ({ url }: { url: string }) =>
  `models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${url}", api_key: k }]\n`;

test('a database that is slow: what a request waits for it is one wait, and nothing is sent when that is over', async () => {
  const upstream = await fakeMessagesModel();
  const proxy = await databaseProxy(await server.createDatabase());
  onTestFinished(() => proxy.close());
  const gateway = await spawnGateway({
    folder: temporaryFolder(),
    config: `store: { url: "${proxy.url}", secret: "${'0f'.repeat(32)}", timeout_ms: 4000 }\n${modelOf(upstream)}`,
  });
  const client = createClient(gateway.url);
  const ask = (fields: object) => client.create({ model: 'claude', input: 'hello', ...fields });
  const first = await ask({});
  expect(first.body).toMatchObject({ status: 'completed' });

  // Its context is read in time, and the intent would be written in time.
  proxy.delayMs = 2500;
  const refused = await ask({ previous_response_id: first.body.id });
  expect([refused.status, refused.body]).toMatchObject([503, { error: { code: 'store_unavailable' } }]);
  expect(upstream.requests).toHaveLength(1);

  proxy.delayMs = 0;
  expect((await ask({ previous_response_id: first.body.id })).body).toMatchObject({ status: 'completed' });
  expect(upstream.requests).toHaveLength(2);
});

test('a database that comes back at another port, behind the same name', async () => {
  const upstream = await fakeMessagesModel();
  const folder = temporaryFolder();
  const data = mkdtempSync(join(tmpdir(), 'turnpike-moved-'));
  onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  const one = await embeddedPostgres({ folder: data });
  const proxy = await databaseProxy(await one.createDatabase());
  onTestFinished(() => proxy.close());
  const gateway = await spawnGateway({
    folder,
    config: `store: { url: "${proxy.url}", secret: "${'0f'.repeat(32)}" }\n${modelOf(upstream)}`,
  });
  const client = createClient(gateway.url);
  const ask = (fields: object) => client.create({ model: 'claude', input: 'hello', ...fields });
  const first = await ask({});
  expect(first.body).toMatchObject({ status: 'completed' });

  await one.stop();
  expect((await ask({ previous_response_id: first.body.id })).status).toBe(503);
  expect(upstream.requests).toHaveLength(1);
  // The same files, served by another process.
  const other = await embeddedPostgres({ folder: data });
  proxy.target = other.url;
  await expect.poll(async () => (await client.request('GET', '/health/ready')).status, cap).toBe(200);
  expect((await ask({ previous_response_id: first.body.id })).body).toMatchObject({ status: 'completed' });
  expect(upstream.requests).toHaveLength(2);
  expect(await gateway.kill('SIGTERM')).toBe(0);
  await other.stop();
});

test('a SQLite file that another program locks: 503 and nothing sent, until it is free', async () => {
  const upstream = await fakeMessagesModel();
  const folder = temporaryFolder();
  const gateway = await spawnGateway({ folder, config: modelOf(upstream) });
  const client = createClient(gateway.url);
  const ask = (fields: object) => client.create({ model: 'claude', input: 'hello', ...fields });
  const first = await ask({});
  expect(first.body).toMatchObject({ status: 'completed' });

  const intruder = new DatabaseSync(join(folder, 'turnpike.db'));
  onTestFinished(() => intruder.close());
  intruder.exec('BEGIN IMMEDIATE');
  const refused = await Promise.all([
    ...[true, false].map((stream) => ask({ stream })),
    ask({ previous_response_id: first.body.id }),
    client.request('DELETE', `/v1/responses/${String(first.body.id)}`),
  ]);
  for (const { status, text } of refused)
    expect([status, JSON.parse(text).error]).toMatchObject([503, { code: 'store_unavailable' }]);
  expect((await client.request('GET', '/health/ready')).status).toBe(503);
  expect((await client.get(first.body.id)).status).toBe(200);
  expect(upstream.requests).toHaveLength(1);

  intruder.exec('ROLLBACK');
  expect((await ask({ previous_response_id: first.body.id })).body).toMatchObject({ status: 'completed' });
  expect(upstream.requests).toHaveLength(2);
});
