import { heldOfBudgets } from '../budget-sql.ts';

/** How many `reservationValues` there are. */
export const reservationValueCount = 4;

/** Behind the parameters of a statement that begins an attempt: `reservationValues`, the first of them `$first`. */
const reservation = (first: number) => ({
  attempt: `$${first}::text`,
  owner: `$${first + 1}::text`,
  amount: `$${first + 2}::bigint`,
  budgets: `$${first + 3}::text[]`,
});

/** In each of these statements the first parameter. */
const tenant = '$1::text';

/**
 * The leases of the budgets that an attempt reserves in. Whoever takes one from its owner waits until the reservation is
 * there; renewing one does not.
 */
export function lockedLeases(first: number): string {
  const { owner, budgets } = reservation(first);
  return `lease AS (
      SELECT 1 FROM budget_leases l WHERE l.tenant = ${tenant} AND l.budget_id = ANY (${budgets}) AND l.owner = ${owner}
      ORDER BY l.budget_id FOR KEY SHARE
    )`;
}

/** Whether each budget's lease is there. */
export function hasLeases(first: number): string {
  return `(SELECT COUNT(*) FROM lease) = cardinality(${reservation(first).budgets})`;
}

/** @param source a row of it: the attempt is begun. */
export function reserved(first: number, source: string): string {
  const { attempt, owner, amount, budgets } = reservation(first);
  return `reserved AS (
      INSERT INTO reservations (tenant, attempt_id, budget_id, owner, amount_nano_usd)
      SELECT ${tenant}, ${attempt}, b.id, ${owner}, ${amount} FROM ${source}, unnest(${budgets}) AS b (id)
    )`;
}

/** As `settleAttempt`. @param source a row of it: the attempt ends. */
export function settled(attempt: string, cost: string, source: string): string {
  return `settled AS (
      UPDATE reservations r SET settled_nano_usd = COALESCE(${cost}::bigint, r.amount_nano_usd) FROM ${source}
      WHERE r.tenant = ${tenant} AND r.attempt_id = ${attempt} AND r.settled_nano_usd IS NULL
    ), charge AS (
      DELETE FROM budget_charges c USING ${source} WHERE c.tenant = ${tenant} AND c.attempt_id = ${attempt}
      RETURNING c.budget_id, c.amount_nano_usd
    ), corrected AS (
      UPDATE budgets b SET spent_nano_usd = b.spent_nano_usd + COALESCE(${cost}::bigint, charge.amount_nano_usd)
        - charge.amount_nano_usd FROM charge WHERE b.tenant = ${tenant} AND b.id = charge.budget_id
    )`;
}

/** owner, lease in ms, whether a late heartbeat counts, as `selectAbandoned`. */
export const selectDeadLeases = `SELECT l.tenant, l.budget_id AS "budgetId", l.owner FROM (${heldOfBudgets}) l LEFT JOIN nodes n ON n.owner = l.owner
  WHERE l.owner <> $1 AND (n.owner IS NULL
    OR ($3::boolean AND n.heartbeat_at < clock_timestamp() - $2 * interval '1 millisecond'))
  ORDER BY l.tenant, l.budget_id, l.owner`;
