import { z } from 'zod';
import { maxUsd, nanoUsdOf } from '../core/nano-usd.ts';
import type { Budget, BudgetStore } from '../store/budget-store.ts';

/** Null: no limit. Left out: as it is. */
export const budgetField = z.number().min(0).max(maxUsd).nullish();

/** What the admin API does with the budgets of one kind of object. */
export interface AdminBudgets<Owner> {
  /** @param usd as in `budgetField`. */
  set(owner: Owner, usd: number | null | undefined): Promise<void>;
  /** What `show` makes of each object and its budget. */
  show<T extends Owner, Shown>(objects: T[], show: (object: T, budget: unknown) => Shown): Promise<Shown[]>;
}

export function adminBudgets<Owner extends { id: string }>(
  budgets: BudgetStore,
  idOf: (objectId: string) => string,
  tenantOf: (owner: Owner) => string,
): AdminBudgets<Owner> {
  return {
    async set(owner, usd) {
      if (usd === undefined) return;
      const limitNanoUsd = usd === null ? null : nanoUsdOf(usd);
      await budgets.forTenant(tenantOf(owner)).setLimit(idOf(owner.id), limitNanoUsd);
    },

    show: (objects, show) =>
      Promise.all(
        objects.map(async (object) =>
          show(object, budgetObject(await budgets.forTenant(tenantOf(object)).read(idOf(object.id)))),
        ),
      ),
  };
}

function budgetObject(budget: Budget | undefined) {
  if (budget === undefined) return null;
  const { limitNanoUsd, spentNanoUsd, reservedNanoUsd } = budget;
  return { limit_usd: limitNanoUsd / 1e9, spent_usd: spentNanoUsd / 1e9, reserved_usd: reservedNanoUsd / 1e9 };
}
