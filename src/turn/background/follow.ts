import { GatewayError } from '../../core/errors.ts';
import { endPatience } from '../../store/patience.ts';
import { keepAliveComment, sseDone } from '../../sse/write.ts';
import type { EventPage, RunStore } from '../../store/run-store.ts';
import type { TurnSink } from '../turn.ts';
import { eventsAfter } from './event-log.ts';

export interface FollowOptions {
  tenant: string;
  id: string;
  /** The number of the last event that the reader has; -1: none. */
  after: number;
  /** To be sent before the first event. */
  headers: (sessionId: string) => Record<string, string>;
  sink: TurnSink;
}

export interface Followers {
  /**
   * Writes the events of a run to one reader, those that are stored first, the others as they come, until the run has ended
   * or the reader has left. All readers read the store, and nothing but it: each sees the same bytes.
   * @throws GatewayError before the first event, where there is nothing to follow.
   */
  follow(options: FollowOptions): Promise<void>;
  /** There is more to read of this run. */
  signal(tenant: string, id: string): void;
  /** From now on nobody waits for a run that this process does not run: it may be long, and the reader can go elsewhere. */
  stop(): void;
}

export interface FollowersOptions {
  runs: RunStore;
  nowMs: () => number;
  /** Whether this process runs it. */
  isRunning: (id: string) => boolean;
  limits: FollowLimits;
}

export interface FollowLimits {
  /** How often the store is asked for the events of a run that others may run. */
  pollMs: number;
  keepAliveMs: number;
  /** How long events are kept after the end. */
  keptMs: number;
}

const keyOf = (tenant: string, id: string) => JSON.stringify([tenant, id]);

export function createFollowers({ runs, nowMs, isRunning, limits }: FollowersOptions): Followers {
  /** By response: who waits for more. */
  const waiting = new Map<string, Set<() => void>>();
  /**
   * Reads under way, by response, then by the event after which they begin: of many readers that have come equally far, one
   * asks the store.
   */
  const reads = new Map<string, Map<number, Promise<EventPage | undefined>>>();
  let stopped = false;

  function read(tenant: string, id: string, after: number): Promise<EventPage | undefined> {
    // An id is of one tenant only, but a stranger may ask with it.
    const key = keyOf(tenant, id);
    const others = reads.get(key) ?? new Map<number, Promise<EventPage | undefined>>();
    reads.set(key, others);
    let page = others.get(after);
    if (page === undefined) {
      page = runs
        .forTenant(tenant)
        .readEvents(id, after)
        .finally(() => {
          others.delete(after);
          if (others.size === 0 && reads.get(key) === others) reads.delete(key);
        });
      others.set(after, page);
    }
    return page;
  }

  /** What was asked before there was more to read does not answer who asks from now on. */
  function news(tenant: string, id: string): void {
    reads.delete(keyOf(tenant, id));
    wake(id);
  }

  function wake(id: string): void {
    for (const callback of waiting.get(id) ?? []) callback();
  }

  const poll = setInterval(() => {
    for (const id of waiting.keys()) wake(id);
  }, limits.pollMs);
  poll.unref();

  /** Tells a reader when to look again, from `open` to `close`, so that nothing is missed between two looks. */
  function createWaiter(id: string): { next(): Promise<void>; wake(): void; close(): void } {
    let isDue = false;
    let resume: (() => void) | undefined;
    const due = () => {
      isDue = true;
      resume?.();
    };
    const others = waiting.get(id) ?? new Set();
    others.add(due);
    waiting.set(id, others);
    return {
      async next() {
        if (!isDue) await new Promise<void>((resolve) => (resume = resolve));
        isDue = false;
      },
      wake: due,
      close() {
        others.delete(due);
        if (others.size === 0 && waiting.get(id) === others) waiting.delete(id);
      },
    };
  }

  return {
    async follow({ tenant, id, after, headers, sink }) {
      const waiter = createWaiter(id);
      const socket = { isFull: false };
      let quiet = true;
      const keepAlive = setInterval(() => {
        if (quiet && !socket.isFull) sink.write(keepAliveComment);
        quiet = true;
      }, limits.keepAliveMs);
      keepAlive.unref();
      sink.onClose = () => waiter.wake();
      sink.onDrain = () => {
        socket.isFull = false;
        waiter.wake();
      };
      try {
        let page = await read(tenant, id, after);
        checkStreamable(page, id, nowMs() - limits.keptMs, limits.keptMs);
        endPatience();
        sink.start(headers(page.sessionId));
        let at = after;
        while (!sink.closed) {
          for (const batch of page?.batches ?? []) {
            socket.isFull = !sink.write(eventsAfter(batch, at));
            at = batch.lastSequence;
            quiet = false;
            while (socket.isFull && !sink.closed) await waiter.next();
          }
          // It was deleted, or its events are gone: what is cut must not look like an end.
          if (page === undefined || page.expired) return sink.end('');
          if (!page.hasMore && isEnded(page)) return sink.end(sseDone);
          if (!page.hasMore && stopped && !isRunning(id)) return sink.end('');
          if (!page.hasMore) await waiter.next();
          if (!sink.closed) page = await readAgain(tenant, id, at, page);
        }
      } finally {
        clearInterval(keepAlive);
        waiter.close();
        sink.onClose = () => {};
        sink.onDrain = () => {};
      }
    },
    signal: news,
    stop() {
      stopped = true;
      for (const id of waiting.keys()) wake(id);
    },
  };

  /** A reader outlasts a store that is away for a while. */
  async function readAgain(tenant: string, id: string, after: number, last: EventPage): Promise<EventPage | undefined> {
    try {
      return await read(tenant, id, after);
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'store_unavailable' || stopped) throw error;
      return { ...last, status: 'in_progress', batches: [], hasMore: false };
    }
  }
}

function isEnded({ status }: EventPage): boolean {
  return status !== 'queued' && status !== 'in_progress';
}

/** @throws GatewayError where there are no events to read, and never will be. */
function checkStreamable(
  page: EventPage | undefined,
  id: string,
  endedBeforeMs: number,
  keptMs: number,
): asserts page is EventPage {
  if (page === undefined) throw responseNotFound(id);
  if (page.streamed !== true) {
    throw notStreamable(
      'This response cannot be streamed because it was not created with background=true and stream=true.',
    );
  }
  if (page.expired || (page.endedAtMs !== undefined && page.endedAtMs < endedBeforeMs)) {
    const age = keptMs < 60_000 ? `${keptMs / 1000} seconds` : `${Math.floor(keptMs / 60_000)} minutes`;
    throw notStreamable(`This response can no longer be streamed because it is more than ${age} old.`);
  }
}

function notStreamable(message: string): GatewayError {
  return new GatewayError('response_not_streamable', message, { param: 'stream' });
}

export function responseNotFound(id: string): GatewayError {
  return new GatewayError('response_not_found', `Response with id '${id.slice(0, 256)}' not found.`, {
    param: 'response_id',
  });
}
