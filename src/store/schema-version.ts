/** Name of the newest migration. Compared at start, so that the migrator is loaded only when there is something to do. */
export const schemaVersion = '0001-begin';
