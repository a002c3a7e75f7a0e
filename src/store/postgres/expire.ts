import { leastId } from '../../core/ids.ts';
import type { Log } from '../../core/log.ts';
import { keptBucket, weekEndMs } from '../bucket.ts';
import type { RetentionLimits } from '../retention.ts';
import { envelopeGraceMs, retentionSql } from '../retention-sql.ts';
import { bucketTables, partitionOf, withBucketsLocked } from './buckets.ts';
import { reasonOf } from '../../core/reason-of.ts';
import { type Database, impatience } from './database.ts';
import { isUnknownOutcome } from './database-error.ts';

type BucketTable = (typeof bucketTables)[number];

export interface ExpireOptions extends RetentionLimits {
  nowMs: number;
  /** True: the process is to end, and the rest is for another time. */
  isStopped: () => boolean;
  log: Log;
}

/** What has nothing but content goes when that is too old; the others keep rows of spend. */
const contentTables: ReadonlySet<BucketTable> = new Set(['items', 'envelopes']);

const rowsAtOnce = 1000;
const suspectsAtOnce = 20;

const statements = {
  partitions: `SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = ANY (ARRAY[${bucketTables.map((table) => `'${table}'::regclass`).join(', ')}])`,

  /** bucket, tenant and id of the last turn of the batch before, how many. Gives the last turn of this batch. */
  blank: `WITH page AS (
      SELECT tenant, id FROM turns WHERE bucket = $1 AND (tenant, id) > ($2, $3) ORDER BY tenant, id LIMIT $4
    ), turn AS (
      UPDATE turns t SET head = '', context_hash = NULL, details_hashes = NULL,
        blanked = CASE WHEN t.status IN ('queued', 'in_progress') THEN t.blanked ELSE 1 END
      FROM page p WHERE t.bucket = $1 AND t.tenant = p.tenant AND t.id = p.id AND t.head <> ''
    ), attempt AS (
      UPDATE attempts a SET raw_reply = NULL, error_message = NULL, open_calls = NULL FROM page p
      WHERE a.bucket = $1 AND a.tenant = p.tenant AND a.turn_id = p.id
        AND (a.raw_reply IS NOT NULL OR a.error_message IS NOT NULL OR a.open_calls IS NOT NULL)
    ) SELECT tenant, id FROM page ORDER BY tenant DESC, id DESC LIMIT 1`,

  /** The first id of a week, and the first of the next. What is kept for ever lies in bucket 0, whenever it was made. */
  forgetRuns: `DELETE FROM background_runs r WHERE r.turn_id >= $1 AND r.turn_id < $2
    AND NOT EXISTS (SELECT 1 FROM turns t WHERE t.tenant = r.tenant AND t.id = r.turn_id AND t.bucket = ${keptBucket})`,
} as const;

/**
 * Drops the buckets of weeks that are too old, whole: first what is content, then the rows of spend. The rows that stay are
 * blanked first, so that a bucket that still has partitions of content is one that is to be done.
 */
export async function expire(database: Database, options: ExpireOptions): Promise<void> {
  const { contentMs, metadataMs, nowMs, isStopped, log } = options;
  const isPast = (bucket: number, limitMs: number | undefined) =>
    limitMs !== undefined && weekEndMs(bucket) + limitMs <= nowMs;
  for (const [bucket, tables] of await partitionsOf(database)) {
    if (isStopped()) return;
    if (bucket === keptBucket) continue;
    const gone = isPast(bucket, metadataMs) ? tables : isPast(bucket, contentMs) ? contentOf(tables) : [];
    if (gone.length === 0) continue;
    if (!isPast(bucket, metadataMs) && !(await blank(database, bucket, isStopped))) return;
    await drop(database, bucket, gone, log);
  }
  await forgetEnvelopes(database, nowMs);
}

const contentOf = (tables: readonly BucketTable[]) => tables.filter((table) => contentTables.has(table));

async function partitionsOf(database: Database): Promise<Map<number, BucketTable[]>> {
  const found = new Map<number, BucketTable[]>();
  const names = new Set((await database.query<{ name: string }>(statements.partitions)).map(({ name }) => name));
  const buckets = new Set([...names].map((name) => Number(name.slice(name.lastIndexOf('_') + 1))));
  for (const bucket of [...buckets].toSorted((a, b) => a - b)) {
    found.set(
      bucket,
      bucketTables.filter((table) => names.has(partitionOf(table, bucket))),
    );
  }
  return found;
}

/** @returns false: it was stopped. */
async function blank(database: Database, bucket: number, isStopped: () => boolean): Promise<boolean> {
  let last: { tenant: string; id: string } | undefined = { tenant: '', id: '' };
  while (last !== undefined) {
    if (isStopped()) return false;
    const batch: { tenant: string; id: string }[] = await database.query(statements.blank, [
      bucket,
      last.tenant,
      last.id,
      rowsAtOnce,
    ]);
    [last] = batch;
  }
  return true;
}

async function drop(database: Database, bucket: number, tables: readonly BucketTable[], log: Log): Promise<void> {
  const names = tables.map((table) => partitionOf(table, bucket)).join(', ');
  try {
    await withBucketsLocked(database, async (query) => {
      // Whoever drops a partition keeps everybody from the whole table until it has it.
      await query(impatience);
      if (tables.includes('turns')) await query(statements.forgetRuns, [firstIdOf(bucket), firstIdOf(bucket + 1)]);
      await query(`DROP TABLE IF EXISTS ${names}`);
    });
    log.info({ tables: names }, 'what was too old was dropped');
  } catch (error) {
    // To unlink the files of a large week takes longer than an answer is waited for: the next look tells.
    const outcome = isUnknownOutcome(error) ? 'may not have been dropped' : 'could not be dropped';
    log.warn({ tables: names, reason: reasonOf(error) }, `what is too old ${outcome} yet`);
  }
}

/** Of the ids of responses, which begin with their time, in the order of their letters. */
const firstIdOf = (week: number) => leastId('resp', weekEndMs(week - 1));

/** Envelopes whose turns were deleted, unless others have them too. The row is held meanwhile, so that no suspicion is lost. */
async function forgetEnvelopes(database: Database, nowMs: number): Promise<void> {
  await database.transaction(async (query) => {
    const suspects = await query<{ tenant: string; hash: string; bucket: number }>(
      `${retentionSql.selectSuspects} FOR UPDATE SKIP LOCKED`,
      [nowMs - envelopeGraceMs, suspectsAtOnce],
    );
    for (const { tenant, hash, bucket } of suspects) {
      await query(retentionSql.deleteUnused, [tenant, hash, bucket]);
      await query(retentionSql.trustEnvelope, [tenant, hash, bucket]);
    }
  });
}
