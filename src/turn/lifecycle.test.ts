import { describe, expect, test } from 'vitest';
import {
  type Lifecycle,
  move,
  partedItemLifecycle,
  plainItemLifecycle,
  responseLifecycle,
  turnLifecycle,
} from './lifecycle.ts';

interface Machine {
  name: string;
  table: Lifecycle<string, string>;
  start: string;
  /** Every legal path through the machine, frozen here: `state event → state`. */
  legal: string[];
  ends: string[];
}

const machines: Machine[] = [
  {
    name: 'response',
    table: responseLifecycle,
    start: 'queued',
    legal: [
      'queued start → in_progress',
      'queued fail → failed',
      'queued cancel → cancelled',
      'in_progress complete → completed',
      'in_progress cut → incomplete',
      'in_progress fail → failed',
      'in_progress cancel → cancelled',
    ],
    ends: ['completed', 'incomplete', 'failed', 'cancelled'],
  },
  {
    name: 'item with parts',
    table: partedItemLifecycle,
    start: 'open',
    legal: [
      'open part-start → writing',
      'open event → open',
      'open end → done',
      'writing delta → writing',
      'writing annotation → writing',
      'writing part-end → open',
      'writing event → writing',
    ],
    ends: ['done'],
  },
  {
    name: 'item without parts',
    table: plainItemLifecycle,
    start: 'open',
    legal: [
      'open delta → writing',
      'open end → done',
      'open event → writing',
      'writing event → writing',
      'writing delta → writing',
      'writing end → done',
    ],
    ends: ['done'],
  },
  {
    name: 'turn',
    table: turnLifecycle,
    start: 'begun',
    legal: [
      'begun announce → announced',
      'begun retry → begun',
      'begun end → ended',
      'announced show → shown',
      'announced retry → announced',
      'announced end → ended',
      'shown show → shown',
      'shown end → ended',
      'ended commit → committed',
      'ended lose → lost',
    ],
    ends: ['committed', 'lost'],
  },
];

describe.each(machines)('the lifecycle of a $name', ({ table, start, legal, ends }) => {
  const cells = Object.entries(table).flatMap(([state, events]) =>
    Object.keys(events).map((event) => ({ state, event, next: events[event] })),
  );

  test('allows exactly the moves that are written down', () => {
    const allowed = cells.filter(({ next }) => next !== null);
    expect(allowed.map(({ state, event, next }) => `${state} ${event} → ${next}`).toSorted()).toEqual(legal.toSorted());
  });

  test('throws on every other cell, and no cell is missing', () => {
    const events = new Set(cells.map(({ event }) => event));
    expect(cells).toHaveLength(Object.keys(table).length * events.size);
    for (const { state, event, next } of cells) {
      if (next === null) expect(() => move(table, state, event)).toThrow(`illegal move: ${event} while ${state}`);
      else expect(move(table, state, event)).toBe(next);
    }
  });

  test('reaches every state from its start, and ends only where it says', () => {
    const reached = new Set([start]);
    for (let grown = -1; grown !== reached.size;) {
      grown = reached.size;
      for (const { state, next } of cells)
        if (next !== null && next !== undefined && reached.has(state)) reached.add(next);
    }
    expect([...reached].toSorted()).toEqual(Object.keys(table).toSorted());
    const final = Object.keys(table).filter((state) =>
      Object.values(table[state] ?? {}).every((next) => next === null),
    );
    expect(final.toSorted()).toEqual(ends.toSorted());
  });
});
