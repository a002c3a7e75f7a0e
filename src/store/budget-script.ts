import { budgetSql } from './budget-sql.ts';
import { isKeyBudget, type Lease, type LeaseAsk } from './budget-store.ts';
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

/** A budget and who holds some of it. */
export interface LeaseHolder {
  tenant: string;
  budgetId: string;
  owner: string;
}

/**
 * What `TenantBudgets.renewLease` does. Not one statement: on Postgres that would see all tables but the locked row as they
 * were before it waited for the lock.
 * @param lock what makes a SELECT lock its row, for a while.
 */
export function* renewLease(tenant: string, ask: LeaseAsk, lock: string): Script<Lease> {
  const { budgetId, owner, heldNanoUsd } = ask;
  const [budget] = (yield [`${budgetSql.selectState}${lock}`, tenant, budgetId]) as StateRow[];
  // Nobody asks for a key's budget that was never there: it has gone to another tenant with its key, and this process is not told yet.
  if (budget === undefined) return { ...noLease, verdict: isKeyBudget(budgetId) ? 'busy' : 'unlimited' };
  const folded = (yield [budgetSql.fold, tenant, budgetId, owner]) as { settled_nano_usd: number }[];
  const ended = folded.reduce((sum, row) => sum + row.settled_nano_usd, 0);
  if (ended > 0) yield [budgetSql.addSpent, tenant, budgetId, ended];

  const limitNanoUsd = budget.limit_nano_usd;
  let lease: Omit<Lease, 'openAttemptIds'> = { ...noLease, grantedNanoUsd: heldNanoUsd };
  if (limitNanoUsd !== null) {
    const [elsewhere] = (yield [budgetSql.selectElsewhere, tenant, budgetId, owner]) as [ElsewhereRow];
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
  if (lease.grantedNanoUsd > 0) yield [budgetSql.putLease, tenant, budgetId, owner, lease.grantedNanoUsd];
  else yield [budgetSql.returnLease, tenant, budgetId, owner];
  const open = ask.listsOpen
    ? ((yield [budgetSql.selectOpen, tenant, budgetId, owner]) as { attempt_id: string }[])
    : [];
  return { ...lease, openAttemptIds: open.map((row) => row.attempt_id) };
}

const noLease = {
  verdict: 'unlimited',
  grantedNanoUsd: 0,
  sliceNanoUsd: 0,
  roomNanoUsd: 0,
  openAttemptIds: [],
} satisfies Lease;

/**
 * Takes a lease from an owner who is gone. Nobody knows what his calls have cost: they are charged in full what was reserved,
 * since the upstream may bill as much. The charges are kept for a while, should an owner who was only frozen know better.
 */
export function* releaseLease({ tenant, budgetId, owner }: LeaseHolder, nowMs: number, lock: string): Script<void> {
  yield [`${budgetSql.selectState}${lock}`, tenant, budgetId];
  // First the lease: what an owner who is not gone begins from here on is not admitted, and what he has begun is seen below.
  yield [budgetSql.dropLease, tenant, budgetId, owner];
  const taken = (yield [budgetSql.takeReservations, tenant, budgetId, owner]) as ReservationRow[];
  let spent = 0;
  for (const { attempt_id: attemptId, amount_nano_usd: amount, settled_nano_usd: settled } of taken) {
    spent += settled ?? amount;
    if (settled === null) yield [budgetSql.insertCharge, tenant, attemptId, budgetId, amount, nowMs];
  }
  if (spent > 0) yield [budgetSql.addSpent, tenant, budgetId, spent];
}

/**
 * What `TenantBudgets.setLimit` does. A key of the configuration may have come to this tenant from another: what was spent of its
 * budget comes along, and calls that run there are charged as if their processes were gone.
 */
export function* setLimit(
  tenant: string,
  budgetId: string,
  limitNanoUsd: number | null,
  nowMs: number,
  lock: string,
): Script<void> {
  let spent = 0;
  for (const { tenant: before } of (yield [budgetSql.selectPlaces, tenant, budgetId]) as { tenant: string }[]) {
    yield [`${budgetSql.selectState}${lock}`, before, budgetId];
    const holders = (yield [budgetSql.selectHolders, before, budgetId]) as { owner: string }[];
    for (const { owner } of holders) yield* releaseLease({ tenant: before, budgetId, owner }, nowMs, lock);
    const [taken] = (yield [budgetSql.takeBudget, before, budgetId]) as { spent_nano_usd: number }[];
    spent += taken?.spent_nano_usd ?? 0;
  }
  yield [budgetSql.setLimit, tenant, budgetId, limitNanoUsd, spent];
}

/** Books the cost of an attempt in the place of what was reserved for it, or charged when its process was thought to be gone. */
export function* settleAttempt(tenant: string, attemptId: string, costNanoUsd: number | null): Script<void> {
  yield [budgetSql.settle, tenant, attemptId, costNanoUsd];
  const charges = (yield [budgetSql.takeCharges, tenant, attemptId]) as {
    budget_id: string;
    amount_nano_usd: number;
  }[];
  for (const { budget_id: budgetId, amount_nano_usd: amount } of charges)
    yield [budgetSql.addSpent, tenant, budgetId, (costNanoUsd ?? amount) - amount];
}
