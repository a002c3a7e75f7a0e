import { GatewayError } from '../core/errors.ts';
import { noUsage } from '../core/usage.ts';
import { chatClientCodec } from '../protocols/chat/client.ts';
import type { ClientCodec } from '../protocols/codec.ts';
import { messagesClientCodec } from '../protocols/messages/client.ts';
import { usageText } from '../protocols/responses/response.ts';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { responsesCodec } from '../protocols/responses/index.ts';
import type { StoredResponse, TenantStore } from '../store/store.ts';
import { answerAgain } from './answer-again.ts';
import { createKeyedRuns } from './keyed-runs.ts';
import type { TurnCall, TurnDependencies } from './turn.ts';

beforeEach(() => void vi.useFakeTimers());
beforeEach(() => void errors.mockReset());
afterEach(() => void vi.useRealTimers());

const limits = { keepAliveMs: 1000, stallMs: 1, totalMs: 10_000, commitMs: 1 };
const errors = vi.fn<TurnDependencies['log']['error']>();
const dependencies = {
  nowMs: () => Date.now(),
  limits,
  log: { info: () => {}, warn: () => {}, error: errors },
} as Partial<TurnDependencies> as TurnDependencies;
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
function callOf(stream: boolean, read: () => StoredResponse | undefined, client: ClientCodec = responsesCodec) {
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
    client,
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
  const again = vi.fn<(dependencies: TurnDependencies, call: TurnCall) => Promise<void>>(() => Promise.resolve());
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

  describe('and the headers of a stream have left', () => {
    const begun = ['start text/event-stream; charset=utf-8', ': keep-alive\n\n'];

    /** @param run what the call does when it is run. */
    async function freed(run: (call: TurnCall) => Promise<void>, client: ClientCodec = responsesCodec) {
      let stored = running;
      const { done, again, log, sink } = callOf(true, () => stored, client);
      again.mockImplementation((_, call) => run(call));
      const thrown = done.then(
        () => undefined,
        (error: unknown) => error,
      );
      await vi.advanceTimersByTimeAsync(1000);
      stored = ended({ status: 'cancelled' });
      await vi.advanceTimersByTimeAsync(500);
      return { thrown: await thrown, log, sink };
    }

    test('the call is run in it, and what its headers would say is told in comments', async () => {
      const { thrown, log } = await freed(({ sink }) => {
        const headers = { 'x-turnpike-session-id': 'sess_2', 'x-turnpike-warnings': '[{}]' };
        sink.start({ 'content-type': 'text/event-stream', ...headers });
        sink.write('answer ');
        sink.end('and end');
        return Promise.resolve();
      });
      expect(thrown).toBeUndefined();
      const told = ': x-turnpike-session-id: sess_2\n\n: x-turnpike-warnings: [{}]\n\n';
      expect(log).toEqual([...begun, told, 'answer ', 'and end']);
    });

    test('the run knows whether its client is there, and that it reads again', async () => {
      const seen: string[] = [];
      let closed = () => false;
      const { sink } = await freed(({ sink: own }) => {
        closed = () => own.closed;
        own.onClose = () => seen.push('closed');
        own.onDrain = () => seen.push('drained');
        return Promise.resolve();
      });
      expect(closed()).toBe(false);
      sink.onDrain();
      sink.closed = true;
      sink.onClose();
      expect(closed()).toBe(true);
      expect(seen).toEqual(['drained', 'closed']);
    });

    const refusal = new GatewayError('unsupported_value', 'Not this.', { param: 'max_output_tokens' });
    test.each<[ClientCodec, string]>([
      [
        responsesCodec,
        'event: error\ndata: {"type":"error","sequence_number":0,"code":"unsupported_value","message":"Not this.",' +
          '"param":"max_output_tokens","error":{"type":"invalid_request_error","code":"unsupported_value",' +
          '"message":"Not this.","param":"max_output_tokens"}}\n\ndata: [DONE]\n\n',
      ],
      [
        chatClientCodec,
        'data: {"error":{"message":"Not this.","type":"invalid_request_error","param":"max_completion_tokens",' +
          '"code":"unsupported_value"}}\n\n',
      ],
      [
        messagesClientCodec,
        'event: error\ndata: {"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Not this.",' +
          '"details":{"code":"unsupported_value","param":"max_tokens"}}}\n\n',
      ],
    ])('what the call is refused for ends it, as an error of its protocol', async (client, error) => {
      const { thrown, log } = await freed(() => Promise.reject(refusal), client);
      expect(thrown).toBeUndefined();
      expect(log.slice(2)).toEqual([error]);
    });

    test('so does a turn that never ends', async () => {
      const { log, done } = callOf(true, () => running);
      await vi.advanceTimersByTimeAsync(limits.totalMs + 500);
      await done;
      expect(log.at(-1)).toMatch(/^event: error\ndata: [^\n]*"upstream_timeout"[^\n]*\n\ndata: \[DONE\]\n\n$/);
    });

    test('what nobody foresaw ends it too: the log tells what it was', async () => {
      const fault = new TypeError('ours');
      const { thrown, log } = await freed(() => Promise.reject(fault));
      expect(thrown).toBeUndefined();
      expect(log.slice(2).join('')).toMatch(
        /^event: error\ndata: [^\n]*"internal_error"[^\n]*, under resp_1\.[^\n]*\n\ndata: \[DONE\]\n\n$/,
      );
      expect(log.join('')).not.toContain('ours');
      expect(errors.mock.calls).toEqual([[{ responseId: 'resp_1', err: fault }, expect.any(String)]]);
    });

    test.each([
      ['an error', new GatewayError('internal_error', 'ours')],
      ['what nobody foresaw', new TypeError('ours')],
    ])('%s that breaks its answer off cuts it, as every stream', async (_, fault) => {
      const { thrown, log } = await freed(({ sink }) => (sink.start({}), Promise.reject(fault)));
      expect(thrown).toBe(fault);
      expect(log.join('')).not.toContain('error');
      expect(errors).not.toHaveBeenCalled();
    });
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
