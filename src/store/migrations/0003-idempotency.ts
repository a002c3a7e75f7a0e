import { type Kysely, sql } from 'kysely';

const statements = [
  `CREATE TABLE idempotency (
    tenant text NOT NULL,
    key_hash text NOT NULL,
    body_hash text NOT NULL,
    turn_id text NOT NULL,
    created_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, key_hash)
  )`,
  'CREATE INDEX idempotency_created ON idempotency (created_at_ms)',
];

export const idempotency = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
