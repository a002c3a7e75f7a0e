import { type Dialect, Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { begin, type SchemaDialect } from './migrations/0001-begin.ts';
import { keys } from './migrations/0002-keys.ts';
import { idempotency } from './migrations/0003-idempotency.ts';
import { budgets } from './migrations/0004-budgets.ts';
import { secret } from './migrations/0005-secret.ts';
import { conversations } from './migrations/0006-conversations.ts';
import { background } from './migrations/0007-background.ts';
import { files } from './migrations/0008-files.ts';
import { embeddings } from './migrations/0009-embeddings.ts';
import { sessions } from './migrations/0010-sessions.ts';
import { budgetTenants } from './migrations/0011-budget-tenants.ts';
import { leanItems } from './migrations/0012-lean-items.ts';
import {
  type AppliedMigration,
  compareSchema,
  type MigrationMark,
  type MigrationName,
  type Schema,
  schemaTables,
} from './schema-version.ts';

/**
 * Brings a database to this schema. Import it lazily: it loads Kysely.
 * @param readApplied asked while the migrator's lock is held: another process, newer ones too, may have migrated meanwhile.
 */
export async function migrate(
  dialect: Dialect,
  schemaDialect: SchemaDialect,
  schema: Schema,
  readApplied: () => Promise<AppliedMigration[]>,
): Promise<void> {
  const own: Record<MigrationName, Migration> = {
    '0001-begin': begin(schemaDialect),
    '0002-keys': keys,
    '0003-idempotency': idempotency,
    '0004-budgets': budgets,
    '0005-secret': secret,
    '0006-conversations': conversations,
    '0007-background': background(schemaDialect),
    '0008-files': files(schemaDialect),
    '0009-embeddings': embeddings(schemaDialect),
    '0010-sessions': sessions(schemaDialect),
    '0011-budget-tenants': budgetTenants(schemaDialect),
    '0012-lean-items': leanItems(schemaDialect),
  };
  const migrations: Record<string, Migration> = { ...own, ...schema.others };
  const getMigrations = async () => {
    const applied = await readApplied();
    compareSchema(applied, schema);
    // The migrator wants to know all that were made, also those that a newer process made.
    const known: Record<string, Migration> = Object.fromEntries(applied.map(({ name }) => [name, made]));
    for (const mark of schema.migrations) known[mark.name] = marked(mark, migrations[mark.name] ?? made);
    return known;
  };
  const db = new Kysely<unknown>({ dialect });
  const { error } = await new Migrator({ db, provider: { getMigrations } }).migrateToLatest();
  if (error !== undefined)
    throw error instanceof Error ? error : new Error('the schema could not be migrated', { cause: error });
}

const made: Migration = { up: () => Promise.reject(new Error('this migration is not known here')) };

/** The migration and its mark are written together, or neither is. */
function marked({ name, oldest }: MigrationMark, migration: Migration): Migration {
  return {
    async up(db) {
      await migration.up(db);
      const table = sql.raw(schemaTables.marks);
      await sql`CREATE TABLE IF NOT EXISTS ${table} (name text NOT NULL PRIMARY KEY, oldest text NOT NULL)`.execute(db);
      await sql`INSERT INTO ${table} (name, oldest) VALUES (${name}, ${oldest})`.execute(db);
    },
  };
}
