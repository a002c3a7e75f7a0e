import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { SqlValue } from '../rows.ts';
import { createStatements } from './statements.ts';
import { failureOf, storeError } from './store-error.ts';

export interface Reader {
  /** `Row` names the columns that `sql` selects. @throws GatewayError `store_unavailable` */
  all: <Row>(sql: string, ...parameters: SqlValue[]) => Row[];
  /** The same, with a row as the list of its columns. */
  tuples: <Row extends unknown[]>(sql: string, ...parameters: SqlValue[]) => Row[];
  close(): void;
}

/**
 * A read-only connection of the main thread. It sees everything that the writer has acknowledged. Whoever locks the file for
 * writing does not keep it from reading, and for whoever locks it altogether nobody waits: a wait here would stop every stream.
 */
export function createReader(path: string): Reader {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 0 });
  db.exec('PRAGMA cache_size = -8000');
  const run = (prepare: (sql: string) => StatementSync) => (sql: string, parameters: SqlValue[]) => {
    try {
      return prepare(sql).all(...parameters) as unknown[];
    } catch (error) {
      throw storeError(failureOf(error));
    }
  };
  const readRows = run(createStatements(db));
  const readTuples = run(createStatements(db, (statement) => statement.setReturnArrays(true)));
  return {
    all: <Row>(sql: string, ...parameters: SqlValue[]) => readRows(sql, parameters) as Row[],
    tuples: <Row extends unknown[]>(sql: string, ...parameters: SqlValue[]) => readTuples(sql, parameters) as Row[],
    close: () => db.close(),
  };
}
