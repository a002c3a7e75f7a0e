import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { engineNames } from './engine.ts';
import { lostAnswers, mutants, type Patch, patched, patchesOf } from './mutations.ts';

// A rig that has found nothing proves nothing: each mutant is the gateway with one promise taken out, and must be caught.

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '25' },
    seed: { type: 'string', default: '26167' },
    /** Only mutants whose name holds this. */
    only: { type: 'string', default: '' },
    engine: { type: 'string', default: 'sqlite' },
  },
});
const engine = engineNames.find((name) => name === values.engine);
if (engine === undefined) throw new Error(`--engine must be one of: ${engineNames.join(', ')}`);

/** The tree as it stands, without what is big: Node finds its packages by the link. */
function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'turnpike-mutant-'));
  for (const name of readdirSync(root)) {
    if (!['node_modules', '.git', 'dist'].includes(name))
      cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

const read = (file: string) => readFileSync(join(root, file), 'utf8');

interface Outcome {
  kills: number;
  acknowledged: number;
  violations: number;
  byLaw: Record<string, number>;
}

async function runIn(patches: Patch[]): Promise<Outcome> {
  const copy = copyTree();
  try {
    for (const [file, text] of patched(patches, read)) writeFileSync(join(copy, file), text);
    const script = join(copy, 'test/torture/main.ts');
    const args = [
      script,
      '--quiet',
      '--kills',
      values.kills,
      '--seed',
      values.seed,
      '--folder',
      mkdtempSync(join(copy, 'run-')),
      '--engine',
      values.engine,
      ...(engine === 'sqlite' ? [] : ['--nodes', '3']),
    ];
    const ended = await promisify(execFile)(process.execPath, args, { maxBuffer: 64 * 1024 * 1024 }).catch(
      (error: unknown) => error as { stdout: string; stderr: string },
    );
    const [line = ''] = ended.stdout.split('\n');
    if (!line.startsWith('{')) throw new Error(`the rig broke: ${ended.stdout}${ended.stderr}`);
    return JSON.parse(line) as Outcome;
  } finally {
    rmSync(copy, { recursive: true, maxRetries: 10 });
  }
}

function row(name: string, { kills, acknowledged, violations, byLaw }: Outcome, expected: boolean): void {
  const found = Object.entries(byLaw).flatMap(([law, count]) => (count > 0 ? [`${law} ${count}`] : []));
  const verdict = violations > 0 === expected ? (expected ? 'caught' : 'clean') : expected ? 'MISSED' : 'NOT CLEAN';
  process.stdout.write(`| ${name} | ${kills} | ${acknowledged} | ${found.join(', ') || '0'} | ${verdict} |\n`);
  if (violations > 0 !== expected) process.exitCode = 1;
}

const chosen = mutants.filter(({ name, on }) => name.includes(values.only) && on[engine] !== undefined);
// Sources that have changed are found out before the first run, not after an hour.
for (const mutant of chosen) patched(patchesOf(mutant, engine), read);

process.stdout.write('| mutant | kills | acknowledged | violations by law | |\n|---|---|---|---|---|\n');
if (values.only === '') row('none', await runIn([]), false);
if (chosen.some(({ fault }) => fault?.includes(lostAnswers))) {
  row('none, with lost answers', await runIn([lostAnswers]), false);
}
for (const mutant of chosen) row(mutant.name, await runIn(patchesOf(mutant, engine)), true);
