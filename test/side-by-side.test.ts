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
import { startMs } from './store/make.ts';
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
