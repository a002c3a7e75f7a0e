import type { DatabaseSync, StatementSync } from 'node:sqlite';

/**
 * Which row is meant, the index of the primary key says. Of the two buckets that the row can lie in SQLite would make a table, at
 * every use, and it would rather look for the row among all that its owner runs: the sign keeps it from both.
 */
const notLookedUp = /(?:\w+\.)?bucket IN \(0, |owner = \?\d* AND epoch/g;

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
  return spelled.replaceAll(notLookedUp, '+$&');
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
