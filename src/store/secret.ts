import { hkdfSync, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileFault } from '../core/file-fault.ts';

/** Bytes of the store's secret, and of every key derived from it. */
const keyBytes = 32;

/**
 * The store's secret, 32 random bytes: 64 hexadecimal digits in a file that only its owner can read, made on first start.
 * Whoever loses it loses what was sealed with it, so a damaged file is an error and never replaced.
 * @throws Error where the file cannot be read, made or understood.
 */
export function loadOrCreateSecret(path: string): Buffer {
  const found = readSecret(path);
  if (found !== undefined) return found;

  try {
    makeSecret(path);
  } catch (error) {
    fail(path, fileFault(error), error);
  }
  return readSecret(path) ?? fail(path, 'it vanished while it was read');
}

/** A 32-byte key for one purpose; keys of different labels tell nothing about each other. */
export function deriveKey(secret: Uint8Array, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `turnpike ${label}`, keyBytes));
}

/** Does nothing where there is one by now. */
function makeSecret(path: string): void {
  // Written under another name and then linked: a start that dies here leaves no half of a secret, and of two starts one wins.
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  try {
    const file = openSync(draft, 'wx', 0o600);
    try {
      writeSync(file, `${randomBytes(keyBytes).toString('hex')}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    try {
      linkSync(draft, path);
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
    }
  } finally {
    rmSync(draft, { force: true });
  }
  syncDirectory(dirname(path));
}

function readSecret(path: string): Buffer | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'latin1').trim();
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    return fail(path, fileFault(error), error);
  }
  return /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : fail(path, 'it does not hold 64 hexadecimal digits');
}

/** Where a directory can be opened, a new name in it survives a power cut only if the directory is written out too. */
function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function fail(path: string, reason: string, cause?: unknown): never {
  throw new Error(`The store's secret ${path} cannot be used: ${reason}.`, { cause });
}
