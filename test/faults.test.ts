/**
 * What upstreams do wrong, one fault after another, through the real gateway. The law that holds for all of them is
 * `runTurn` in faults/harness.ts; the tables beside it say how each must end.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { transportCases } from './faults/transport-cases.ts';
import type { FaultCase } from './faults/cases.ts';
import { answerWell, type Harness, startHarness } from './faults/harness.ts';
import { type Dialect, dialects } from './support/upstream-replies.ts';

let harness: Harness;
beforeAll(async () => {
  harness = await startHarness();
});
afterAll(() => harness.cleanUp());

async function expectEnding(fault: FaultCase, dialect: Dialect, stream: boolean): Promise<void> {
  const { script, hasty = false, attempts, check } = fault;
  const outcome = await harness.runTurn({ dialect, stream, script: script(dialect, harness), hasty });
  expect(outcome.ending, outcome.text.slice(0, 2000)).toEqual(stream ? fault.stream : fault.plain);
  if (attempts !== undefined) expect(outcome.attempts).toHaveLength(attempts);
  check?.(outcome, dialect);
}

describe.each(dialects)('%s', (dialect) => {
  const mine = [...transportCases].filter((fault) => (fault.dialect ?? dialect) === dialect);

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
