import type { KeyedRun, Turn } from './turn.ts';

/** The turns with idempotency keys that this process runs. */
export interface KeyedRuns {
  open(keyHash: string, bodyHash: string): KeyedRun;
}

/** Turns whose end the store did not take: nobody else can tell how they ended. */
const maxLost = 1000;

export function createKeyedRuns(): KeyedRuns {
  const running = new Map<string, Promise<Turn>>();
  const lost: string[] = [];

  return {
    open(keyHash, bodyHash) {
      let close = () => {};
      return {
        keyHash,
        bodyHash,
        start(turn) {
          close();
          const { promise, resolve } = Promise.withResolvers<Turn>();
          running.set(turn.id, promise);
          close = () => {
            resolve(turn);
            if (turn.state !== 'lost') {
              running.delete(turn.id);
              return;
            }
            lost.push(turn.id);
            if (lost.length > maxLost) running.delete(lost.shift() ?? '');
          };
        },
        find: (turnId) => running.get(turnId),
        close: () => close(),
      };
    },
  };
}
