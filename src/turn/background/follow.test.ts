import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import type { EventBatch } from '../../store/event-batch.ts';
import type { EventPage, RunStore } from '../../store/run-store.ts';
import type { TurnSink } from '../turn.ts';
import { createFollowers, type FollowLimits } from './follow.ts';

const limits: FollowLimits = { pollMs: 3_600_000, keepAliveMs: 3_600_000, keptMs: 1000 };
const eventOf = (n: number) => `event: e\ndata: {"sequence_number":${n}}\n\n`;
const done = 'data: [DONE]\n\n';
const streamOf = (from: number, to: number) =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => eventOf(from + index)).join('');

/** One run, in memory. */
function runOf(pageLength = 2) {
  const batches: EventBatch[] = [];
  let status: EventPage['status'] = 'in_progress';
  let reads = 0;
  let away = false;
  let next = 0;
  let slow: Promise<void> | undefined;
  const readEvents = async (_: string, after: number): Promise<EventPage | undefined> => {
    reads += 1;
    if (away) throw new GatewayError('store_unavailable', 'away');
    const page = pageAfter(after);
    await slow;
    return page;
  };
  const pageAfter = (after: number): EventPage => {
    const left = batches.filter(({ lastSequence }) => lastSequence > after);
    const page = left.slice(0, pageLength);
    const shown = { sessionId: 's', streamed: true, endedAtMs: undefined, expired: false };
    return { ...shown, status, batches: page, hasMore: left.length > page.length };
  };
  const runs = { forTenant: () => ({ readEvents }) } as unknown as RunStore;
  const followers = createFollowers({ runs, nowMs: () => 0, isRunning: () => true, limits });
  return {
    followers,
    /** Stores this many events as one batch. */
    append(count: number): void {
      batches.push({ firstSequence: next, lastSequence: next + count - 1, data: streamOf(next, next + count - 1) });
      next += count;
      followers.signal('t', 'r');
    },
    end(): void {
      status = 'completed';
      followers.signal('t', 'r');
    },
    /** From now on what a read has found is told when this resolves. */
    setSlow(until: Promise<void> | undefined): void {
      slow = until;
    },
    setAway(isAway: boolean): void {
      away = isAway;
    },
    get last() {
      return next - 1;
    },
    get reads() {
      return reads;
    },
    follow: (sink: TurnSink, after = -1) =>
      followers.follow({ tenant: 't', id: 'r', after, headers: () => ({}), sink }),
  };
}

interface TestSink extends TurnSink {
  text: string;
  writes: number;
  /** Set: it takes no more until it is let go. */
  full: boolean;
  leave(): void;
}

function sinkOf(): TestSink {
  let closed = false;
  const sink: TestSink = {
    text: '',
    writes: 0,
    full: false,
    get closed() {
      return closed;
    },
    start() {},
    write(text) {
      sink.text += text;
      sink.writes += 1;
      return !sink.full;
    },
    end(text) {
      sink.text += text;
      closed = true;
    },
    leave() {
      closed = true;
      sink.onClose();
    },
    onClose: () => {},
    onDrain: () => {},
  };
  return sink;
}

const settle = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
};

describe('a reader', () => {
  test('gets the exact suffix, wherever it begins, whatever is stored when, and however often it leaves', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: -1, max: 30 }), fc.boolean()), {
          maxLength: 6,
        }),
        async (batches, readers) => {
          const run = runOf();
          const reading: { sink: TestSink; after: number; leaves: boolean; ends: Promise<void> }[] = [];
          for (const [index, count] of [...batches, 0].entries()) {
            for (const [joins, after, leaves] of readers) {
              if (joins !== index) continue;
              const sink = sinkOf();
              reading.push({ sink, after, leaves, ends: run.follow(sink, after) });
            }
            if (count > 0) run.append(count);
            if (index % 2 === 0) await settle();
            for (const { sink, leaves } of reading) if (leaves && index % 3 === 2) sink.leave();
          }
          run.end();
          await Promise.all(reading.map(({ ends }) => ends));
          for (const { sink, after, leaves } of reading) {
            const whole = streamOf(after + 1, run.last) + done;
            if (leaves) expect(whole.startsWith(sink.text)).toBe(true);
            else expect(sink.text).toBe(whole);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('is one of thousands that cost the store as much as one', async () => {
    const run = runOf();
    const sinks = Array.from({ length: 3000 }, sinkOf);
    const ends = sinks.map((sink) => run.follow(sink));
    await settle();
    for (let batch = 0; batch < 10; batch++) {
      run.append(3);
      await settle();
    }
    run.end();
    await Promise.all(ends);
    for (const { text } of sinks) expect(text).toBe(streamOf(0, 29) + done);
    expect(run.reads).toBeLessThan(40);
  });

  test('that comes after news is not answered with what was asked before them', async () => {
    const run = runOf();
    const gate = Promise.withResolvers<void>();
    run.setSlow(gate.promise);
    const early = sinkOf();
    const ends = [run.follow(early)];
    run.setSlow(undefined);
    run.append(2);
    const late = sinkOf();
    ends.push(run.follow(late));
    await settle();
    expect([early.text, late.text]).toEqual(['', streamOf(0, 1)]);
    gate.resolve();
    await settle();
    expect(early.text).toBe(streamOf(0, 1));
    run.end();
    await Promise.all(ends);
  });

  test('that does not read is not read for', async () => {
    const run = runOf();
    const sink = sinkOf();
    const ends = run.follow(sink);
    sink.full = true;
    for (let batch = 0; batch < 10; batch++) run.append(3);
    run.end();
    await settle();
    expect([sink.writes, sink.text]).toEqual([1, streamOf(0, 2)]);
    expect(run.reads).toBeLessThan(4);
    sink.full = false;
    sink.onDrain();
    await ends;
    expect(sink.text).toBe(streamOf(0, 29) + done);
  });

  test('outlasts a store that is away for a while', async () => {
    const run = runOf();
    const sink = sinkOf();
    const ends = run.follow(sink);
    await settle();
    run.setAway(true);
    run.append(2);
    await settle();
    run.setAway(false);
    run.end();
    await ends;
    expect(sink.text).toBe(streamOf(0, 1) + done);
    run.setAway(true);
    await expect(run.follow(sinkOf())).rejects.toMatchObject({ code: 'store_unavailable' });
  });

  test('is told that the line lives', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const run = runOf();
    const sink = sinkOf();
    const ends = run.follow(sink);
    await settle();
    run.append(1);
    await settle();
    vi.advanceTimersByTime(limits.keepAliveMs);
    vi.advanceTimersByTime(limits.keepAliveMs);
    expect(sink.text).toBe(`${eventOf(0)}: keep-alive\n\n`);
    run.end();
    await ends;
  });
});
