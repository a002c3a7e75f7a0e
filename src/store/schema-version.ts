/** Every migration, in the order of their names. Compared at start, so that the migrator is loaded only when there is something to do. */
export const migrationNames = [
  '0001-begin',
  '0002-keys',
  '0003-idempotency',
  '0004-budgets',
  '0005-secret',
  '0006-conversations',
  '0007-background',
  '0008-files',
] as const;
export type MigrationName = (typeof migrationNames)[number];

/**
 * What a database lacks, by the newest of its migrations; undefined: it has none.
 * @throws Error where a newer Turnpike wrote it.
 */
export function pendingMigrations(version: string | undefined): MigrationName[] {
  const newest = migrationNames[migrationNames.length - 1];
  if (version !== undefined && newest !== undefined && version > newest) {
    throw new Error(`it was written by a newer Turnpike (schema ${version}, this one knows ${newest})`);
  }
  return migrationNames.filter((name) => version === undefined || name > version);
}
