/* oxlint-disable no-console */
/**
 * What a store of many turns is like: sizes, turns on top of it, and what taking away a week costs. The page that it was made
 * for is docs/decisions/2026-11-22-how-the-store-grows.md. Linux only.
 *
 *     npm run scale -- [--turns 10000000] [--folder /tmp/scale-pg] [--samples 300] [--only load|measure] [--keep]
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { embeddedPostgres } from '../test/support/postgres.ts';
import { migratePostgres } from '../src/store/postgres/migrate-postgres.ts';
import { load } from './scale/load.ts';
import { measureNew, measureOld, measureRetention, pick } from './scale/measure.ts';
import { tellSizes } from './scale/sizes.ts';

const { values } = parseArgs({
  options: {
    turns: { type: 'string', default: '10000000' },
    weeks: { type: 'string', default: '6' },
    folder: { type: 'string', default: '/tmp/scale-pg' },
    /** A multiple of 10. */
    samples: { type: 'string', default: '300' },
    only: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});

const memory = ['shared_buffers=3GB', 'max_wal_size=8GB', 'checkpoint_timeout=15min'];
const whileLoading = [
  'fsync=off',
  'full_page_writes=off',
  'wal_level=minimal',
  'max_wal_senders=0',
  'autovacuum=off',
  'maintenance_work_mem=1GB',
];

if (values.only !== 'measure') {
  // A gateway's store, and whatever makes its schema, refuses a server that may lose something.
  const safe = await embeddedPostgres({ folder: values.folder, settings: memory });
  await migratePostgres(safe.url, { dryRun: false });
  await safe.stop();
  const server = await embeddedPostgres({ folder: values.folder, settings: [...memory, ...whileLoading] });
  const began = performance.now();
  await load({
    url: server.url,
    turns: Number(values.turns),
    weeks: Number(values.weeks),
    nowMs: Date.now(),
    maxBytes: 45e9,
  });
  console.log(`loaded in ${((performance.now() - began) / 1000).toFixed(0)} s`);
  await server.stop();
}
if (values.only !== 'load') {
  const samples = Number(values.samples);
  const first = await embeddedPostgres({ folder: values.folder, settings: memory });
  await tellSizes(first.url);
  const picked = await pick(first.url, samples);
  await first.stop();
  execFileSync('sync');
  evictFiles(join(values.folder, 'data/base'));

  const server = await embeddedPostgres({ folder: values.folder, settings: memory });
  tellLoad('measured');
  await measureOld(server.url, picked);
  tellLoad('by turns');
  await measureNew({ loaded: server.url, empty: await server.createDatabase() }, samples);
  tellLoad('retention');
  await measureRetention(server.url, 30_000);
  tellLoad('ended');
  await server.stop();
}
if (!values.keep) rmSync(values.folder, { recursive: true, force: true });

function tellLoad(what: string): void {
  console.log(`${what} at ${new Date().toISOString()}, ${cpus().length} cores, load of ${loadavg()[0]?.toFixed(1)}`);
}

/** Puts each file of a folder out of the system's cache, and no other. */
function evictFiles(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (statSync(path).isFile()) execFileSync('dd', [`if=${path}`, 'iflag=nocache', 'count=0', 'status=none']);
  }
}
