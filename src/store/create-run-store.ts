import { weekOfId } from './bucket.ts';
import { budgetSql, limitedBudgetIds, type LimitedBudgetsRow } from './budget-sql.ts';
import { columnText, exactJson } from './column-text.ts';
import { endedHead, failedHead } from './failed-head.ts';
import { attemptStartRow, type SqlValue } from './rows.ts';
import { endSteps, failSteps, insertEvents, reserveSteps, runSql, type Step } from './run-sql.ts';
import type { EventBatch } from './event-batch.ts';
import type { QueuedIntent, RunStore, TenantRuns } from './run-store.ts';
import { sql } from './sql.ts';
import type { KeyHolder, TurnStatus } from './store.ts';

/** What background turns need of an engine. */
export interface RunEngine {
  /** `Row` names the columns that the statement gives. */
  all: <Row>(text: string, ...parameters: SqlValue[]) => Row[] | Promise<Row[]>;
  /**
   * Runs the steps in one transaction; false: the first gave no row, and nothing was done.
   * @param survivesPowerCut a client is told of it.
   */
  write: (steps: Step[], survivesPowerCut?: boolean) => Promise<boolean>;
  /**
   * As `write`, of what nobody answers for until it is told that it was done. Where that is never told, `undo` is done later: if it was,
   * the first step of that gives a row.
   * @param id of the thing that is written.
   */
  writeOrUndo: (id: string, steps: Step[], undo: Step[]) => Promise<boolean>;
  queueTurn: (tenant: string, intent: QueuedIntent) => Promise<KeyHolder | undefined>;
  /** A turn that was begun before this time is too old. */
  expiresBeforeMs: () => number;
}

interface RunRow extends LimitedBudgetsRow {
  status: TurnStatus;
  owner: string;
  epoch: number;
  created_at_ms: number;
  session_id: string;
  key_id: string;
  head: string;
  /** Null, and so the rest: not a background turn. */
  streamed: number | null;
  body: string;
  last_sequence: number;
  revoked: 1 | null;
}

interface EventRow {
  status: TurnStatus;
  session_id: string;
  streamed: number | null;
  ended_at_ms: number | null;
  expired: number | null;
  first_sequence: number | null;
  last_sequence: number;
  data: string;
}

/** Batches of a page: as a batch has 16 KB or one event, a page is small but where events are large. */
const pageLength = 16;
const expiredAtOnce = 100;

/** The same on every engine. */
export function createRunStore({ all, write, writeOrUndo, queueTurn, expiresBeforeMs }: RunEngine): RunStore {
  const forTenant = (tenant: string): TenantRuns => {
    /** tenant, id, week, expiry. */
    const live = (id: string): SqlValue[] => [tenant, columnText(id), weekOfId(id), expiresBeforeMs()];
    const readRun = async (id: string) => (await all<RunRow>(runSql.selectRun, ...live(id)))[0];
    const endTurn = (id: string, { owner, epoch, status }: RunRow, newStatus: TurnStatus, head: string): Step => ({
      sql: runSql.endTurn,
      parameters: [...live(id), owner, epoch, status, newStatus, exactJson(head)],
    });

    return {
      queue: (intent) => queueTurn(tenant, intent),

      async countQueued(atMost) {
        const [row] = await all<{ count: number }>(runSql.countQueued, tenant, atMost);
        return row?.count ?? 0;
      },

      async readQueued(id) {
        const row = await readRun(id);
        if (row === undefined || row.status !== 'queued' || row.streamed === null) return undefined;
        return {
          owner: row.owner,
          epoch: row.epoch,
          createdAtMs: row.created_at_ms,
          sessionId: row.session_id,
          keyId: row.key_id,
          budgetIds: limitedBudgetIds(row),
          streamed: row.streamed === 1,
          body: row.body,
          lastSequence: row.last_sequence,
          isRevoked: row.revoked === 1,
        };
      },

      start({ id, queuedBy, epoch, owner, head, attempt }) {
        const steps = [
          { sql: runSql.startTurn, parameters: [...live(id), queuedBy, epoch, owner, exactJson(head)] },
          { sql: runSql.startRun, parameters: [tenant, id, owner] },
          { sql: sql.insertAttempt, parameters: attemptStartRow(tenant, id, attempt) },
          ...reserveSteps(tenant, attempt),
        ];
        // It would run nowhere, and no process is dead that it could be taken from: it waits once more.
        const queued = exactJson(endedHead(head, { status: 'queued' }));
        const place = [tenant, id, weekOfId(id), attempt.id];
        return writeOrUndo(attempt.id, steps, [
          { sql: runSql.unstartTurn, parameters: [...place, queuedBy, queued] },
          { sql: runSql.unstartRun, parameters: [tenant, id] },
          { sql: runSql.dropAttempt, parameters: place },
          { sql: budgetSql.dropReservations, parameters: [tenant, attempt.id] },
        ]);
      },

      async failQueued(id, { owner, epoch }, { reason, ...error }, nowMs) {
        const row = await readRun(id);
        if (row?.status !== 'queued') return false;
        const queued = { ...row, owner, epoch };
        return write([
          endTurn(id, queued, 'failed', failedHead(row.head, nowMs, error)),
          { sql: runSql.explainRun, parameters: [tenant, id, reason] },
          ...failSteps(tenant, id, nowMs),
        ]);
      },

      async cancelAged(id, nowMs) {
        const [row] = await all<{ head: string }>(runSql.selectAged, ...live(id));
        if (row === undefined) return false;
        const head = exactJson(endedHead(row.head, { status: 'cancelled' }));
        const cancel = { sql: runSql.cancelAged, parameters: [...live(id), head] };
        return write([cancel, ...endSteps(tenant, id, [], nowMs)]);
      },

      append(id, owner, batch) {
        const { lastSequence } = batch;
        return write([
          { sql: runSql.growRun, parameters: [tenant, id, owner, lastSequence] },
          insertEvents(tenant, id, batch),
        ]);
      },

      async cancel(id, nowMs) {
        for (;;) {
          const row = await readRun(id);
          if (row === undefined) return undefined;
          if (row.streamed === null) return 'synchronous';
          if (row.status !== 'queued' && row.status !== 'in_progress') return 'ended';
          const head = endedHead(row.head, { status: 'cancelled' });
          // No row: it has been started or has ended meanwhile, and is looked at again.
          const steps = [endTurn(id, row, 'cancelled', head), ...endSteps(tenant, id, [], nowMs)];
          if (await write(steps, true)) return 'cancelled';
        }
      },

      async isAtWork(id) {
        return (await all(runSql.selectOpenAttempt, tenant, columnText(id), weekOfId(id))).length > 0;
      },

      async readEvents(id, after) {
        const rows = await all<EventRow>(runSql.selectEvents, ...live(id), after, pageLength + 1);
        const [first] = rows;
        if (first === undefined) return undefined;
        const batches: EventBatch[] = [];
        for (const { first_sequence: firstSequence, last_sequence: lastSequence, data } of rows.slice(0, pageLength)) {
          if (firstSequence !== null) batches.push({ firstSequence, lastSequence, data });
        }
        return {
          status: first.status,
          sessionId: first.session_id,
          streamed: first.streamed === null ? undefined : first.streamed === 1,
          endedAtMs: first.ended_at_ms ?? undefined,
          expired: first.expired === 1,
          batches,
          hasMore: rows.length > pageLength,
        };
      },
    };
  };

  return {
    forTenant,
    listQueued: async () => all<{ tenant: string; id: string }>(runSql.selectQueued),
    listRunning: async (owner) => (await all<{ id: string }>(runSql.selectRunning, owner)).map(({ id }) => id),

    async expireEvents(endedBeforeMs) {
      const runs = await all<{ tenant: string; id: string }>(runSql.selectExpired, endedBeforeMs, expiredAtOnce);
      for (const { tenant, id } of runs) {
        await write([
          { sql: runSql.expireRun, parameters: [tenant, id] },
          { sql: runSql.deleteEvents, parameters: [tenant, id] },
        ]);
      }
      return runs.length;
    },
  };
}
