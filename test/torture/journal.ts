import { closeSync, fdatasync, openSync, writeSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';

const sync = promisify(fdatasync);

/** A file of JSON lines that is only ever added to, with its entries in memory. */
export interface Journal<Entry> {
  readonly entries: Entry[];
  add(entry: Entry): void;
  /** Resolves when what was added before is on the disk. */
  settled(): Promise<void>;
  close(): void;
}

export function createJournal<Entry>(path: string): Journal<Entry> {
  const file = openSync(path, 'a');
  const entries: Entry[] = [];
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;

  const start = (): Promise<void> => {
    running = sync(file).finally(() => (running = undefined));
    return running;
  };
  return {
    entries,
    add(entry) {
      entries.push(entry);
      writeSync(file, `${JSON.stringify(entry)}\n`);
    },
    settled() {
      if (running === undefined) return start();
      // The one that runs may have begun before the last line was written.
      next ??= running.then(() => {
        next = undefined;
        return start();
      });
      return next;
    },
    close: () => closeSync(file),
  };
}

/** Milliseconds since the rig's start: monotonic, and the same clock for every journal. */
export function now(): number {
  return Math.round(performance.now() * 1000) / 1000;
}
