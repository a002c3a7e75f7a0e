import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { deriveKey, loadOrCreateSecret } from './secret.ts';

const directory = mkdtempSync(join(tmpdir(), 'turnpike-secret-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('loadOrCreateSecret', () => {
  test('makes a secret that only its owner can read, once', () => {
    const path = join(directory, 'first');
    const secret = loadOrCreateSecret(path);
    expect(secret).toHaveLength(32);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(loadOrCreateSecret(path)).toEqual(secret);
    expect(loadOrCreateSecret(join(directory, 'second'))).not.toEqual(secret);
    expect(readdirSync(directory).toSorted()).toEqual(['first', 'second']);
  });

  test.each(['', 'short', 'g'.repeat(64), '0'.repeat(63)])('never replaces what it cannot read: %j', (text) => {
    const path = join(directory, 'damaged');
    writeFileSync(path, text);
    expect(() => loadOrCreateSecret(path)).toThrow(path);
    expect(readFileSync(path, 'utf8')).toBe(text);
    rmSync(path);
  });

  test('says where it could not write', () => {
    const path = join(directory, 'nowhere', 'secret');
    const message = `The store's secret ${path} cannot be used: ENOENT: no such file or directory.`;
    expect(() => loadOrCreateSecret(path)).toThrow(new Error(message));
  });

  test('says what it could not read', () => {
    const message = `The store's secret ${directory} cannot be used: EISDIR: illegal operation on a directory.`;
    expect(() => loadOrCreateSecret(directory)).toThrow(new Error(message));
  });
});

test('a derived key depends on secret and label, and stays the same between releases', () => {
  const secret = Buffer.alloc(32, 1);
  const key = deriveKey(secret, 'envelope hash');
  expect(key.toString('hex')).toBe('bfbe4eefca163e2f5ea51ec1951f657cdbf5347c7f597a51609cfbc1c81f9192');
  expect(deriveKey(secret, 'another')).not.toEqual(key);
  expect(deriveKey(Buffer.alloc(32, 2), 'envelope hash')).not.toEqual(key);
});
