import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, test } from 'vitest';
import { migrationNames } from '../src/store/schema-version.ts';
import { queryDatabase, testPostgres } from './support/postgres.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const launcher = new URL('../bin/turnpike.js', import.meta.url).pathname;
const server = await testPostgres();
afterAll(() => server.stop());

async function migrate(folder: string, ...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [launcher, 'migrate', ...args], { cwd: folder, env: { NO_COLOR: '1' } });
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code, out, err };
}

const lines = (verb: string) => migrationNames.map((name) => `${verb} ${name}\n`).join('');
const done = { code: 0, out: 'nothing to do\n', err: '' };

interface Engine {
  config: string;
  /** What is in the database. */
  tables: () => Promise<unknown[]>;
  execute: (sql: string) => Promise<unknown>;
}

const engines: Record<string, (folder: string) => Promise<Engine>> = {
  SQLite: async (folder) => {
    const execute = async (sql: string) => {
      const database = new DatabaseSync(join(folder, 'turnpike.db'));
      const rows = database.prepare(sql).all();
      database.close();
      return rows;
    };
    return {
      config: 'server: {}\n',
      tables: async () => readdirSync(folder).filter((name) => name.startsWith('turnpike.db')),
      execute,
    };
  },
  Postgres: async () => {
    const url = await server.createDatabase();
    return {
      config: `store: { url: "${url}", secret: "${'0f'.repeat(32)}" }\n`,
      tables: () => queryDatabase(url, `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`),
      execute: (sql) => queryDatabase(url, sql),
    };
  },
};

describe.each(Object.entries(engines))('on %s', (_name, open) => {
  test('a dry run says what is missing and changes nothing; a migration is made once, and a gateway starts on it', async () => {
    const folder = temporaryFolder();
    const { config, tables } = await open(folder);
    writeFileSync(join(folder, 'turnpike.yaml'), config);
    expect(await migrate(folder, '--dry-run')).toEqual({ code: 2, out: lines('would apply'), err: '' });
    expect(await tables()).toEqual([]);
    expect(await migrate(folder)).toEqual({ code: 0, out: lines('applied'), err: '' });
    expect(await tables()).not.toEqual([]);
    expect(await migrate(folder)).toEqual(done);
    expect(await migrate(folder, '--dry-run')).toEqual(done);

    const gateway = await spawnGateway({ config, folder });
    expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(200);
    // A dry run may be made beside it.
    expect(await migrate(folder, '--dry-run', '--config', 'gateway.yaml')).toEqual(done);
  });

  test('a newer schema that allows this version, and what a dry run says of older processes', async () => {
    const folder = temporaryFolder();
    const { config, execute } = await open(folder);
    writeFileSync(join(folder, 'turnpike.yaml'), config);
    expect((await migrate(folder)).code).toBe(0);
    const newest = migrationNames.at(-1);
    await execute(`INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-newer', '2030-01-01')`);
    await execute(`INSERT INTO schema_marks (name, oldest) VALUES ('9999-newer', '${newest}')`);
    for (const args of [[], ['--dry-run']]) {
      const out = 'nothing to do: schema 9999-newer is newer, and this version runs on it\n';
      expect(await migrate(folder, ...args)).toEqual({ code: 0, out, err: '' });
    }
    await execute(`DELETE FROM kysely_migration`);
    await execute(`INSERT INTO kysely_migration (name, timestamp) VALUES ('0000-older', '2020-01-01')`);
    const out = `${lines('would apply')}processes at schema 0000-older cannot run on it: stop them first\n`;
    expect(await migrate(folder, '--dry-run')).toEqual({ code: 2, out, err: '' });
  });

  test('a store that a newer Turnpike wrote is refused', async () => {
    const folder = temporaryFolder();
    const { config, execute } = await open(folder);
    writeFileSync(join(folder, 'turnpike.yaml'), config);
    expect((await migrate(folder)).code).toBe(0);
    await execute(`INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-newer', '2030-01-01')`);
    for (const args of [[], ['--dry-run']]) {
      const { code, out, err } = await migrate(folder, ...args);
      expect([code, out]).toEqual([1, '']);
      expect(err).toMatch(/^turnpike: The store \S+ cannot be opened: it was written by a newer Turnpike .*\.\n$/);
      expect(err).not.toContain('s3cr');
    }
  });
});

test('a SQLite store that a gateway runs on is not migrated under it', async () => {
  const folder = temporaryFolder();
  await spawnGateway({ folder });
  const { code, out, err } = await migrate(folder);
  expect([code, out]).toEqual([1, '']);
  expect(err).toMatch(/^turnpike: The store \S+ is in use by process \d+\. .*\n$/);
});

test('unknown options are refused, before anything is done', async () => {
  const folder = temporaryFolder();
  for (const args of [['--dryrun'], ['now'], ['--config']]) {
    const { code, out } = await migrate(folder, ...args);
    expect([code, out]).toEqual([1, '']);
  }
  expect(readdirSync(folder)).toEqual([]);
});
