import { spawn } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { embeddedPostgres } from '/work/main/test/support/postgres.ts';
const server = await embeddedPostgres();
const url = await server.createDatabase();
const dir = mkdtempSync('/tmp/trydist-');
writeFileSync(dir + '/turnpike.yaml', `store: { url: "${url}", secret: "${'0f'.repeat(32)}" }\n`);
const t0 = performance.now();
const child = spawn(process.execPath, ['/tmp/pgdist/main.mjs', 'serve', '--port', '0'], { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] });
const text: string = await new Promise((r) => child.stdout.on('data', (d) => r(String(d))));
console.log(text, performance.now() - t0);
const gw = text.trim().split(' ').at(-1);
const N = 300;
for (const c of [1, 16]) {
  const s = performance.now();
  let n = 0;
  await Promise.all(Array.from({ length: c }, async () => { while (n++ < N) { const r = await fetch(gw + '/v1/responses', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ model: 'simulator', input: 'hi' }) }); await r.text(); if (r.status !== 200) console.log(r.status); } }));
  console.log('conc', c, (N / (performance.now() - s) * 1000).toFixed(0), 'turns/s');
}
child.kill('SIGTERM');
await new Promise((r) => child.on('exit', r));
const child2 = spawn(process.execPath, ['/tmp/pgdist/main.mjs', 'serve', '--port', '0'], { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] });
const t1 = performance.now();
await new Promise((r) => child2.stdout.on('data', r));
console.log('second start', performance.now() - t1);
child2.kill('SIGTERM');
await new Promise((r) => child2.on('exit', r));
await server.stop();
