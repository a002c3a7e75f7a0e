import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { storeUrl } from './config/schema.ts';
import { copyTables, isSame, type TableComparison } from './store/copy/copy-tables.ts';
import type { StoreEnd } from './store/copy/store-end.ts';

export interface CopyOptions {
  /** `sqlite:PATH` or `postgres://…`, as in the configuration. */
  from: string;
  to: string;
  /** Go on although gateways run on a Postgres store. */
  force: boolean;
  write: (text: string) => void;
}

/**
 * Copies a whole store to another engine or place, and compares the two.
 * @returns whether they hold the same.
 */
export async function copyStore({ from, to, force, write }: CopyOptions): Promise<boolean> {
  if (from === to) throw new Error('the source and the target are the same store');
  for (const [name, url] of Object.entries({ FROM: from, TO: to })) {
    const problem = storeUrl.safeParse(url).error?.issues[0];
    if (problem !== undefined) throw new Error(`${name} ${problem.message}`);
  }
  const source = await openEnd(from, 'source', force);
  try {
    const target = await openEnd(to, 'target', force);
    try {
      const comparisons = await copyTables(source, target);
      const same = comparisons.every(isSame);
      write(`${tableOf(comparisons)}\n${same ? secretReminder(from) : differenceNote}`);
      return same;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

async function openEnd(url: string, role: 'source' | 'target', force: boolean): Promise<StoreEnd> {
  const path = sqlitePath(url);
  if (path !== undefined) {
    const { openSqliteEnd } = await import('./store/copy/sqlite-end.ts');
    return openSqliteEnd(path, role);
  }
  const { openPostgresEnd } = await import('./store/copy/postgres-end.ts');
  return openPostgresEnd(url, { role, force });
}

function sqlitePath(url: string): string | undefined {
  return url.startsWith('sqlite:') ? resolve(url.slice('sqlite:'.length)) : undefined;
}

/** Of a hash as many digits are shown as tell two apart. */
const shownDigits = 16;

function tableOf(comparisons: readonly TableComparison[]): string {
  const head = ['table', 'source rows', 'target rows', 'source sha256', 'target sha256', ''];
  const body = comparisons.map((comparison) => {
    const { table, source, target } = comparison;
    const hashes = [source, target].map(({ sha256 }) => sha256.slice(0, shownDigits));
    return [table, String(source.rows), String(target.rows), ...hashes, isSame(comparison) ? 'same' : 'DIFFERENT'];
  });
  const lines = [head, ...body];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map(
      (line) =>
        `${line
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

const differenceNote = `The target is not a copy of the source: one of them was written to, or the target held another store before.
Stop every gateway, empty the target and copy again.
`;

function secretReminder(from: string): string {
  const path = sqlitePath(from);
  const file = path === undefined ? undefined : join(dirname(path), 'turnpike.secret');
  const place = file !== undefined && existsSync(file) ? `, which is in ${file},` : '';
  return `The copy is complete. Take store.secret${place} along: with another one no key of the store is accepted.\n`;
}
