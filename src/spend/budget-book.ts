import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { isKeyBudget, type TenantBudgets } from '../store/budget-store.ts';
import type { Reservation } from '../store/store.ts';
import { type BudgetAccount, createBudgetAccount } from './budget-account.ts';

/** What this process has leased of budgets, and which of its calls hold how much of it. */
export interface BudgetBook {
  /**
   * Holds the amount in each of these budgets of a tenant. A promise only resolves: nothing is written yet.
   * @returns undefined: none of them limits the call.
   * @throws GatewayError budget_exceeded, or store_unavailable.
   */
  reserve(tenant: string, budgetIds: readonly string[], nanoUsd: number): Promise<BudgetHold | undefined>;
  /** Gives back what is not used; to be called about a second after it has ended. */
  tidy(): Promise<void>;
  /** Gives back all that no call holds. Every call has ended. */
  close(): Promise<void>;
}

/** What one attempt holds of its budgets. After one of the last three it holds nothing that this process answers for. */
export interface BudgetHold {
  /** To be written with the attempt. */
  readonly reservation: Reservation;
  /** The upstream is done with: from here on what the attempt has cost is held. Undefined: nobody knows. */
  end(costNanoUsd: number | undefined): void;
  /** The store has taken the lease back: another hold is to be made in the place of this one. */
  loseLease(): void;
  /** The attempt was not stored. */
  cancel(): void;
  /** Its cost is stored. */
  settle(): void;
  /** Nobody knows what is stored of it. */
  doubt(attemptId: string): void;
}

export interface BudgetBookOptions {
  budgets: { forTenant: (tenant: string) => Pick<TenantBudgets, 'renewLease'> };
  /** This process, as turns name their owner. */
  owner: string;
  /** A clock that is never set: what is not used is given back though the time of day has gone back. */
  nowMs: () => number;
  log: Log;
}

export function createBudgetBook({ budgets, owner, nowMs, log }: BudgetBookOptions): BudgetBook {
  /** By tenant and budget. */
  const accounts = new Map<string, BudgetAccount>();
  const onError = (err: unknown) => log.warn({ err }, 'a lease of a budget could not be renewed');

  function accountOf(tenant: string, budgetId: string): BudgetAccount {
    const name = JSON.stringify([tenant, budgetId]);
    let account = accounts.get(name);
    if (account === undefined) {
      account = createBudgetAccount({ budgetId, owner, budgets: budgets.forTenant(tenant), nowMs, onError });
      accounts.set(name, account);
    }
    return account;
  }

  return {
    async reserve(tenant, budgetIds, nanoUsd) {
      if (nanoUsd === 0) return undefined;
      const holding = new Map<string, BudgetAccount>();
      const release = () => {
        for (const account of holding.values()) account.release(nanoUsd);
      };
      // One after the other: nobody waits for a budget but while a lease of it is renewed, so that nothing waits in a circle.
      for (const budgetId of budgetIds) {
        const account = accountOf(tenant, budgetId);
        const outcome = await account.hold(nanoUsd).catch((error: unknown) => {
          release();
          throw error;
        });
        if (outcome === 'held') holding.set(budgetId, account);
        else if (outcome !== 'unlimited') {
          release();
          throw exceeded(budgetId, outcome);
        }
      }
      return holding.size === 0 ? undefined : createHold(holding, owner, nanoUsd);
    },

    async tidy() {
      for (const [name, account] of accounts) {
        await account.tidy();
        if (account.isEmpty) accounts.delete(name);
      }
    },

    async close() {
      await Promise.all([...accounts.values()].map((account) => account.close()));
    },
  };
}

function createHold(accounts: ReadonlyMap<string, BudgetAccount>, owner: string, nanoUsd: number): BudgetHold {
  let held = nanoUsd;
  const each = (change: (account: BudgetAccount) => void) => {
    for (const account of accounts.values()) change(account);
  };
  return {
    reservation: { budgetIds: [...accounts.keys()], owner, nanoUsd },
    end(costNanoUsd = held) {
      const more = costNanoUsd - held;
      held = costNanoUsd;
      each((account) => account.change(more));
    },
    loseLease() {
      each((account) => {
        account.release(held);
        account.loseLease();
      });
    },
    cancel: () => each((account) => account.release(held)),
    settle: () => each((account) => account.settle(held)),
    doubt: (attemptId) => each((account) => account.doubt(attemptId, held)),
  };
}

/** What others hold is free again when they have ended; what is spent is not. In seconds. */
const retryAfter = { busy: 1, spent: 3600 };

function exceeded(budgetId: string, reason: keyof typeof retryAfter): GatewayError {
  const whose = isKeyBudget(budgetId) ? 'The budget of this key' : "The budget of this key's team";
  const message =
    reason === 'spent' ? `${whose} is spent.` : `${whose} has no room for this call beside those that run. Try again.`;
  return new GatewayError('budget_exceeded', message, {
    retryAfterSeconds: retryAfter[reason],
    spent: reason === 'spent',
  });
}
