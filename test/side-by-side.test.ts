import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { openPostgresEnd } from '../src/store/copy/postgres-end.ts';
import { openSqliteEnd } from '../src/store/copy/sqlite-end.ts';
import { createPostgresStore } from '../src/store/postgres/create-postgres-store.ts';
import { currentSchema, type Schema } from '../src/store/schema-version.ts';
import { createSqliteStore } from '../src/store/sqlite/create-sqlite-store.ts';
import type { Store } from '../src/store/store.ts';
import { createClient } from './support/client.ts';
import { queryDatabase, testPostgres } from './support/postgres.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';
import { attemptEndOf, attemptStartOf, commitOf, intentOf, startMs } from './store/make.ts';
import { older } from './store/older-budgets.ts';
import { newestName, pretendName, schemas } from './store/pretend-schema.ts';

const server = await testPostgres();
afterAll(() => server.stop());

const secret = Buffer.alloc(32, 7);
const childPath = fileURLToPath(new URL('store/schema-child.ts', import.meta.url));
const nowMs = () => startMs;
type Kind = 'current' | 'additive';

interface Engine {
  /** What a child is told. */
  place: string;
  /** Which code runs at once, one round after another. */
  rounds: Kind[][];
  open: (schema: Schema, log?: (message: string) => void) => Promise<Store>;
  openSource: () => Promise<{ close(): Promise<void> }>;
  query: (sql: string) => Promise<Record<string, unknown>[]>;
}

const logOf = (warn: (message: string) => void) => ({
  info: () => {},
  warn: (_: object, message: string) => warn(message),
  error: () => {},
});

const engines: Record<string, () => Promise<Engine>> = {
  SQLite: async () => {
    const path = join(temporaryFolder(), 'turnpike.db');
    return {
      place: path,
      // The file has one owner: the versions take turns.
      rounds: [['current'], ['additive'], ['current'], ['additive']],
      open: (schema, warn = () => {}) =>
        createSqliteStore({ path, secret, owner: 'parent', log: logOf(warn), nowMs, schema }),
      openSource: () => openSqliteEnd(path, 'source'),
      query: async (sql) => {
        const db = new DatabaseSync(path);
        const rows = db.prepare(sql).all();
        db.close();
        return rows.map((row) => ({ ...row }));
      },
    };
  },
  Postgres: async () => {
    const url = await server.createDatabase();
    return {
      place: url,
      rounds: [
        ['current', 'additive'],
        ['current', 'additive'],
      ],
      open: (schema, warn = () => {}) =>
        createPostgresStore({ url, secret, owner: String(Math.random()), log: logOf(warn), nowMs, schema }),
      openSource: () => openPostgresEnd(url, { role: 'source', force: true }),
      query: (sql) => queryDatabase(url, sql),
    };
  },
};

/** Starts code of this schema and resolves when it has committed `count` turns. */
async function runTurns(place: string, kind: Kind, previous: string | undefined, count: number) {
  const args = [childPath, place, kind, ...(previous === undefined ? [] : [previous])];
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
  if (child.stdout === null) throw new Error('the child has no output');
  const lines = createInterface(child.stdout);
  const ended = once(lines, 'close');
  const ids: string[] = [];
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (id) => {
      ids.push(id);
      if (ids.length === count) resolve();
    });
    child.on('exit', () => reject(new Error(`the child ended by itself:\n${errors}`)));
  });
  return {
    /** All that it had committed. */
    async kill() {
      expect(child.exitCode).toBeNull();
      child.kill('SIGKILL');
      await ended;
      return ids;
    },
  };
}

describe.each(Object.entries(engines))('on %s', (_name, createEngine) => {
  test('N−1 and N run turns on one database, are killed and started again, and each resolves every id', async () => {
    const { place, rounds, open, query } = await createEngine();
    const ids: string[] = [];
    const last: Record<Kind, string | undefined> = { current: undefined, additive: undefined };
    for (const kinds of rounds) {
      const runs = await Promise.all(
        // Each goes on where the other was.
        kinds.map((kind) => runTurns(place, kind, last[kind === 'current' ? 'additive' : 'current'] ?? ids.at(-1), 12)),
      );
      for (const [index, run] of runs.entries()) {
        const committed = await run.kill();
        ids.push(...committed);
        last[kinds[index] ?? 'current'] = committed.at(-1);
      }
    }
    expect(await query('SELECT pretended FROM turns GROUP BY pretended')).toEqual([{ pretended: 'so' }]);
    for (const schema of [schemas.current, schemas.additive, schemas.current]) {
      const store = await open(schema);
      const own = store.forTenant('t');
      for (const id of ids) expect((await own.readResponse(id))?.status).toBe('completed');
      expect((await own.readContext(ids.at(-1) ?? ''))?.items.length).toBeGreaterThan(4);
      await store.close();
    }
    expect(await query(`SELECT name, oldest FROM schema_marks WHERE name = '${pretendName}'`)).toEqual([
      { name: pretendName, oldest: newestName },
    ]);
  });

  test('code says that it runs on a newer schema, and copies none', async () => {
    const { open, openSource } = await createEngine();
    const said: string[] = [];
    await (await open(schemas.additive, (message) => said.push(message))).close();
    expect(said).toEqual([]);
    await (await open(currentSchema, (message) => said.push(message))).close();
    expect(said).toEqual(['a newer Turnpike wrote the database, and this one can run on it']);
    await expect(openSource()).rejects.toThrow(`a newer Turnpike wrote it (schema ${pretendName})`);
  });

  test('a schema that does not allow the code is refused, and so is one without a mark', async () => {
    const { open, query } = await createEngine();
    await (await open(schemas.current)).close();
    await (await open(schemas.breaking)).close();
    const refusal = `newer Turnpike (schema ${pretendName}, this one knows ${newestName})`;
    await expect(open(schemas.current)).rejects.toThrow(refusal);
    await query(`UPDATE schema_marks SET oldest = '${newestName}'`);
    await (await open(schemas.current)).close();
    await query(`DELETE FROM schema_marks WHERE name = '${pretendName}'`);
    await expect(open(schemas.current)).rejects.toThrow(refusal);
  });
});

/** The schema as it was before this migration. */
function schemaBefore(name: string): Schema {
  const { migrations } = currentSchema;
  return {
    migrations: migrations.slice(
      0,
      migrations.findIndex((mark) => mark.name === name),
    ),
  };
}

const newLease = { owner: 'newer', heldNanoUsd: 0, waitingNanoUsd: 0, keepsSlice: false, listsOpen: false };

describe.each(Object.entries(engines))('budgets on %s, which had no tenant', (_name, createEngine) => {
  test('come to the tenant of their calls, with what was spent, leased, reserved and charged', async () => {
    const { open, query } = await createEngine();
    await (await open(schemaBefore('0011-budget-tenants'))).close();
    const rows = [
      `INSERT INTO teams (id, name, created_at_ms) VALUES ('team_1', 'research', 1)`,
      `INSERT INTO keys (id, name, team_id, tenant, hash, last4, created_at_ms) VALUES ('key_1', 'n', 'team_1', 'team_1', 'h', 'wxyz', 1)`,
      older.setLimit('team:team_1', 9000),
      older.setLimit('key:key_1', 1000),
      older.setLimit('key:key_ci', 100),
      older.addSpent('key:key_1', 7),
      older.addSpent('key:key_ci', 5),
      older.putLease('key:key_1', 'older', 500),
      older.reserve('att_1', 'key:key_1', 'older', 300),
      older.reserve('att_2', 'key:key_1', 'older', 100),
      older.settle('att_2', 40),
      older.insertCharge('att_0', 'key:key_1', 30),
      older.addSpent('key:key_1', 30),
    ];
    for (const row of rows) await query(row);

    const store = await open(currentSchema);
    const own = store.budgets.forTenant('team_1');
    expect(await own.read('team:team_1')).toMatchObject({ limitNanoUsd: 9000, spentNanoUsd: 0 });
    const carried = { limitNanoUsd: 1000, spentNanoUsd: 77, reservedNanoUsd: 300 };
    expect(await own.read('key:key_1')).toMatchObject(carried);
    expect((await store.keys.findKey('h'))?.budgetIds).toEqual(['key:key_1', 'team:team_1']);
    // 500 are leased by another.
    expect(await own.renewLease({ ...newLease, budgetId: 'key:key_1', needNanoUsd: 464 })).toMatchObject({
      verdict: 'busy',
      roomNanoUsd: 463,
    });
    await store.sweep(startMs);
    expect(await own.read('key:key_1')).toMatchObject({ spentNanoUsd: 377, reservedNanoUsd: 0 });

    // The team of a key of the configuration is not in the database: whoever starts with that configuration knows it.
    const alpha = store.budgets.forTenant('alpha');
    expect(await alpha.read('key:key_ci')).toBeUndefined();
    await alpha.setLimit('key:key_ci', 100);
    expect(await alpha.read('key:key_ci')).toMatchObject({ limitNanoUsd: 100, spentNanoUsd: 5 });
    expect(await query('SELECT tenant, id FROM budgets ORDER BY id')).toEqual([
      { tenant: 'team_1', id: 'key:key_1' },
      { tenant: 'alpha', id: 'key:key_ci' },
      { tenant: 'team_1', id: 'team:team_1' },
    ]);
    await store.close();
  });

  test('are one cap for code of before and of now, whoever of them writes', async () => {
    const { open, query } = await createEngine();
    const store = await open(currentSchema);
    const own = store.forTenant('team_1');
    const budgets = store.budgets.forTenant('team_1');
    // It makes a key after its budget.
    await query(older.setLimit('key:key_1', 1000));
    await query(`INSERT INTO teams (id, name, created_at_ms) VALUES ('team_1', 'research', 1)`);
    await query(
      `INSERT INTO keys (id, name, team_id, tenant, hash, last4, created_at_ms) VALUES ('key_1', 'n', 'team_1', 'team_1', 'h', 'wxyz', 1)`,
    );
    expect((await store.keys.findKey('h'))?.budgetIds).toEqual(['key:key_1']);
    await query(older.putLease('key:key_1', 'older', 600));
    await query(older.reserve('att_1', 'key:key_1', 'older', 250));
    await query(older.reserve('att_2', 'key:key_1', 'older', 250));
    expect(await budgets.read('key:key_1')).toMatchObject({ spentNanoUsd: 0, reservedNanoUsd: 500 });
    const ask = { ...newLease, budgetId: 'key:key_1' };
    expect(await budgets.renewLease({ ...ask, needNanoUsd: 500 })).toMatchObject({ verdict: 'busy', roomNanoUsd: 400 });
    expect(await budgets.renewLease({ ...ask, needNanoUsd: 400 })).toMatchObject({ verdict: 'granted' });
    const reservation = { budgetIds: ['key:key_1'], owner: 'newer', nanoUsd: 400 };
    const intent = intentOf({ owner: 'newer', attempt: attemptStartOf({ reservation }) });
    expect(await own.beginTurn(intent)).toBeUndefined();

    // What is now written has its place in what code of before looks for.
    expect(await query(older.selectElsewhere('key:key_1', 'older'))).toMatchObject([
      { used: 400, in_flight: 1, leased: 400 },
    ]);
    await query(older.setLimit('key:key_1', 2000));
    await query(older.putLease('key:key_1', 'older', 700));
    await query(older.settle('att_1', 10));
    await query(older.fold('key:key_1', 'older'));
    await query(older.addSpent('key:key_1', 10));
    expect(await budgets.read('key:key_1')).toMatchObject({
      limitNanoUsd: 2000,
      spentNanoUsd: 10,
      reservedNanoUsd: 650,
    });
    const attempt = attemptEndOf(intent.attempt.id, { costNanoUsd: 3, settles: true });
    expect(await own.commitTurn(commitOf(intent, { owner: 'newer', attempt }))).toBe('committed');
    await budgets.renewLease({ ...ask, needNanoUsd: 0 });
    // It takes from a process of now what it would take from one of its own, and the other way round.
    await query(older.insertCharge('att_9', 'key:key_1', 20));
    await query(older.addSpent('key:key_1', 20));
    await store.sweep(startMs);
    expect(await budgets.read('key:key_1')).toMatchObject({ spentNanoUsd: 283, reservedNanoUsd: 0 });
    expect(await query('SELECT tenant, attempt_id FROM budget_charges ORDER BY attempt_id')).toEqual([
      { tenant: 'team_1', attempt_id: 'att_2' },
      { tenant: 'team_1', attempt_id: 'att_9' },
    ]);
    expect(await query(`SELECT 1 FROM budget_leases UNION ALL SELECT 1 FROM reservations`)).toEqual([]);
    await store.close();
  });
});

describe('several processes that start on one Postgres', () => {
  /** Kysely's, for all its migrations. */
  const migratorLock = '3853314791062309107';
  const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`;
  const before: Record<string, Schema[]> = { 'an empty database': [], 'one of N−1': [schemas.current] };

  test.each(Object.entries(before))('%s: N migrates while N−1 waits, or the other way round', async (_name, made) => {
    for (const order of [
      [schemas.additive, schemas.current],
      [schemas.current, schemas.additive],
    ]) {
      const url = await server.createDatabase();
      const open = async (schema: Schema) => {
        const owner = String(Math.random());
        return (await createPostgresStore({ url, secret, owner, log: logOf(() => {}), nowMs, schema })).close();
      };
      for (const schema of made) await open(schema);
      const client = new Client({ connectionString: url });
      await client.connect();
      onTestFinished(() => client.end());
      await client.query(`SELECT pg_advisory_lock(${migratorLock})`);
      const opened: Promise<void>[] = [];
      let waiters = 0;
      for (const schema of order) {
        opened.push(open(schema));
        // On a database of N−1 its own code has nothing to wait for.
        if (schema === schemas.current && made.length > 0) continue;
        waiters += 1;
        while ((await queryDatabase(url, waiting)).length < waiters) await new Promise((r) => setImmediate(r));
      }
      await client.query(`SELECT pg_advisory_unlock(${migratorLock})`);
      await Promise.all(opened);
      const names = await queryDatabase(url, 'SELECT name FROM kysely_migration ORDER BY name');
      expect(names.map(({ name }) => name)).toEqual(schemas.additive.migrations.map(({ name }) => name));
    }
  });

  test('budgets get their tenant under calls of the version before, none of which is refused or lost', async () => {
    const url = await server.createDatabase();
    const open = async (schema: Schema) => {
      const log = logOf(() => {});
      return createPostgresStore({ url, secret, owner: 'next', log, nowMs, schema });
    };
    await (await open(schemaBefore('0011-budget-tenants'))).close();
    await queryDatabase(url, older.setLimit('key:k', 1_000_000));
    let isMigrated = false;
    const calls: string[] = [];
    let after = 0;
    const lane = async (owner: string) => {
      const client = new Client({ connectionString: `${url}?options=-c%20lock_timeout%3D30000` });
      await client.connect();
      onTestFinished(() => client.end());
      for (let call = 0; after < 50; call++) {
        if (isMigrated) after += 1;
        const attempt = `${owner}-${call}`;
        await client.query(older.renew('key:k', owner, 100));
        await client.query(older.begin(attempt, 'key:k', owner, 10));
        await client.query(older.commit(attempt, 1));
        calls.push(attempt);
      }
      await client.query(older.renew('key:k', owner, 100));
    };
    const migrateUnderThem = async () => {
      while (calls.length < 100) await new Promise((resolve) => setImmediate(resolve));
      const store = await open(currentSchema);
      isMigrated = true;
      return store;
    };
    const [store] = await Promise.all([migrateUnderThem(), ...['a', 'b', 'c', 'd', 'e', 'f'].map(lane)]);
    expect(await store.budgets.forTenant('k').read('key:k')).toMatchObject({
      spentNanoUsd: calls.length,
      reservedNanoUsd: 0,
    });
    // As whoever reads a dump back, whose path is empty.
    const restored = `INSERT INTO public.keys (id, name, tenant, hash, last4, created_at_ms) VALUES ('k', 'n', 'team', 'h', 'wxyz', 1)`;
    await queryDatabase(`${url}?options=-c%20search_path%3D`, restored);
    expect(await store.budgets.forTenant('team').read('key:k')).toMatchObject({ spentNanoUsd: calls.length });
    await store.close();
  });

  test('a gateway goes on answering while the next version migrates under it, and starts again on what that left', async () => {
    const url = await server.createDatabase();
    const config = `store: { url: "${url}", secret: "${secret.toString('hex')}" }\n`;
    const folder = temporaryFolder();
    const gateway = await spawnGateway({ config, folder });
    const client = createClient(gateway.url);
    const ids: string[] = [];
    let isMigrated = false;
    let after = 0;
    const lane = async () => {
      for (let previous: string | undefined; after < 12;) {
        if (isMigrated) after += 1;
        const answer = await client.create({
          model: 'simulator',
          input: 'hello',
          ...(previous === undefined ? {} : { previous_response_id: previous }),
        });
        expect(answer.body).toMatchObject({ status: 'completed' });
        previous = answer.body.id as string;
        ids.push(previous);
      }
    };
    const lanes = [lane(), lane(), lane()];
    const migrateUnderIt = async () => {
      const log = logOf(() => {});
      const store = await createPostgresStore({ url, secret, owner: 'next', log, schema: schemas.additive });
      await store.close();
      isMigrated = true;
    };
    await Promise.all([...lanes, migrateUnderIt()]);
    expect(await gateway.kill('SIGKILL')).toBeNull();

    const again = await spawnGateway({ config, folder });
    expect(again.output()).toContain(pretendName);
    expect(await queryDatabase(url, 'SELECT pretended FROM turns GROUP BY pretended')).toEqual([{ pretended: 'so' }]);
    for (const id of ids) expect((await fetch(`${again.url}/v1/responses/${id}`)).status).toBe(200);
  });
});
