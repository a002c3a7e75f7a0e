import { expect, test } from 'vitest';
import { restartPauseMs } from './restart-pause.ts';

test('who served well is replaced at once; who fails again and again, ever later', () => {
  expect([0, 1, 2, 3, 9, 10, 1100].map(restartPauseMs)).toEqual([0, 100, 200, 400, 25_600, 30_000, 30_000]);
});
