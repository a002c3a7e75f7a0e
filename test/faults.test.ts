/**
 * What upstreams do wrong, one fault after another, through the real gateway. The law that holds for all of them is
 * `runTurn` in faults/harness.ts; the tables beside it say how each must end.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FaultCase } from './faults/cases.ts';
import { chatCases } from './faults/chat-cases.ts';
import { answerWell, type Harness, startHarness, upstreamKey } from './faults/harness.ts';
import { geminiCases } from './faults/gemini-cases.ts';
import { messagesCases } from './faults/messages-cases.ts';
import { responsesCases } from './faults/responses-cases.ts';
import { textCases } from './faults/text-cases.ts';
import { transportCases } from './faults/transport-cases.ts';
import { beginStream, chunkOf, type RawCall } from './support/raw-upstream.ts';
import { type Dialect, dialects, framesOf } from './support/upstream-replies.ts';

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.cleanUp());

async function expectEnding(fault: FaultCase, dialect: Dialect, stream: boolean): Promise<void> {
  const { script, impatience, attempts, check } = fault;
  const outcome = await harness.runTurn({ dialect, stream, script: script(dialect, harness), impatience });
  expect(outcome.ending, outcome.text.slice(0, 2000)).toEqual(stream ? fault.stream : fault.plain);
  if (attempts !== undefined) expect(outcome.attempts).toHaveLength(attempts);
  check?.(outcome, dialect);
}

describe.each(dialects)('%s', (dialect) => {
  const mine = [
    ...transportCases,
    ...textCases,
    ...messagesCases,
    ...chatCases,
    ...responsesCases,
    ...geminiCases,
  ].filter((fault) => (fault.dialect ?? dialect) === dialect && fault.except?.includes(dialect) !== true);

  describe('streamed', () => {
    test.each(mine.filter(({ stream }) => stream !== undefined))('$name', async (fault) => {
      await expectEnding(fault, dialect, true);
    });
  });

  describe('plain', () => {
    test.each(mine.filter(({ plain }) => plain !== undefined))('$name', async (fault) => {
      await expectEnding(fault, dialect, false);
    });
  });

  test('F-16 the connection is reset in the middle of a stream', async () => {
    let upstream: RawCall | undefined;
    const frames = framesOf(dialect);
    const { ending, response, attempts } = await harness.runTurn({
      dialect,
      stream: true,
      script(call) {
        upstream = call;
        beginStream(call, frames.slice(0, frames.findIndex((each) => each.includes('It is')) + 1).join(''));
      },
      onText(text) {
        if (text.includes('It is')) upstream?.socket.resetAndDestroy();
      },
    });
    expect(ending).toBe('failed');
    expect(response.output).toMatchObject([{ status: 'incomplete', content: [{ text: 'It is 18 °C ' }] }]);
    expect(attempts).toMatchObject([{ error_code: 'upstream_stream_broken', estimated: 1 }]);
  });

  test('F-39 a stream without an end ends with its client', async () => {
    const { name, calls } = harness.nextModel((call) => {
      const frames = framesOf(dialect);
      const first = frames.findIndex((each) => each.includes('It is'));
      const delta = frames[first] ?? '';
      beginStream(call, frames.slice(0, first).join(''));
      const more = (): void => {
        if (!call.socket.destroyed) call.socket.write(chunkOf(delta), more);
      };
      more();
    });
    const reply = await harness.send({ model: `${dialect}/${name}`, input: 'Go on for ever.', stream: true });
    let text = '';
    for await (const piece of (reply.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
      text += piece;
      if (text.split('response.output_text.delta').length > 100) break;
    }
    await calls[0]?.closed;
    const id = /"id":"(resp_\w+)"/.exec(text)?.[1] ?? '';
    await expect.poll(() => harness.get(id), { timeout: 30_000 }).toMatchObject({ status: 'cancelled' });
    expect(harness.attemptsOf(`${dialect}/${name}`)).toMatchObject([{ status: 'cancelled', estimated: 1 }]);
    expect(calls).toHaveLength(1);
  });

  describe.each([true, false])('nobody there, with stream: %s', (stream) => {
    const nobody = (model: string) =>
      harness.runTurn({ dialect, stream, script: answerWell(dialect), model: `${model}-${dialect}`, expectedCalls: 2 });

    test('F-01 the connection is refused', async () => {
      const { ending, attempts } = await nobody('refused');
      expect(ending).toEqual({ status: 502, code: 'upstream_unreachable' });
      expect(attempts.map(({ cost_nano_usd }) => cost_nano_usd)).toEqual([0, 0]);
    });

    test('F-02 the connection is taken, and nothing is read', async () => {
      const before = harness.connections.silent;
      expect((await nobody('silent')).ending).toEqual({ status: 504, code: 'upstream_timeout' });
      expect(harness.connections.silent - before).toBe(2);
    });

    test('F-03 the connection is reset at once', async () => {
      const before = harness.connections.reset;
      expect((await nobody('reset')).ending).toEqual({ status: 502, code: 'upstream_unreachable' });
      expect(harness.connections.reset - before).toBe(2);
    });
  });
});

describe('afterwards', () => {
  test('nobody followed a redirect', () => {
    expect(harness.trap.calls).toEqual([]);
  });

  test('no attempt is left open, and each has a turn', () => {
    expect(harness.query("SELECT id, status FROM attempts WHERE status = 'started' OR ended_at_ms IS NULL")).toEqual(
      [],
    );
    expect(harness.query("SELECT id FROM turns WHERE status = 'in_progress'")).toEqual([]);
  });

  test('the log knows of no error that nobody foresaw, and of no key', async () => {
    expect(await harness.gateway.kill('SIGTERM')).toBe(0);
    const log = harness.gateway.output();
    const unforeseen = log.split('\n').filter((line) => /uncaught|unhandled|unforeseen|"level":[56]0/i.test(line));
    expect(unforeseen).toEqual([]);
    expect(log).not.toContain(upstreamKey);
  });
});
