/** Name of the newest migration. Compared at start, so that the migrator is loaded only when there is something to do. */
export const schemaVersion = '0001-begin';

/**
 * Whether a database must be migrated, by the newest of its migrations; undefined: it has none.
 * @throws Error where a newer Turnpike wrote it.
 */
export function needsMigration(version: string | undefined): boolean {
  if (version !== undefined && version > schemaVersion) {
    throw new Error(`it was written by a newer Turnpike (schema ${version}, this one knows ${schemaVersion})`);
  }
  return version !== schemaVersion;
}
