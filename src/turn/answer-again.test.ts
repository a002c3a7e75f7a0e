import { noUsage } from '../core/usage.ts';
import { usageText } from '../protocols/responses/response.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { responsesCodec } from '../protocols/responses/index.ts';
import type { StoredResponse, TenantStore } from '../store/store.ts';
import { answerAgain } from './answer-again.ts';
import { createKeyedRuns } from './keyed-runs.ts';
import type { TurnCall, TurnDependencies } from './turn.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const limits = { keepAliveMs: 1000, stallMs: 1, totalMs: 10_000, commitMs: 1 };
const dependencies = { nowMs: () => Date.now(), limits } as TurnDependencies;
const holder = { turnId: 'resp_1', bodyHash: 'body' };
const running: StoredResponse = {
  status: 'in_progress',
  sessionId: 'sess_1',
  head: '{"id":"resp_1","created_at":1,"error":null,"usage":null}',
  envelope: '{"tools":[]}',
  output: [],
};
const ended = (fields: Partial<StoredResponse>): StoredResponse => ({ ...running, ...fields });

/** A call whose key is held by a turn of another process. */
function callOf(stream: boolean, read: () => StoredResponse | undefined) {
  const log: string[] = [];
  const sink = {
    closed: false,
    start: (headers: Record<string, string>) => void log.push(`start ${headers['content-type']}`),
    write(text: string) {
      log.push(text);
      return true;
    },
    end: (text: string) => void log.push(text),
    onClose: () => {},
    onDrain: () => {},
  };
  let reads = 0;
  const call = {
    request: responsesCodec.decodeRequest({ model: 'm', input: 'x', stream }),
    client: responsesCodec,
    store: {
      readResponse: () => {
        reads += 1;
        return Promise.resolve(read());
      },
    } as Partial<TenantStore> as TenantStore,
    keyId: 'key_1',
    sessionId: undefined,
    idempotency: createKeyedRuns().open('key', 'body'),
    sink,
  } satisfies TurnCall;
  const again = vi.fn<() => Promise<void>>(() => Promise.resolve());
  return { log, sink, again, reads: () => reads, done: answerAgain(dependencies, call, holder, again) };
}

describe('while the turn runs elsewhere', () => {
  test('the store is asked ever less often, and a stream says that it lives', async () => {
    let stored = running;
    const { log, reads, done, again } = callOf(true, () => stored);
    await vi.advanceTimersByTimeAsync(750);
    expect(reads()).toBe(5);
    expect(log).toEqual([]);
    await vi.advanceTimersByTimeAsync(2000);
    expect(reads()).toBe(9);
    expect(log).toEqual(['start text/event-stream; charset=utf-8', ': keep-alive\n\n', ': keep-alive\n\n']);
    stored = ended({ status: 'completed' });
    await vi.advanceTimersByTimeAsync(500);
    await done;
    expect(log.at(-1)).toMatch(/^event: response\.created\n[^]*event: response\.completed\n[^]*data: \[DONE\]\n\n$/);
    expect(again).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('it is given up after the time that a turn may take', async () => {
    const { done } = callOf(false, () => running);
    const failed = done.catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(limits.totalMs + 500);
    expect(await failed).toMatchObject({ code: 'upstream_timeout' });
  });

  test('nobody asks for a client that has left', async () => {
    const { sink, reads, done, log } = callOf(true, () => running);
    await vi.advanceTimersByTimeAsync(100);
    sink.closed = true;
    await vi.advanceTimersByTimeAsync(500);
    await done;
    expect(reads()).toBe(3);
    expect(log).toEqual([]);
  });
});

describe('where it ended without an answer to keep', () => {
  test.each([
    ['its process died', ended({ status: 'failed', errorCode: null })],
    ['its client left', ended({ status: 'cancelled' })],
  ])('because %s, the call is run', async (_, stored) => {
    const { again, done, log } = callOf(false, () => stored);
    await done;
    expect(again).toHaveBeenCalledTimes(1);
    expect(log).toEqual([]);
  });

  test('a stream that has begun is broken off, not ended', async () => {
    let stored = running;
    const { done, again, log } = callOf(true, () => stored);
    const failed = done.catch((error: unknown) => error);
    await vi.advanceTimersByTimeAsync(1000);
    stored = ended({ status: 'cancelled' });
    await vi.advanceTimersByTimeAsync(500);
    expect(await failed).toMatchObject({ code: 'upstream_stream_broken' });
    expect(again).not.toHaveBeenCalled();
    expect(log.join('')).not.toContain('[DONE]');
  });
});

test.each([
  [null, false],
  [JSON.parse(usageText({ ...noUsage, inputTokens: 9 })), true],
])('a failure is told by its own code, and whether it was paid: usage %o', async (usage, spent) => {
  const head = JSON.stringify({ ...JSON.parse(running.head), usage, error: { code: 'server_error', message: 'busy' } });
  const { done } = callOf(true, () => ended({ status: 'failed', errorCode: 'upstream_overloaded', head }));
  await expect(done).rejects.toMatchObject({ code: 'upstream_overloaded', message: 'busy', spent });
});
