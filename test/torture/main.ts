import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { check, type Law, laws } from './check.ts';
import { type EngineName, engineNames } from './engine.ts';
import { reportText } from './report.ts';
import { torture } from './run.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '26167' },
    minutes: { type: 'string', default: '10' },
    kills: { type: 'string', default: '100000' },
    loops: { type: 'string', default: '8' },
    engine: { type: 'string', default: 'sqlite' },
    /** How many, or their names. */
    nodes: { type: 'string', default: 'a' },
    /** Where journals, ledger and store are written, and stay; without it they stay only where something is wrong. */
    folder: { type: 'string' },
    quiet: { type: 'boolean', default: false },
  },
});

const engine = engineNames.find((name) => name === values.engine);
if (engine === undefined) throw new Error(`--engine must be one of: ${engineNames.join(', ')}`);
// An interrupted run ends its gateways too.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

function nodesOf(text: string): string[] {
  const count = Number(text);
  return Number.isInteger(count)
    ? Array.from({ length: count }, (_, index) => 'abcdefgh'.charAt(index))
    : text.split(',');
}

const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'turnpike-torture-'));
mkdirSync(folder, { recursive: true });
const result = await torture({
  seed: values.seed,
  kills: Number(values.kills),
  maxMs: Number(values.minutes) * 60_000,
  loops: Number(values.loops),
  engine: engine satisfies EngineName,
  nodes: nodesOf(values.nodes),
  folder,
  onRound: (done) => {
    if (!values.quiet && done % 10 === 0) process.stderr.write(`${done} kills\n`);
  },
});
const violations = check(result.history);
const byLaw = Object.fromEntries(
  (Object.keys(laws) as Law[]).map((law) => [law, violations.filter((violation) => violation.law === law).length]),
);
const { history, ...counts } = result;
process.stdout.write(`${JSON.stringify({ seed: values.seed, ...counts, violations: violations.length, byLaw })}\n`);
if (violations.length > 0) {
  const text = reportText(history, violations);
  writeFileSync(join(folder, 'violations.txt'), text);
  process.stderr.write(`${text}\n\nall of it is in ${folder}\n`);
} else if (values.folder === undefined) {
  rmSync(folder, { recursive: true, maxRetries: 10 });
}
// Said aloud: the embedded Postgres ends the process with a 0 of its own.
process.exit(violations.length > 0 ? 1 : 0);
