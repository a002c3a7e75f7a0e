import { resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';

/**
 * The thread that folds the log into the file behind a long write. The writer would do that itself before it takes the next
 * group, and 16 MB take it up to 200 ms; a passive checkpoint of another connection keeps nobody from reading or writing.
 * @see https://www.sqlite.org/c3ref/wal_checkpoint_v2.html
 */
function startCheckpointThread(): void {
  // Of a file that has gone none is made.
  const db = new DatabaseSync(new URL('?mode=rw', pathToFileURL(resolve(workerData as string))), { timeout: 0 });
  const fold = db.prepare('PRAGMA wal_checkpoint(PASSIVE)');
  const port = parentPort;
  port?.on('message', () => {
    fold.get();
    port.postMessage('folded');
  });
}

startCheckpointThread();
