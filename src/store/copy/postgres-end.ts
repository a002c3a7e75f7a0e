import { Client } from 'pg';
import { cannotOpen } from '../postgres/cannot-open.ts';
import { type BucketDatabase, makeBuckets } from '../postgres/buckets.ts';
import { poolConfigOf, type SqlParameter } from '../postgres/database.ts';
import { migratePostgres } from '../postgres/migrate-postgres.ts';
import { maxBatch, refuseOtherSchema, type Row, sizeOf, type StoreEnd } from './store-end.ts';

export interface PostgresEndOptions {
  role: 'source' | 'target';
  /** Go on although processes run on it. */
  force: boolean;
}

const connectMs = 10_000;
/** Whoever was heard of within a lease counts as running. */
const leaseMs = 15_000;

/**
 * @param url `postgres://…`.
 * @throws Error where gateways run on it, or a source is not of this version.
 */
export async function openPostgresEnd(url: string, { role, force }: PostgresEndOptions): Promise<StoreEnd> {
  const isSource = role === 'source';
  const client = new Client(poolConfigOf(url, 1, connectMs));
  // A connection that is lost fails the statement that uses it; its event needs no other listener.
  client.on('error', () => {});
  try {
    await client.connect();
    // Before the schema is changed under them.
    if (!force) await refuseRunning(client);
    const found = await migratePostgres(url, { dryRun: isSource });
    refuseOtherSchema(isSource ? found : { ...found, pending: [] });
  } catch (error) {
    await client.end();
    throw cannotOpen(url, error);
  }
  const select = async (text: string, values: readonly unknown[] = []): Promise<Row[]> =>
    (await client.query<Row>({ text, values: [...values], rowMode: 'array' })).rows;

  const database: BucketDatabase = {
    query: async <Found>(text: string, parameters: SqlParameter[] = []) =>
      (await client.query<Found & object>(text, parameters)).rows,
    async transaction(work) {
      await select('BEGIN');
      const result = await work(database.query);
      await select('COMMIT');
      return result;
    },
  };
  let cursors = 0;

  return {
    async freeze() {
      await select('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      // A large table takes its time to be sorted, and the other end its time to write.
      await select('SET LOCAL statement_timeout = 0');
      await select('SET LOCAL idle_in_transaction_session_timeout = 0');
    },

    async thaw() {
      await select('COMMIT');
    },

    async columnsOf({ name }) {
      const rows = await select(
        `SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
          ORDER BY attname COLLATE "C"`,
        [name],
      );
      return rows.map(([column]) => String(column));
    },

    async *read({ name, key }, columns) {
      // One of its own: whoever reads may stop before its end.
      cursors += 1;
      const cursor = `copied_${cursors}`;
      await select(
        `DECLARE ${cursor} NO SCROLL CURSOR FOR SELECT ${columns.join(', ')} FROM ${name} ORDER BY ${key.join(', ')}`,
      );
      // The next batch is as many rows as the last one's sizes promise to fit.
      let count = 10;
      for (;;) {
        const rows = await select(`FETCH ${count} FROM ${cursor}`);
        if (rows.length === 0) break;
        yield rows;
        const size = rows.reduce((sum, row) => sum + sizeOf(row), 0);
        count = Math.max(
          1,
          Math.min(maxBatch.rows, 10 * count, Math.floor((maxBatch.characters * rows.length) / size)),
        );
      }
      await select(`CLOSE ${cursor}`);
    },

    async insert({ name }, columns, rows) {
      const bucketAt = columns.indexOf('bucket');
      if (bucketAt >= 0) await makeBuckets(database, [...new Set(rows.map((row) => Number(row[bucketAt])))]);
      const places = rows.map(
        (_, row) => `(${columns.map((__, column) => `$${row * columns.length + column + 1}`).join(', ')})`,
      );
      await select(
        `INSERT INTO ${name} (${columns.join(', ')}) VALUES ${places.join(', ')} ON CONFLICT DO NOTHING`,
        rows.flat(),
      );
    },

    async close() {
      await client.end();
    },
  };
}

async function refuseRunning(client: Client): Promise<void> {
  const { rows: tables } = await client.query(`SELECT 1 WHERE to_regclass('nodes') IS NOT NULL`);
  if (tables.length === 0) return;
  const { rows } = await client.query<{ running: number }>(
    `SELECT count(*)::integer AS running FROM nodes WHERE heartbeat_at > clock_timestamp() - ${leaseMs} * interval '1 millisecond'`,
  );
  const running = rows[0]?.running ?? 0;
  if (running > 0) {
    throw new Error(
      `${running} gateway processes run on it, or ran ${leaseMs / 1000} seconds ago: stop them, or copy nonetheless with --force`,
    );
  }
}
