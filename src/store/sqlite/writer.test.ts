import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import type { WriteOp } from './write-op.ts';
import { createWriter } from './writer.ts';

describe('the writer thread', () => {
  const threadOf = (code: string) =>
    new URL(`data:text/javascript,${encodeURIComponent(`import { parentPort } from 'node:worker_threads'; ${code}`)}`);
  const data = { path: 'unused', pragmas: {} };

  test.each([
    ['exits', 'process.exit(1)'],
    ['throws', 'throw new Error("out of memory")'],
  ])('that %s fails what waits and what comes', async (_, deed) => {
    const code = `parentPort.on('message', () => { ${deed} }); parentPort.postMessage({ type: 'ready' });`;
    const writer = await createWriter(data, threadOf(code));
    const results = await Promise.allSettled([writer.submit({ kind: 'check' }), writer.submit({ kind: 'check' })]);
    const refused = { status: 'rejected', reason: { code: 'store_unavailable' } };
    expect(results).toMatchObject([refused, refused]);
    await expect(writer.submit({ kind: 'check' })).rejects.toMatchObject({ code: 'store_unavailable' });
    await writer.close();
  });

  test('that ends before it stands is an error', async () => {
    await expect(createWriter(data, threadOf('process.exit(0)'))).rejects.toMatchObject({ code: 'store_unavailable' });
  });

  test('has the least young generation that there is', async () => {
    const code = `import v8 from 'node:v8'; const kept = []; parentPort.on('message', (ops) => {
      if (ops === 'close') return parentPort.close();
      for (let each = 0; each < 1_000_000; each += 1) kept[each % 100_000] = [each];
      const { space_size } = v8.getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
      parentPort.postMessage({ type: 'done', results: ops.map(() => String(space_size)) });
    }); parentPort.postMessage({ type: 'ready' });`;
    const writer = await createWriter(data, threadOf(code));
    expect(Number(await writer.submit({ kind: 'check' }))).toBeLessThanOrEqual(2 * 1024 * 1024);
    await writer.close();
  });

  test('gets one message for all that one round of the event loop brought, and one for all that came while it wrote', async () => {
    const code = `parentPort.on('message', (ops) => {
      if (ops === 'close') return parentPort.close();
      parentPort.postMessage({ type: 'done', results: ops.map(() => String(ops.length)) });
    }); parentPort.postMessage({ type: 'ready' });`;
    const writer = await createWriter(data, threadOf(code));
    const check = () => writer.submit({ kind: 'check' });
    const first = [check(), Promise.resolve().then(check)];
    const rest = new Promise((resolve) => setImmediate(resolve)).then(() => Promise.all([check(), check(), check()]));
    expect(await Promise.all(first)).toEqual(['2', '2']);
    expect(await rest).toEqual(['3', '3', '3']);
    const last = check();
    const closed = writer.close();
    await expect(check()).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await last).toBe('1');
    await closed;
  });

  test('gets a long write by itself, behind one group of others and no more', async () => {
    const code = `let group = 0; parentPort.on('message', (ops) => {
      if (ops === 'close') return parentPort.close();
      group += 1;
      parentPort.postMessage({ type: 'done', results: ops.map(({ items }) => [group, items.length, ops.length].join()) });
    }); parentPort.postMessage({ type: 'ready' });`;
    const writer = await createWriter(data, threadOf(code));
    const write = (...items: string[]) => {
      const op: Partial<WriteOp> = { kind: 'commit', items };
      return writer.submit(op as WriteOp);
    };
    const long = 'x'.repeat(600_000);
    const first = [write(long, long), write('a'), write(long), write('b')];
    const rest = first[1]?.then(() => Promise.all([write('c'), write(long)]));
    expect(await Promise.all(first)).toEqual(['2,2,1', '1,1,2', '4,1,1', '1,1,2']);
    expect(await rest).toEqual(['3,1,1', '5,1,1']);
    await writer.close();
  });
});

test('behind a long write the log is folded into the file, of which none is made', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'turnpike-log-')), 'store.db');
  const url = new URL('./checkpoint-thread.ts', import.meta.url);
  const [error] = (await once(new Worker(url, { workerData: path }), 'error')) as [Error];
  expect(error.message).toContain('unable to open');
  const db = new DatabaseSync(path);
  db.exec('PRAGMA journal_mode = WAL');
  db.exec(`CREATE TABLE said AS SELECT 'what was said' AS text`);
  expect(readFileSync(path, 'latin1')).not.toContain('what was said');
  const worker = new Worker(url, { workerData: path });
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  worker.postMessage('fold');
  await once(worker, 'message');
  expect(readFileSync(path, 'latin1')).toContain('what was said');
  await worker.terminate();
  db.close();
});
