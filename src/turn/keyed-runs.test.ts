import { expect, test } from 'vitest';
import { createKeyedRuns } from './keyed-runs.ts';
import type { TurnState } from './lifecycle.ts';
import type { Turn } from './turn.ts';

const turnOf = (id: string, state: TurnState) => ({ id, state }) as Turn;

test('a turn can be waited for until it is over, and then the store knows it', async () => {
  const runs = createKeyedRuns();
  const run = runs.open('key', 'body');
  const turn = turnOf('resp_1', 'begun');
  run.start(turn);
  const waiting = runs.open('key', 'body').find('resp_1');
  turn.state = 'committed';
  run.close();
  expect(await waiting).toBe(turn);
  expect(run.find('resp_1')).toBeUndefined();
});

test('a call that is run again is waited for under its new turn only', async () => {
  const runs = createKeyedRuns();
  const run = runs.open('key', 'body');
  run.start(turnOf('resp_1', 'begun'));
  run.start(turnOf('resp_2', 'begun'));
  expect(run.find('resp_1')).toBeUndefined();
  expect(run.find('resp_2')).toBeDefined();
  run.close();
  expect(run.find('resp_2')).toBeUndefined();
});

test('turns whose end the store did not take are remembered, the last thousand of them', async () => {
  const runs = createKeyedRuns();
  for (let number = 0; number <= 1000; number++) {
    const run = runs.open('key', 'body');
    run.start(turnOf(`resp_${number}`, 'lost'));
    run.close();
  }
  const run = runs.open('key', 'body');
  expect(run.find('resp_0')).toBeUndefined();
  expect(await run.find('resp_1')).toMatchObject({ state: 'lost' });
});
