import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { GatewayError } from '../core/errors.ts';
import { messagesCodec } from '../protocols/messages/index.ts';
import type { UpstreamListener } from '../providers/provider.ts';
import { sendAttempt } from './send-attempt.ts';
import type { PreparedAttempt } from './turn.ts';

/** An attempt whose upstream says what `speak` says, and how often it was written for. */
function attempt(speak: (upstream: UpstreamListener) => void, contentType = 'text/event-stream') {
  const calls = { frames: 0, writes: 0 };
  const transport = {
    send(_: unknown, listener: UpstreamListener) {
      queueMicrotask(() => {
        listener.onHeaders(200, { 'content-type': contentType });
        speak(listener);
      });
      return { pause() {}, resume() {}, abort() {} };
    },
  };
  const prepared = {
    deployment: { provider: { transport } },
    codec: messagesCodec,
    encoded: { decode: { tools: new Map() } },
    upstream: { headers: {} },
  } as unknown as PreparedAttempt;
  const run = sendAttempt(
    prepared,
    { end: undefined },
    {
      onEvent: () => {},
      onBegin: () => {},
      onFrame: () => void calls.frames++,
      onProgress: () => {
        calls.writes++;
        return true;
      },
    },
    () => 0,
  );
  return { done: run.done, calls };
}

const broken = new GatewayError('upstream_stream_broken', 'It broke.');
const ping = Buffer.from('event: ping\ndata: {"type":"ping"}\n\n');

describe('an attempt', () => {
  test('writes once for all that one read has brought, and before the end that came with it', async () => {
    const { done, calls } = attempt((upstream) => {
      for (let index = 0; index < 5; index++) upstream.onData(ping);
      queueMicrotask(() => {
        expect(calls).toEqual({ frames: 5, writes: 1 });
        upstream.onData(ping);
        upstream.onError(broken);
      });
    });
    expect(await done).toMatchObject({ outcome: 'failed', error: broken });
    expect(calls).toEqual({ frames: 6, writes: 2 });
  });

  test('that has failed keeps the last 64 KB of what came, however it came', async () => {
    const pieces = fc.array(fc.oneof(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 90_000 })), {
      minLength: 1,
      maxLength: 120,
    });
    await fc.assert(
      fc.asyncProperty(pieces, async (lengths) => {
        const text = lengths.map((length, index) => `: ${index}${'x'.repeat(length)}\n`);
        const { done } = attempt((upstream) => {
          for (const piece of text) upstream.onData(Buffer.from(piece));
          upstream.onError(broken);
        });
        expect((await done).rawReply).toBe(text.join('').slice(-64 * 1024));
      }),
      { numRuns: 50 },
    );
  });

  test.each([
    ['a reply', 'application/json'],
    ['a line of a stream', 'text/event-stream'],
  ])('keeps %s that comes byte by byte in few pieces', async (_name, contentType) => {
    const concat = vi.spyOn(Buffer, 'concat');
    let most = 0;
    const { done } = attempt((upstream) => {
      void (async () => {
        for (let index = 0; index < 5000; index++) {
          upstream.onData(Buffer.from('x'));
          // Each is a read of its own.
          await Promise.resolve();
        }
        upstream.onData(Buffer.from('\n'));
        concat.mockClear();
        upstream.onEnd();
        most = Math.max(...concat.mock.calls.map(([pieces]) => pieces.length));
      })();
    }, contentType);
    expect(await done).toMatchObject({ outcome: 'failed' });
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThan(300);
    concat.mockRestore();
  });
});
