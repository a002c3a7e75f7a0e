/* oxlint-disable no-console */
/**
 * What gateways cost, measured in one run on one fake upstream: each scenario is played at each target in turn, round by round,
 * with the order turned each time. See README.md.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { embeddedPostgres } from '../test/support/postgres.ts';
import { footprint } from './processes.ts';
import { chart, markdown, type Measured, type Sample } from './report.ts';
import { jobOf, type LoadJob, type LoadResult, type Scenario, scenarios } from './scenario.ts';
import {
  buildCommit,
  forgetCommit,
  growChain,
  parseTarget,
  removeFolders,
  startTurnpike,
  startUpstream,
  type Target,
} from './targets.ts';

const { values } = parseArgs({
  options: {
    scenarios: { type: 'string', default: '' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    concurrency: { type: 'string', default: '32' },
    store: { type: 'string' },
    'stored-turns': { type: 'string', default: '0' },
    workers: { type: 'string', default: '1' },
    target: { type: 'string', multiple: true, default: [] },
    vs: { type: 'string' },
    out: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const concurrency = Number(values.concurrency);
const wanted = values.scenarios === '' ? [] : values.scenarios.split(',');
const root = fileURLToPath(new URL('..', import.meta.url));

async function load(job: LoadJob): Promise<LoadResult> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('load.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.end(JSON.stringify(job));
  return JSON.parse(await text(child.stdout)) as LoadResult;
}

async function play(target: Target, scenario: Scenario, parent: string | undefined): Promise<Sample> {
  const job = jobOf(scenario, target, { seconds, concurrency, parent });
  // What is compiled and connected on the first requests is nobody's steady cost.
  await load({ ...job, seconds: 0.7 });
  const isWatched = scenario.watchesLoop === true && target.loopDelayFile !== undefined;
  if (isWatched) process.kill(target.pid, 'SIGUSR2');
  const before = footprint(target.pid);
  let memoryMb = before.memoryMb;
  const watch = setInterval(() => {
    memoryMb = Math.max(memoryMb, footprint(target.pid).memoryMb);
  }, 250);
  const beside = scenarios.find(({ name }) => name === scenario.beside);
  const [result, others] = await Promise.all([
    load(job),
    beside === undefined ? undefined : load(jobOf(beside, target, { seconds, concurrency })),
  ]);
  clearInterval(watch);
  const cpuSeconds = footprint(target.pid).cpuSeconds - before.cpuSeconds;
  const loopP99Ms = isWatched ? await loopDelayOf(target) : Number.NaN;
  const errors = [result.errors, others?.errors ?? {}];
  const failed = errors.flatMap(Object.values<number>).reduce((sum, count) => sum + count, 0);
  if (failed > 0) console.error(target.name, scenario.name, ...errors);
  const { done, perSecond, p50Ms, p99Ms, firstP50Ms, chunks } = result;
  return {
    done,
    failed,
    cpuPer1000: (cpuSeconds / done) * 1000,
    perSecond,
    p50Ms,
    p99Ms,
    firstP50Ms,
    memoryMb,
    loopP99Ms,
    cpuPerChunkUs: (cpuSeconds / chunks) * 1e6,
  };
}

async function loopDelayOf({ pid, loopDelayFile = '' }: Target): Promise<number> {
  rmSync(loopDelayFile, { force: true });
  process.kill(pid, 'SIGUSR2');
  for (;;) {
    const text = existsSync(loopDelayFile) ? readFileSync(loopDelayFile, 'utf8') : '';
    if (text !== '') return Number(text);
    await sleep(20);
  }
}

const isPlayed = ({ isUpstream, isStateful, models }: Target, { pair, chain }: Scenario) =>
  models[pair] !== undefined && (chain === undefined || isStateful || isUpstream);

async function measure(targets: readonly Target[], scenario: Scenario): Promise<Measured[]> {
  const played = targets.filter((target) => isPlayed(target, scenario));
  const measured = played.map(({ name }): Measured => ({ scenario, target: name, samples: [] }));
  const parents = new Map<Target, string>();
  for (const target of played) {
    const { chain, pair, inputBytes } = scenario;
    if (chain !== undefined && target.isStateful) parents.set(target, await growChain(target, pair, chain, inputBytes));
  }
  for (let round = 0; round < rounds; round++) {
    for (let step = 0; step < played.length; step++) {
      const at = (round + step) % played.length;
      const target = played[at];
      if (target !== undefined) measured[at]?.samples.push(await play(target, scenario, parents.get(target)));
    }
  }
  return measured;
}

const server = values.store === 'postgres' ? await embeddedPostgres() : undefined;
const targets: Target[] = [];
const commits: string[] = [];
try {
  const upstream = await startUpstream();
  targets.push(upstream);
  const startOurs = async (name: string, checkout: string) =>
    startTurnpike({
      name,
      checkout,
      upstreamUrl: upstream.url,
      storeUrl: server === undefined ? values.store : await server.createDatabase(),
      workers: Number(values.workers),
      storedTurns: Number(values['stored-turns']),
    });
  targets.push(await startOurs('turnpike', root));
  if (values.vs !== undefined) {
    const checkout = buildCommit(values.vs);
    commits.push(checkout);
    targets.push(await startOurs(values.vs, checkout));
  }
  targets.push(...values.target.map(parseTarget));

  const measured: Measured[] = [];
  for (const scenario of scenarios.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    const rows = await measure(targets, scenario);
    measured.push(...rows);
    console.log(markdown(rows));
  }
  if (values.out !== undefined) {
    const machine = {
      node: process.version,
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      at: new Date().toISOString(),
    };
    const options = { rounds, seconds, concurrency, store: values.store ?? 'sqlite', workers: values.workers };
    writeFileSync(`${values.out}.json`, `${JSON.stringify({ machine, options, measured }, null, 1)}\n`);
    writeFileSync(`${values.out}.md`, markdown(measured));
    writeFileSync(`${values.out}.svg`, chart(measured));
  }
} finally {
  for (const target of targets.toReversed()) await target.close();
  await server?.stop();
  for (const folder of commits) forgetCommit(folder);
  removeFolders();
}
