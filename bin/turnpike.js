#!/usr/bin/env node
// Plain JavaScript that Node 20 can read, so that an older Node gets a clear line and not a syntax error.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

const at = (path) => new URL(`../${path}`, import.meta.url);

/**
 * A heap is as large as what lives in it asks for, and is no further than that let grow on a machine with much memory: 190 MB
 * under load and not 240. Nothing is capped. Only what begins can be told so, and the C library by the environment: few arenas,
 * and a size from which on what is freed goes back to the system. By itself glibc raises that size to the largest block that
 * was ever freed, and its heap keeps the holes.
 * @see docs/decisions/2026-11-30-memory-for-speed.md
 * @see https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html
 */
const heap = ['--max-semi-space-size=16', '--heap-growing-percent=60'];
const malloc = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '1048576' };
const env = { ...malloc, ...process.env };

/**
 * Bun would fetch a package that is not there from the registry, and puts a `ws` of its own in place of the one that sources
 * name: it is told not to, and gets the built program.
 * @see docs/decisions/2026-11-30-bun.md
 */
const onBun = process.versions.bun !== undefined;
const runtime = onBun
  ? { name: 'Bun', version: process.versions.bun, least: '1.4', flags: ['--no-install'], told: /--no-install/ }
  : { name: 'Node', version: process.versions.node, least: '24', flags: heap, told: /semi.space.size/ };

const [command = 'serve'] = process.argv.slice(2);
const told = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ');
// A process with a channel to the one that forked it would lose that.
const canBeginAnew = process.platform !== 'win32' && process.channel === undefined;

if (runtime.version.localeCompare(runtime.least, 'en', { numeric: true }) >= 0) {
  const serves = command === 'serve' || command.startsWith('-');
  if (serves && canBeginAnew && !runtime.told.test(told)) {
    const args = [process.execPath, ...process.execArgv, ...runtime.flags, ...process.argv.slice(1)];
    process.execve(process.execPath, args, env);
  }
  // By the environment, so that our threads and workers have it too.
  const { directory } = nodeModule.enableCompileCache();
  if (directory !== undefined) process.env.NODE_COMPILE_CACHE ??= directory;
  // A clone runs its sources. Node strips no types below node_modules, so the package brings the built program instead.
  const source = at('src/main.ts');
  await import(existsSync(source) && !onBun ? source.href : at('dist/main.mjs').href);
} else {
  const own = fileURLToPath(at(`node_modules/node-${process.platform}-${process.arch}/bin/node`));
  if (onBun || !existsSync(own)) refuse();
  const child = spawn(own, [...heap, ...process.argv.slice(1)], { stdio: 'inherit', env });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', refuse);
  child.on('exit', (code) => process.exit(code ?? 1));
}

function refuse() {
  const { name, version, least } = runtime;
  process.stderr.write(`turnpike: ${name} ${least} or newer is needed; this is ${version}\n`);
  process.exit(1);
}
