import type { Budget, BudgetStore, Lease, LeaseAsk } from './budget-store.ts';
import { budgetSql } from './budget-sql.ts';
import { columnText } from './column-text.ts';
import type { SqlValue } from './rows.ts';

/** What the engines do each in their own way. */
export interface BudgetEngine {
  /** Runs a statement; `Row` names the columns that it selects. */
  all: <Row>(sql: string, ...parameters: SqlValue[]) => Row[] | Promise<Row[]>;
  /** Runs the script of this name. */
  setLimit: (tenant: string, id: string, limitNanoUsd: number | null) => Promise<unknown>;
  renewLease: (tenant: string, ask: LeaseAsk) => Promise<Lease>;
}

interface BudgetRow {
  id: string;
  limit_nano_usd: number;
  spent_nano_usd: number;
  reserved_nano_usd: number;
}

const budgetOf = (row: BudgetRow): Budget => ({
  id: row.id,
  limitNanoUsd: row.limit_nano_usd,
  spentNanoUsd: row.spent_nano_usd,
  reservedNanoUsd: row.reserved_nano_usd,
});

export function createBudgetStore({ all, setLimit, renewLease }: BudgetEngine): BudgetStore {
  return {
    forTenant: (tenant) => ({
      async setLimit(id, limitNanoUsd) {
        await setLimit(tenant, columnText(id), limitNanoUsd);
      },

      async read(id) {
        const [row] = await all<BudgetRow>(budgetSql.selectBudget, tenant, columnText(id));
        return row && budgetOf(row);
      },

      renewLease: (ask) => renewLease(tenant, { ...ask, budgetId: columnText(ask.budgetId) }),
    }),
  };
}
