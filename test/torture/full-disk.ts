import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { createClient } from '../support/client.ts';
import { fakeMessagesModel } from '../support/fake-models.ts';
import { type EmbeddedServer, embeddedPostgres, queryDatabase } from '../support/postgres.ts';
import { spawnGateway } from '../support/spawn-gateway.ts';

// A store whose disk fills up under load, and is given room again. By hand and as root, since a small disk is a mount.

const { values } = parseArgs({
  options: {
    /** The disk of its log, on which it goes down, and is started again; else that of its tables. */
    log: { type: 'boolean', default: false },
    /** A SQLite file on it, in place of Postgres. */
    sqlite: { type: 'boolean', default: false },
  },
});

const cleanups: (() => void)[] = [];
const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
process.on('exit', () => {
  for (const cleanup of cleanups.toReversed()) cleanup();
});

const folder = mkdtempSync(join(tmpdir(), 'turnpike-full-disk-'));
chmodSync(folder, 0o755);
const disk = join(folder, 'disk');
mkdirSync(disk);
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', disk]);
onCleanup(() => {
  execFileSync('umount', ['--lazy', disk]);
  rmSync(folder, { recursive: true });
});

const server = values.sqlite ? undefined : await embeddedPostgres();
const sqlitePath = join(disk, 'turnpike.db');
const url = (await server?.createDatabase()) ?? `sqlite:${sqlitePath}`;
if (server !== undefined) await (values.log ? moveLog(server) : moveTables());

async function query(text: string): Promise<Record<string, unknown>[]> {
  if (server !== undefined) return queryDatabase(url, text);
  const db = new DatabaseSync(sqlitePath);
  try {
    return db.prepare(text).all();
  } finally {
    db.close();
  }
}

async function moveTables(): Promise<void> {
  const tables = join(disk, 'tables');
  mkdirSync(tables);
  execFileSync('chown', ['postgres', tables]);
  const admin = new URL(url);
  admin.pathname = '/postgres';
  await queryDatabase(admin.href, `CREATE TABLESPACE small LOCATION '${tables}'`);
  await queryDatabase(admin.href, `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET TABLESPACE small`);
}

async function moveLog(server: EmbeddedServer): Promise<void> {
  const [row] = await query(`SELECT current_setting('data_directory') AS folder`);
  const log = join(String(row?.['folder']), 'pg_wal');
  await server.kill();
  execFileSync('mv', [log, disk]);
  symlinkSync(join(disk, 'pg_wal'), log);
  await server.start();
}

const upstream = await fakeMessagesModel(onCleanup);
const gateway = await spawnGateway({
  folder,
  onCleanup,
  config: `
store: { url: "${url}", secret: "${'0f'.repeat(32)}" }
models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]
`,
});
const client = createClient(gateway.url);

interface Asked {
  mark: string;
  id: string | undefined;
  /** `refused`: before anything was sent. `lost`: the reply could not be stored. */
  outcome: 'completed' | 'refused' | 'lost';
  ms: number;
}

/** A text that does not get smaller by compression. */
const kilobytes = 16;
async function ask(): Promise<Asked> {
  const mark = randomBytes(8).toString('hex');
  const stream = mark < '8';
  const from = performance.now();
  const input = `${mark} ${randomBytes(kilobytes * 750).toString('base64')}`;
  const { status, headers, body, text } = await client.create({ model: 'claude', stream, input });
  const ms = Math.round(performance.now() - from);
  if (status === 200 && body.status === 'completed') return { mark, id: body.id, outcome: 'completed', ms };
  const isLost = (status === 200 && body.status === 'failed') || headers.get('x-should-retry') === 'false';
  if (!isLost && (status !== 503 || !text.includes('store_unavailable'))) throw new Error(`${status} ${text}`);
  return { mark, id: undefined, outcome: isLost ? 'lost' : 'refused', ms };
}

const loops = 4;
async function askUntil(isEnough: (asked: Asked[]) => boolean): Promise<Asked[]> {
  const asked: Asked[] = [];
  const loop = async () => {
    while (!isEnough(asked)) asked.push(await ask());
  };
  await Promise.all(Array.from({ length: loops }, loop));
  return asked;
}
const counted = (asked: Asked[], outcome: Asked['outcome']) => asked.filter((each) => each.outcome === outcome);

const before = await askUntil((asked) => asked.length >= 40);
const { bavail, bsize } = statfsSync(disk);
const filler = join(disk, 'filler');
execFileSync('fallocate', ['-l', String(bavail * bsize - 1_000_000), filler]);
const full = await askUntil((asked) => counted(asked, 'refused').length >= 100);
// Without its log the server is down, and nothing can be read.
const readable = values.log ? [] : await Promise.all(before.map(async ({ id }) => (await client.get(id ?? '')).status));

rmSync(filler);
if (values.log) await server?.start();
const freedAt = performance.now();
const after = await askUntil((asked) => counted(asked, 'completed').length >= 40);
const recoveredMs = Math.round(performance.now() - freedAt);
let running = -1;
for (const until = performance.now() + 60_000; running !== 0 && performance.now() < until;) {
  const [row] = await query(`SELECT count(*) AS running FROM turns WHERE status = 'in_progress'`);
  running = Number(row?.['running']);
}

const all = [...before, ...full, ...after];
const seen = JSON.stringify(upstream.requests.map(({ body }) => body));
const kept = await Promise.all(
  counted(all, 'completed').map(async ({ id }) => {
    const { status, body } = await client.get(id ?? '');
    return status === 200 && body.status === 'completed';
  }),
);
const refusals = counted(full, 'refused');
const results = {
  completedWhileFull: counted(full, 'completed').length,
  refused: refusals.length,
  lost: counted(all, 'lost').length,
  slowestRefusalMs: Math.max(...refusals.map(({ ms }) => ms)),
  recoveredMs,
  problems: [
    ...refusals
      .filter(({ mark }) => seen.includes(mark))
      .map(() => 'an upstream was called for a turn that was refused'),
    ...readable.filter((status) => status !== 200).map((status) => `a read while the disk was full: ${status}`),
    ...kept.filter((isKept) => !isKept).map(() => 'an acknowledged turn is gone'),
    ...(running === 0 ? [] : [`${running} turns run for ever`]),
    ...(gateway.process.exitCode === null ? [] : ['the gateway has ended']),
  ],
};
await gateway.kill('SIGTERM');
if (values.sqlite) {
  for (const { integrity_check: text } of await query('PRAGMA integrity_check'))
    if (text !== 'ok') results.problems.push(`integrity_check: ${String(text)}`);
}
process.stdout.write(`${JSON.stringify(results)}\n`);
await server?.stop();
process.exit(results.problems.length > 0 ? 1 : 0);
