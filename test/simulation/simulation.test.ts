import { expect, test } from 'vitest';
import { simulate } from './simulate.ts';

/** `TURNPIKE_SIMULATION_SEED=17 vitest run test/simulation` runs one seed again and tells everything that happens in it. */
const only = process.env['TURNPIKE_SIMULATION_SEED'];
const seeds = only === undefined ? Array.from({ length: 5000 }, (_, index) => index + 1) : [Number(only)];

/** What the simulation is there for: a seed range in which one of these never happens proves nothing. */
const expected = [
  'told completed',
  'told incomplete',
  'told failed',
  'continued',
  'read back',
  'retry',
  'billed cut stream',
  'left',
  'left, completed',
  'cancelled',
  'crash',
  'freeze',
  'swept',
  'fenced',
  'lost',
  'told again',
  'told an error in a stream',
  'run again',
  'run again in a stream that had begun',
  'rejected idempotency_key_mismatch',
  'rejected idempotency_result_not_kept',
  'rejected store_unavailable',
  'rejected previous_response_not_found',
  'rejected tool_output_missing',
  'rejected upstream_overloaded',
  'rejected upstream_rejected',
  'rejected upstream_timeout',
];

test('the gateway keeps its promises, whatever happens and in whatever order', { timeout: 600_000 }, async () => {
  const counts: Record<string, number> = {};
  for (const seed of seeds) {
    const run = await simulate(seed, only !== undefined);
    if (only !== undefined) process.stderr.write(`${run.trace.join('\n')}\n`);
    const replay = `TURNPIKE_SIMULATION_SEED=${seed} vitest run test/simulation`;
    expect(run.offences, `seed ${seed}; with a trace: ${replay}`).toEqual([]);
    for (const [what, times] of Object.entries(run.counts)) counts[what] = (counts[what] ?? 0) + times;
  }
  if (only === undefined) expect(expected.filter((what) => (counts[what] ?? 0) === 0)).toEqual([]);
});

test('a seed is a run: the same one takes the same steps', async () => {
  const busy = [1, 2, 3, 4, 5, 6, 7, 8];
  const runs = async () => {
    const traces: string[][] = [];
    for (const seed of busy) traces.push((await simulate(seed, true)).trace);
    return traces;
  };
  const first = await runs();
  expect(first.flat().length).toBeGreaterThan(500);
  expect(await runs()).toEqual(first);
});
