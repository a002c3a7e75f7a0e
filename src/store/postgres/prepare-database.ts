import { Pool } from 'pg';
import type { SchemaDialect } from '../migrations/0001-begin.ts';
import {
  type AppliedMigration,
  appliedSql,
  compareSchema,
  currentSchema,
  type SchemaState,
  schemaTables,
} from '../schema-version.ts';
import { bucketTables, partitionOf } from './buckets.ts';
import { type Database, poolConfigOf } from './database.ts';

const timestamp = (ms: string) => `CAST(to_timestamp((${ms}) / 1000.0) AT TIME ZONE 'UTC' AS timestamp(3))`;

const schemaDialect: SchemaDialect = {
  engine: 'postgres',
  timestamp,
  json: (text) => `CAST(${text} AS json)`,
  byBucket: 'PARTITION BY LIST (bucket)',
  bytesType: 'bytea',
  // A database's own order is slower, another on each system, and breaks indexes when the system's library changes it.
  textType: 'text COLLATE "C"',
  ownTables: [
    ...bucketTables.map((table) => `CREATE TABLE ${partitionOf(table, 0)} PARTITION OF ${table} FOR VALUES IN (0)`),
    // For reports that look at the newest rows of the view: its own words for the time.
    `CREATE INDEX turns_start_time ON turns ((${timestamp('created_at_ms')}))`,
    `CREATE TABLE nodes (
      owner text PRIMARY KEY,
      started_at timestamptz NOT NULL,
      heartbeat_at timestamptz NOT NULL
    )`,
  ],
};

interface Settings {
  version: number;
  synchronous_commit: string;
  fsync: string;
  full_page_writes: string;
  encoding: string;
  is_standby: boolean;
}

/**
 * Brings the database to the newest schema. Of several processes that start together, one does it and the others wait.
 * One that a newer process has brought further is left as it is, if its migrations allow this code.
 * @param dryRun true: nothing is changed.
 * @returns how it stood before.
 * @throws Error where the server would not keep what it says that it has kept, or the database is too new.
 */
export async function prepareDatabase(
  database: Database,
  url: string,
  timeoutMs: number,
  { dryRun = false, schema = currentSchema } = {},
): Promise<SchemaState> {
  const [settings] = await database.query<Settings>(`SELECT current_setting('server_version_num')::integer AS version,
    current_setting('synchronous_commit') AS synchronous_commit, current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes, current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() AS is_standby`);
  const problem = settings && findProblem(settings);
  if (problem !== undefined) throw new Error(problem);
  const state = compareSchema(await readApplied(database), schema);
  if (dryRun || state.pending.length === 0) return state;

  const [{ PostgresDialect }, { migrate }] = await Promise.all([import('kysely'), import('../migrate.ts')]);
  // Without our limits: another process's migration is waited for.
  const pool = new Pool(poolConfigOf(url, 2, timeoutMs));
  pool.on('error', () => {});
  try {
    await migrate(new PostgresDialect({ pool }), schemaDialect, schema, () => readApplied(database));
  } finally {
    await pool.end();
  }
  return state;
}

/** Why a server is refused; undefined: it is not. */
export function findProblem({ version, encoding, is_standby: isStandby, ...settings }: Settings): string | undefined {
  if (version < 140_000)
    return `it is Postgres ${Math.floor(version / 10_000)}, and 14 is the oldest that is supported`;
  if (isStandby) return 'it is a standby, which cannot be written';
  if (encoding !== 'UTF8') return `its encoding is ${encoding}, and must be UTF8`;
  for (const name of ['fsync', 'full_page_writes', 'synchronous_commit'] as const) {
    if (settings[name] === 'off')
      return `${name} is off, so that a crash would lose responses that clients were told of`;
  }
  return undefined;
}

async function readApplied(database: Database): Promise<AppliedMigration[]> {
  const tables = await readTables(database);
  const text = appliedSql(tables);
  if (text === undefined) return [];
  const applied = await database.query<AppliedMigration>(text);
  if (applied.length === 0 || tables.has(schemaTables.marks)) return applied;
  // Another process's migration was committed between the two: its marks are there by now.
  return (await readTables(database)).has(schemaTables.marks) ? readApplied(database) : applied;
}

async function readTables(database: Database): Promise<ReadonlySet<string>> {
  const tables = await database.query<{ name: string }>(
    `SELECT wanted AS name FROM unnest(CAST($1 AS text[])) wanted WHERE to_regclass(wanted) IS NOT NULL`,
    [Object.values(schemaTables)],
  );
  return new Set(tables.map(({ name }) => name));
}
