const text = (value: string) => `CAST('${value}' AS text)`;

/** What code wrote of budgets before these had a tenant, word for word but for the values. Frozen: it is what is out there. */
export const older = {
  setLimit: (id: string, limit: number) => `INSERT INTO budgets (id, limit_nano_usd)
    SELECT ${text(id)}, CAST(${limit} AS bigint) WHERE ${limit} IS NOT NULL OR EXISTS (SELECT 1 FROM budgets b WHERE b.id = '${id}')
    ON CONFLICT (id) DO UPDATE SET limit_nano_usd = excluded.limit_nano_usd`,

  addSpent: (id: string, amount: number) =>
    `UPDATE budgets SET spent_nano_usd = spent_nano_usd + ${amount} WHERE id = '${id}'`,

  putLease: (
    id: string,
    owner: string,
    granted: number,
  ) => `INSERT INTO budget_leases (budget_id, owner, granted_nano_usd)
    VALUES ('${id}', '${owner}', ${granted})
    ON CONFLICT (budget_id, owner) DO UPDATE SET granted_nano_usd = excluded.granted_nano_usd`,

  reserve: (attempt: string, id: string, owner: string, amount: number) =>
    `INSERT INTO reservations (attempt_id, budget_id, owner, amount_nano_usd) VALUES ('${attempt}', '${id}', '${owner}', ${amount})`,

  settle: (
    attempt: string,
    cost: number,
  ) => `UPDATE reservations SET settled_nano_usd = COALESCE(${cost}, amount_nano_usd)
    WHERE attempt_id = '${attempt}' AND settled_nano_usd IS NULL`,

  fold: (id: string, owner: string) =>
    `DELETE FROM reservations WHERE budget_id = '${id}' AND owner = '${owner}' AND settled_nano_usd IS NOT NULL
    RETURNING settled_nano_usd`,

  insertCharge: (attempt: string, id: string, amount: number) =>
    `INSERT INTO budget_charges (attempt_id, budget_id, amount_nano_usd, created_at_ms) VALUES ('${attempt}', '${id}', ${amount}, 1)
    ON CONFLICT (attempt_id, budget_id) DO NOTHING`,

  selectElsewhere: (
    id: string,
    owner: string,
  ) => `SELECT COALESCE(SUM(COALESCE(r.settled_nano_usd, r.amount_nano_usd)), 0) AS used,
      COALESCE(SUM(r.settled_nano_usd), 0) AS settled, COUNT(*) - COUNT(r.settled_nano_usd) AS in_flight,
      (SELECT COALESCE(SUM(l.granted_nano_usd), 0) FROM budget_leases l WHERE l.budget_id = '${id}' AND l.owner <> '${owner}') AS leased
    FROM reservations r WHERE r.budget_id = '${id}' AND r.owner <> '${owner}'`,

  /** On Postgres, a renewal: a transaction that books what has ended. */
  renew: (id: string, owner: string, granted: number) => `BEGIN;
    SELECT limit_nano_usd, spent_nano_usd FROM budgets WHERE id = '${id}' FOR UPDATE;
    WITH ended AS (${older.fold(id, owner)})
      UPDATE budgets SET spent_nano_usd = spent_nano_usd + (SELECT COALESCE(SUM(settled_nano_usd), 0) FROM ended) WHERE id = '${id}';
    ${older.selectElsewhere(id, owner)};
    ${older.putLease(id, owner, granted)};
    COMMIT`,

  /** On Postgres, what the statement that begins an attempt says of its budget. */
  begin: (attempt: string, id: string, owner: string, amount: number) => `WITH lease AS (
      SELECT 1 FROM budget_leases l WHERE l.budget_id = ANY ('{${id}}'::text[]) AND l.owner = '${owner}'
      ORDER BY l.budget_id FOR KEY SHARE
    ), reserved AS (
      INSERT INTO reservations (attempt_id, budget_id, owner, amount_nano_usd)
      SELECT '${attempt}', '${id}', '${owner}', ${amount} FROM lease
    ) SELECT 1 FROM lease`,

  /** On Postgres, what the one that ends it says. */
  commit: (attempt: string, cost: number) => `WITH turn AS (SELECT 1), settled AS (
      UPDATE reservations r SET settled_nano_usd = COALESCE(${cost}::bigint, r.amount_nano_usd) FROM turn
      WHERE r.attempt_id = '${attempt}' AND r.settled_nano_usd IS NULL
    ), charge AS (
      DELETE FROM budget_charges c USING turn WHERE c.attempt_id = '${attempt}'
      RETURNING c.budget_id, c.amount_nano_usd
    ), corrected AS (
      UPDATE budgets b SET spent_nano_usd = b.spent_nano_usd + COALESCE(${cost}::bigint, charge.amount_nano_usd)
        - charge.amount_nano_usd FROM charge WHERE b.id = charge.budget_id
    ) SELECT 1 AS committed FROM turn`,
} as const;
