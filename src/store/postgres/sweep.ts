import { crashError, failedHead } from '../failed-head.ts';
import { sql } from '../sql.ts';
import type { Database } from './database.ts';
import { failSteps } from '../run-sql.ts';
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
}

/** Fails the turns of processes that are gone. Any number of processes may do so at once. @returns how many this one failed. */
export async function sweep(database: Database, options: SweepOptions, nowMs: number): Promise<number> {
  const { owner, leaseMs, trustsLeases } = options;
  const abandoned = await database.query<AbandonedTurn>(statements.selectAbandoned, [
    owner,
    leaseMs,
    String(trustsLeases),
  ]);
  let count = 0;
  for (const turn of abandoned) if (await failTurn(database, turn, nowMs)) count += 1;
  return count;
}

function failTurn(database: Database, turn: AbandonedTurn, nowMs: number): Promise<boolean> {
  const { tenant, id, owner, epoch } = turn;
  const head = failedHead(turn.head, nowMs);
  return database.transaction(async (query) => {
    await query(statements.lockChain, [tenant, id]);
    const failed = await query(`${sql.failTurn} RETURNING id`, [tenant, id, owner, epoch, head]);
    if (failed.length === 0) return false;
    await query(sql.crashAttempts, [tenant, id, nowMs, crashError.code, crashError.message]);
    await runSteps(query, failSteps(tenant, id, nowMs));
    await query(sql.dropUnkept, [tenant, id]);
    await purge(query, tenant, id);
    return true;
  });
}
