/* oxlint-disable no-console */
import { Client } from 'pg';
import { weekEndMs, weekOf } from '../../src/store/bucket.ts';
import { bucketTables, partitionOf } from '../../src/store/postgres/buckets.ts';
import { createPostgresStore, type PostgresStoreOptions } from '../../src/store/postgres/create-postgres-store.ts';
import type { Store } from '../../src/store/store.ts';
import { queryDatabase } from '../../test/support/postgres.ts';
import { tell, timesOf, timesUntil } from './latencies.ts';
import { createTurnRunner, type TurnRunner } from './turns.ts';

const log = {
  info: (_fields: Record<string, unknown>, message: string) => console.log(`  log: ${message}`),
  warn: (fields: Record<string, unknown>, message: string) =>
    console.log(`  log: ${message} ${JSON.stringify(fields)}`),
  error: (_fields: Record<string, unknown>, message: string) => console.log(`  log: ${message}`),
};

const owner = 'process-of-the-measure';
const weekMs = weekEndMs(1) - weekEndMs(0);
const openStore = (url: string, more: Partial<PostgresStoreOptions> = {}) =>
  createPostgresStore({ url, secret: Buffer.alloc(32, 7), owner, log, ...more });

const range = (length: number) => Array.from({ length }, (_, index) => index);

interface OldTurn {
  tenant: string;
  id: string;
}

/** Turns of one bucket, picked at random, of this depth where one is asked for. */
async function pickTurns(url: string, bucket: number, count: number, depth?: number): Promise<OldTurn[]> {
  const rows = await queryDatabase(
    url,
    `SELECT tenant, id FROM turns_${bucket} TABLESAMPLE SYSTEM (${depth === undefined ? 0.2 : 20})
      ${depth === undefined ? '' : `WHERE depth = ${depth}`} ORDER BY random() LIMIT ${count}`,
  );
  return rows.map(({ tenant, id }) => ({ tenant: String(tenant), id: String(id) }));
}

async function loadedWeeks(url: string): Promise<number[]> {
  const rows = await queryDatabase(
    url,
    `SELECT right(c.relname, -6)::integer AS week FROM pg_class c
      WHERE c.relname ~ '^turns_[0-9]+$' AND c.relkind = 'r' AND c.reltuples > 1000 ORDER BY week`,
  );
  return rows.map(({ week }) => Number(week));
}

export interface Picked {
  /** Of all weeks. */
  any: OldTurn[];
  /** The 99th of chains of this week. */
  ends: OldTurn[];
  /** The 20th of chains of last week. */
  crossing: OldTurn[];
}

/** To be run before the caches are emptied: it reads much. */
export async function pick(url: string, samples: number): Promise<Picked> {
  const weeks = await loadedWeeks(url);
  const last = weeks.at(-1) ?? weekOf(Date.now());
  const any: OldTurn[] = [];
  for (const week of weeks) any.push(...(await pickTurns(url, week, Math.ceil(samples / weeks.length))));
  const ends = await pickTurns(url, last, samples, 98);
  return { any, ends, crossing: await pickTurns(url, weeks.at(-2) ?? last, samples, 19) };
}

/** Reads and turns on top of what was loaded. Twice the same: the first time from disk. */
export async function measureOld(url: string, { any, ends, crossing }: Picked): Promise<void> {
  const store = await openStore(url);
  const goOn = ({ tenant, id }: OldTurn) => createTurnRunner(store, owner, tenant).run(id);
  const read = ({ tenant, id }: OldTurn) => store.forTenant(tenant).readResponse(id);
  for (const state of ['cold', 'warm']) {
    tell(`${state}: readResponse of a random id`, await timesOf(any, read));
    tell(`${state}: turn 100 of a random chain of this week`, await timesOf(ends, goOn));
    tell(`${state}: turn 21, after 20 of last week (an anchor)`, await timesOf(crossing, goOn));
  }
  await store.close();
}

/** Turns 2 and 100 of chains that are made here, and what goes on from last week's, on each of these databases by turns. */
export async function measureNew(databases: Record<string, string>, samples: number): Promise<void> {
  const tenant = 'tenant_of_the_measure';
  const all: Measured[] = [];
  for (const [name, url] of Object.entries(databases)) {
    const store = await openStore(url);
    all.push({ name, store, runner: createTurnRunner(store, owner, tenant) });
  }
  const aside = async (
    what: string,
    start: (on: Measured) => Promise<string[]>,
    work: (on: Measured, id: string) => Promise<unknown>,
  ) => {
    const starts: string[][] = [];
    for (const on of all) starts.push(await start(on));
    const times = all.map((): number[] => []);
    for (const sample of range(samples)) {
      for (const [index, on] of all.entries()) {
        const of = starts[index] ?? [];
        times[index]?.push(...(await timesOf([of[sample % of.length] ?? ''], (id) => work(on, id))));
      }
    }
    for (const [index, { name }] of all.entries()) tell(`${name}: ${what}`, times[index] ?? []);
  };
  const goOn = ({ runner }: Measured, id: string) => runner.run(id);
  const chains =
    (length: number, ageMs = 0) =>
    ({ runner }: Measured) =>
      Promise.all(range(samples / 10).map(() => runner.chain(length, Date.now() - ageMs)));
  await aside('readResponse', chains(1), ({ store }, id) => store.forTenant(tenant).readResponse(id));
  await aside(
    'turn 2 of a new chain',
    async ({ runner }) => {
      const firsts: string[] = [];
      for (const _ of range(samples)) firsts.push(await runner.run(undefined));
      return firsts;
    },
    goOn,
  );
  // Each chain is gone on with ten times: forks, whose 99 turns before them are the same.
  await aside('turn 100 of a new chain', chains(99), goOn);
  await aside('turn 21, after 20 of last week (an anchor)', chains(20, weekMs), goOn);
  for (const { store } of all) await store.close();
}

interface Measured {
  name: string;
  store: Store;
  runner: TurnRunner;
}

/** How long is taken for it, and how turns fare meanwhile. */
async function beside(url: string, what: string, work: () => Promise<unknown>): Promise<void> {
  const store = await openStore(url, { owner: `${owner}-beside` });
  const runner = createTurnRunner(store, `${owner}-beside`, 'tenant_beside');
  const first = await runner.run(undefined);
  const began = performance.now();
  const running = work();
  const times = await timesUntil(running, () => runner.run(first));
  await running;
  console.log(`${what}: ${((performance.now() - began) / 1000).toFixed(2)} s`);
  if (times.length > 0) tell('  turn 2 meanwhile', times);
  await store.close();
}

/** What it costs to take the oldest weeks away: blanking rows for a while, then a whole week, then the locks of it. */
export async function measureRetention(url: string, blankingMs: number): Promise<void> {
  const [oldest, next] = await loadedWeeks(url);
  if (oldest === undefined || next === undefined) return;
  const nowMs = Date.now();
  const untilOldest = nowMs - weekEndMs(oldest);
  const ages = (metadataMs: number | undefined) => ({ retention: { contentMs: untilOldest, metadataMs } });
  const calm = { limits: { expireMs: 3_600_000 }, owner: `${owner}-retention` };
  const writes = async () => {
    const [row] = await queryDatabase(
      url,
      `SELECT pg_current_wal_lsn() - '0/0' AS wal, (SELECT n_tup_upd FROM pg_stat_all_tables WHERE relname = 'turns_${oldest}') AS rows`,
    );
    return { wal: Number(row?.['wal']), rows: Number(row?.['rows']) };
  };

  const before = await writes();
  await beside(url, `blanking rows of spend of week ${oldest}, broken off`, async () => {
    const store = await openStore(url, { ...calm, ...ages(undefined) });
    const blanking = store.expire();
    await Promise.race([blanking, new Promise((resolve) => setTimeout(resolve, blankingMs))]);
    await store.close();
    await blanking;
  });
  const after = await writes();
  console.log(`  ${after.rows - before.rows} rows, ${((after.wal - before.wal) / 1e6).toFixed(0)} MB of log`);

  await beside(url, `dropping week ${oldest}, rows of spend too`, async () => {
    const store = await openStore(url, { ...calm, ...ages(untilOldest) });
    await store.expire();
    await store.close();
  });

  const names = bucketTables.map((table) => partitionOf(table, next)).join(', ');
  const client = new Client({ connectionString: url });
  await client.connect();
  await beside(url, `dropping week ${next} by hand`, async () => {
    await client.query(`BEGIN; SET LOCAL lock_timeout = '200ms'`);
    await client.query(`DROP TABLE ${names}`);
    const { rows } = await client.query<{ held: string }>(
      `SELECT l.mode || ' on ' || string_agg(c.relname, ', ' ORDER BY c.relname) AS held FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
        WHERE l.pid = pg_backend_pid() AND l.mode LIKE 'Access%Ex%' AND c.relkind IN ('r', 'p') GROUP BY l.mode`,
    );
    const began = performance.now();
    await client.query('COMMIT');
    console.log(`  commit ${(performance.now() - began).toFixed(0)} ms; ${rows.map(({ held }) => held).join('; ')}`);
  });
  await client.end();
}
