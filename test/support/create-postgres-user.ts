import { execFileSync, spawnSync } from 'node:child_process';

/**
 * Run once before all tests. As root the tests' Postgres runs as the user `postgres`; where there is none, each of several
 * test files would make one at the same moment, and all but one would fail.
 */
export function setup(): void {
  if (process.getuid?.() !== 0 || spawnSync('id', ['postgres']).status === 0) return;
  execFileSync('groupadd', ['--force', 'postgres']);
  execFileSync('useradd', ['--gid', 'postgres', 'postgres']);
}
