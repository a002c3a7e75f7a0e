import { type Kysely, sql } from 'kysely';

/** One row, that of the secret with which keys and envelopes are hashed: a value derived from it, which tells nothing of it. */
const statement = 'CREATE TABLE secret (name text NOT NULL PRIMARY KEY, fingerprint text NOT NULL)';

export const secret = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql.raw(statement).execute(db);
  },
};
