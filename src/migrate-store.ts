import { resolve } from 'node:path';
import type { StoreConfig } from './config/config.ts';
import type { SchemaState } from './store/schema-version.ts';

/**
 * Brings the store to the newest schema, as a gateway does when it starts.
 * @param dryRun true: nothing is changed, nor made.
 * @returns how the store stood before; `pending` are the migrations that were made, or would be.
 */
export async function migrateStore({ url }: StoreConfig, { dryRun }: { dryRun: boolean }): Promise<SchemaState> {
  if (url.startsWith('sqlite:')) {
    const { migrateSqlite } = await import('./store/sqlite/migrate-sqlite.ts');
    return migrateSqlite(resolve(url.slice('sqlite:'.length)), { dryRun });
  }
  const { migratePostgres } = await import('./store/postgres/migrate-postgres.ts');
  return migratePostgres(url, { dryRun });
}
