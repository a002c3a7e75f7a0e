/** What a coding agent leaves in the store, which sends its whole history with each request. `npm run bench:sessions` plays 300 turns. */
import { expect, onTestFinished, test } from 'vitest';
import { agents, measureAgent } from './support/agent-storage.ts';

const turns = 30;

test.each(Object.keys(agents) as (keyof typeof agents)[])(
  '%s: half as much again as what is new, at most',
  async (agent) => {
    const played = await measureAgent(agent, turns, onTestFinished);
    expect(played).toMatchObject({ turns, sessions: 1 });
    // Far less than was sent: else the figure says nothing.
    expect(played.newBytes).toBeLessThan(played.sentBytes / 10);
    expect(played.storedBytes ?? Infinity).toBeLessThan(1.4 * played.newBytes);
    expect(played.grownBytes).toBeLessThan(1.6 * played.newBytes);
  },
  300_000,
);
