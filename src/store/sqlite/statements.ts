import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** SQLite's spelling of numbered parameters. */
const sqliteText = (sql: string) => sql.replaceAll(/\$(\d+)/g, '?$1');

/** Prepares each statement once per connection. */
export function createStatements(db: DatabaseSync): (sql: string) => StatementSync {
  const prepared = new Map<string, StatementSync>();
  return (sql) => {
    let statement = prepared.get(sql);
    if (statement === undefined) {
      statement = db.prepare(sqliteText(sql));
      prepared.set(sql, statement);
    }
    return statement;
  };
}
