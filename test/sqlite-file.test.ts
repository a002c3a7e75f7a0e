/** The file of a SQLite store, whole gateways around it: who else has it, who may not write it, what it has no room for. */
import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { createClient } from './support/client.ts';
import { fakeMessagesModel } from './support/fake-models.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const models = (url: string) =>
  `models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${url}", api_key: k }]\n`;

function queryFile(folder: string, sql: string) {
  const db = new DatabaseSync(join(folder, 'turnpike.db'));
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

test('a second process on the same file says who has it, and ends; the first one goes on', async () => {
  const upstream = await fakeMessagesModel();
  const folder = temporaryFolder();
  const config = models(upstream.url);
  const first = await spawnGateway({ folder, config });
  const client = createClient(first.url);
  const before = await client.create({ model: 'claude', input: 'hello' });
  const second = spawnGateway({ folder, config });
  const message = `The store ${join(folder, 'turnpike.db')} is in use by process ${first.pid}. One process only can own a SQLite store; several need Postgres.`;
  await expect(second).rejects.toThrow('ended with 1 before it was ready');
  await expect(second).rejects.toThrow(message);
  const after = await client.create({ model: 'claude', input: 'and now?', previous_response_id: before.body.id });
  expect(after.body).toMatchObject({ status: 'completed', previous_response_id: before.body.id });

  // Its lock dies with it, however it dies.
  await first.kill('SIGKILL');
  const third = await spawnGateway({ folder, config });
  expect((await createClient(third.url).get(after.body.id)).body.status).toBe('completed');
});

/** For root nothing is read-only, unless it gives that up. */
const asAnyUser = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all'] : [];

test.each([
  { name: 'turnpike.db', mode: 0o444, message: /The store \S+turnpike\.db cannot be opened: EACCES/ },
  { name: 'turnpike.db.lock', mode: 0o444, message: /The store's lock file \S+\.lock cannot be used: EACCES/ },
  {
    name: '.',
    mode: 0o555,
    message: /The store \S+turnpike\.db cannot be opened: attempt to write a readonly database/,
  },
])('$name that is read-only is said by name, and nothing is changed', async ({ name, mode, message }) => {
  const folder = temporaryFolder();
  const config = 'server: {}\n';
  const first = await spawnGateway({ folder, config });
  const { body } = await createClient(first.url).create({ model: 'simulator', input: 'hello' });
  expect(await first.kill('SIGTERM')).toBe(0);
  const path = join(folder, 'turnpike.db');
  const bytes = readFileSync(path);
  const names = readdirSync(folder);
  const own = statSync(join(folder, name)).mode;
  chmodSync(join(folder, name), mode);
  onTestFinished(() => chmodSync(folder, 0o755));
  const refused = spawnGateway({ folder, through: asAnyUser, arguments: ['--config', 'gateway.yaml'] });
  await expect(refused).rejects.toThrow('ended with 1 before it was ready');
  await expect(refused).rejects.toThrow(message);
  expect(readFileSync(path).equals(bytes)).toBe(true);
  expect(readdirSync(folder)).toEqual(names);

  chmodSync(join(folder, name), own);
  const again = await spawnGateway({ folder, config });
  expect((await createClient(again.url).get(body.id)).body.status).toBe('completed');
});

test('a disk that takes no more: what is refused was not sent, what was acknowledged is there, and room is used again', async () => {
  const upstream = await fakeMessagesModel();
  const folder = temporaryFolder();
  const config = models(upstream.url);
  // The kernel refuses to write behind this size, as it does where a disk is full.
  const limit = ['bash', '-c', 'ulimit -f 1024 && exec "$@"', 'limited'];
  const gateway = await spawnGateway({ folder, config, through: limit });
  const client = createClient(gateway.url);
  const completed: string[] = [];
  const refused: string[] = [];
  while (refused.length < 5) {
    const calls = upstream.requests.length;
    const input = `${completed.length} ${'x'.repeat(30_000)}`;
    const answer = await client.create({ model: 'claude', input, stream: completed.length % 2 === 1 });
    if (answer.status === 200 && answer.body.status === 'completed') {
      completed.push(answer.body.id);
      continue;
    }
    expect(answer.text).toContain('store_unavailable');
    refused.push(answer.text);
    // An answer that was paid and cannot be stored is a failure of its own.
    if (answer.status === 503 && answer.headers.get('x-should-retry') !== 'false')
      expect(upstream.requests).toHaveLength(calls);
  }
  expect(completed.length).toBeGreaterThan(5);
  for (const id of completed) expect((await client.get(id)).body.status).toBe('completed');
  expect((await client.request('GET', '/health/live')).status).toBe(200);
  await gateway.kill('SIGKILL');
  expect(queryFile(folder, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);

  const again = createClient((await spawnGateway({ folder, config })).url);
  for (const id of completed) expect((await again.get(id)).body.status).toBe('completed');
  const next = { model: 'claude', input: 'go on', previous_response_id: completed.at(-1) };
  expect((await again.create(next)).body.status).toBe('completed');
  expect(queryFile(folder, "SELECT id FROM turns WHERE status = 'in_progress'")).toEqual([]);
});
