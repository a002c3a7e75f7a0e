import { expect, onTestFinished, test, vi } from 'vitest';
import type { FullStore, RunStore } from '../../store/run-store.ts';
import { responsesCodec } from '../../protocols/responses/index.ts';
import type { TurnDependencies } from '../turn.ts';
import { createBackground, defaultBackgroundLimits } from './background.ts';

const hourMs = 3_600_000;
const limits = {
  ...defaultBackgroundLimits,
  maxRunning: 4,
  maxQueued: 10,
  keptMs: hourMs,
  maxBytes: 1e6,
  drainMs: 1,
  expireMs: hourMs,
  watchMs: hourMs,
};

/** Queued turns of some tenants, none of which can be begun. */
function setUp(queued: { tenant: string; id: string }[], cancelAged: (id: string) => boolean) {
  const warn = vi.fn<(fields: { responseId?: string }, message: string) => void>();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  /** What was asked for, by round of the event loop. */
  const asked: string[][] = [];
  let round: string[] | undefined;
  const forTenant = () => ({
    readQueued: async (id: string) => {
      if (round === undefined) {
        asked.push((round = []));
        setImmediate(() => (round = undefined));
      }
      round.push(id);
      if (round.length > 100) throw new Error('it goes round for ever');
      return undefined;
    },
    cancelAged: async (id: string) => cancelAged(id),
  });
  const listQueued = async () => {
    const tenants = new Set(queued.map(({ tenant }) => tenant));
    return [...tenants].flatMap((of) => queued.find(({ tenant }) => tenant === of) ?? []);
  };
  const runs = { forTenant, listQueued } as unknown as RunStore;
  const store = { runs, forTenant: () => ({ readInput: async () => undefined }) } as unknown as FullStore;
  const dependencies = { nowMs: () => 0, owner: 'p', log: { warn }, limits: { keepAliveMs: hourMs } };
  const background = createBackground({
    store,
    client: responsesCodec,
    dependencies: dependencies as unknown as TurnDependencies,
    limits,
  });
  onTestFinished(() => background.close());
  /** Lets the queue be looked at once more, and waits far longer than it takes. */
  const look = async () => {
    await vi.advanceTimersByTimeAsync(limits.queueMs);
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  };
  return { asked, warn, look };
}

test('turns that can never be begun are tried once each time, and keep no other tenant from being tried', async () => {
  const queued = ['a', 'b', 'c'].map((tenant) => ({ tenant, id: `resp_${tenant}` }));
  const { asked, warn, look } = setUp(queued, () => false);
  await look();
  // One in each round of the event loop: timers and requests come in between.
  expect(asked).toEqual([['resp_a'], ['resp_b'], ['resp_c']]);
  await look();
  expect(asked.slice(3)).toEqual([['resp_a'], ['resp_b'], ['resp_c']]);
  expect(warn).not.toHaveBeenCalled();
});

test('those that have become too old are ended, and what their tenant queued since comes next', async () => {
  const queued = ['resp_1', 'resp_2', 'resp_3'].map((id) => ({ tenant: 'a', id }));
  const { asked, warn, look } = setUp(queued, () => queued.shift() !== undefined);
  await look();
  expect(asked.flat()).toEqual(['resp_1', 'resp_2', 'resp_3']);
  expect(warn.mock.calls.map(([{ responseId }]) => responseId)).toEqual(asked.flat());
});
