import { describe, expect, test } from 'vitest';
import type { Lease, LeaseAsk } from '../store/budget-store.ts';
import { createBudgetBook } from './budget-book.ts';

interface Renewal {
  tenant: string;
  ask: LeaseAsk;
  answer: (lease: Partial<Lease>) => void;
  fail: () => void;
}

/** A book over a store that the test answers for, one renewal at a time. */
function bookWith() {
  const renewals: Renewal[] = [];
  const warnings: unknown[] = [];
  const rig = { nowMs: 0, renewals, warnings };
  const book = createBudgetBook({
    owner: 'node',
    nowMs: () => rig.nowMs,
    log: { info: () => {}, warn: (fields) => warnings.push(fields), error: () => {} },
    budgets: {
      forTenant: (tenant) => ({
        renewLease: (ask) =>
          new Promise((resolve, reject) => {
            renewals.push({
              tenant,
              ask,
              answer: (lease) =>
                resolve({
                  verdict: 'granted',
                  grantedNanoUsd: 0,
                  sliceNanoUsd: 0,
                  roomNanoUsd: 0,
                  openAttemptIds: [],
                  ...lease,
                }),
              fail: () => reject(new Error('no answer')),
            });
          }),
      }),
    },
  });
  /** The only renewal that has not been looked at. */
  const next = (): Renewal => {
    const renewal = renewals.shift();
    if (renewal === undefined || renewals.length > 0) throw new Error(`${renewals.length + 1} renewals`);
    return renewal;
  };
  const settled = async () => {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  };
  return Object.assign(rig, { book, next, settled });
}

describe('a book of budgets', () => {
  test('reserves in a lease without asking anybody, and asks for all that wait at once', async () => {
    const { book, next, renewals } = bookWith();
    const holds = [10, 20, 30].map((nanoUsd) => book.reserve('t', ['key:a'], nanoUsd));
    const { ask, answer } = next();
    expect(ask).toEqual({
      budgetId: 'key:a',
      owner: 'node',
      heldNanoUsd: 0,
      needNanoUsd: 10,
      waitingNanoUsd: 10,
      keepsSlice: true,
      listsOpen: false,
    });
    answer({ grantedNanoUsd: 10 });
    await holds[0];
    const second = next();
    expect(second.ask).toMatchObject({ heldNanoUsd: 10, needNanoUsd: 20, waitingNanoUsd: 50 });
    second.answer({ grantedNanoUsd: 100, sliceNanoUsd: 40 });
    await Promise.all(holds);
    const fourth = await book.reserve('t', ['key:a'], 40);
    expect(fourth?.reservation).toEqual({ budgetIds: ['key:a'], owner: 'node', nanoUsd: 40 });
    expect(renewals).toEqual([]);
    void book.reserve('t', ['key:a'], 1);
    expect(next().ask).toMatchObject({ heldNanoUsd: 100, needNanoUsd: 1 });
  });

  test('what calls have cost stays used until the store has booked it; the rest is free at once', async () => {
    const { book, next, renewals } = bookWith();
    const held = book.reserve('t', ['key:a'], 60);
    next().answer({ grantedNanoUsd: 100, sliceNanoUsd: 40 });
    const hold = await held;
    hold?.end(25);
    expect(await book.reserve('t', ['key:a'], 75)).toBeDefined();
    hold?.settle();
    expect(renewals).toEqual([]);
    void book.reserve('t', ['key:a'], 1);
    expect(next().ask).toMatchObject({ heldNanoUsd: 75, needNanoUsd: 1 });
  });

  test('while a lease is renewed nobody reserves: the store counts with what was held when it was asked', async () => {
    const { book, next, settled, renewals } = bookWith();
    const first = book.reserve('t', ['key:a'], 10);
    next().answer({ grantedNanoUsd: 60, sliceNanoUsd: 50 });
    await first;
    const large = book.reserve('t', ['key:a'], 100);
    const renewal = next();
    let isHeld = false;
    void book.reserve('t', ['key:a'], 5).then(() => (isHeld = true));
    await settled();
    expect(isHeld).toBe(false);
    renewal.answer({ verdict: 'busy', grantedNanoUsd: 10, roomNanoUsd: 7 });
    await expect(large).rejects.toMatchObject({
      code: 'budget_exceeded',
      status: 429,
      spent: false,
      retryAfterSeconds: 1,
    });
    // The small one would have fitted, and is asked for by itself.
    expect(renewals).toHaveLength(1);
    next().answer({ grantedNanoUsd: 15 });
    await settled();
    expect(isHeld).toBe(true);
  });

  test('those that fit no better are refused with the first; one that is refused by its team leaves its key nothing', async () => {
    const { book, next, settled, renewals } = bookWith();
    const refused = [10, 20].map((nanoUsd) =>
      expect(book.reserve('t', ['key:a', 'team:b'], nanoUsd)).rejects.toMatchObject({
        code: 'budget_exceeded',
        message: "The budget of this key's team is spent.",
        spent: true,
      }),
    );
    next().answer({ grantedNanoUsd: 10 });
    await settled();
    const team = renewals.findIndex(({ ask }) => ask.budgetId === 'team:b');
    const [{ answer }] = renewals.splice(team, 1) as [Renewal];
    next().answer({ grantedNanoUsd: 60, sliceNanoUsd: 30 });
    answer({ verdict: 'spent' });
    await settled();
    while (renewals.length > 0) renewals.shift()?.answer({ verdict: 'spent' });
    await Promise.all(refused);
    await settled();
    expect(await book.reserve('t', ['key:a'], 60)).toBeDefined();
  });

  test('a budget that has no limit is not held; nor is what costs nothing', async () => {
    const { book, next, renewals } = bookWith();
    expect(await book.reserve('t', ['key:a'], 0)).toBeUndefined();
    expect(renewals).toEqual([]);
    const held = book.reserve('t', ['key:a'], 10);
    next().answer({ verdict: 'unlimited' });
    expect(await held).toBeUndefined();
  });

  test('a renewal without an answer refuses those that wait, and leaves nothing free', async () => {
    const { book, next } = bookWith();
    const held = book.reserve('t', ['key:a'], 10);
    next().answer({ grantedNanoUsd: 100, sliceNanoUsd: 90 });
    await held;
    const lost = book.reserve('t', ['key:a'], 95);
    next().fail();
    await expect(lost).rejects.toThrow('no answer');
    // It may have been done, and have taken the slice.
    void book.reserve('t', ['key:a'], 1);
    expect(next().ask).toMatchObject({ heldNanoUsd: 10, needNanoUsd: 1 });
  });

  test('what a renewal without an answer may have leased is given back, though no call holds it any more', async () => {
    const { book, next, renewals } = bookWith();
    const lost = book.reserve('t', ['key:a'], 95);
    next().fail();
    await expect(lost).rejects.toThrow('no answer');
    for (const isAnswered of [false, true]) {
      const tidying = book.tidy();
      const { ask, answer, fail } = next();
      expect(ask).toMatchObject({ heldNanoUsd: 0, needNanoUsd: 0 });
      if (isAnswered) answer({});
      else fail();
      await tidying;
    }
    await book.tidy();
    await book.close();
    expect(renewals).toEqual([]);
  });

  test('a lease of which nobody knows is given back at the end', async () => {
    const { book, next } = bookWith();
    const lost = book.reserve('t', ['key:a'], 95);
    next().fail();
    await expect(lost).rejects.toThrow('no answer');
    const closing = book.close();
    next().answer({});
    await closing;
  });

  test('near the limit what is free is given back when a call ends', async () => {
    const { book, next, settled, renewals } = bookWith();
    const held = book.reserve('t', ['key:a'], 10);
    next().answer({ grantedNanoUsd: 10 });
    (await held)?.settle();
    const { ask, answer } = next();
    expect(ask).toMatchObject({ heldNanoUsd: 0, needNanoUsd: 0, keepsSlice: false });
    answer({});
    await settled();
    await book.tidy();
    await book.close();
    expect(renewals).toEqual([]);
  });

  test('a lease is given back when it is idle, cut when it is too much, and booked when it is used for long', async () => {
    const rig = bookWith();
    const { book, next, renewals } = rig;
    const tidied = async (lease: Partial<Lease>) => {
      const tidying = book.tidy();
      const { ask, answer } = next();
      answer(lease);
      await tidying;
      return ask;
    };
    const held = [100, 100].map((nanoUsd) => book.reserve('t', ['key:a'], nanoUsd));
    next().answer({ grantedNanoUsd: 205, sliceNanoUsd: 5 });
    const holds = await Promise.all(held);
    await book.tidy();
    expect(renewals).toEqual([]);

    for (const hold of holds) {
      hold?.end(1);
      hold?.settle();
    }
    // 203 are free: more than the largest call and two slices.
    expect(await tidied({ grantedNanoUsd: 5, sliceNanoUsd: 5 })).toMatchObject({ heldNanoUsd: 0, keepsSlice: true });
    rig.nowMs += 6_000;
    const second = await book.reserve('t', ['key:a'], 5);
    second?.settle();
    rig.nowMs += 5_000;
    // In use, but what has ended was not booked for ten seconds.
    expect(await tidied({ grantedNanoUsd: 5, sliceNanoUsd: 5 })).toMatchObject({ heldNanoUsd: 0, keepsSlice: true });
    rig.nowMs += 6_000;
    expect(await tidied({})).toMatchObject({ heldNanoUsd: 0, needNanoUsd: 0, keepsSlice: false });
    rig.nowMs += 60_000;
    await book.tidy();
    expect(renewals).toEqual([]);
  });

  test('what nobody knows of is held until the store is sure to know', async () => {
    const rig = bookWith();
    const { book, next } = rig;
    const held = [10, 20].map((nanoUsd) => book.reserve('t', ['key:a'], nanoUsd));
    next().answer({ grantedNanoUsd: 100, sliceNanoUsd: 70 });
    const [first, second] = await Promise.all(held);
    first?.doubt('att_1');
    second?.doubt('att_2');
    const asks: LeaseAsk[] = [];
    for (const openAttemptIds of [['att_1'], ['att_1'], [], []]) {
      rig.nowMs += 60_000;
      const tidying = book.tidy();
      const { ask, answer } = next();
      asks.push(ask);
      answer({ grantedNanoUsd: ask.heldNanoUsd, openAttemptIds });
      await tidying;
    }
    expect(asks.map(({ heldNanoUsd, listsOpen }) => [heldNanoUsd, listsOpen])).toEqual([
      [30, true],
      [10, true],
      [10, true],
      [0, false],
    ]);
    rig.nowMs += 60_000;
    await book.tidy();
    expect(rig.renewals).toEqual([]);
  });
});
