import { expect, test } from 'vitest';
import { createPace } from './pace.ts';

test('small work is not interrupted, and what it sums up to is', async () => {
  const pace = createPace();
  const pauses = Array.from({ length: 24 }, () => pace.after(100_000));
  expect(pauses.flatMap((pause, index) => (pause === undefined ? [] : [index]))).toEqual([10, 21]);
  await Promise.all(pauses.filter((pause) => pause !== undefined));
});

test('others are served in a pause', async () => {
  const told: string[] = [];
  setImmediate(() => told.push('another'));
  await createPace().after(10_000_000);
  expect(told).toEqual(['another']);
});
