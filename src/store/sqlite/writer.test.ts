import { describe, expect, test } from 'vitest';
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
});
