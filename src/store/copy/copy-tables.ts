import { createHash, type Hash } from 'node:crypto';
import { crashPoint } from '../../crash-point.ts';
import { reasonOf } from '../../core/reason-of.ts';
import type { SqlValue } from '../rows.ts';
import { type CopiedTable, copiedTables } from './copied-table.ts';
import type { Row, StoreEnd } from './store-end.ts';

/** What a table holds: how many rows, and a hash over all of them in the order of their keys. */
export interface TableDigest {
  rows: number;
  sha256: string;
}

export interface TableComparison {
  table: string;
  source: TableDigest;
  target: TableDigest;
}

/**
 * Copies every table, then reads both ends as they are and says what each holds. Rows that the target has already are left
 * as they are, so that a copy that was broken off is run again.
 * @throws Error where the target holds another store.
 */
export async function copyTables(source: StoreEnd, target: StoreEnd): Promise<TableComparison[]> {
  await source.freeze();
  await target.freeze();
  await refuseAnotherStore(source, target);
  await target.thaw();
  const copied = [];
  for (const table of copiedTables) {
    const columns = await sharedColumns(table, source, target);
    const digest = createDigest();
    for await (const rows of source.read(table, columns)) {
      digest.add(rows);
      await target.insert(table, columns, rows).catch((error: unknown) => {
        throw new Error(`table ${table.name} cannot be written: ${reasonOf(error)}`, { cause: error });
      });
      crashPoint('rows-copied');
    }
    copied.push({ table, columns, digest: digest.end() });
  }
  await target.freeze();
  const comparisons: TableComparison[] = [];
  for (const { table, columns, digest } of copied) {
    const found = createDigest();
    for await (const rows of target.read(table, columns)) found.add(rows);
    comparisons.push({ table: table.name, source: digest, target: found.end() });
  }
  return comparisons;
}

export function isSame({ source, target }: TableComparison): boolean {
  return source.rows === target.rows && source.sha256 === target.sha256;
}

/** Two stores in one could not be told apart again. */
async function refuseAnotherStore(source: StoreEnd, target: StoreEnd): Promise<void> {
  for (const table of copiedTables.filter(({ name }) => name === 'keys' || name === 'turns')) {
    const known = rowsOf(source.read(table, table.key));
    for await (const row of rowsOf(target.read(table, table.key))) {
      // Both come in the same order: what is passed over on the way to this row is missing in the target.
      let found = false;
      while (!found) {
        const next = await known.next();
        if (next.done === true)
          throw new Error(`the target holds ${table.name} that the source does not: empty it first`);
        found = JSON.stringify(next.value) === JSON.stringify(row);
      }
    }
  }
}

async function* rowsOf(batches: AsyncIterable<Row[]>): AsyncGenerator<Row, void> {
  for await (const rows of batches) yield* rows;
}

/** Asked of the databases, so that a column that a migration adds is never left behind. */
async function sharedColumns(table: CopiedTable, source: StoreEnd, target: StoreEnd): Promise<string[]> {
  const columns = await source.columnsOf(table);
  const others = await target.columnsOf(table);
  if (columns.length > 0 && columns.join() === others.join()) return columns;
  throw new Error(
    `table ${table.name} has other columns in the source (${columns.join()}) than in the target (${others.join()})`,
  );
}

/** Engines give bytes as objects of several classes. */
const printable = (value: SqlValue) => (value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value);

function createDigest(): { add(rows: readonly Row[]): void; end(): TableDigest } {
  const hash: Hash = createHash('sha256');
  let count = 0;
  return {
    add(rows) {
      for (const row of rows) hash.update(`${JSON.stringify(row.map(printable))}\n`);
      count += rows.length;
    },
    end: () => ({ rows: count, sha256: hash.digest('hex') }),
  };
}
