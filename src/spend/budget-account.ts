import type { Lease, TenantBudgets } from '../store/budget-store.ts';

/** One budget as this process has it: a lease, out of which calls reserve without asking anybody. */
export interface BudgetAccount {
  /** Resolves once it is held, or cannot be. Rejects where the store does not answer. */
  hold(nanoUsd: number): Promise<HoldOutcome>;
  /** What is held for one call becomes more or less. */
  change(nanoUsd: number): void;
  /** The call was never stored. */
  release(nanoUsd: number): void;
  /** The call's cost is stored. */
  settle(nanoUsd: number): void;
  /** Nobody knows whether what the call holds was stored, or settled: the store is asked when that is certain. */
  doubt(attemptId: string, nanoUsd: number): void;
  /** The store has taken the lease, thinking that this process was gone. */
  loseLease(): void;
  /** To be called from time to time: books what has ended, and gives back what is not used. */
  tidy(): Promise<void>;
  /** Gives back all that no call holds. */
  close(): Promise<void>;
  /** Nothing of it is leased or held: it may be forgotten. */
  readonly isEmpty: boolean;
}

export type HoldOutcome = 'held' | Exclude<Lease['verdict'], 'granted'>;

export interface BudgetAccountOptions {
  budgetId: string;
  owner: string;
  budgets: Pick<TenantBudgets, 'renewLease'>;
  /** A clock that is never set. */
  nowMs: () => number;
  onError: (error: unknown) => void;
}

interface Waiting {
  nanoUsd: number;
  resolve: (outcome: HoldOutcome) => void;
  reject: (error: unknown) => void;
}

/** A lease that nobody used for so long is given back; what has ended is booked as often. */
const idleMs = 10_000;
/** By then a statement whose answer was lost has been done, or never will be. */
const doubtMs = 60_000;
/** So many ended calls are booked at once, so that those who look at the budget have few rows to read. */
const maxUnbooked = 1000;

export function createBudgetAccount(options: BudgetAccountOptions): BudgetAccount {
  const { budgetId, owner, budgets, nowMs, onError } = options;
  const queue: Waiting[] = [];
  const doubts = new Map<string, { nanoUsd: number; sinceMs: number }>();
  let granted = 0;
  let slice = 0;
  /** For calls whose end is not stored, as far as this process knows. */
  let held = 0;
  let holds = 0;
  /** Cost of calls whose end is stored, since the store was last asked to book it. */
  let ended = 0;
  let endedCount = 0;
  let largest = 0;
  let renewedAtMs = nowMs();
  let usedAtMs = renewedAtMs;
  /** What the store has leased to this process is not known: it may be more than is used here, and nobody else has it. */
  let isUncertain = false;
  /** While it runs nothing is held: the store counts with what was held when it was asked. */
  let renewing: Promise<Lease> | undefined;

  const isRenewing = () => renewing !== undefined;
  const free = () => granted - held - ended;

  const take = (nanoUsd: number) => {
    held += nanoUsd;
    holds += 1;
    largest = Math.max(largest, nanoUsd);
    usedAtMs = nowMs();
  };

  const end = (nanoUsd: number) => {
    held -= nanoUsd;
    holds -= 1;
  };

  async function ask(keepsSlice: boolean): Promise<Lease> {
    const before = { ended, endedCount, doubts: [...doubts] };
    try {
      const lease = await budgets.renewLease({
        budgetId,
        owner,
        heldNanoUsd: held,
        needNanoUsd: queue[0]?.nanoUsd ?? 0,
        waitingNanoUsd: queue.reduce((sum, { nanoUsd }) => sum + nanoUsd, 0),
        keepsSlice,
        listsOpen: doubts.size > 0,
      });
      isUncertain = false;
      granted = lease.grantedNanoUsd;
      slice = lease.sliceNanoUsd;
      largest = 0;
      renewedAtMs = nowMs();
      ended -= before.ended;
      endedCount -= before.endedCount;
      for (const [attemptId, { nanoUsd, sinceMs }] of before.doubts) {
        if (lease.openAttemptIds.includes(attemptId) || nowMs() - sinceMs < doubtMs) continue;
        doubts.delete(attemptId);
        end(nanoUsd);
      }
      return lease;
    } catch (error) {
      // It may have been renewed all the same, and be less than it was, or more.
      isUncertain = true;
      granted = held + ended;
      throw error;
    } finally {
      renewing = undefined;
    }
  }

  function renew(keepsSlice: boolean): Promise<Lease> {
    renewing = ask(keepsSlice);
    return renewing;
  }

  async function renewForQueue(): Promise<void> {
    try {
      const { verdict, roomNanoUsd } = await renew(true);
      if (verdict === 'granted') return;
      // Those behind the first are refused with it where they fit no better.
      const refused = queue.filter(({ nanoUsd }) => verdict === 'unlimited' || nanoUsd > roomNanoUsd);
      const others = queue.filter((waiting) => !refused.includes(waiting));
      queue.splice(0, queue.length, ...others);
      for (const { resolve } of refused) resolve(verdict);
    } catch (error) {
      for (const { reject } of queue.splice(0)) reject(error);
    }
  }

  function serveQueue(): void {
    while (!isRenewing()) {
      const [first] = queue;
      if (first === undefined) return;
      if (first.nanoUsd <= free()) {
        queue.shift();
        take(first.nanoUsd);
        first.resolve('held');
      } else {
        void renewForQueue().then(serveQueue);
      }
    }
  }

  async function giveBack(keepsSlice: boolean): Promise<void> {
    if (isRenewing()) return;
    await renew(keepsSlice).catch(onError);
    serveQueue();
  }

  /** Near the limit others are refused for what is held here: it is given back as soon as it is free. */
  const afterEnd = () => {
    if (slice === 0 && queue.length === 0) void giveBack(false);
  };

  return {
    hold(nanoUsd) {
      if (queue.length === 0 && !isRenewing() && nanoUsd <= free()) {
        take(nanoUsd);
        return Promise.resolve('held');
      }
      return new Promise((resolve, reject) => {
        queue.push({ nanoUsd, resolve, reject });
        serveQueue();
      });
    },

    change(nanoUsd) {
      held += nanoUsd;
    },

    release(nanoUsd) {
      end(nanoUsd);
      afterEnd();
    },

    settle(nanoUsd) {
      end(nanoUsd);
      ended += nanoUsd;
      endedCount += 1;
      afterEnd();
    },

    doubt(attemptId, nanoUsd) {
      doubts.set(attemptId, { nanoUsd, sinceMs: nowMs() });
    },

    loseLease() {
      granted = held + ended;
    },

    async tidy() {
      const isIdle = nowMs() - usedAtMs >= idleMs;
      const isDue = nowMs() - renewedAtMs >= idleMs && (endedCount > 0 || doubts.size > 0);
      const isTooMuch = free() > 2 * slice + largest;
      const isWanting = (isIdle && free() > 0) || isUncertain;
      if (isWanting || isDue || isTooMuch || endedCount >= maxUnbooked) await giveBack(!isIdle);
    },

    async close() {
      // Only waited for: whoever began it is told how it went.
      while (isRenewing()) await Promise.allSettled([renewing]);
      if (granted > 0 || endedCount > 0 || isUncertain) await giveBack(false);
    },

    get isEmpty() {
      const isUsed = granted > 0 || holds > 0 || endedCount > 0 || queue.length > 0;
      return !isUsed && !isUncertain && !isRenewing();
    },
  };
}
