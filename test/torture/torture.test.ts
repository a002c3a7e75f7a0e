import { rmSync } from 'node:fs';
import { expect, onTestFailed, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../support/spawn-gateway.ts';
import { check } from './check.ts';
import { reportText } from './report.ts';
import { torture } from './run.ts';
import { crashPoints } from './schedule.ts';

const setups = [
  { engine: 'sqlite', nodes: ['a'] },
  { engine: 'postgres', nodes: ['a', 'b', 'c'] },
] as const;

const seed = process.env['TURNPIKE_TORTURE_SEED'] ?? '26167';
const kills = 25;

test.each(setups)(
  `what a client was told survives ${kills} kills on $engine (TURNPIKE_TORTURE_SEED=${seed})`,
  { timeout: 600_000 },
  async ({ engine, nodes }) => {
    const folder = temporaryFolder();
    let failed = false;
    onTestFailed(() => {
      failed = true;
    });
    // What a failed run wrote down stays, to be read.
    onTestFinished(() => (failed ? undefined : rmSync(folder, { recursive: true, maxRetries: 10 })));
    const { history, deaths, acknowledged, cut } = await torture({
      seed,
      kills,
      maxMs: Infinity,
      loops: 8,
      engine,
      nodes,
      folder,
    });

    const violations = check(history);
    expect(violations, `${reportText(history, violations)}\n\nall of it is in ${folder}`).toEqual([]);
    // It was a test at all: turns ended, turns were cut, and the process died everywhere on their path.
    expect(acknowledged).toBeGreaterThan(kills);
    expect(cut).toBeGreaterThan(kills);
    expect(Object.keys(deaths)).toEqual(expect.arrayContaining(crashPoints));
  },
);
