import { weekOf } from '../bucket.ts';
import type { Database, Query } from './database.ts';

/** What is needed of a database to make partitions. */
export type BucketDatabase = Pick<Database, 'query' | 'transaction'>;

/** Tables whose rows lie in buckets, each bucket a partition of each, `turns_2917` for one. */
export const bucketTables = ['turns', 'attempts', 'items', 'envelopes'] as const;

export const partitionOf = (table: string, bucket: number) => `${table}_${bucket}`;

/** This week and the next: made in time, so that no turn waits for them. */
export function bucketsAhead(nowMs: number): number[] {
  return [weekOf(nowMs), weekOf(nowMs) + 1];
}

/** Partitions are made and dropped by one process at a time. */
const lockBuckets = 'SELECT pg_advisory_xact_lock(7307497281961)::text';

/** Runs `work` in a transaction while no other process makes or drops partitions. */
export function withBucketsLocked<Result>(
  database: BucketDatabase,
  work: (query: Query) => Promise<Result>,
): Promise<Result> {
  return database.transaction(async (query) => {
    await query(lockBuckets);
    return work(query);
  });
}

/** Makes the partitions that are not there yet. Any number of processes may do so at once, while turns run. */
export async function makeBuckets(database: BucketDatabase, buckets: readonly number[]): Promise<void> {
  const wanted = buckets.flatMap((bucket) => bucketTables.map((table) => ({ table, bucket })));
  const names = wanted.map(({ table, bucket }) => partitionOf(table, bucket));
  if ((await findMissing(database.query, names)).size === 0) return;
  await withBucketsLocked(database, async (query) => {
    const missing = await findMissing(query, names);
    for (const { table, bucket } of wanted) {
      const name = partitionOf(table, bucket);
      if (!missing.has(name)) continue;
      // Attached, since a table that is made as a partition waits for whatever reads the whole, and keeps turns waiting meanwhile.
      await query(`CREATE TABLE ${name} (LIKE ${table} INCLUDING DEFAULTS)`);
      await query(`ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES IN (${bucket})`);
    }
  });
}

/** By a query of the catalog, not by `to_regclass`: that may remember what was not there before the lock was waited for. */
async function findMissing(query: Query, names: readonly string[]): Promise<Set<string>> {
  const there = await query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = ANY (ARRAY[${bucketTables.map((table) => `'${table}'::regclass`).join(', ')}])
        AND c.relname = ANY ($1)`,
    [[...names]],
  );
  const found = new Set(there.map(({ name }) => name));
  return new Set(names.filter((name) => !found.has(name)));
}
