import { cannotOpen } from './cannot-open.ts';
import { createDatabase } from './database.ts';
import { prepareDatabase } from './prepare-database.ts';
import type { SchemaState } from '../schema-version.ts';

const timeoutMs = 10_000;

/**
 * @returns how the database stood before.
 * @throws GatewayError `store_unavailable`, for the operator.
 */
export async function migratePostgres(url: string, { dryRun }: { dryRun: boolean }): Promise<SchemaState> {
  const options = { url, maxConnections: 1, timeoutMs, limitsOnServer: false, onLostConnection: () => {} };
  const database = createDatabase(options);
  try {
    return await prepareDatabase(database, url, timeoutMs, { dryRun });
  } catch (error) {
    throw cannotOpen(url, error);
  } finally {
    await database.close();
  }
}
