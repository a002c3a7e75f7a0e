import { GatewayError } from '../../src/core/errors.ts';
import { noUsage } from '../../src/core/usage.ts';
import { failedHead } from '../../src/store/failed-head.ts';
import { contextHasher } from '../../src/store/context-finder.ts';
import { createSealer } from '../../src/store/seal.ts';
import type { ConversationStore } from '../../src/store/conversation-store.ts';
import type { TenantFiles } from '../../src/store/file-store.ts';
import type { AttemptEnd, AttemptStart, TenantStore } from '../../src/store/store.ts';
import type { ModelDatabase } from './model-database.ts';
import type { Home, World } from './world.ts';

/** How badly a database behaves in one run. */
export interface StoreWeather {
  /** How probable it is that a call goes wrong. */
  faultRate: number;
  /** While the time is in here no call is served. */
  outage: { fromMs: number; untilMs: number };
  /** After this long whoever began something has given up, and has nothing under way: what is unfinished is ended for him. */
  graceMs: number;
}

export interface NodeStoreOptions {
  world: World;
  database: ModelDatabase;
  node: Home;
  tenant: string;
  weather: StoreWeather;
  /** Told of every call that did not go well. */
  onFault: () => void;
}

/**
 * - `refused`: not done, and said so.
 * - `unknown`: done, and the answer was lost.
 * - `late`: given up on, and done afterwards.
 */
type Fault = 'none' | 'refused' | 'unknown' | 'late';

const neverBegun = { code: 'store_unavailable', message: 'The state store did not answer when this attempt began.' };

/** A tenant's store as one process has it: far away, slow at times, and cut off at the worst moment. */
export function createNodeStore({ world, database, node, tenant, weather, onFault }: NodeStoreOptions): TenantStore {
  const { random } = world;
  const isOut = () => world.nowMs() >= weather.outage.fromMs && world.nowMs() < weather.outage.untilMs;

  function faultOf(writes: boolean): Fault {
    if (isOut()) return 'refused';
    if (!random.chance(weather.faultRate)) return 'none';
    return writes ? random.pick(['refused', 'unknown', 'unknown', 'late']) : 'refused';
  }

  /** @param onUnknown what is to be done once nobody waits any more for a thing of which nobody knows whether it was done. */
  function call<T>(name: string, execute: () => T, writes: boolean, onUnknown?: () => void): Promise<T> {
    const fault = faultOf(writes);
    if (fault !== 'none') {
      onFault();
      world.trace(() => `${name} will go wrong: ${fault}`);
    }
    return new Promise((resolve, reject) => {
      const reply = (say: () => void) =>
        world.schedule(`${name} replies`, say, { delayMs: world.latencyMs(), home: node });
      const lose = () => {
        reply(() => {
          if (fault !== 'refused') onUnknown?.();
          reject(new GatewayError('store_unavailable', 'The state store is unavailable: simulated.'));
        });
      };
      const perform = () => {
        world.trace(() => `${name} of ${node.name}`);
        let say: () => void;
        try {
          const result = execute();
          say = () => resolve(result);
        } catch (error) {
          say = () => reject(error instanceof Error ? error : new Error(String(error)));
        }
        if (fault === 'unknown') lose();
        else if (fault === 'none') reply(say);
      };
      // What has left a process for the database goes on without the process, or is lost on its way.
      const send = () => {
        if (node.alive || random.chance(0.5)) perform();
      };
      if (fault === 'refused' || fault === 'late') lose();
      if (fault === 'late') world.schedule(name, send, { delayMs: random.below(weather.graceMs / 2), home: null });
      else if (fault !== 'refused') world.schedule(name, send, { delayMs: world.latencyMs(), home: null });
    });
  }

  const read = <T>(name: string, execute: () => T) => call(name, execute, false);

  /** As the Postgres engine does: nobody is left to tell, but the rows are to be true. */
  function finishLater(name: string, finish: () => void): void {
    world.schedule(`finishes ${name}`, () => (isOut() ? finishLater(name, finish) : finish()), {
      delayMs: weather.graceMs,
      home: node,
    });
  }

  const unsent = (start: AttemptStart): AttemptEnd => ({
    id: start.id,
    status: 'failed',
    endedAtMs: start.startedAtMs,
    firstTokenAtMs: undefined,
    upstreamId: undefined,
    upstreamModel: undefined,
    usage: noUsage,
    costNanoUsd: 0,
    error: neverBegun,
    rawReply: undefined,
  });

  return {
    tenant,
    seal: createSealer(Buffer.alloc(32, 7)).forTenant(tenant),

    beginTurn(intent) {
      const { id, owner, epoch, attempt } = intent;
      const fail = () => {
        const head = failedHead(intent.head, world.nowMs(), neverBegun);
        database.commit(tenant, { id, owner, epoch, status: 'failed', head, output: [], attempt: unsent(attempt) });
      };
      return call(
        'begin',
        () => database.begin(tenant, intent),
        true,
        () => finishLater('begin', fail),
      );
    },
    nextAttempt(turnId, ended, started) {
      const end = () => database.endAttempt(tenant, turnId, unsent(started));
      return call(
        'next attempt',
        () => database.nextAttempt(tenant, turnId, ended, started),
        true,
        () => finishLater('next attempt', end),
      );
    },
    async commitTurn(commit) {
      try {
        return await call('commit', () => database.commit(tenant, commit), true);
      } catch (error) {
        const head = failedHead(commit.head, commit.attempt.endedAtMs);
        finishLater('commit', () => database.commit(tenant, { ...commit, status: 'failed', head, output: [] }));
        throw error;
      }
    },
    deleteResponse: (id) => call('delete', () => database.delete(tenant, id), true),
    readContext: (id) => read('read context', () => database.readContext(tenant, id)),
    readInput: (id) => read('read input', () => database.readInput(tenant, id)),
    readResponse: (id) => read('read response', () => database.readResponse(tenant, id)),
    readCost: (id) => read('read cost', () => database.readCost(tenant, id)),
    readEnvelope: (id, envelope) => read('read envelope', () => database.readEnvelope(tenant, id, envelope)),
    readItem: (id) => read('read item', () => database.readItem(tenant, id)),
    readFollowing: (id) => read('read following item', () => database.readFollowing(tenant, id)),
    listSession: (sessionId) => read('list session', () => database.listSession(tenant, sessionId)),
    contextHash: contextHasher('key', tenant),
    findContext: (hashes) => read('find context', () => database.findContext(tenant, hashes)),
    findOpener: (openCalls) => read('find opener', () => database.findOpener(tenant, openCalls)),
    readKeyHolder: (claim) => read('read key holder', () => database.readKeyHolder(tenant, claim)),
    // The model holds turns only.
    conversations: {} as ConversationStore,
    files: {} as TenantFiles,
  };
}
