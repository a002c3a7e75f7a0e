import { hash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { parseJsonObject } from '../core/json-object.ts';
import { ConnectError } from './client-config.ts';

/** A file of a client's that is written to, with what it was before kept beside it. */
export interface ConfigFile {
  /** What it was before it was connected, or is where it is not; undefined: it was not there. */
  readonly original: Buffer | undefined;
  /** @throws ConnectError where others have changed it since it was connected. */
  write(text: string): void;
  /**
   * Puts back what was there.
   * @param force even where others have changed it since: what they made of it is kept beside it.
   * @returns where that is; undefined: nobody had changed it.
   * @throws ConnectError where it is not connected, or was changed.
   */
  restore(force: boolean): string | undefined;
  /** Others than its owner can read it. */
  readonly isOpen: boolean;
}

/** Mode of a file that is made here: it may hold a key. */
const privateMode = 0o600;

/**
 * @param file followed where it is a link, so that the link stays one.
 */
export function openConfigFile(file: string): ConfigFile {
  const target = existsSync(file) ? realpathSync(file) : file;
  const backup = `${target}.before-turnpike`;
  const record = `${target}.turnpike-connect`;
  const current = read(target);
  const before = readRecord(record);
  const connected = before !== undefined;
  const original = connected ? read(backup) : current;
  if (before !== undefined && digest(original) !== before.original) {
    throw new ConnectError(`${backup}, which is what it was before it was connected, was changed or is gone`);
  }
  const isChanged = connected && digest(current) !== before.written && digest(current) !== before.original;

  return {
    original,
    get isOpen() {
      return existsSync(target) && (statSync(target).mode & 0o077) !== 0;
    },
    write(text) {
      if (isChanged) throw new ConnectError('it was changed since it was connected: disconnect it first');
      const bytes = Buffer.from(text, 'utf8');
      mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
      // What can be gone back to is there before anything is changed; its record comes last, and says what it is for.
      if (!connected && original !== undefined) replace(backup, original, statSync(target).mode);
      const connection: Connection = { original: digest(original), written: digest(bytes) };
      replace(record, Buffer.from(`${JSON.stringify(connection)}\n`), privateMode);
      replace(target, bytes, current === undefined ? privateMode : statSync(target).mode);
    },
    restore(force) {
      if (!connected) throw new ConnectError('it is not connected');
      if (isChanged && !force) {
        throw new ConnectError(
          'it was changed since it was connected; --force puts back what was there before all the same, and keeps the ' +
            'changed file beside it',
        );
      }
      let kept: string | undefined;
      if (isChanged && current !== undefined) {
        kept = freeName(`${target}.changed`);
        replace(kept, current, statSync(target).mode);
      }
      if (original === undefined) rmSync(target, { force: true });
      else replace(target, original, statSync(backup).mode);
      rmSync(record);
      rmSync(backup, { force: true });
      return kept;
    },
  };
}

function read(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new ConnectError(`it cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** What there was of the file, and what was made of it: `none`, or its sha256. */
interface Connection {
  original: string;
  written: string;
}

/** Undefined: it is not connected. */
function readRecord(file: string): Connection | undefined {
  const bytes = read(file);
  if (bytes === undefined) return undefined;
  const { original, written } = parseJsonObject(bytes.toString('utf8')) ?? {};
  if (typeof original === 'string' && typeof written === 'string') return { original, written };
  throw new ConnectError(`${file}, which says how it was connected, cannot be read`);
}

const digest = (bytes: Buffer | undefined) => (bytes === undefined ? 'none' : hash('sha256', bytes));

/** Whole or not at all, whatever happens to this process. */
function replace(file: string, bytes: Buffer, mode: number): void {
  const part = `${file}.part`;
  writeFileSync(part, bytes, { mode: privateMode });
  chmodSync(part, mode & 0o777);
  renameSync(part, file);
}

function freeName(name: string): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    if (!existsSync(candidate)) return candidate;
  }
}
