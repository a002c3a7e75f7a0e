import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { keepAliveComment } from '../../sse/write.ts';
import type { EventBatch } from '../../store/event-batch.ts';
import { createEventLog, eventsAfter, type EventLogLimits } from './event-log.ts';

const limits: EventLogLimits = { batchMs: 0, batchBytes: 100, maxWaitingBytes: 300, maxBytes: 10_000 };
const eventOf = (n: number, size = 1) => `event: e\ndata: {"sequence_number":${n},"t":"${'x'.repeat(size)}"}\n\n`;
const numbersIn = (text: string) => [...text.matchAll(/"sequence_number":(\d+)/g)].map(([, n]) => Number(n));

/** A store that does what it is told with each batch. */
function storeOf(answer: (batch: EventBatch, call: number) => boolean | Promise<boolean>) {
  const calls: EventBatch[] = [];
  const append = async (batch: EventBatch) => answer(batch, calls.push(batch) - 1);
  return { calls, append };
}

describe('the log of events', () => {
  test('stores every event once and in order, whatever is written and however the store behaves', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 150 }), fc.boolean())),
        fc.array(fc.constantFrom('ok', 'lost', 'refused'), { maxLength: 6 }),
        async (writes, faults) => {
          const stored = new Map<number, EventBatch>();
          const { append } = storeOf((batch, call) => {
            const fault = faults[call] ?? 'ok';
            if (fault === 'refused') throw new Error('away');
            stored.set(batch.firstSequence, batch);
            if (fault === 'lost') throw new Error('nobody knows');
            return true;
          });
          const log = createEventLog({
            firstSequence: 2,
            append,
            onAppended: () => {},
            limits: { ...limits, maxBytes: 1e9 },
          });
          let next = 2;
          for (const [count, size, pause] of writes) {
            log.write(Array.from({ length: count }, () => eventOf(next++, size)).join(''));
            log.write(keepAliveComment);
            if (pause) await new Promise(setImmediate);
          }
          const rest = await log.seal(`${eventOf(next++)}data: [DONE]\n\n`);
          for (const batch of rest) stored.set(batch.firstSequence, batch);
          const batches = [...stored.values()].toSorted((a, b) => a.firstSequence - b.firstSequence);
          const text = batches.map(({ data }) => data).join('');
          expect(numbersIn(text)).toEqual(Array.from({ length: next - 2 }, (_, index) => index + 2));
          expect(text).not.toMatch(/keep-alive|DONE/);
          for (const { firstSequence, lastSequence, data } of batches) {
            expect([firstSequence, lastSequence]).toEqual([numbersIn(data)[0], numbersIn(data).at(-1)]);
          }
        },
      ),
    );
  });

  test('holds the upstream while the store is behind, and lets go when it has caught up', async () => {
    const gate = Promise.withResolvers<boolean>();
    const { append } = storeOf(() => gate.promise);
    const log = createEventLog({ firstSequence: 0, append, onAppended: () => {}, limits });
    const drained = vi.fn<() => void>();
    log.onDrain = drained;
    expect(log.write(eventOf(0, 120))).toBe(true);
    expect(log.write(eventOf(1, 120))).toBe(false);
    expect(drained).not.toHaveBeenCalled();
    gate.resolve(true);
    await vi.waitFor(() => expect(drained).toHaveBeenCalled());
  });

  test('hangs up on the upstream where the run is somebody else’s', async () => {
    const { append, calls } = storeOf(() => false);
    const log = createEventLog({ firstSequence: 0, append, onAppended: () => {}, limits });
    const closed = new Promise<void>((resolve) => (log.onClose = resolve));
    log.write(eventOf(0, 120));
    await closed;
    expect(log.closed).toBe(true);
    log.write(eventOf(1, 120));
    expect(await log.seal('')).toEqual([]);
    expect(calls).toHaveLength(1);
  });

  test('ends a run that says too much, once', () => {
    const { append } = storeOf(() => true);
    const log = createEventLog({
      firstSequence: 0,
      append,
      onAppended: () => {},
      limits: { ...limits, maxBytes: 200 },
    });
    const failed = vi.fn<(error: Error) => void>();
    log.onFail = failed;
    log.write(eventOf(0, 100));
    expect(failed).not.toHaveBeenCalled();
    log.write(eventOf(1, 100));
    log.write(eventOf(2, 100));
    expect(failed.mock.calls.map(([{ message }]) => message)).toEqual([
      'The response has more events than the gateway keeps for one.',
    ]);
  });
});

test('a batch is read from any event on', () => {
  const data = [3, 4, 5].map((n) => eventOf(n)).join('');
  for (const [after, first] of [
    [-1, 3],
    [2, 3],
    [3, 4],
    [4, 5],
    [5, 6],
    [9, 6],
  ] as const) {
    const expected = [3, 4, 5]
      .filter((n) => n >= first)
      .map((n) => eventOf(n))
      .join('');
    expect(eventsAfter({ firstSequence: 3, lastSequence: 5, data }, after), String(after)).toBe(expected);
  }
});
