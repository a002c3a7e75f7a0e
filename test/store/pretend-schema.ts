import { sql } from 'kysely';
import { currentSchema, migrationNames, type Schema } from '../../src/store/schema-version.ts';

/** The version before the pretended one: the code as it is. */
export const newestName = migrationNames.at(-1) ?? '';
export const pretendName = '9000-pretend';

const pretend = (oldest: string): Schema => ({
  migrations: [...currentSchema.migrations, { name: pretendName, oldest }],
  others: {
    [pretendName]: {
      async up(db) {
        await sql`ALTER TABLE turns ADD COLUMN pretended text NOT NULL DEFAULT 'so'`.execute(db);
        await sql`CREATE TABLE pretences (id text NOT NULL PRIMARY KEY)`.execute(db);
      },
    },
  },
});

/** A next version of the schema: one that its predecessor's code runs on, and one that it does not. */
export const schemas = { current: currentSchema, additive: pretend(newestName), breaking: pretend(pretendName) };
