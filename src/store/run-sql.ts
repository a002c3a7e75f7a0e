import { weekOfId } from './bucket.ts';
import { budgetSql, limitedBudgets } from './budget-sql.ts';
import { columnText, exactJson } from './column-text.ts';
import { crashError } from './failed-head.ts';
import type { SqlValue } from './rows.ts';
import type { EventBatch } from './event-batch.ts';
import type { QueuedIntent } from './run-store.ts';
import { isRevoked } from './key-sql.ts';
import { live, sql } from './sql.ts';
import type { AttemptStart, TurnCommit } from './store.ts';

/** One statement of several that are run in one transaction. */
export interface Step {
  sql: string;
  parameters: SqlValue[];
}

/** Of a run: its turn is queued. */
const waits = `owner = '' AND ended_at_ms IS NULL`;

/** The statements of background turns, as those in sql.ts. */
export const runSql = {
  /** tenant, id, streamed, body, last sequence. */
  insertRun: `INSERT INTO background_runs (tenant, turn_id, owner, streamed, body, last_sequence)
    VALUES ($1, $2, '', $3, $4, $5)`,

  /** tenant, id, first sequence, last sequence, data. */
  insertEvents: `INSERT INTO events (tenant, turn_id, first_sequence, last_sequence, data) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (tenant, turn_id, first_sequence) DO NOTHING`,

  /** The least id is the oldest: ids begin with their time. Of `turns` all weeks would be looked through. */
  selectQueued: `SELECT tenant, MIN(turn_id) AS id FROM background_runs WHERE ${waits} GROUP BY tenant`,

  /** tenant, how many at most: what waits is looked at up to there. */
  countQueued: `SELECT count(*) AS count FROM (SELECT 1 FROM background_runs r WHERE r.tenant = $1 AND ${waits} LIMIT $2) q`,

  /** owner. */
  selectRunning: `SELECT id FROM turns WHERE status = 'in_progress' AND owner = $1`,

  /** tenant, id, week, expiry. */
  selectRun: `SELECT t.status, t.owner, t.epoch, t.created_at_ms, t.session_id, t.key_id, t.head, r.streamed, r.body,
      r.last_sequence, ${limitedBudgets('$1', 't.key_id', 't.tenant')}, ${isRevoked('t.key_id')} AS revoked
    FROM turns t LEFT JOIN background_runs r ON r.tenant = t.tenant AND r.turn_id = t.id
    WHERE t.tenant = $1 AND t.id = $2 AND t.bucket IN (0, $3) AND ${live('t', '$4')}`,

  /** tenant, id, week, expiry, owner, epoch, new owner, head. */
  startTurn: `UPDATE turns SET status = 'in_progress', owner = $7, head = $8
    WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3) AND owner = $5 AND epoch = $6 AND status = 'queued'
      AND ${live('turns', '$4')}
    RETURNING 1 AS done`,

  /** tenant, id, new owner. */
  startRun: 'UPDATE background_runs SET owner = $3 WHERE tenant = $1 AND turn_id = $2',

  /** tenant, id, week, attempt, owner, head. No row: it was not started with this attempt. One that was ended meanwhile stays so. */
  unstartTurn: `UPDATE turns SET status = CASE WHEN status = 'in_progress' THEN 'queued' ELSE status END, owner = $5,
      head = CASE WHEN status = 'in_progress' AND head <> '' THEN $6 ELSE head END
    WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3) AND EXISTS (SELECT 1 FROM attempts a
      WHERE a.tenant = $1 AND a.turn_id = $2 AND a.bucket IN (0, $3) AND a.id = $4 AND a.status = 'started')
    RETURNING 1 AS done`,

  /** tenant, id. */
  unstartRun: `UPDATE background_runs SET owner = '' WHERE tenant = $1 AND turn_id = $2 AND ended_at_ms IS NULL`,

  /** tenant, id, week, attempt. It was never sent: nobody was told that it had begun. */
  dropAttempt: 'DELETE FROM attempts WHERE tenant = $1 AND turn_id = $2 AND bucket IN (0, $3) AND id = $4',

  /** tenant, id, owner, last sequence. Locks the row, so that a run is not ended while events are appended. */
  growRun: `UPDATE background_runs SET last_sequence = $4
    WHERE tenant = $1 AND turn_id = $2 AND owner = $3 AND last_sequence <= $4 AND ended_at_ms IS NULL RETURNING 1 AS done`,

  /** tenant, id, week, expiry, owner, epoch, status, new status, head. The epoch moves, so that what the owner does later is fenced. */
  endTurn: `UPDATE turns SET status = $8, epoch = epoch + 1, head = $9
    WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3) AND owner = $5 AND epoch = $6 AND status = $7
      AND ${live('turns', '$4')} RETURNING 1 AS done`,

  /** tenant, id, week. A background turn that runs for nobody any more is not to go on. */
  cancelHidden: `UPDATE turns SET status = 'cancelled', epoch = epoch + 1
    WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3) AND status IN ('queued', 'in_progress') AND EXISTS (SELECT 1 FROM background_runs r
      WHERE r.tenant = turns.tenant AND r.turn_id = turns.id)`,

  /** tenant, id, week, expiry. A turn that waits, and has become too old meanwhile. */
  selectAged: `SELECT t.head FROM turns t JOIN background_runs r ON r.tenant = t.tenant AND r.turn_id = t.id
    WHERE t.tenant = $1 AND t.id = $2 AND t.bucket IN (0, $3) AND t.status = 'queued' AND NOT (${live('t', '$4')})`,

  /** tenant, id, week, expiry, head. Where time has taken the head already, it does not come back. */
  cancelAged: `UPDATE turns SET status = 'cancelled', epoch = epoch + 1, head = CASE WHEN head = '' THEN '' ELSE $5 END,
      blanked = CASE WHEN head = '' THEN 1 ELSE 0 END
    WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3) AND status = 'queued' AND NOT (${live('turns', '$4')})
    RETURNING 1 AS done`,

  /** tenant, id, time. */
  endRun: `UPDATE background_runs SET ended_at_ms = $3, body = ''
    WHERE tenant = $1 AND turn_id = $2 AND ended_at_ms IS NULL`,

  /** tenant, id, error code. */
  explainRun: 'UPDATE background_runs SET error_code = $3 WHERE tenant = $1 AND turn_id = $2',

  /** tenant, id. */
  expireRun: `UPDATE background_runs SET expired = 1 WHERE tenant = $1 AND turn_id = $2 AND expired = 0 RETURNING 1 AS done`,

  /** tenant, id. */
  deleteEvents: 'DELETE FROM events WHERE tenant = $1 AND turn_id = $2',

  /**
   * tenant, id, week, what stands before and after the event's fields. The end of a stream that its process did not write, from
   * the turn's head as it is now. Nobody appends events any more.
   */
  insertFailed: `INSERT INTO events (tenant, turn_id, first_sequence, last_sequence, data)
    SELECT t.tenant, t.id, r.last_sequence + 1, r.last_sequence + 1, CAST($4 AS text)
      || CAST(r.last_sequence + 1 AS text) || ',"response":' || substr(t.head, 1, length(t.head) - 1)
      || ',"output":[],' || substr(e.body, 2) || CAST($5 AS text)
    FROM turns t JOIN background_runs r ON r.tenant = t.tenant AND r.turn_id = t.id
    JOIN envelopes e ON e.tenant = $1 AND e.hash = t.envelope_hash AND e.bucket IN (0, $3) AND e.bucket = t.bucket
    WHERE t.tenant = $1 AND t.id = $2 AND t.bucket IN (0, $3) AND t.head <> '' AND r.streamed = 1
    ON CONFLICT (tenant, turn_id, first_sequence) DO NOTHING`,

  /** tenant, id, week, expiry, owner, epoch, head, output count. What a cancelled turn had written so far, which comes after its end. */
  adoptOutput: `UPDATE turns SET head = $7, output_count = $8
    WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3) AND owner = $5 AND epoch = $6 + 1 AND status = 'cancelled'
      AND output_count = 0 AND ${live('turns', '$4')} RETURNING stored, deleted_at_ms, input_count, bucket, conversation`,

  /** tenant, id, week. */
  selectOpenAttempt: `SELECT 1 AS open FROM attempts
    WHERE tenant = $1 AND turn_id = $2 AND bucket IN (0, $3) AND status = 'started' LIMIT 1`,

  /** time, how many. */
  selectExpired: `SELECT tenant, turn_id AS id FROM background_runs WHERE ended_at_ms < $1 AND expired = 0 LIMIT $2`,

  /** tenant, id, week, expiry, after which event, how many. A run without such events has one row. */
  selectEvents: `SELECT t.status, t.session_id, r.streamed, r.ended_at_ms, r.expired, e.first_sequence, e.last_sequence, e.data
    FROM turns t LEFT JOIN background_runs r ON r.tenant = t.tenant AND r.turn_id = t.id
    LEFT JOIN events e ON e.tenant = t.tenant AND e.turn_id = t.id AND e.last_sequence > $5
    WHERE t.tenant = $1 AND t.id = $2 AND t.bucket IN (0, $3) AND ${live('t', '$4')}
    ORDER BY e.first_sequence LIMIT $6`,
} as const;

export const insertEvents = (tenant: string, id: string, { firstSequence, lastSequence, data }: EventBatch): Step => ({
  sql: runSql.insertEvents,
  parameters: [tenant, id, firstSequence, lastSequence, exactJson(data)],
});

/** What a queued turn has beside other turns. */
export function queueSteps(tenant: string, { id, run }: QueuedIntent): Step[] {
  const last = run.events.at(-1)?.lastSequence ?? -1;
  const parameters = [tenant, id, run.streamed ? 1 : 0, run.body, last];
  return [{ sql: runSql.insertRun, parameters }, ...run.events.map((batch) => insertEvents(tenant, id, batch))];
}

/** Whether the process still leases the budgets is not looked at: a sweep finds what is reserved without a lease. */
export function reserveSteps(tenant: string, { id, reservation }: AttemptStart): Step[] {
  if (reservation === undefined) return [];
  const { budgetIds, owner, nanoUsd } = reservation;
  return budgetIds.map((budgetId) => ({
    sql: budgetSql.reserve,
    parameters: [tenant, id, columnText(budgetId), owner, nanoUsd],
  }));
}

/** For a turn that has just ended; `events` as in `TurnCommit`. */
export function endSteps(tenant: string, id: string, events: TurnCommit['events'], nowMs: number): Step[] {
  if (events === undefined) return [];
  if (events === 'lost') return failSteps(tenant, id, nowMs);
  return [
    { sql: runSql.endRun, parameters: [tenant, id, nowMs] },
    ...events.map((batch) => insertEvents(tenant, id, batch)),
  ];
}

/** For a turn that others have ended while it ran: what its process would have written, which is gone. */
export const crashStep = (tenant: string, id: string, nowMs: number): Step => ({
  sql: `${sql.crashAttempts} RETURNING 1 AS done`,
  parameters: [tenant, id, weekOfId(id), nowMs, crashError.code, crashError.message],
});

const failedEvent = {
  before: 'event: response.failed\ndata: {"type":"response.failed","sequence_number":',
  after: '}\n\n',
};

/** For a turn that was just failed by others than its process, background or not. */
export function failSteps(tenant: string, id: string, nowMs: number): Step[] {
  return [
    { sql: runSql.endRun, parameters: [tenant, id, nowMs] },
    { sql: runSql.insertFailed, parameters: [tenant, id, weekOfId(id), failedEvent.before, failedEvent.after] },
  ];
}

/** For a turn that was just hidden, background or not. */
export function deleteSteps(tenant: string, id: string, nowMs: number): Step[] {
  return [
    { sql: runSql.cancelHidden, parameters: [tenant, id, weekOfId(id)] },
    { sql: runSql.endRun, parameters: [tenant, id, nowMs] },
    { sql: runSql.expireRun, parameters: [tenant, id] },
    { sql: runSql.deleteEvents, parameters: [tenant, id] },
  ];
}
