import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { failureOf } from './store-error.ts';
import { createGroupWriter } from './write-group.ts';
import type { WriterData, WriterMessage, WriterRequest } from './write-op.ts';

/** The thread that owns the only writing connection: an fsync here stalls no stream. */
function startWriterThread(): void {
  const port = parentPort;
  if (port === null) throw new Error('writer-thread is a worker and does not run by itself');
  const say = (message: WriterMessage) => port.postMessage(message);
  const { path, pragmas } = workerData as WriterData;

  let db: DatabaseSync;
  try {
    db = new DatabaseSync(path, { timeout: 5000 });
    for (const [name, value] of Object.entries(pragmas)) db.exec(`PRAGMA ${name} = ${value}`);
  } catch (error) {
    say({ type: 'refused', failure: failureOf(error) });
    port.close();
    return;
  }

  const write = createGroupWriter(db);
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
