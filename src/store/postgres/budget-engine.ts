import { columnText } from '../column-text.ts';
import type { BudgetEngine } from '../create-budget-store.ts';
import { type LeaseHolder, releaseLease, renewLease, type Script, setLimit } from '../budget-script.ts';
import type { SqlValue } from '../rows.ts';
import type { Reservation } from '../store.ts';
import type { Database, Query, SqlParameter } from './database.ts';

/** A process that is stopped in the middle of a renewal keeps the others from their budget for so long. */
const stoppedMs = 2000;
const lock = ` AND set_config('idle_in_transaction_session_timeout', '${stoppedMs}', true) <> '' FOR UPDATE`;

export function createBudgetEngine(database: Database, nowMs: () => number): BudgetEngine {
  return {
    all: <Row>(text: string, ...parameters: SqlValue[]) => database.query<Row>(text, parameters),
    setLimit: (tenant, id, limitNanoUsd) =>
      database.transaction((query) => runScript(query, setLimit(tenant, id, limitNanoUsd, nowMs(), lock))),
    renewLease: (tenant, ask) => database.transaction((query) => runScript(query, renewLease(tenant, ask, lock))),
  };
}

/** In the transaction of `query`. */
export function releaseDeadLease(query: Query, lease: LeaseHolder, nowMs: number): Promise<void> {
  return runScript(query, releaseLease(lease, nowMs, lock));
}

/** Runs them in the transaction of `query`. */
export async function runScript<Result>(query: Query, script: Script<Result>): Promise<Result> {
  let step = script.next();
  while (step.done !== true) {
    const [text, ...parameters] = step.value;
    step = script.next(await query(text, parameters));
  }
  return step.value;
}

/** Attempt, owner, amount and budgets, as the statements take them that begin an attempt under a budget. */
export function reservationValues(attemptId: string, { budgetIds, owner, nanoUsd }: Reservation): SqlParameter[] {
  return [attemptId, owner, nanoUsd, budgetIds.map(columnText)];
}
