import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { SchemaDialect } from '../migrations/0001-begin.ts';
import {
  type AppliedMigration,
  appliedSql,
  compareSchema,
  currentSchema,
  type Schema,
  type SchemaState,
} from '../schema-version.ts';
import { checkFingerprint, fingerprintOf, fingerprintSql } from '../secret-fingerprint.ts';
import { createStatements } from './statements.ts';

const schemaDialect: SchemaDialect = {
  engine: 'sqlite',
  timestamp: (ms) => `strftime('%Y-%m-%d %H:%M:%f', (${ms}) / 1000.0, 'unixepoch')`,
  json: (text) => text,
  // What is too old is found by its time.
  ownTables: [
    'CREATE INDEX turns_with_head ON turns (created_at_ms) WHERE blanked = 0',
    'CREATE INDEX turns_without_head ON turns (created_at_ms) WHERE blanked = 1',
  ],
  byBucket: '',
  bytesType: 'blob',
  textType: 'text',
};

/**
 * Makes the database file where there is none (its owner's only, as it holds what users said) and brings it to the newest
 * schema. The caller holds the lock.
 * @param secret of the store; undefined: who it belongs to is not asked.
 * @returns how it stood before.
 * @throws Error of SQLite, or one that says that the file is too new, or that it has another secret.
 */
export async function prepareFile(path: string, secret?: Uint8Array, schema = currentSchema): Promise<SchemaState> {
  closeSync(openSync(path, 'a', 0o600));
  const db = new DatabaseSync(path);
  try {
    db.exec('PRAGMA journal_mode = WAL');
    const state = compareSchema(readApplied(db), schema);
    if (state.pending.length > 0) await migrateFile(db, schema);
    if (secret !== undefined) keepFingerprint(db, fingerprintOf(secret));
    return state;
  } finally {
    db.close();
  }
}

function keepFingerprint(db: DatabaseSync, fingerprint: string): void {
  const prepare = createStatements(db);
  prepare(fingerprintSql.keep).run(fingerprint);
  const row = prepare(fingerprintSql.select).get() as { fingerprint: string } | undefined;
  checkFingerprint(fingerprint, row?.fingerprint);
}

/** The migrations that the file has had. */
export function readApplied(db: DatabaseSync): AppliedMigration[] {
  const tables = db.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all();
  const text = appliedSql(new Set(tables.map(({ name }) => String(name))));
  return text === undefined ? [] : (db.prepare(text).all() as unknown as AppliedMigration[]);
}

/** All migrations or none: SQLite can roll back its schema, though Kysely does not count on it. */
async function migrateFile(db: DatabaseSync, schema: Schema): Promise<void> {
  const [{ SqliteDialect }, { migrate }] = await Promise.all([import('kysely'), import('../migrate.ts')]);
  const dialect = new SqliteDialect({
    database: {
      prepare(text) {
        const statement = db.prepare(text);
        return {
          reader: statement.columns().length > 0,
          all: (parameters) => statement.all(...(parameters as string[])),
          run: (parameters) => statement.run(...(parameters as string[])),
          iterate: (parameters) => statement.iterate(...(parameters as string[])),
        };
      },
      close: () => {},
    },
  });
  db.exec('BEGIN IMMEDIATE');
  try {
    await migrate(dialect, schemaDialect, schema, async () => readApplied(db));
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
