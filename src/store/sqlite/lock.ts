import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../core/errors.ts';
import { failureOf, isLocked } from './store-error.ts';

export interface Lock {
  release(): void;
}

/**
 * Makes this process the owner of the database `path`, until `release` or the process's end, however it ends: the lock is
 * the operating system's, on a file beside the database, taken through SQLite since Node has no call for it.
 * @throws GatewayError `store_unavailable`, naming file and owner, where the database is owned already.
 */
export function acquireLock(path: string): Lock {
  const lockPath = `${path}.lock`;
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(lockPath, { timeout: 0 });
    // Of a file that it cannot write SQLite takes a reader's lock, which several have at once.
    accessSync(lockPath, constants.W_OK);
    // The journal stays in memory, so that no second file appears; nothing is ever written into the first.
    db.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    db?.close();
    if (!isLocked(failureOf(error))) {
      const { message } = failureOf(error);
      throw new GatewayError('store_unavailable', `The store's lock file ${lockPath} cannot be used: ${message}.`, {
        cause: error,
      });
    }
    const message = `The store ${path} is in use by ${ownerOf(lockPath)}. One process only can own a SQLite store; several need Postgres.`;
    throw new GatewayError('store_unavailable', message, { cause: error });
  }
  const held = db;
  return { release: () => held.close() };
}

/**
 * Who holds the lock, as far as the kernel tells. The file itself is not opened to look: closing it again would drop
 * every lock that this process has on it.
 * @see https://www.sqlite.org/howtocorrupt.html "POSIX advisory locks canceled by a separate thread doing close()"
 */
function ownerOf(lockPath: string): string {
  if (process.platform !== 'linux') return 'another process';
  const inode = statSync(lockPath).ino;
  const line = readFileSync('/proc/locks', 'latin1')
    .split('\n')
    .find((row) => row.split(/\s+/)[5]?.endsWith(`:${inode}`));
  const pid = Number(line?.split(/\s+/)[4]);
  if (pid === process.pid) return 'this process';
  return pid > 0 ? `process ${pid}` : 'another process';
}
