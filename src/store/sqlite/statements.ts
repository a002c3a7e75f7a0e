import type { DatabaseSync, StatementSync } from 'node:sqlite';

/**
 * SQLite's spelling of numbered parameters. Of the two buckets that a row can lie in SQLite would make a table, at every use, to
 * look both up in an index whose other columns say which row it is: the sign keeps it from that.
 */
const sqliteText = (sql: string) => sql.replaceAll(/\$(\d+)/g, '?$1').replaceAll(/(?:\w+\.)?bucket IN \(0, /g, '+$&');

/** Prepares each statement once per connection. @param arrange is done to each then. */
export function createStatements(
  db: DatabaseSync,
  arrange?: (statement: StatementSync) => void,
): (sql: string) => StatementSync {
  const prepared = new Map<string, StatementSync>();
  return (sql) => {
    let statement = prepared.get(sql);
    if (statement === undefined) {
      statement = db.prepare(sqliteText(sql));
      arrange?.(statement);
      prepared.set(sql, statement);
    }
    return statement;
  };
}
