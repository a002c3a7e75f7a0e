import type { Clock } from './clock.ts';
import { hop } from './clock.ts';
import type { Cluster } from './cluster.ts';
import type { Deed } from './history.ts';
import { now } from './journal.ts';
import { type Round, roundText } from './schedule.ts';

/** The round that ends the next life of a node, from round `from` on. */
export function nextRoundOf(schedule: Round[], node: string, from: number): Round | undefined {
  return schedule.slice(from).find((round) => round.node === node);
}

/**
 * Carries out one round: the node dies, and is started again for its next one.
 * @returns what it died of; a crash point that was not reached is a `signal`.
 */
export async function carryOut(
  round: Round,
  schedule: Round[],
  { cluster, clock, deed }: { cluster: Cluster; clock: Clock; deed: (deed: Deed) => void },
): Promise<string> {
  const node = cluster.node(round.node);
  const { process: child } = node.gateway;
  const say = (what: string) => deed({ at: now(), node: round.node, what });
  say(`round ${roundText(round)}`);
  for (const { afterTicks, hops } of round.pauses) {
    await clock.after(afterTicks, node.ended);
    if (!cluster.isUp(node)) break;
    say('SIGSTOP');
    child.kill('SIGSTOP');
    await hop(hops);
    say('SIGCONT');
    child.kill('SIGCONT');
  }
  // Its death is behind it: it is ended again only to be given its next one.
  await clock.after(node.diedStarting ? 1 : round.death.afterTicks, node.ended);
  let death = round.death.by === 'point' ? round.death.point : round.death.by;
  if (cluster.isUp(node)) {
    if (round.death.by === 'frozen') {
      say('SIGSTOP');
      child.kill('SIGSTOP');
    }
    if (round.death.by === 'point') death = node.diedStarting ? death : 'signal';
    else await hop(round.death.hops);
    say('SIGKILL');
    child.kill('SIGKILL');
  }
  await node.ended;
  await cluster.start(round.node, nextRoundOf(schedule, round.node, round.number));
  return death;
}
