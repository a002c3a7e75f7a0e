import type { SqlValue } from '../rows.ts';
import type { SchemaState } from '../schema-version.ts';
import type { CopiedTable } from './copied-table.ts';

/** The values of one row, in the order of the columns that were asked for. */
export type Row = SqlValue[];

/** A store as a copy sees it: tables and rows, whatever they mean. */
export interface StoreEnd {
  /** Until `thaw` every read sees the store as it is at this moment, and nothing is inserted. Only then is it read. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** By name. */
  columnsOf(table: CopiedTable): Promise<string[]>;
  /** Every row, in batches, ordered by the bytes of the key: the same order on every engine. */
  read(table: CopiedTable, columns: readonly string[]): AsyncIterable<Row[]>;
  /** Inserts the rows that are not there yet, all or none, and returns when they are durable. */
  insert(table: CopiedTable, columns: readonly string[], rows: readonly Row[]): Promise<void>;
  close(): Promise<void>;
}

/** A batch ends with the row that fills it: rows differ in size by a factor of a million. */
export const maxBatch = { rows: 500, characters: 4_000_000 };

export function sizeOf(row: Row): number {
  return row.reduce<number>(
    (sum, value) => sum + (typeof value === 'string' || value instanceof Uint8Array ? value.length : 8),
    0,
  );
}

/** @throws Error: of a schema that is newer, this code does not know all that there is to copy. */
export function refuseOtherSchema({ version, isNewer, pending }: SchemaState): void {
  if (pending.length > 0) throw new Error(`run \`turnpike migrate\` on it first, it lacks ${pending.join(', ')}`);
  if (isNewer) throw new Error(`a newer Turnpike wrote it (schema ${version}): copy it with that one`);
}
