import { keyBudgetId, teamBudgetId } from './budget-store.ts';

/** Who holds what: a reservation may be left where there is no lease any more. */
export const heldOfBudgets = `SELECT budget_id, owner FROM budget_leases UNION SELECT budget_id, owner FROM reservations`;

const budgetWithLimit = (id: string) =>
  `(SELECT b.id FROM budgets b WHERE b.id = ${id} AND b.limit_nano_usd IS NOT NULL)`;

/** Columns: the budgets of a key and of its team, each null where it has no limit. */
export const limitedBudgets = (keyId: string, teamId: string) =>
  `${budgetWithLimit(`'${keyBudgetId('')}' || ${keyId}`)} AS key_budget,
      ${budgetWithLimit(`'${teamBudgetId('')}' || ${teamId}`)} AS team_budget`;

export interface LimitedBudgetsRow {
  key_budget: string | null;
  team_budget: string | null;
}

/** The key's before the team's. */
export const limitedBudgetIds = ({ key_budget: ofKey, team_budget: ofTeam }: LimitedBudgetsRow): string[] =>
  [ofKey, ofTeam].filter((id) => id !== null);

/** Of budgets, for both engines. Rows are locked in one order: a budget, its leases, its reservations. */
export const budgetSql = {
  /** id, limit or null. What never had a limit gets no row for having none. */
  setLimit: `INSERT INTO budgets (id, limit_nano_usd)
    SELECT CAST($1 AS text), CAST($2 AS bigint) WHERE $2 IS NOT NULL OR EXISTS (SELECT 1 FROM budgets b WHERE b.id = $1)
    ON CONFLICT (id) DO UPDATE SET limit_nano_usd = excluded.limit_nano_usd`,

  /** id. What has ended and is not booked yet is spent all the same. */
  selectBudget: `SELECT b.id, b.limit_nano_usd,
      b.spent_nano_usd + COALESCE((SELECT SUM(r.settled_nano_usd) FROM reservations r WHERE r.budget_id = b.id), 0)
        AS spent_nano_usd,
      COALESCE((SELECT SUM(r.amount_nano_usd) FROM reservations r
        WHERE r.budget_id = b.id AND r.settled_nano_usd IS NULL), 0) AS reserved_nano_usd
    FROM budgets b WHERE b.id = $1 AND b.limit_nano_usd IS NOT NULL`,

  /** id. */
  selectState: 'SELECT limit_nano_usd, spent_nano_usd FROM budgets WHERE id = $1',

  /** budget, owner. What has ended leaves its reservation; the caller books the sum as spent. */
  fold: `DELETE FROM reservations WHERE budget_id = $1 AND owner = $2 AND settled_nano_usd IS NOT NULL
    RETURNING settled_nano_usd`,

  /** budget, amount. */
  addSpent: 'UPDATE budgets SET spent_nano_usd = spent_nano_usd + $2 WHERE id = $1',

  /** budget, owner. */
  selectElsewhere: `SELECT COALESCE(SUM(COALESCE(r.settled_nano_usd, r.amount_nano_usd)), 0) AS used,
      COALESCE(SUM(r.settled_nano_usd), 0) AS settled, COUNT(*) - COUNT(r.settled_nano_usd) AS in_flight,
      (SELECT COALESCE(SUM(l.granted_nano_usd), 0) FROM budget_leases l WHERE l.budget_id = $1 AND l.owner <> $2) AS leased
    FROM reservations r WHERE r.budget_id = $1 AND r.owner <> $2`,

  /** budget, owner, amount. */
  putLease: `INSERT INTO budget_leases (budget_id, owner, granted_nano_usd) VALUES ($1, $2, $3)
    ON CONFLICT (budget_id, owner) DO UPDATE SET granted_nano_usd = excluded.granted_nano_usd`,

  /** budget, owner. Reservations that the owner does not know of keep its lease: without it nobody would look for them. */
  returnLease: `DELETE FROM budget_leases WHERE budget_id = $1 AND owner = $2
    AND NOT EXISTS (SELECT 1 FROM reservations r WHERE r.budget_id = $1 AND r.owner = $2)`,

  /** owner. Where one process owns the store. */
  selectLeasesOfOthers: `SELECT budget_id AS "budgetId", owner FROM (${heldOfBudgets}) h WHERE owner <> $1`,

  /** budget, owner. */
  dropLease: 'DELETE FROM budget_leases WHERE budget_id = $1 AND owner = $2',

  /** budget, owner. */
  selectOpen: 'SELECT attempt_id FROM reservations WHERE budget_id = $1 AND owner = $2',

  /** budget, owner. */
  takeReservations: `DELETE FROM reservations WHERE budget_id = $1 AND owner = $2
    RETURNING attempt_id, amount_nano_usd, settled_nano_usd`,

  /** attempt, budget, amount, time. */
  insertCharge: `INSERT INTO budget_charges (attempt_id, budget_id, amount_nano_usd, created_at_ms) VALUES ($1, $2, $3, $4)
    ON CONFLICT (attempt_id, budget_id) DO NOTHING`,

  /** time. By then no process of before still holds an attempt. */
  forgetCharges: 'DELETE FROM budget_charges WHERE created_at_ms < $1',

  /** budget, owner. */
  selectLease: 'SELECT 1 AS leased FROM budget_leases WHERE budget_id = $1 AND owner = $2',

  /** attempt, budget, owner, amount. */
  reserve: 'INSERT INTO reservations (attempt_id, budget_id, owner, amount_nano_usd) VALUES ($1, $2, $3, $4)',

  /** attempt, cost or null: what it cost is not known, and counts as what was reserved. */
  settle: `UPDATE reservations SET settled_nano_usd = COALESCE($2, amount_nano_usd)
    WHERE attempt_id = $1 AND settled_nano_usd IS NULL`,

  /** attempt. */
  takeCharges: 'DELETE FROM budget_charges WHERE attempt_id = $1 RETURNING budget_id, amount_nano_usd',
} as const;
