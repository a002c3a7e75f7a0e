import type { Database } from './database.ts';
import { statements } from './statements.ts';

/** This process among those that share the database. */
export interface Presence {
  beat: () => Promise<void>;
  /** For how long heartbeats have come without a gap: so long, the others could have beaten too. */
  steadyMs(): number;
  leave(): Promise<void>;
}

export function createPresence(database: Database, owner: string, heartbeatMs: number): Presence {
  let steadySinceMs = performance.now();
  let lastBeatMs = steadySinceMs;
  return {
    async beat() {
      await database.query(statements.beat, [owner]);
      const nowMs = performance.now();
      if (nowMs - lastBeatMs > 2 * heartbeatMs) steadySinceMs = nowMs;
      lastBeatMs = nowMs;
    },
    steadyMs: () => (performance.now() - lastBeatMs > 2 * heartbeatMs ? 0 : lastBeatMs - steadySinceMs),
    async leave() {
      await database.query(statements.leave, [owner]);
    },
  };
}
