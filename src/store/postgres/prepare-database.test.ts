import { expect, test } from 'vitest';
import { schemaTables } from '../schema-version.ts';
import type { Database } from './database.ts';
import { findProblem, prepareDatabase } from './prepare-database.ts';

const sound = {
  version: 140_000,
  synchronous_commit: 'on',
  fsync: 'on',
  full_page_writes: 'on',
  encoding: 'UTF8',
  is_standby: false,
};

test.each(['on', 'local', 'remote_write', 'remote_apply'])('synchronous_commit may be %s', (value) => {
  expect(findProblem({ ...sound, synchronous_commit: value })).toBeUndefined();
});

test.each<[Partial<typeof sound>, RegExp]>([
  [{ version: 130_014 }, /Postgres 13, and 14 is the oldest/],
  [{ synchronous_commit: 'off' }, /synchronous_commit is off/],
  [{ fsync: 'off' }, /fsync is off/],
  [{ full_page_writes: 'off' }, /full_page_writes is off/],
  [{ encoding: 'SQL_ASCII' }, /encoding is SQL_ASCII/],
  [{ is_standby: true }, /standby/],
])('a server is refused with the reason: %o', (settings, reason) => {
  expect(findProblem({ ...sound, ...settings })).toMatch(reason);
});

test('a newer migration that is committed while it is looked for has its mark', async () => {
  const [first, newer] = ['0001-begin', '9000-newer'];
  // The table of marks comes with the newer one's commit, behind the first look.
  const answers: object[][] = [
    [sound],
    [{ name: schemaTables.applied }],
    [first, newer].map((name) => ({ name, oldest: null })),
    [{ name: schemaTables.applied }, { name: schemaTables.marks }],
    [{ name: schemaTables.applied }, { name: schemaTables.marks }],
    [first, newer].map((name) => ({ name, oldest: first })),
  ];
  const query = () => Promise.resolve(answers.shift() ?? []);
  const database = { query } as unknown as Database;
  expect(await prepareDatabase(database, '', 1000, { dryRun: true })).toMatchObject({ isNewer: true, pending: [] });
  expect(answers).toEqual([]);
});
