/**
 * Preloaded into a gateway. SIGUSR2: what nobody needs any more is collected from the young generation, and how many bytes are in
 * the old one is written to stderr.
 */
import v8 from 'node:v8';
import vm from 'node:vm';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) {
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('gc') as (options: { type: 'minor' }) => void;
  process.on('SIGUSR2', () => {
    // What has survived once is moved to the old generation by the second.
    for (let i = 0; i < 3; i++) collect({ type: 'minor' });
    const old = v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space');
    process.stderr.write(`old generation: ${old?.space_used_size}\n`);
  });
}
