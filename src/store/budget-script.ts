import { budgetSql } from './budget-sql.ts';
import type { Lease, LeaseAsk } from './budget-store.ts';
import { grantLease } from './grant-lease.ts';
import type { SqlValue } from './rows.ts';

/**
 * A transaction as the statements that it runs, one after the other: each is answered with its rows. The engines run it,
 * one waiting for each answer and one not.
 */
export type Script<Result> = Generator<readonly [sql: string, ...parameters: SqlValue[]], Result, unknown>;

interface StateRow {
  limit_nano_usd: number | null;
  spent_nano_usd: number;
}

interface ElsewhereRow {
  used: number;
  settled: number;
  in_flight: number;
  leased: number;
}

interface ReservationRow {
  attempt_id: string;
  amount_nano_usd: number;
  settled_nano_usd: number | null;
}

/**
 * What `BudgetStore.renewLease` does. Not one statement: on Postgres that would see all tables but the locked row as they
 * were before it waited for the lock.
 * @param lock what makes a SELECT lock its row, for a while.
 */
export function* renewLease(ask: LeaseAsk, lock: string): Script<Lease> {
  const { budgetId, owner, heldNanoUsd } = ask;
  const [budget] = (yield [`${budgetSql.selectState}${lock}`, budgetId]) as StateRow[];
  if (budget === undefined) return { ...unlimited, openAttemptIds: [] };
  const folded = (yield [budgetSql.fold, budgetId, owner]) as { settled_nano_usd: number }[];
  const ended = folded.reduce((sum, row) => sum + row.settled_nano_usd, 0);
  if (ended > 0) yield [budgetSql.addSpent, budgetId, ended];

  const limitNanoUsd = budget.limit_nano_usd;
  let lease = { ...unlimited, grantedNanoUsd: heldNanoUsd };
  if (limitNanoUsd !== null) {
    const [elsewhere] = (yield [budgetSql.selectElsewhere, budgetId, owner]) as [ElsewhereRow];
    lease = grantLease(ask, {
      limitNanoUsd,
      spentNanoUsd: budget.spent_nano_usd + ended,
      elsewhere: {
        leasedNanoUsd: elsewhere.leased,
        usedNanoUsd: elsewhere.used,
        settledNanoUsd: elsewhere.settled,
        callsInFlight: elsewhere.in_flight,
      },
    });
  }
  if (lease.grantedNanoUsd > 0) yield [budgetSql.putLease, budgetId, owner, lease.grantedNanoUsd];
  else yield [budgetSql.returnLease, budgetId, owner];
  const open = ask.listsOpen ? ((yield [budgetSql.selectOpen, budgetId, owner]) as { attempt_id: string }[]) : [];
  return { ...lease, openAttemptIds: open.map((row) => row.attempt_id) };
}

const unlimited: Omit<Lease, 'openAttemptIds'> = {
  verdict: 'unlimited',
  grantedNanoUsd: 0,
  sliceNanoUsd: 0,
  roomNanoUsd: 0,
};

/**
 * Takes a lease from an owner who is gone. Nobody knows what his calls have cost: they are charged in full what was reserved,
 * since the upstream may bill as much. The charges are kept for a while, should an owner who was only frozen know better.
 */
export function* releaseLease(budgetId: string, owner: string, nowMs: number, lock: string): Script<void> {
  yield [`${budgetSql.selectState}${lock}`, budgetId];
  // First the lease: what an owner who is not gone begins from here on is not admitted, and what he has begun is seen below.
  yield [budgetSql.dropLease, budgetId, owner];
  const taken = (yield [budgetSql.takeReservations, budgetId, owner]) as ReservationRow[];
  let spent = 0;
  for (const { attempt_id: attemptId, amount_nano_usd: amount, settled_nano_usd: settled } of taken) {
    spent += settled ?? amount;
    if (settled === null) yield [budgetSql.insertCharge, attemptId, budgetId, amount, nowMs];
  }
  if (spent > 0) yield [budgetSql.addSpent, budgetId, spent];
}

/** Books the cost of an attempt in the place of what was reserved for it, or charged when its process was thought to be gone. */
export function* settleAttempt(attemptId: string, costNanoUsd: number | null): Script<void> {
  yield [budgetSql.settle, attemptId, costNanoUsd];
  const charges = (yield [budgetSql.takeCharges, attemptId]) as { budget_id: string; amount_nano_usd: number }[];
  for (const { budget_id: budgetId, amount_nano_usd: amount } of charges)
    yield [budgetSql.addSpent, budgetId, (costNanoUsd ?? amount) - amount];
}
