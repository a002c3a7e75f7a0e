import { weekOfId } from '../bucket.ts';
import { crashError, failedHead } from '../failed-head.ts';
import { attemptEndRow } from '../rows.ts';
import { sql } from '../sql.ts';
import { type LeaseHolder, settleAttempt } from '../budget-script.ts';
import { releaseDeadLease, runScript } from './budget-engine.ts';
import { selectDeadLeases } from './budget-statements.ts';
import { isLocked } from './database-error.ts';
import { type ForgottenAttempt, isUnsent, unsentAttempt } from '../unsent-attempt.ts';
import { type Database, impatience, type Query } from './database.ts';
import { crashStep, failSteps } from '../run-sql.ts';
import { purge } from './purge.ts';
import { runSteps } from './run-steps.ts';
import { statements } from './statements.ts';

interface AbandonedTurn {
  tenant: string;
  id: string;
  owner: string;
  epoch: number;
  head: string;
}

export interface SweepOptions {
  /** This process. */
  owner: string;
  leaseMs: number;
  /** False: a process that was not heard of for a lease may have been kept from the database, as this one was. */
  trustsLeases: boolean;
  /** What was begun before is too old. */
  expiryMs: number;
}

/** As `transaction`; undefined: somebody else holds a row of it, and nothing was done. */
async function unlessLocked<Result>(
  database: Database,
  work: (query: Query) => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await database.transaction(async (query) => {
      await query(impatience);
      return work(query);
    });
  } catch (error) {
    if (isLocked(error)) return undefined;
    throw error;
  }
}

/**
 * Fails the turns of processes that are gone, and takes back what they leased of budgets. Any number of processes may do so at
 * once. What another one holds is left to the next sweep, so that neither a start nor all other turns wait for it.
 * @returns how many turns this one failed.
 */
export async function sweep(database: Database, options: SweepOptions, nowMs: number): Promise<number> {
  const { owner, leaseMs, trustsLeases, expiryMs } = options;
  const dead = [owner, leaseMs, String(trustsLeases)];
  const abandoned = await database.query<AbandonedTurn>(statements.selectAbandoned, dead);
  let count = 0;
  for (const turn of abandoned) if (await failTurn(database, turn, expiryMs, nowMs)) count += 1;
  const forgotten = await database.query<ForgottenAttempt>(statements.selectForgotten, dead);
  for (const attempt of forgotten) {
    const { tenant, turn_id: turnId, id, started_at_ms: startedAtMs } = attempt;
    await unlessLocked(database, async (query) => {
      if (!isUnsent(attempt)) return runSteps(query, [crashStep(tenant, turnId, nowMs)]);
      await query(sql.endAttempt, attemptEndRow(tenant, turnId, unsentAttempt({ id, startedAtMs })));
      await runScript(query, settleAttempt(tenant, id, 0));
    });
  }
  for (const lease of await database.query<LeaseHolder>(selectDeadLeases, dead))
    await unlessLocked(database, (query) => releaseDeadLease(query, lease, nowMs));
  return count;
}

function failTurn(
  database: Database,
  turn: AbandonedTurn,
  expiryMs: number,
  nowMs: number,
): Promise<boolean | undefined> {
  const { tenant, id, owner, epoch } = turn;
  const week = weekOfId(id);
  const head = failedHead(turn.head, nowMs);
  return unlessLocked(database, async (query) => {
    await query(statements.lockChain, [tenant, id, week]);
    const failed = await query(`${sql.failTurn} RETURNING id`, [tenant, id, week, owner, epoch, head]);
    if (failed.length === 0) return false;
    await query(sql.crashAttempts, [tenant, id, week, nowMs, crashError.code, crashError.message]);
    await runSteps(query, failSteps(tenant, id, nowMs));
    await query(sql.dropUnkept, [tenant, id]);
    await purge(query, tenant, id, expiryMs);
    return true;
  });
}
