import { expect, test } from 'vitest';
import { simulate } from './simulate.ts';

/** One seed, with everything that happened: `TURNPIKE_SIMULATION_SEED=17 vitest run test/simulation`. */
const only = process.env['TURNPIKE_SIMULATION_SEED'];
const seeds = only === undefined ? Array.from({ length: 5000 }, (_, index) => index + 1) : [Number(only)];

test('whatever happens when, the gateway keeps its promises', async () => {
  const counts: Record<string, number> = {};
  for (const seed of seeds) {
    const run = await simulate(seed, only !== undefined);
    for (const [what, times] of Object.entries(run.counts)) counts[what] = (counts[what] ?? 0) + times;
    if (only !== undefined) process.stderr.write(`${run.trace.join('\n')}\n`);
    if (run.offences.length > 0) {
      expect.unreachable(
        `seed ${seed} (TURNPIKE_SIMULATION_SEED=${seed} runs it again, and tells what happens):\n${run.offences.join('\n')}`,
      );
    }
  }
  process.stderr.write(`${JSON.stringify(counts, undefined, 1)}\n`);
}, 600_000);
