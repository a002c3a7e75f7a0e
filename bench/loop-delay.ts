/**
 * Preloaded into the gateway: how late its event loop is. SIGUSR2 begins to watch, the next writes what was seen to the file that
 * the environment names: the delay that 99 of 100 timers stayed below, in ms.
 */
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { isMainThread } from 'node:worker_threads';

const file = process.env['BENCH_LOOP_DELAY'];
const resolutionMs = 2;

if (isMainThread && file !== undefined) {
  const delays = monitorEventLoopDelay({ resolution: resolutionMs });
  process.on('SIGUSR2', () => {
    if (delays.enable()) {
      delays.reset();
      return;
    }
    delays.disable();
    // What is measured is the time between two timers.
    writeFileSync(file, String(Math.max(0, delays.percentile(99) / 1e6 - resolutionMs)));
  });
}
