import { AsyncLocalStorage } from 'node:async_hooks';

/** How long a request has waited for the store. Waits at the same time count once. */
interface Patience {
  waitedMs: number;
  waiting: number;
  sinceMs: number;
  /** It waits as long as it takes, from now on. */
  isEndless: boolean;
}

const requests = new AsyncLocalStorage<Patience>();

/**
 * Runs a request. All that it waits for the store counts together, so that a store that does not answer is told of in the time
 * of one wait, whatever the request has asked of it before.
 */
export async function withPatience<Result>(work: () => Promise<Result>): Promise<Result> {
  const patience: Patience = { waitedMs: 0, waiting: 0, sinceMs: 0, isEndless: false };
  try {
    return await requests.run(patience, work);
  } finally {
    // What it has begun for others goes on without it.
    patience.isEndless = true;
  }
}

/** Something is spent or under way, and worth waiting for: from here on each wait of this request is bounded by itself alone. */
export function endPatience(): void {
  const patience = requests.getStore();
  if (patience !== undefined) patience.isEndless = true;
}

/** One wait of the request that runs, if one does. */
export interface Wait {
  /** What is left of a limit that holds for all waits of a request together. */
  leftOf(limitMs: number): number;
  end(): void;
}

export function startWait(): Wait {
  const patience = requests.getStore();
  if (patience === undefined) return endless;
  if (patience.waiting === 0) patience.sinceMs = performance.now();
  patience.waiting += 1;
  return {
    leftOf(limitMs) {
      if (patience.isEndless) return limitMs;
      return Math.max(0, limitMs - patience.waitedMs - (performance.now() - patience.sinceMs));
    },
    end() {
      patience.waiting -= 1;
      if (patience.waiting === 0) patience.waitedMs += performance.now() - patience.sinceMs;
    },
  };
}

const endless: Wait = { leftOf: (limitMs) => limitMs, end: () => {} };
