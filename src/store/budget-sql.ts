import { keyBudgetId, teamBudgetId } from './budget-store.ts';

/** Who holds what: a reservation may be left where there is no lease any more. */
export const heldOfBudgets = `SELECT tenant, budget_id, owner FROM budget_leases
    UNION SELECT tenant, budget_id, owner FROM reservations`;

const budgetWithLimit = (tenant: string, id: string) =>
  `(SELECT b.id FROM budgets b WHERE b.tenant = ${tenant} AND b.id = ${id} AND b.limit_nano_usd IS NOT NULL)`;

/** Columns: the budgets of a key and of its team, each null where it has no limit. */
export const limitedBudgets = (tenant: string, keyId: string, teamId: string) =>
  `${budgetWithLimit(tenant, `'${keyBudgetId('')}' || ${keyId}`)} AS key_budget,
      ${budgetWithLimit(tenant, `'${teamBudgetId('')}' || ${teamId}`)} AS team_budget`;

export interface LimitedBudgetsRow {
  key_budget: string | null;
  team_budget: string | null;
}

/** The key's before the team's. */
export const limitedBudgetIds = ({ key_budget: ofKey, team_budget: ofTeam }: LimitedBudgetsRow): string[] =>
  [ofKey, ofTeam].filter((id) => id !== null);

/**
 * Of budgets, for both engines. A budget lies with its calls, in their tenant, so that what a call touches is one tenant's: `$1`
 * is the tenant where nothing else is said. Rows are locked in one order: a budget, its leases, its reservations.
 */
export const budgetSql = {
  /** tenant, id, limit or null, what was spent before. What never had a limit gets no row for having none. */
  setLimit: `INSERT INTO budgets (tenant, id, limit_nano_usd, spent_nano_usd)
    SELECT CAST($1 AS text), CAST($2 AS text), CAST($3 AS bigint), CAST($4 AS bigint)
    WHERE CAST($3 AS bigint) IS NOT NULL OR EXISTS (SELECT 1 FROM budgets b WHERE b.tenant = $1 AND b.id = $2)
    ON CONFLICT (tenant, id) DO UPDATE SET limit_nano_usd = excluded.limit_nano_usd,
      spent_nano_usd = budgets.spent_nano_usd + excluded.spent_nano_usd`,

  /** tenant, id. Where the budget was before its key has come to another tenant. */
  selectPlaces: 'SELECT tenant FROM budgets WHERE id = $2 AND tenant <> $1',

  /** tenant, id. */
  selectHolders: `SELECT owner FROM (${heldOfBudgets}) h WHERE tenant = $1 AND budget_id = $2`,

  /** tenant, id. */
  takeBudget: 'DELETE FROM budgets WHERE tenant = $1 AND id = $2 RETURNING spent_nano_usd',

  /** tenant, id. What has ended and is not booked yet is spent all the same. */
  selectBudget: `SELECT b.id, b.limit_nano_usd,
      b.spent_nano_usd + COALESCE((SELECT SUM(r.settled_nano_usd) FROM reservations r
        WHERE r.tenant = $1 AND r.budget_id = b.id), 0) AS spent_nano_usd,
      COALESCE((SELECT SUM(r.amount_nano_usd) FROM reservations r
        WHERE r.tenant = $1 AND r.budget_id = b.id AND r.settled_nano_usd IS NULL), 0) AS reserved_nano_usd
    FROM budgets b WHERE b.tenant = $1 AND b.id = $2 AND b.limit_nano_usd IS NOT NULL`,

  /** tenant, id. */
  selectState: 'SELECT limit_nano_usd, spent_nano_usd FROM budgets WHERE tenant = $1 AND id = $2',

  /** tenant, budget, owner. What has ended leaves its reservation; the caller books the sum as spent. */
  fold: `DELETE FROM reservations WHERE tenant = $1 AND budget_id = $2 AND owner = $3 AND settled_nano_usd IS NOT NULL
    RETURNING settled_nano_usd`,

  /** tenant, budget, amount. */
  addSpent: 'UPDATE budgets SET spent_nano_usd = spent_nano_usd + $3 WHERE tenant = $1 AND id = $2',

  /** tenant, budget, owner. */
  selectElsewhere: `SELECT COALESCE(SUM(COALESCE(r.settled_nano_usd, r.amount_nano_usd)), 0) AS used,
      COALESCE(SUM(r.settled_nano_usd), 0) AS settled, COUNT(*) - COUNT(r.settled_nano_usd) AS in_flight,
      (SELECT COALESCE(SUM(l.granted_nano_usd), 0) FROM budget_leases l
        WHERE l.tenant = $1 AND l.budget_id = $2 AND l.owner <> $3) AS leased
    FROM reservations r WHERE r.tenant = $1 AND r.budget_id = $2 AND r.owner <> $3`,

  /** tenant, budget, owner, amount. */
  putLease: `INSERT INTO budget_leases (tenant, budget_id, owner, granted_nano_usd) VALUES ($1, $2, $3, $4)
    ON CONFLICT (tenant, budget_id, owner) DO UPDATE SET granted_nano_usd = excluded.granted_nano_usd`,

  /** tenant, budget, owner. Reservations that the owner does not know of keep its lease: without it nobody would look for them. */
  returnLease: `DELETE FROM budget_leases WHERE tenant = $1 AND budget_id = $2 AND owner = $3
    AND NOT EXISTS (SELECT 1 FROM reservations r WHERE r.tenant = $1 AND r.budget_id = $2 AND r.owner = $3)`,

  /** owner. Where one process owns the store. */
  selectLeasesOfOthers: `SELECT tenant, budget_id AS "budgetId", owner FROM (${heldOfBudgets}) h WHERE owner <> $1`,

  /** tenant, budget, owner. */
  dropLease: 'DELETE FROM budget_leases WHERE tenant = $1 AND budget_id = $2 AND owner = $3',

  /** tenant, budget, owner. */
  selectOpen: 'SELECT attempt_id FROM reservations WHERE tenant = $1 AND budget_id = $2 AND owner = $3',

  /** tenant, budget, owner. */
  takeReservations: `DELETE FROM reservations WHERE tenant = $1 AND budget_id = $2 AND owner = $3
    RETURNING attempt_id, amount_nano_usd, settled_nano_usd`,

  /** tenant, attempt, budget, amount, time. */
  insertCharge: `INSERT INTO budget_charges (tenant, attempt_id, budget_id, amount_nano_usd, created_at_ms)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, attempt_id, budget_id) DO NOTHING`,

  /** time. By then no process of before still holds an attempt. */
  forgetCharges: 'DELETE FROM budget_charges WHERE created_at_ms < $1',

  /** tenant, budget, owner. */
  selectLease: 'SELECT 1 AS leased FROM budget_leases WHERE tenant = $1 AND budget_id = $2 AND owner = $3',

  /** tenant, attempt, budget, owner, amount. */
  reserve: `INSERT INTO reservations (tenant, attempt_id, budget_id, owner, amount_nano_usd) VALUES ($1, $2, $3, $4, $5)`,

  /** tenant, attempt, cost or null: what it cost is not known, and counts as what was reserved. */
  settle: `UPDATE reservations SET settled_nano_usd = COALESCE($3, amount_nano_usd)
    WHERE tenant = $1 AND attempt_id = $2 AND settled_nano_usd IS NULL`,

  /** tenant, attempt. */
  dropReservations: 'DELETE FROM reservations WHERE tenant = $1 AND attempt_id = $2',

  /** tenant, attempt. */
  takeCharges: 'DELETE FROM budget_charges WHERE tenant = $1 AND attempt_id = $2 RETURNING budget_id, amount_nano_usd',
} as const;
