#!/usr/bin/env node
// Plain JavaScript that Node 20 can read, so that an older Node gets a clear line and not a syntax error.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

const at = (path) => new URL(`../${path}`, import.meta.url);

if (Number(process.versions.node.split('.')[0]) >= 24) {
  // By the environment, so that our threads and workers have it too.
  const { directory } = nodeModule.enableCompileCache();
  if (directory !== undefined) process.env.NODE_COMPILE_CACHE ??= directory;
  // A clone runs its sources. Node strips no types below node_modules, so the package brings the built program instead.
  const source = at('src/main.ts');
  await import(existsSync(source) ? source.href : at('dist/main.mjs').href);
} else {
  const own = fileURLToPath(at(`node_modules/node-${process.platform}-${process.arch}/bin/node`));
  if (!existsSync(own)) refuse();
  const child = spawn(own, process.argv.slice(1), { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', refuse);
  child.on('exit', (code) => process.exit(code ?? 1));
}

function refuse() {
  process.stderr.write(`turnpike: Node 24 or newer is needed; this is ${process.versions.node}\n`);
  process.exit(1);
}
