import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { SqlValue } from '../rows.ts';
import { compareSchema, currentSchema } from '../schema-version.ts';
import { acquireLock } from '../sqlite/lock.ts';
import { prepareFile, readApplied } from '../sqlite/prepare-file.ts';
import { maxBatch, refuseOtherSchema, type Row, sizeOf, type StoreEnd } from './store-end.ts';

/**
 * Owns the file until it is closed, as a gateway would.
 * @param role a source is only read; a target is made where there is none, and migrated.
 * @throws Error where another process owns the file, or a source is not there or not of this version.
 */
export async function openSqliteEnd(path: string, role: 'source' | 'target'): Promise<StoreEnd> {
  const isSource = role === 'source';
  if (isSource && !existsSync(path)) throw new Error(`there is no store ${path}`);
  const lock = acquireLock(path);
  let db: DatabaseSync | undefined;
  try {
    if (!isSource) await prepareFile(path);
    db = new DatabaseSync(path, { readOnly: isSource });
    refuseOtherSchema(compareSchema(readApplied(db), currentSchema));
    if (!isSource) db.exec('PRAGMA synchronous = FULL');
  } catch (error) {
    db?.close();
    lock.release();
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the store ${path} cannot be opened: ${reason}`, { cause: error });
  }
  const open = db;

  return {
    async freeze() {
      open.exec('BEGIN');
    },

    async thaw() {
      open.exec('COMMIT');
    },

    async columnsOf({ name }) {
      const rows = open.prepare('SELECT name FROM pragma_table_info(?) ORDER BY name').all(name);
      return rows.map((row) => String(row['name']));
    },

    async *read({ name, key }, columns) {
      const statement = open.prepare(`SELECT ${columns.join(', ')} FROM ${name} ORDER BY ${key.join(', ')}`);
      statement.setReturnArrays(true);
      let batch: Row[] = [];
      let size = 0;
      for (const row of statement.iterate() as unknown as Iterable<SqlValue[]>) {
        batch.push(row);
        size += sizeOf(row);
        if (batch.length < maxBatch.rows && size < maxBatch.characters) continue;
        yield batch;
        batch = [];
        size = 0;
      }
      if (batch.length > 0) yield batch;
    },

    async insert({ name }, columns, rows) {
      const places = columns.map(() => '?').join(', ');
      const statement = open.prepare(
        `INSERT INTO ${name} (${columns.join(', ')}) VALUES (${places}) ON CONFLICT DO NOTHING`,
      );
      open.exec('BEGIN IMMEDIATE');
      try {
        for (const row of rows) statement.run(...row);
        open.exec('COMMIT');
      } catch (error) {
        if (open.isTransaction) open.exec('ROLLBACK');
        throw error;
      }
    },

    async close() {
      open.close();
      lock.release();
    },
  };
}
