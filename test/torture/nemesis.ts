import { setTimeout as wait } from 'node:timers/promises';
import type { Clock } from './clock.ts';
import { hop } from './clock.ts';
import type { Cluster, Node } from './cluster.ts';
import type { BegunTurn, StoreServer } from './engine.ts';
import type { Deed, Disturbance } from './history.ts';
import { now } from './journal.ts';
import { type Harm, type Round, roundText } from './schedule.ts';

export interface NemesisParts {
  cluster: Cluster;
  clock: Clock;
  server: StoreServer | undefined;
  deed: (deed: Deed) => void;
  disturbances: Disturbance[];
  /** Asks other nodes for what this one had begun: its turns have just been failed by them. */
  readBegun: (node: string, turns: BegunTurn[]) => Promise<void>;
}

/** Far more than a lease, and all that must go by until another process acts on its end. */
const takeOverMs = 90_000;

/** The round that ends the next life of a node, from round `from` on. */
export function nextRoundOf(schedule: Round[], node: string, from: number): Round | undefined {
  return schedule.slice(from).find((round) => round.node === node);
}

/**
 * Asks the store again and again until none of the turns (of this owner) runs, while nodes that have died are started again; of all
 * owners, until nothing of a budget is held either, but by those that may hold. What has not ended when every lease has long ended runs
 * for ever: the checker says so of each.
 */
export async function untilNoneRuns(
  server: StoreServer,
  { cluster, clock }: Pick<NemesisParts, 'cluster' | 'clock'>,
  owner?: string,
  mayHold = () => cluster.owners(),
): Promise<void> {
  const until = now() + takeOverMs;
  const hasEnded = async () =>
    (await server.running(owner)) === 0 && (owner !== undefined || (await server.heldByOthers(mayHold())) === 0);
  while (!(await hasEnded())) {
    if (now() > until) return;
    await cluster.revive();
    clock.tick();
    await wait(100);
  }
}

/**
 * Carries out one round: the store is harmed, then the node dies, and is started again for its next one.
 * @returns what it died of; a crash point that was not reached is a `signal`.
 */
export async function carryOut(round: Round, schedule: Round[], parts: NemesisParts): Promise<string> {
  const { cluster, clock, server, deed, disturbances } = parts;
  if (server !== undefined && round.harm !== undefined) await doHarm(round, round.harm, server, parts);
  const node = cluster.node(round.node);
  const { process: child } = node.gateway;
  const say = (what: string) => deed({ at: now(), node: round.node, what });
  say(`round ${roundText(round)}`);
  for (const { afterTicks, hops } of round.pauses) {
    await clock.after(afterTicks, node.ended);
    if (!cluster.isUp(node)) break;
    const from = now();
    say('SIGSTOP');
    child.kill('SIGSTOP');
    await hop(hops);
    say('SIGCONT');
    child.kill('SIGCONT');
    if (server !== undefined) disturbances.push({ node: node.name, from, to: now() });
  }
  // Its death is behind it: it is ended again only to be given its next one.
  await clock.after(node.hasDied ? 1 : round.death.afterTicks, node.ended);
  let death = round.death.by === 'point' ? round.death.point : round.death.by;
  if (cluster.isUp(node)) {
    if (round.death.by === 'frozen') {
      say('SIGSTOP');
      child.kill('SIGSTOP');
    }
    if (round.death.by === 'point') death = node.hasDied ? death : 'signal';
    else await hop(round.death.hops);
    say('SIGKILL');
    child.kill('SIGKILL');
  }
  await node.ended;
  await cluster.start(round.node, nextRoundOf(schedule, round.node, round.number));
  return death;
}

async function doHarm(round: Round, harm: Harm, server: StoreServer, parts: NemesisParts): Promise<void> {
  const { cluster, clock, deed, disturbances } = parts;
  const node = cluster.node(round.node);
  await clock.after(harm.afterTicks, node.ended);
  deed({ at: now(), node: 'store', what: harm.what });
  const from = now();
  if (harm.what !== 'taken-over' && harm.what !== 'lease') {
    await server[harm.what]();
    disturbances.push({ node: undefined, from, to: now() });
    deed({ at: now(), node: 'store', what: `${harm.what}, done` });
    return;
  }
  const taken = await takeOver(node, harm.what === 'lease', server, parts);
  disturbances.push({ node: node.name, from, to: now() });
  deed({ at: now(), node: node.name, what: `SIGCONT, ${taken} turns having been taken over` });
}

/** Stops a node in the middle of its turns until the others have failed them. @returns how many there were. */
async function takeOver(node: Node, byLease: boolean, server: StoreServer, parts: NemesisParts): Promise<number> {
  const { cluster, clock, readBegun } = parts;
  const { process: child } = node.gateway;
  for (let tries = 0; tries < 50 && cluster.isUp(node); tries += 1) {
    child.kill('SIGSTOP');
    // What it has sent is done by the server, or never will be.
    await wait(20);
    const taken = await server.running(node.owner);
    if (taken > 0 && node.owner !== undefined) {
      const begun = await server.begun(node.owner);
      if (!byLease) await server.forget(node.owner);
      await untilNoneRuns(server, parts, node.owner);
      await readBegun(node.name, begun);
    }
    child.kill('SIGCONT');
    if (taken > 0) return taken;
    await clock.after(3, node.ended);
  }
  return 0;
}
