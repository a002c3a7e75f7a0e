/* oxlint-disable no-console */
import { queryDatabase } from '../../test/support/postgres.ts';

const gigabytes = (bytes: unknown) => `${(Number(bytes) / 1e9).toFixed(2)} GB`;

/** Prints what each table and each index takes, all buckets together. */
export async function tellSizes(url: string): Promise<void> {
  const tables = await queryDatabase(
    url,
    `SELECT p.relname AS name, count(*) AS buckets, sum(c.reltuples)::bigint AS rows, sum(pg_table_size(c.oid)) AS own,
      sum(pg_indexes_size(c.oid)) AS indexes, sum(pg_total_relation_size(c.oid)) AS total
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
    WHERE p.relkind = 'p' GROUP BY p.relname ORDER BY total DESC`,
  );
  for (const { name, buckets, rows, own, indexes, total } of tables) {
    console.log(
      `${String(name)}: ${String(rows)} rows in ${String(buckets)} buckets, ${gigabytes(own)} + indexes ${gigabytes(indexes)} = ${gigabytes(total)}`,
    );
  }
  const indexes = await queryDatabase(
    url,
    `SELECT p.relname AS name, sum(pg_relation_size(c.oid)) AS bytes
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
    WHERE p.relkind = 'I' GROUP BY p.relname ORDER BY bytes DESC`,
  );
  console.log(indexes.map(({ name, bytes }) => `${String(name)} ${gigabytes(bytes)}`).join(', '));
  const [whole] = await queryDatabase(url, 'SELECT pg_database_size(current_database()) AS bytes');
  console.log(`the database: ${gigabytes(whole?.['bytes'])}`);
}
