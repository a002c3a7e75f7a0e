import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import {
  canaryOf,
  type Deed,
  type Disturbance,
  type History,
  isProbe,
  type JournalEntry,
  spenderBudget,
} from './history.ts';
import { createClients } from './clients.ts';
import { createClock } from './clock.ts';
import { createCluster, gatewayConfig } from './cluster.ts';
import { createEngine, type EngineName } from './engine.ts';
import { endOf, exchangesOf, idOf, isOpen } from './exchange.ts';
import { createJournal } from './journal.ts';
import { carryOut, nextRoundOf, untilNoneRuns } from './nemesis.ts';
import { createSchedule } from './schedule.ts';
import { startUpstream } from './upstream.ts';

export interface TortureOptions {
  seed: string;
  kills: number;
  /** Rounds that would begin later are left out. */
  maxMs: number;
  loops: number;
  engine: EngineName;
  nodes: readonly string[];
  /** Empty; what the run leaves is in it afterwards. */
  folder: string;
  onRound?: (done: number) => void;
}

export interface TortureResult {
  history: History;
  kills: number;
  /** How often the nodes died of what: a signal, or a crash point. */
  deaths: Record<string, number>;
  requests: number;
  /** Turns whose end a client has read, stored and completed, while nodes died. */
  acknowledged: number;
  /** Turns whose client was cut off. */
  cut: number;
  calls: number;
  slowestStartMs: number;
}

/** Calls of the key with the small budget, in each round: twice as many as it is good for. */
const spentAtOnce = 2 * spenderBudget;

/** Far more than the slowest start takes. */
const stalledMs = 60_000;

/** Clients at work, and nodes dying under them; then all is healed, read back, and written down for the checker. */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { seed, kills, maxMs, loops, nodes, folder } = options;
  const engine = await createEngine(options.engine, folder, nodes);
  const { server } = engine;
  const schedule = createSchedule(seed, kills, nodes, engine.name);
  const journal = createJournal<JournalEntry>(join(folder, 'journal.jsonl'));
  const deeds = createJournal<object>(join(folder, 'nemesis.jsonl'));
  for (const round of schedule) deeds.add(round);
  await deeds.settled();
  const done: Deed[] = [];
  const disturbances: Disturbance[] = [];
  const deed = (what: Deed) => {
    done.push(what);
    deeds.add(what);
  };
  const clock = createClock();
  const upstream = await startUpstream(seed, clock, join(folder, 'ledger.jsonl'));
  const cluster = createCluster(folder, gatewayConfig(engine.storeUrl, upstream.url), deed, server?.newOwner);
  // No child outlives the rig, however it ends.
  process.on('exit', cluster.killAll);
  const faults: string[] = [];
  const deaths: Record<string, number> = {};
  const work = async (): Promise<TortureResult> => {
    for (const node of nodes) await cluster.start(node, nextRoundOf(schedule, node, 0));
    const clients = createClients({ seed, cluster, clock, journal });
    const working = clients.run(loops);
    const until = performance.now() + maxMs;
    const rounds = (async () => {
      let count = 0;
      for (const round of schedule) {
        if (performance.now() > until) break;
        const spending = clients.spend(spentAtOnce);
        const death = await carryOut(round, schedule, {
          cluster,
          clock,
          server,
          deed,
          disturbances,
          readBegun: clients.readBegun,
        });
        await spending;
        deaths[death] = (deaths[death] ?? 0) + 1;
        count += 1;
        faults.push(...engine.damage().map((text) => `after kill ${count}: ${text}`));
        options.onRound?.(count);
      }
      clients.stop();
      return count;
    })();
    // A client ends before its time only by an error of the rig's own.
    await Promise.race([rounds, working]);
    const [, killed] = await Promise.all([working, rounds]);

    // Where time ran out, nodes would still die by themselves.
    for (const { gateway, ended } of killed < schedule.length ? nodes.map((name) => cluster.node(name)) : []) {
      gateway.process.kill('SIGKILL');
      await ended;
    }
    await cluster.revive();
    // A node holds for a minute what was cut off when it was to be stored. Whoever ended before would leave it to nobody.
    if (server !== undefined) await untilNoneRuns(server, { cluster, clock }, undefined, () => []);
    await clients.continueAll(clients.acknowledged());
    // What a dead node left running is failed by another one, when its lease has ended.
    if (server !== undefined) await untilNoneRuns(server, { cluster, clock });
    const exchanges = [...exchangesOf(journal.entries).values()];
    const ids = exchanges.flatMap((exchange) => {
      const { sent } = exchange;
      const id = sent.action === 'get' && !sent.trespass ? sent.target : idOf(exchange);
      return id === undefined ? [] : [{ id, tenant: sent.tenant }];
    });
    const found = await clients.fetchAll(ids);
    await cluster.stop();
    await journal.settled();

    const creates = exchanges.filter(({ sent }) => sent.create !== undefined);
    const unstored = creates.flatMap(({ sent }) => (sent.create?.store === false ? [canaryOf(sent.name)] : []));
    faults.push(...engine.damage());
    const history: History = {
      seed,
      engine: engine.name,
      nodes: [...nodes],
      schedule: schedule.slice(0, killed),
      deeds: done,
      disturbances,
      journal: journal.entries,
      ledger: upstream.ledger,
      found,
      dump: await engine.dump(),
      log: cluster.log,
      leaked: await engine.filesHold(unstored),
      faults: [...faults, ...cluster.faults],
    };
    return {
      history,
      kills: killed,
      deaths,
      requests: exchanges.length,
      acknowledged: creates.filter(
        (exchange) => !isProbe(exchange.sent) && exchange.sent.create?.store && endOf(exchange)?.status === 'completed',
      ).length,
      cut: creates.filter(({ cutBy }) => cutBy === 'lost').length,
      calls: upstream.ledger.length,
      slowestStartMs: Math.round(cluster.slowestStartMs),
    };
  };

  let watch: NodeJS.Timeout | undefined;
  const stalled = new Promise<never>((_, reject) => {
    watch = setInterval(() => {
      if (clock.idleMs() < stalledMs) return;
      const open = [...exchangesOf(journal.entries).values()].filter(isOpen).map(({ sent }) => JSON.stringify(sent));
      reject(new Error(`nothing has happened for a minute; seed ${seed}, unanswered:\n${open.join('\n')}`));
    }, 5000);
  });
  try {
    return await Promise.race([work(), stalled]);
  } finally {
    clearInterval(watch);
    process.off('exit', cluster.killAll);
    cluster.killAll();
    await cluster.gone();
    upstream.close();
    journal.close();
    deeds.close();
    await engine.close();
  }
}
