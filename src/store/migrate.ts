import { type Dialect, Kysely, sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { begin, type SchemaDialect } from './migrations/0001-begin.ts';
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
  const own: Record<MigrationName, Migration> = { '0001-begin': begin(schemaDialect) };
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
