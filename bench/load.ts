/**
 * One load on one address, in a process of its own, so that what it costs is nobody else's. Reads a job as JSON on stdin, writes
 * one line of JSON. Closed loop: `concurrency` callers, each with its next request when the last is answered. Open loop:
 * `rate` arrivals a second whatever becomes of them; latency counts from the arrival that was due, so that a stall is not
 * hidden.
 */
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import type { LoadJob, LoadResult } from './scenario.ts';

const job = JSON.parse(await text(process.stdin)) as LoadJob;
const { headers, bodies, endMark, seconds, concurrency, rate } = job;
const { origin, pathname } = new URL(job.url);
const path = `${pathname.replace(/\/$/, '')}${job.path}`;
const pool = new Pool(origin, {
  connections: rate === undefined ? concurrency : null,
  headersTimeout: 0,
  bodyTimeout: 0,
});

const latenciesMs: number[] = [];
const firstMs: number[] = [];
const errors = new Map<string, number>();
let chunks = 0;
let next = 0;

function once(startedAtMs: number): Promise<void> {
  const body = bodies[next++ % bodies.length] ?? '';
  return new Promise((resolve) => {
    let status = 0;
    // Longer than any mark, which may come in two reads.
    let tail = '';
    let isMarked = false;
    let isBegun = false;
    const failed = (why: string) => {
      errors.set(why, (errors.get(why) ?? 0) + 1);
      resolve();
    };
    pool.dispatch(
      { method: 'POST', path, headers, body },
      {
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          status = statusCode;
        },
        onResponseData(_controller, chunk) {
          const piece = chunk.toString('latin1');
          // The first words of the model, however the protocol wraps them.
          if (!isBegun && piece.includes('w000000')) {
            isBegun = true;
            firstMs.push(performance.now() - startedAtMs);
          }
          chunks++;
          const read = tail + piece;
          isMarked ||= read.includes(endMark);
          tail = read.slice(-200);
        },
        onResponseEnd() {
          if (status !== 200 || !isMarked) return failed(`status ${status}: ${tail}`);
          latenciesMs.push(performance.now() - startedAtMs);
          resolve();
        },
        onResponseError(_controller, error) {
          failed(error.message);
        },
      },
    );
  });
}

async function closedLoop(untilMs: number): Promise<void> {
  const caller = async () => {
    while (performance.now() < untilMs) await once(performance.now());
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
}

async function openLoop(untilMs: number, perSecond: number): Promise<void> {
  const running: Promise<void>[] = [];
  for (let dueMs = performance.now(); dueMs < untilMs; dueMs += 1000 / perSecond) {
    const early = dueMs - performance.now();
    if (early > 1) await sleep(early);
    running.push(once(dueMs));
  }
  await Promise.all(running);
}

const startedMs = performance.now();
const untilMs = startedMs + seconds * 1000;
await (rate === undefined ? closedLoop(untilMs) : openLoop(untilMs, rate));
const elapsedSeconds = (performance.now() - startedMs) / 1000;
await pool.destroy();

latenciesMs.sort((a, b) => a - b);
firstMs.sort((a, b) => a - b);
const at = (sorted: number[], share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
const result: LoadResult = {
  done: latenciesMs.length,
  errors: Object.fromEntries(errors),
  chunks,
  perSecond: latenciesMs.length / elapsedSeconds,
  p50Ms: at(latenciesMs, 0.5),
  p99Ms: at(latenciesMs, 0.99),
  firstP50Ms: at(firstMs, 0.5),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
