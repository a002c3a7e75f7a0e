import type { Migration } from 'kysely/migration';

/** What is known of a migration without loading it. */
export interface MigrationMark {
  readonly name: string;
  /** The oldest version of the schema (its newest migration) whose code runs on a database that has this migration. */
  readonly oldest: string;
}

/**
 * Every migration, in the order of their names. Compared at start, so that the migrator is loaded only when there is something
 * to do. The first is the schema of the first release: nobody is older.
 */
const migrationMarks = [{ name: '0001-begin', oldest: '0001-begin' }] as const satisfies readonly MigrationMark[];
export type MigrationName = (typeof migrationMarks)[number]['name'];

export const migrationNames: readonly MigrationName[] = migrationMarks.map(({ name }) => name);

/** The schema that some version of the code works with. */
export interface Schema {
  readonly migrations: readonly MigrationMark[];
  /** Those that `migrate.ts` does not have. */
  readonly others?: Readonly<Record<string, Migration>>;
}

export const currentSchema: Schema = { migrations: migrationMarks };

/** A migration that a database has had, with the mark that it left; null: none. */
export interface AppliedMigration {
  name: string;
  oldest: string | null;
}

/** How a database stands to the code's schema. */
export interface SchemaState {
  /** The newest migration that it has had; undefined: none. */
  version: string | undefined;
  /** It has migrations that this code does not know, and runs on nonetheless. */
  isNewer: boolean;
  /** Names of the migrations that it lacks, in order. */
  pending: string[];
  /** Code of `version` runs on it too once it has those. */
  keepsOlder: boolean;
}

/** @throws Error where a newer Turnpike wrote the database and its migrations do not allow this code. */
export function compareSchema(applied: readonly AppliedMigration[], { migrations }: Schema): SchemaState {
  const own = migrations.at(-1)?.name ?? '';
  const version = applied.reduce<string | undefined>(
    (last, { name }) => ((last ?? '') > name ? last : name),
    undefined,
  );
  const newer = applied.filter(({ name }) => name > own);
  if (newer.some(({ oldest }) => oldest === null || oldest > own)) {
    throw new Error(`it was written by a newer Turnpike (schema ${version}, this one knows ${own})`);
  }
  const pending = migrations.filter(({ name }) => version === undefined || name > version);
  return {
    version,
    isNewer: newer.length > 0,
    pending: pending.map(({ name }) => name),
    keepsOlder: pending.every(({ oldest }) => version === undefined || oldest <= version),
  };
}

/** The tables that say what a database has had. The marks are in one of our own: the other is the migrator's. */
export const schemaTables = { applied: 'kysely_migration', marks: 'schema_marks' } as const;

/** The statement that reads `AppliedMigration`s; undefined: there is nothing to read. */
export function appliedSql(tables: ReadonlySet<string>): string | undefined {
  const { applied, marks } = schemaTables;
  if (!tables.has(applied)) return undefined;
  if (!tables.has(marks)) return `SELECT name, NULL AS oldest FROM ${applied}`;
  return `SELECT a.name, m.oldest FROM ${applied} a LEFT JOIN ${marks} m ON m.name = a.name`;
}
