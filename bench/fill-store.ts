import { execFileSync } from 'node:child_process';
import { DatabaseSync } from 'node:sqlite';

/** Columns that name what a copy of a turn is to have for itself. */
const own: Record<string, readonly string[]> = {
  turns: ['id', 'parent', 'anchor', 'session_id', 'context_hash'],
  items: ['id', 'turn_id'],
  attempts: ['id', 'turn_id'],
};
const digits = 8;

/**
 * Fills a SQLite store that no process has open, until it holds so many turns: copies of the chains that a gateway has stored there, in
 * the same tenant and the same week, each under ids of its own.
 */
export function fillStore(path: string, turns: number): void {
  const db = new DatabaseSync(path);
  for (const pragma of ['synchronous = OFF', 'temp_store = MEMORY', 'cache_size = -200000'])
    db.exec(`PRAGMA ${pragma}`);
  const { count } = db.prepare('SELECT count(*) AS count FROM turns').get() as { count: number };
  const copies = Math.ceil(turns / count) - 1;
  for (const [table, named] of Object.entries(own)) {
    const columns = db.prepare(`SELECT name FROM pragma_table_info('${table}')`).all() as { name: string }[];
    const values = columns.map(({ name }) =>
      named.includes(name) ? `substr(o.${name}, 1, length(o.${name}) - ${digits}) || c.own` : `o.${name}`,
    );
    db.exec(`CREATE TEMP TABLE original AS SELECT * FROM main.${table}`);
    db.exec(`INSERT INTO main.${table} (${columns.map(({ name }) => name).join(', ')})
      WITH RECURSIVE c (n, own) AS (SELECT 1, printf('%0${digits}x', 1) UNION ALL
        SELECT n + 1, printf('%0${digits}x', n + 1) FROM c WHERE n < ${copies})
      SELECT ${values.join(', ')} FROM original o CROSS JOIN c`);
    db.exec('DROP TABLE original');
  }
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  db.close();
  // What is still to be written by the system would be waited for by whoever is measured.
  execFileSync('sync');
}
