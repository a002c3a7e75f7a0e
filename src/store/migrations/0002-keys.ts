import { type Kysely, sql } from 'kysely';

/** `keys` belongs to no tenant: it says who the tenants are. A deleted key's row stays, for the spend that names it. */
const statements = [
  `CREATE TABLE teams (
    id text NOT NULL PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at_ms bigint NOT NULL
  )`,
  `CREATE TABLE keys (
    id text NOT NULL PRIMARY KEY,
    name text NOT NULL,
    team_id text,
    tenant text NOT NULL,
    hash text NOT NULL UNIQUE,
    last4 text NOT NULL,
    created_at_ms bigint NOT NULL,
    blocked_at_ms bigint,
    deleted_at_ms bigint,
    previous_hash text,
    previous_until_ms bigint,
    expires_at_ms bigint
  )`,
  'CREATE INDEX keys_team ON keys (team_id)',
  'CREATE INDEX keys_previous_hash ON keys (previous_hash)',
];

export const keys = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of statements) await sql.raw(statement).execute(db);
  },
};
