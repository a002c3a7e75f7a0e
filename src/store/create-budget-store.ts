import type { Budget, BudgetStore } from './budget-store.ts';
import { budgetSql } from './budget-sql.ts';
import { columnText } from './column-text.ts';
import type { SqlValue } from './rows.ts';

/** What the engines do each in their own way. */
export interface BudgetEngine extends Pick<BudgetStore, 'renewLease'> {
  /** Runs a statement; `Row` names the columns that it selects. */
  all: <Row>(sql: string, ...parameters: SqlValue[]) => Row[] | Promise<Row[]>;
  /** Parameters of `budgetSql.setLimit`. */
  setLimit: (parameters: SqlValue[]) => Promise<unknown>;
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
    async setLimit(id, limitNanoUsd) {
      await setLimit([columnText(id), limitNanoUsd]);
    },

    async read(ids) {
      const found = await Promise.all(ids.map(async (id) => all<BudgetRow>(budgetSql.selectBudget, columnText(id))));
      return found.flatMap((rows) => rows.map(budgetOf));
    },

    renewLease: (ask) => renewLease({ ...ask, budgetId: columnText(ask.budgetId) }),
  };
}
