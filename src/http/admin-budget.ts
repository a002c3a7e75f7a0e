import { z } from 'zod';
import { maxUsd, nanoUsdOf } from '../core/nano-usd.ts';
import type { Budget, BudgetStore } from '../store/budget-store.ts';

/** Null: no limit. Left out: as it is. */
export const budgetField = z.number().min(0).max(maxUsd).nullish();

/** What the admin API does with the budgets of one kind of object. */
export interface AdminBudgets {
  /** @param usd as in `budgetField`. */
  set(id: string, usd: number | null | undefined): Promise<void>;
  /** What `show` makes of each object and its budget. */
  show<T extends { id: string }, Shown>(objects: T[], show: (object: T, budget: unknown) => Shown): Promise<Shown[]>;
}

export function adminBudgets(budgets: BudgetStore, idOf: (objectId: string) => string): AdminBudgets {
  return {
    async set(id, usd) {
      if (usd !== undefined) await budgets.setLimit(idOf(id), usd === null ? null : nanoUsdOf(usd));
    },

    async show(objects, show) {
      const found = await budgets.read(objects.map(({ id }) => idOf(id)));
      const byId = new Map(found.map((budget) => [budget.id, budget]));
      return objects.map((object) => show(object, budgetObject(byId.get(idOf(object.id)))));
    },
  };
}

function budgetObject(budget: Budget | undefined) {
  if (budget === undefined) return null;
  const { limitNanoUsd, spentNanoUsd, reservedNanoUsd } = budget;
  return { limit_usd: limitNanoUsd / 1e9, spent_usd: spentNanoUsd / 1e9, reserved_usd: reservedNanoUsd / 1e9 };
}
