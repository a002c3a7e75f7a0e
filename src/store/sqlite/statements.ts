import type { DatabaseSync, StatementSync } from 'node:sqlite';

/**
 * Of the two buckets that a row can lie in SQLite would make a table, at every use, to look both up in an index whose other columns
 * say which row it is: the sign keeps it from that.
 */
const twoBuckets = /(?:\w+\.)?bucket IN \(0, /g;

/**
 * SQLite's spelling of numbered parameters. One that comes in its turn has no number: Node asks for the name of each that it
 * binds, and SQLite looks through all that have one.
 */
function sqliteText(sql: string): string {
  let last = 0;
  const spelled = sql.replaceAll(/\$(\d+)/g, (_, digits: string) => {
    const number = Number(digits);
    const isNext = number === last + 1;
    last = Math.max(last, number);
    return isNext ? '?' : `?${digits}`;
  });
  return spelled.replaceAll(twoBuckets, '+$&');
}

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
