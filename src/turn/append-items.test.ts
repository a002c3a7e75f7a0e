import { expect, onTestFinished, test, vi } from 'vitest';
import { GatewayError } from '../core/errors.ts';
import { createIdMint } from '../core/ids.ts';
import { startWait, withPatience } from '../store/patience.ts';
import { writeOnce } from './append-items.ts';

const away = () => new GatewayError('store_unavailable', 'away');

/** A clock that moves with every look at it. */
function making(commitMs: number) {
  let now = 0;
  return { ids: createIdMint(), nowMs: () => ++now, commitMs };
}

test('a write that the store does not answer is run again until it does', async () => {
  let runs = 0;
  const write = async () => {
    runs += 1;
    if (runs < 3) throw away();
    return 'done';
  };
  expect(await writeOnce(making(10), write)).toBe('done');
  expect(runs).toBe(3);
});

test('it is given all of its time, also where the store has used up all that a request waits', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const left: number[] = [];
  const write = async () => {
    const wait = startWait();
    left.push(wait.leftOf(1000));
    vi.advanceTimersByTime(1000);
    wait.end();
    if (left.length < 3) throw away();
  };
  await withPatience(() => writeOnce(making(10), write));
  expect(left).toEqual([1000, 1000, 1000]);
});

test('it is given up in the end, and what else is wrong at once', async () => {
  let runs = 0;
  const fail = (error: Error) => async () => {
    runs += 1;
    throw error;
  };
  await expect(writeOnce(making(2), fail(away()))).rejects.toThrow('away');
  expect(runs).toBe(2);
  await expect(writeOnce(making(100), fail(new GatewayError('internal_error', 'ours')))).rejects.toThrow('ours');
  await expect(writeOnce(making(100), fail(new TypeError('a fault')))).rejects.toThrow('a fault');
  expect(runs).toBe(4);
});
