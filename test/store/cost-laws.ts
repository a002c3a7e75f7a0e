import { expect, test } from 'vitest';
import { noUsage } from '../../src/core/usage.ts';
import { attemptEndOf, attemptStartOf, commitOf, intentOf, startMs, strayLink } from './make.ts';
import type { TestBed } from './test-bed.ts';

/** What a turn cost is the sum of its attempts, or is not told at all. */
export function costLaws(bed: TestBed): void {
  const { newTenant, run } = bed;

  test('the cost of a turn is known when it ends, and gone with the turn', async () => {
    const { own } = newTenant();
    const intent = intentOf();
    await own.beginTurn(intent);
    expect(await own.readCost(intent.id)).toBeUndefined();
    await own.commitTurn(commitOf(intent));
    expect(await own.readCost(intent.id)).toBe(247_750);
    expect(await newTenant().own.readCost(intent.id)).toBeUndefined();
    await own.deleteResponse(intent.id, startMs);
    expect(await own.readCost(intent.id)).toBeUndefined();
    expect(await own.readCost('resp_never')).toBeUndefined();
  });

  test.each([
    { what: 'both are paid', first: { costNanoUsd: 1000 }, last: {}, cost: 248_750 },
    { what: 'the first was refused', first: { costNanoUsd: undefined, usage: noUsage }, last: {}, cost: 247_750 },
    { what: 'the first has no price', first: { costNanoUsd: undefined }, last: {}, cost: undefined },
    { what: 'the last has no price', first: { costNanoUsd: 1000 }, last: { costNanoUsd: undefined }, cost: undefined },
  ])('a turn of two attempts: $what', async ({ first, last, cost }) => {
    const { own } = newTenant();
    const intent = intentOf();
    await own.beginTurn(intent);
    const next = attemptStartOf({ number: 2 });
    await own.nextAttempt(intent.id, attemptEndOf(intent.attempt.id, { status: 'failed', ...first }), next);
    expect(await own.readCost(intent.id)).toBeUndefined();
    await own.commitTurn(commitOf(intent, { attempt: attemptEndOf(next.id, last) }));
    expect(await own.readCost(intent.id)).toBe(cost);
  });

  test('the cost of a turn is its own, not its ancestors’', async () => {
    const { own } = newTenant();
    const parent = intentOf();
    await run(own, parent);
    const child = intentOf({ parent: strayLink(parent.id, 2) });
    await run(own, child, { attempt: attemptEndOf(child.attempt.id, { costNanoUsd: 5 }) });
    expect(await own.readCost(child.id)).toBe(5);
  });
}
