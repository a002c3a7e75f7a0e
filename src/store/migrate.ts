import { type Dialect, Kysely } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { begin, type SchemaDialect } from './migrations/0001-begin.ts';
import { keys } from './migrations/0002-keys.ts';
import { idempotency } from './migrations/0003-idempotency.ts';
import { budgets } from './migrations/0004-budgets.ts';
import { secret } from './migrations/0005-secret.ts';
import { conversations } from './migrations/0006-conversations.ts';
import { background } from './migrations/0007-background.ts';
import { files } from './migrations/0008-files.ts';
import type { MigrationName } from './schema-version.ts';

/** Brings a database to the newest schema. Import it lazily: it loads Kysely. */
export async function migrate(dialect: Dialect, schemaDialect: SchemaDialect): Promise<void> {
  const migrations: Record<MigrationName, Migration> = {
    '0001-begin': begin(schemaDialect),
    '0002-keys': keys,
    '0003-idempotency': idempotency,
    '0004-budgets': budgets,
    '0005-secret': secret,
    '0006-conversations': conversations,
    '0007-background': background(schemaDialect),
    '0008-files': files(schemaDialect),
  };
  const db = new Kysely<unknown>({ dialect });
  const { error } = await new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(migrations) },
  }).migrateToLatest();
  if (error !== undefined)
    throw error instanceof Error ? error : new Error('the schema could not be migrated', { cause: error });
}
