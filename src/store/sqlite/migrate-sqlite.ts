import { existsSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../core/errors.ts';
import { compareSchema, currentSchema, type SchemaState } from '../schema-version.ts';
import { acquireLock } from './lock.ts';
import { prepareFile, readApplied } from './prepare-file.ts';

/**
 * Only a dry run may be made while a gateway owns the file.
 * @returns how the file stood before.
 * @throws GatewayError `store_unavailable`, for the operator: it names the file.
 */
export async function migrateSqlite(path: string, { dryRun }: { dryRun: boolean }): Promise<SchemaState> {
  const lock = dryRun ? undefined : acquireLock(path);
  try {
    if (!dryRun) return await prepareFile(path);
    return readState(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new GatewayError('store_unavailable', `The store ${path} cannot be opened: ${reason}.`, { cause: error });
  } finally {
    lock?.release();
  }
}

function readState(path: string): SchemaState {
  if (!existsSync(path)) return compareSchema([], currentSchema);
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return compareSchema(readApplied(db), currentSchema);
  } finally {
    db.close();
  }
}
