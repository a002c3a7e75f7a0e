import { setImmediate as otherWork, setTimeout as sleep } from 'node:timers/promises';
import { GatewayError } from '../../core/errors.ts';
import type { ClientCodec } from '../../protocols/codec.ts';
import { repeat } from '../../repeat.ts';
import type { FullStore } from '../../store/run-store.ts';
import { carryOut } from '../run-turn.ts';
import type { TurnDependencies } from '../turn.ts';
import { beginQueued } from './begin-queued.ts';
import { compactQueued } from './compact-queued.ts';
import { createDeafLog, createEventLog, type EventLog, type EventLogLimits } from './event-log.ts';
import { createFollowers, type FollowOptions, responseNotFound } from './follow.ts';
import { type BackgroundCall, type Queued, queueTurn } from './queue-turn.ts';

export interface BackgroundLimits extends EventLogLimits {
  /** Turns that this process runs at once. */
  maxRunning: number;
  /** Turns of one tenant that wait. */
  maxQueued: number;
  /** How long the events of a turn are kept after its end. */
  keptMs: number;
  /** How often turns are looked for that others have queued, or left behind. */
  queueMs: number;
  /** How often it is looked whether turns that run here were ended elsewhere. */
  watchMs: number;
  /** How often the store is asked for more events, where they may come from another process. */
  pollMs: number;
  /** How often events are looked for that have been kept long enough. */
  expireMs: number;
  /** How long a stopping process waits for the turns that it runs. */
  drainMs: number;
}

export const defaultBackgroundLimits = {
  batchMs: 50,
  batchBytes: 16 * 1024,
  maxWaitingBytes: 1024 * 1024,
  queueMs: 1_000,
  watchMs: 1_000,
  pollMs: 200,
  expireMs: 30_000,
} as const satisfies Partial<BackgroundLimits>;

/** Background turns: they are queued by whoever asks, and run here or in another process that shares the store. */
export interface Background {
  /** @throws GatewayError for whatever is wrong with the request. */
  queue(call: ClientCall, tenant: string): Promise<Queued>;
  /** @see Followers.follow */
  follow(options: FollowOptions): Promise<void>;
  /**
   * Cancels a turn that is queued or runs, wherever; one that has ended stays as it is.
   * @throws GatewayError 404, or 400 for a turn whose client waits for it.
   */
  cancel(tenant: string, id: string): Promise<void>;
  /** To be told of a response that was deleted. */
  deleted(tenant: string, id: string): void;
  /** Begins no more turns, lets those that run end in the configured time, ends the others as failed. What is queued stays. */
  close(): Promise<void>;
}

/** What a client says. */
export type ClientCall = Omit<BackgroundCall, 'runs' | 'maxQueued'>;

interface Running {
  tenant: string;
  sinceMs: number;
  sink: EventLog;
  done: Promise<void>;
}

export interface BackgroundOptions {
  store: FullStore;
  client: ClientCodec;
  dependencies: TurnDependencies;
  limits: BackgroundLimits;
}

export function createBackground({ store, client, dependencies, limits }: BackgroundOptions): Background {
  const { nowMs, owner, log } = dependencies;
  const { runs } = store;
  const running = new Map<string, Running>();
  /** By tenant that waits: which of all turns its last one was. */
  const lastBegun = new Map<string, number>();
  let begun = 0;
  let closing: Promise<void> | undefined;
  const isClosing = () => closing !== undefined;
  let pumping: Promise<void> | undefined;
  let pumpAgain = false;
  const followers = createFollowers({
    runs,
    nowMs,
    isRunning: (id) => running.has(id),
    limits: { ...limits, keepAliveMs: dependencies.limits.keepAliveMs },
  });

  function openLog(tenant: string, id: string, streamed: boolean, lastSequence: number): EventLog {
    if (!streamed) return createDeafLog();
    return createEventLog({
      firstSequence: lastSequence + 1,
      append: (batch) => runs.forTenant(tenant).append(id, owner, batch),
      onAppended: () => followers.signal(tenant, id),
      limits,
    });
  }

  /** Begins a turn, and resolves when it has begun, or never will here. False: its budget has no room for it yet. */
  async function begin({ tenant, id }: { tenant: string; id: string }): Promise<boolean> {
    const options = { dependencies, client, store: store.forTenant(tenant), runs: runs.forTenant(tenant), id };
    let settle = () => {};
    const done = new Promise<void>((resolve) => (settle = resolve));
    const end = () => {
      running.delete(id);
      settle();
      followers.signal(tenant, id);
    };
    try {
      const ready = await beginQueued(options, ({ streamed, lastSequence }) => {
        const sink = openLog(tenant, id, streamed, lastSequence);
        // Before it has begun, so that whoever cancels it from then on finds it.
        running.set(id, { tenant, sinceMs: Number.POSITIVE_INFINITY, sink, done });
        return sink;
      });
      const entry = running.get(id);
      if (ready === undefined || ready === 'no-room' || entry === undefined) {
        end();
        return ready !== 'no-room';
      }
      entry.sinceMs = performance.now();
      const { call, turn, attempt, others } = ready;
      const carry = async () => {
        const sent = await compactQueued(dependencies, call, turn, attempt, others);
        if (sent !== undefined) await carryOut(dependencies, call, turn, sent, others);
      };
      void carry()
        .catch((err: unknown) => log.error({ responseId: id, err }, 'a background turn failed'))
        .finally(() => {
          end();
          void pump();
        });
      return true;
    } catch (error) {
      end();
      throw error;
    }
  }

  /**
   * Tenants take turns: first comes the one with the fewest turns here, of equals the one whose last was begun longest ago,
   * then the one that has waited longest.
   * @param passedOver tenants whose turn it is not.
   */
  async function findNext(passedOver: ReadonlySet<string>): Promise<{ tenant: string; id: string } | undefined> {
    const counts = new Map<string, number>();
    for (const { tenant } of running.values()) counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
    const queued = await runs.listQueued();
    const waiting = new Set(queued.map(({ tenant }) => tenant));
    for (const tenant of lastBegun.keys()) if (!waiting.has(tenant)) lastBegun.delete(tenant);
    const rank = (places: Map<string, number>, a: string, b: string) => (places.get(a) ?? 0) - (places.get(b) ?? 0);
    const [next] = queued
      .filter(({ tenant }) => !passedOver.has(tenant))
      .toSorted(
        (a, b) => rank(counts, a.tenant, b.tenant) || rank(lastBegun, a.tenant, b.tenant) || (a.id < b.id ? -1 : 1),
      );
    if (next !== undefined) lastBegun.set(next.tenant, (begun += 1));
    return next;
  }

  async function fill(): Promise<void> {
    const tried = new Set<string>();
    // Whose budget has no room waits for the next time, and keeps nobody else from running. So does one whose turn could not be
    // begun and is still there.
    const passedOver = new Set<string>();
    while (!isClosing() && running.size < limits.maxRunning) {
      const next = await findNext(passedOver);
      if (next === undefined) return;
      const isNew = !tried.has(next.id) && !running.has(next.id);
      tried.add(next.id);
      if (!isNew || !(await begin(next))) passedOver.add(next.tenant);
      // SQLite reads at once: however many turns there are, requests and timers do not wait for all of them.
      await otherWork();
    }
  }

  /** Begins as many turns as there is room for. */
  function pump(): Promise<void> {
    pumpAgain = true;
    pumping ??= (async () => {
      while (pumpAgain) {
        pumpAgain = false;
        await fill();
      }
    })()
      .catch((err: unknown) => log.warn({ err }, 'queued turns cannot be begun yet'))
      .finally(() => {
        pumping = undefined;
      });
    return pumping;
  }

  /** Hangs up on the turns that were cancelled, deleted or taken over elsewhere. */
  async function watch(): Promise<void> {
    if (running.size === 0) return;
    const askedAtMs = performance.now();
    const own = new Set(await runs.listRunning(owner));
    for (const [id, { sinceMs, sink }] of running) {
      if (sinceMs < askedAtMs && !own.has(id)) sink.cancel();
    }
  }

  /** Of a turn that another process hangs up on when it looks next, unless that is gone. */
  async function untilAtRest(tenant: string, id: string): Promise<void> {
    const looks = Math.ceil((3 * limits.watchMs) / limits.pollMs);
    for (let look = 0; look < looks; look++) {
      if (!(await runs.forTenant(tenant).isAtWork(id))) return;
      await sleep(limits.pollMs);
    }
  }

  const tell = (err: unknown) => log.warn({ err }, 'the background turns of this process cannot be looked after');
  const repetitions = [
    repeat(limits.queueMs, pump, tell),
    repeat(limits.watchMs, watch, tell),
    repeat(limits.expireMs, () => expire(), tell),
  ];

  async function expire(): Promise<void> {
    while (!isClosing() && (await runs.expireEvents(nowMs() - limits.keptMs)) > 0);
  }

  const close = async () => {
    await Promise.all(repetitions.map((repetition) => repetition.stop()));
    followers.stop();
    await pumping;
    const ended = Promise.all([...running.values()].map(({ done }) => done));
    const limit = setTimeout(() => {
      const error = new GatewayError('shutting_down', 'The gateway is shutting down.');
      for (const { sink } of running.values()) sink.fail(error);
    }, limits.drainMs);
    await ended;
    clearTimeout(limit);
  };

  return {
    async queue(call, tenant) {
      const queued = await queueTurn(dependencies, {
        ...call,
        runs: runs.forTenant(tenant),
        maxQueued: limits.maxQueued,
      });
      void pump();
      return queued;
    },

    follow: (options) => followers.follow(options),

    async cancel(tenant, id) {
      const outcome = await runs.forTenant(tenant).cancel(id, nowMs());
      if (outcome === undefined) throw responseNotFound(id);
      if (outcome === 'synchronous') {
        throw new GatewayError('response_not_cancellable', 'Cannot cancel a synchronous response.');
      }
      if (outcome === 'cancelled') followers.signal(tenant, id);
      // Its output so far is written by whoever runs it.
      const entry = running.get(id);
      entry?.sink.cancel();
      await (entry === undefined ? untilAtRest(tenant, id) : entry.done);
    },

    deleted(tenant, id) {
      running.get(id)?.sink.cancel();
      followers.signal(tenant, id);
    },

    close() {
      closing ??= close();
      return closing;
    },
  };
}
