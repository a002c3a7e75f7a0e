import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { endPatience, startWait, withPatience } from './patience.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test('waits one after the other count together, waits at the same time once, and what is between them not', async () => {
  await withPatience(async () => {
    const first = startWait();
    vi.advanceTimersByTime(100);
    const second = startWait();
    vi.advanceTimersByTime(50);
    first.end();
    expect(second.leftOf(1000)).toBe(850);
    second.end();
    vi.advanceTimersByTime(5000);
    const third = startWait();
    expect(third.leftOf(1000)).toBe(850);
    vi.advanceTimersByTime(900);
    expect(third.leftOf(1000)).toBe(0);
    third.end();
    expect(startWait().leftOf(1000)).toBe(0);
  });
});

test('requests wait each for themselves, and what none of them runs is held to nothing', async () => {
  const wait = () => {
    const own = startWait();
    vi.advanceTimersByTime(10);
    const left = own.leftOf(100);
    own.end();
    return left;
  };
  expect(await Promise.all([1, 2].map(() => withPatience(async () => [wait(), wait()])))).toEqual([
    [90, 80],
    [90, 80],
  ]);
  expect([wait(), wait()]).toEqual([100, 100]);
});

test('the end of a request, or of its patience, ends it for what it has begun', async () => {
  let later = startWait();
  await withPatience(async () => {
    later = startWait();
    vi.advanceTimersByTime(200);
    expect(later.leftOf(100)).toBe(0);
  });
  expect(later.leftOf(100)).toBe(100);
  await withPatience(async () => {
    later = startWait();
    vi.advanceTimersByTime(200);
    endPatience();
    expect(later.leftOf(100)).toBe(100);
  });
});
