import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { failureOf } from './store-error.ts';
import { createGroupWriter } from './write-group.ts';
import type { WriterData, WriterMessage, WriterRequest } from './write-op.ts';

/**
 * How long a group of writes waits for another program that locks the file. A write waits for the group before it too, and a
 * turn writes twice at most before it has spent anything: a second for all of it. Ends are tried again for longer than that.
 */
const lockedMs = 250;

/** The thread that owns the only writing connection: an fsync here stalls no stream. */
function startWriterThread(): void {
  const port = parentPort;
  if (port === null) throw new Error('writer-thread is a worker and does not run by itself');
  const say = (message: WriterMessage) => port.postMessage(message);
  const { path, pragmas } = workerData as WriterData;

  let db: DatabaseSync;
  try {
    db = new DatabaseSync(path, { timeout: lockedMs });
    for (const [name, value] of Object.entries(pragmas)) db.exec(`PRAGMA ${name} = ${value}`);
  } catch (error) {
    say({ type: 'refused', failure: failureOf(error) });
    port.close();
    return;
  }

  const write = createGroupWriter(db, path);
  port.on('message', (request: WriterRequest) => {
    if (request !== 'close') {
      say({ type: 'done', results: write(request) });
      return;
    }
    db.close();
    port.close();
  });
  say({ type: 'ready' });
}

startWriterThread();
