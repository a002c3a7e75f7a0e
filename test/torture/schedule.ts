import type { CrashPoint } from '../../src/crash-point.ts';
import type { EngineName } from './engine.ts';
import { seeded } from './random.ts';

/** How often a point is passed for one turn, about: the pass to die at is drawn so that every point is reached. */
const passesFor: Record<CrashPoint, number> = {
  admitted: 25,
  'intent-written': 25,
  'upstream-sent': 25,
  'first-byte': 25,
  'mid-tool-arguments': 30,
  'terminal-seen': 25,
  'transaction-begun': 40,
  'transaction-committed': 40,
  'terminal-written': 25,
  'stream-ended': 25,
};
export const crashPoints = Object.keys(passesFor) as CrashPoint[];

/** A tick is anything that a client or the upstream sees; a hop is one turn of the rig's event loop. */
export interface Pause {
  afterTicks: number;
  hops: number;
}

/**
 * What is done to a store that nodes share before the round's node dies. `connections`: every second one is ended.
 * `pooler`: the PgBouncer before it is killed and started.
 * `backend`: one of the server's processes is killed, so that it throws out all and recovers by itself. `postmaster`: its
 * first process is killed, `crash`: all of them, and it is started. `taken-over`: the node is stopped, the others are told
 * that it has gone, and it goes on when its turns have been failed. `lease`: the same, but the others find out by themselves.
 */
export interface Harm {
  what: 'connections' | 'pooler' | 'backend' | 'postmaster' | 'crash' | 'taken-over' | 'lease';
  afterTicks: number;
}

/** The end of one life of one node. */
export interface Round {
  number: number;
  node: string;
  /** SIGSTOP and SIGCONT on the way there. */
  pauses: Pause[];
  harm?: Harm;
  /**
   * `signal`: SIGKILL after so many ticks and hops. `frozen`: the same, but stopped first. `point`: at the n-th pass of a
   * crash point, or by SIGKILL where it is not reached in `afterTicks`.
   */
  death:
    | { by: 'signal' | 'frozen'; afterTicks: number; hops: number }
    | { by: 'point'; point: CrashPoint; pass: number; afterTicks: number };
}

/** Everything that will be done to the nodes, before the first is started: the seed is enough to do it again. */
export function createSchedule(seed: string, kills: number, nodes: readonly string[], engine: EngineName): Round[] {
  const random = seeded(`${seed} schedule`);
  const harms = seeded(`${seed} harm`);
  const harmOf = (index: number): { harm?: Harm } => {
    const what = engine === 'sqlite' ? undefined : harmAt(index, nodes.length, engine);
    return what === undefined ? {} : { harm: { what, afterTicks: 1 + harms.below(200) } };
  };
  // Every second round aims at a point, and at each once before it aims at any again.
  let aims: CrashPoint[] = [];
  return Array.from({ length: kills }, (_, index) => {
    const pauses = Array.from({ length: random.below(4) === 0 ? 1 + random.below(2) : 0 }, () => ({
      afterTicks: 1 + random.below(150),
      hops: 20 + random.below(2000),
    }));
    const round = { number: index + 1, node: random.pick(nodes), pauses, ...harmOf(index) };
    if (index % 2 === 0) {
      if (aims.length === 0) aims = [...crashPoints];
      const [point] = aims.splice(random.below(aims.length), 1);
      if (point === undefined) throw new Error('no point to aim at');
      return { ...round, death: { by: 'point', point, pass: 1 + random.below(passesFor[point]), afterTicks: 10_000 } };
    }
    const by = random.below(5) === 0 ? 'frozen' : 'signal';
    return { ...round, death: { by, afterTicks: 30 + random.below(1200), hops: random.below(12) } };
  });
}

function harmAt(index: number, nodes: number, engine: EngineName): Harm['what'] | undefined {
  if (index % 25 === 24) return nodes > 1 ? 'lease' : undefined;
  if (index % 6 === 5) return nodes > 1 ? 'taken-over' : undefined;
  if (index % 10 === 3) return index % 20 === 3 ? 'crash' : 'postmaster';
  if (index % 10 === 8) return 'backend';
  if (engine === 'pgbouncer' && index % 3 === 0) return 'pooler';
  return index % 3 === 1 ? 'connections' : undefined;
}

export function roundText({ number, node, pauses, harm, death }: Round): string {
  const first = harm === undefined ? '' : `${harm.what} after ${harm.afterTicks} ticks, `;
  const stops = pauses.map(({ afterTicks, hops }) => `pause after ${afterTicks} ticks for ${hops} hops, `).join('');
  const end =
    death.by === 'point'
      ? `die at ${death.point}:${death.pass}, or after ${death.afterTicks} ticks`
      : `SIGKILL${death.by === 'frozen' ? ' while stopped' : ''} after ${death.afterTicks} ticks and ${death.hops} hops`;
  return `${number} ${node}: ${first}${stops}${end}`;
}
