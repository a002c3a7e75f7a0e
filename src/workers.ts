import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Config } from './config/config.ts';
import type { Log } from './core/log.ts';
import { restartPauseMs } from './restart-pause.ts';
import type { WorkerOrder, WorkerReport } from './worker.ts';

/** Sources run unbundled; the build puts the worker's file beside the bundle. */
const workerFile = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.mjs', import.meta.url),
);

interface RunningWorker {
  worker: Worker;
  /** Names the process in the turns that it runs. */
  owner: string;
  /** Resolves with its address; undefined: it ended before it served. */
  ready: Promise<string | undefined>;
  /** Resolves with its exit code, or with the signal that ended it. */
  ended: Promise<number | string>;
}

/**
 * Runs `config.server.workers` gateways behind one port, each in a process of its own, and replaces those that die. Ends the
 * process when all have ended.
 * @param announce is told when all of them serve.
 */
export async function runWorkers(
  config: Config,
  log: Log,
  stopRequested: Promise<string>,
  announce: (url: string) => void,
): Promise<never> {
  // Whichever worker is free takes a connection from the kernel: handing them out would make the primary the narrow place.
  cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ exec: workerFile, args: [], serialization: 'advanced' });
  const running = new Set<Worker>();
  let stopping = false;

  const stop = (signal: string): void => {
    log.info({ signal }, 'stopping');
    stopping = true;
    for (const worker of running) tell(worker, { kind: 'stop' });
  };
  void stopRequested.then(stop);

  /** @param replaces the dead whose turns it is to fail. */
  function start(replaces: readonly string[]): RunningWorker {
    const worker = cluster.fork();
    running.add(worker);
    // A worker that dies can't be told anything; its exit is what counts.
    worker.on('error', () => {});
    const ended = new Promise<number | string>((resolve) => {
      worker.on('exit', (code: number | null, signal: string | null) => {
        running.delete(worker);
        resolve(signal ?? code ?? 1);
      });
    });
    const owner = randomUUID();
    const ready = new Promise<string | undefined>((resolve) => {
      worker.on('message', (report: WorkerReport) => {
        if (report.kind === 'serving') resolve(report.url);
        else tell(worker, stopping ? { kind: 'stop' } : { kind: 'run', config, identity: { owner, replaces } });
      });
      void ended.then(() => resolve(undefined));
    });
    return { worker, owner, ready, ended };
  }

  /** Keeps one worker running, by another one where it dies. @returns whether the last was stopped and ended well. */
  async function keep(first: RunningWorker, url: string | undefined): Promise<boolean> {
    let current = first;
    let dead: string[] = [];
    let failures = 0;
    for (;;) {
      const address = await current.ready;
      // The port goes with the last worker that has it, and no other may be free for port 0.
      if (address !== undefined && address !== url) throw new Error(`no worker was left to hold on to ${url}`);
      const servesSinceMs = performance.now();
      if (address !== undefined) dead = [];
      const end = await current.ended;
      if (stopping) return end === 0;
      dead.push(current.owner);
      failures = address !== undefined && performance.now() - servesSinceMs > steadyMs ? 0 : failures + 1;
      const pauseMs = restartPauseMs(failures);
      log.error({ worker: current.worker.process.pid, end, pauseMs }, 'a worker ended and is replaced');
      await Promise.race([stopRequested, new Promise((resolve) => setTimeout(resolve, pauseMs))]);
      if (stopping) return true;
      current = start(dead);
    }
  }

  // One by itself first: what is wrong with the store or the port is then told once.
  const workers = [start([])];
  const url = await workers[0]?.ready;
  if (url !== undefined && !stopping) {
    for (let count = 1; count < config.server.workers; count += 1) workers.push(start([]));
  }
  const addresses = await Promise.all(workers.map(({ ready }) => ready));
  if (!stopping) {
    // Why not, it has told.
    if (url === undefined || addresses.includes(undefined)) process.exit(1);
    announce(url);
  }
  const endings = await Promise.all(workers.map((worker) => keep(worker, url)));
  process.exit(endings.every(Boolean) ? 0 : 1);
}

/** A worker that has served for so long did not fail because it could not. */
const steadyMs = 10_000;

function tell(worker: Worker, order: WorkerOrder): void {
  worker.send(order);
}
