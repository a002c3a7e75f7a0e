import { GatewayError } from '../core/errors.ts';

/** Writes that nobody waits for any more, though what the database made of them was never told. */
export interface Unfinished {
  /** @param finish writes how the thing ended; true: it was there, so that it has ended now. */
  add(id: string, finish: () => Promise<boolean>): void;
  /** It ended after all. */
  settle(id: string): void;
  /** Finishes what can be finished. @throws GatewayError where the database does not answer: the rest waits for the next time. */
  finish(): Promise<void>;
}

interface Entry {
  finish: () => Promise<boolean>;
  addedAtMs: number;
  retries: number;
}

/** By then a statement that was under way has been done, or never will be. */
const triesUntilAbsent = 6;
const maxEntries = 10_000;

/** @param graceMs how long whoever began it goes on trying by himself, and more. */
export function createUnfinished(graceMs: number): Unfinished {
  const entries = new Map<string, Entry>();
  return {
    add(id, finish) {
      entries.set(id, { finish, addedAtMs: performance.now(), retries: 0 });
      const [oldest] = entries.keys();
      if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest);
    },
    settle(id) {
      entries.delete(id);
    },
    async finish() {
      for (const [id, entry] of entries) {
        if (performance.now() - entry.addedAtMs < graceMs) continue;
        try {
          const found = await entry.finish();
          entry.retries += 1;
          if (found || entry.retries === triesUntilAbsent) entries.delete(id);
        } catch (error) {
          if (!isUnavailable(error)) entries.delete(id);
          throw error;
        }
      }
    },
  };
}

const isUnavailable = (error: unknown) => error instanceof GatewayError && error.code === 'store_unavailable';
