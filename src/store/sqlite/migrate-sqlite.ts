import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../core/errors.ts';
import { pendingMigrations } from '../schema-version.ts';
import { acquireLock } from './lock.ts';
import { prepareFile, versionOf } from './prepare-file.ts';

/**
 * Only a dry run may be made while a gateway owns the file.
 * @returns the names of the migrations that were made, or would be.
 * @throws GatewayError `store_unavailable`, for the operator: it names the file.
 */
export async function migrateSqlite(path: string, { dryRun }: { dryRun: boolean }): Promise<string[]> {
  const lock = dryRun ? undefined : acquireLock(path);
  try {
    const pending = findPending(path);
    if (!dryRun) await prepareFile(path);
    return pending;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new GatewayError('store_unavailable', `The store ${path} cannot be opened: ${reason}.`, { cause: error });
  } finally {
    lock?.release();
  }
}

function findPending(path: string): string[] {
  if (!existsSync(path)) return pendingMigrations(undefined);
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return pendingMigrations(versionOf(db));
  } finally {
    db.close();
  }
}
