import { type Kysely, sql } from 'kysely';

/** Money is in nano-USD. What is leased of a budget is the sum of its leases, so that it cannot drift from them. */
const statements = [
  `CREATE TABLE budgets (
    id text NOT NULL PRIMARY KEY,
    limit_nano_usd bigint,
    spent_nano_usd bigint NOT NULL DEFAULT 0
  )`,
  `CREATE TABLE budget_leases (
    budget_id text NOT NULL,
    owner text NOT NULL,
    granted_nano_usd bigint NOT NULL,
    PRIMARY KEY (budget_id, owner)
  )`,
  `CREATE TABLE reservations (
    attempt_id text NOT NULL,
    budget_id text NOT NULL,
    owner text NOT NULL,
    amount_nano_usd bigint NOT NULL,
    settled_nano_usd bigint,
    PRIMARY KEY (attempt_id, budget_id)
  )`,
  'CREATE INDEX reservations_budget ON reservations (budget_id, owner)',
  `CREATE TABLE budget_charges (
    attempt_id text NOT NULL,
    budget_id text NOT NULL,
    amount_nano_usd bigint NOT NULL,
    created_at_ms bigint NOT NULL,
    PRIMARY KEY (attempt_id, budget_id)
  )`,
];

export const budgets = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
