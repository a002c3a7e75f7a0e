import { now } from './journal.ts';
import { setImmediate as nextTurn } from 'node:timers/promises';

/**
 * Time as the rig counts it: a tick is anything that a client or the upstream sees. Moments drawn in ticks fall into the
 * middle of the work however fast the machine is.
 */
export interface Clock {
  tick(): void;
  /** Milliseconds since the last tick. */
  idleMs(): number;
  /** Resolves at the n-th tick from now, or when `end` does. */
  after(ticks: number, end: Promise<unknown>): Promise<void>;
}

export function createClock(): Clock {
  let lastTickAt = now();
  const waiting = new Set<{ left: number; resolve: () => void }>();
  return {
    idleMs: () => now() - lastTickAt,
    tick() {
      lastTickAt = now();
      for (const waiter of waiting) {
        waiter.left -= 1;
        if (waiter.left > 0) continue;
        waiting.delete(waiter);
        waiter.resolve();
      }
    },
    async after(ticks, end) {
      let resolve = () => {};
      const reached = new Promise<void>((done) => {
        resolve = done;
      });
      const waiter = { left: ticks, resolve };
      waiting.add(waiter);
      await Promise.race([reached, end]);
      waiting.delete(waiter);
    },
  };
}

/** Lets so many turns of the event loop go by: sockets are served meanwhile. */
export async function hop(hops: number): Promise<void> {
  for (let count = 0; count < hops; count += 1) await nextTurn();
}
