import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { mintVirtualKey } from '../../src/keys/virtual-key.ts';
import { createClient } from '../support/client.ts';
import { fakeMessagesModel } from '../support/fake-models.ts';
import { databaseProxy, embeddedPostgres } from '../support/postgres.ts';
import { spawnGateway } from '../support/spawn-gateway.ts';

// How soon requests are told that the store is away, and how soon they are served again when it is back. By hand.

const folder = mkdtempSync(join(tmpdir(), 'turnpike-away-'));
chmodSync(folder, 0o755);
const cleanups: (() => void)[] = [() => rmSync(folder, { recursive: true, force: true })];
const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
process.on('exit', () => {
  for (const cleanup of cleanups.toReversed()) cleanup();
});

const server = await embeddedPostgres();
const proxy = await databaseProxy(await server.createDatabase());
const upstream = await fakeMessagesModel(onCleanup);
const problems: string[] = [];

interface Harm {
  name: string;
  isSlow?: boolean;
  take: () => Promise<void> | void;
  giveBack: () => Promise<void> | void;
}

/** Requests come while each harm lasts, from four clients at once. */
async function measure(engine: string, own: string, store: string, harms: readonly Harm[]): Promise<void> {
  const models = `models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]`;
  const gateway = await spawnGateway({ folder: own, onCleanup, config: `store: { ${store} }\n${models}\n` });
  const client = createClient(gateway.url);
  const ask = (fields: object) => client.create({ model: 'claude', input: 'hello', ...fields });
  const first = await ask({});
  const goOn = () => ask({ previous_response_id: first.body.id });
  const asks = [
    () => ask({}),
    () => ask({ stream: true }),
    () => ask({ previous_response_id: first.body.id, input: 'x'.repeat(400_000) }),
    // Whether a key is known is read, and a file that is locked can be.
    engine === 'sqlite'
      ? goOn
      : () => client.create({ model: 'claude', input: 'hello' }, { authorization: `Bearer ${mintVirtualKey()}` }),
  ];
  for (const { name, isSlow, take, giveBack } of harms) {
    await goOn();
    const called = upstream.requests.length;
    await take();
    const waits: number[] = [];
    const loop = async (each: (typeof asks)[number]) => {
      for (let count = 0; count < 15; count += 1) {
        const from = performance.now();
        const { status } = await each();
        if (status === 503) waits.push(performance.now() - from);
        // Whoever waits for one reply alone may be served by a slow store.
        else if (!isSlow || status !== 200) problems.push(`${name}: ${status} in place of 503`);
      }
    };
    await Promise.all(asks.map(loop));
    if (upstream.requests.length > called && !isSlow) problems.push(`${name}: an upstream was called`);
    await giveBack();
    const from = performance.now();
    while ((await goOn()).status !== 200);
    const recoveredMs = Math.round(performance.now() - from);
    const [p50Ms, slowestMs] = [waits.length >> 1, waits.length - 1].map((at) =>
      Math.round(waits.toSorted((a, b) => a - b)[at] ?? 0),
    );
    process.stdout.write(
      `${JSON.stringify({ engine, harm: name, refused: waits.length, p50Ms, slowestMs, recoveredMs })}\n`,
    );
  }
  await gateway.kill('SIGTERM');
}

const newFolder = () => mkdtempSync(join(folder, 'gateway-'));

await measure('postgres', newFolder(), `url: "${proxy.url}", secret: "${'0f'.repeat(32)}"`, [
  { name: 'frozen', take: () => server.signal('SIGSTOP'), giveBack: () => server.signal('SIGCONT') },
  { name: 'killed', take: () => server.kill(), giveBack: () => server.start() },
  {
    name: '500 ms a reply',
    isSlow: true,
    take: () => void (proxy.delayMs = 500),
    giveBack: () => void (proxy.delayMs = 0),
  },
]);

const sqlite = newFolder();
const intruder = new DatabaseSync(join(sqlite, 'turnpike.db'));
await measure('sqlite', sqlite, `url: "sqlite:${join(sqlite, 'turnpike.db')}"`, [
  { name: 'locked', take: () => intruder.exec('BEGIN IMMEDIATE'), giveBack: () => intruder.exec('ROLLBACK') },
]);
intruder.close();

proxy.close();
await server.stop();
for (const problem of problems) process.stderr.write(`${problem}\n`);
process.exit(problems.length > 0 ? 1 : 0);
