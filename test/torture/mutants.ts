import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

// A rig that has found nothing proves nothing: each mutant is the gateway with one promise taken out, and must be caught.

/** The text must occur exactly once in the file. */
interface Patch {
  file: string;
  search: string;
  replace: string;
}

interface Mutant {
  name: string;
  /** What the rig does not do to the gateway by itself. With it alone nothing must be found. */
  fault?: Patch[];
  /** Undefined: SQLite, with one node. */
  engine?: 'postgres';
  patches: Patch[];
}

/** The answer of every third commit is lost, as it is where a connection to the store breaks: it is run again. */
const lostAnswers: Patch = {
  file: 'src/turn/commit-turn.ts',
  search: "if ((await store.commitTurn(commit)) === 'fenced')",
  replace: `if (Number.parseInt(turn.id.at(-1) ?? '', 16) % 3 === 0) await store.commitTurn(commit);
      if ((await store.commitTurn(commit)) === 'fenced')`,
};

const mutants: Mutant[] = [
  {
    name: 'terminal event before the commit',
    patches: [
      {
        file: 'src/turn/run-turn.ts',
        search: 'const lost = await commitTurn(dependencies, call, turn, attemptEnd);',
        replace: `const lost = undefined;
    answer.finish(outcome.error);
    await commitTurn(dependencies, call, turn, attemptEnd);`,
      },
      { file: 'src/turn/run-turn.ts', search: 'answer.finish(lost ?? outcome.error);', replace: 'void lost;' },
    ],
  },
  {
    name: 'batch writer: acknowledged at once, written each second',
    patches: [
      {
        file: 'src/store/sqlite/writer.ts',
        search: `        queue.push({ op, resolve: resolve as Pending['resolve'], reject });
        if (pumpScheduled || running.length > 0) return;`,
        replace: `        queue.push({ op, resolve: resolve as Pending['resolve'], reject });
        if (op.kind === 'commit') (resolve as Pending['resolve'])('committed');
        if (op.kind === 'commit' && !pumpScheduled && running.length === 0) {
          pumpScheduled = true;
          setTimeout(pump, 1000);
          return;
        }
        if (pumpScheduled || running.length > 0) return;`,
      },
    ],
  },
  {
    name: 'a commit that is run again is fenced',
    fault: [lostAnswers],
    patches: [
      {
        file: 'src/store/sqlite/write-group.ts',
        search:
          "return prepare(sql.selectCommitted).get(tenant, id, owner, epoch, status) === undefined ? 'fenced' : 'committed';",
        replace: "return 'fenced';",
      },
    ],
  },
  {
    name: 'a commit that is run again is billed again',
    fault: [lostAnswers],
    patches: [
      {
        file: 'src/store/sql.ts',
        search: "WHERE tenant = $1 AND turn_id = $2 AND id = $3 AND (status = 'started' OR estimated = 1)`",
        replace: 'WHERE tenant = $1 AND turn_id = $2 AND id = $3`',
      },
      {
        file: 'src/store/sql.ts',
        search: '`${column} = $${index + 4}`',
        replace: "`${column} = ${column.endsWith('_tokens') ? `${column} + ` : ''}$${index + 4}`",
      },
    ],
  },
  {
    name: 'spend after the end, in a second transaction',
    patches: [
      {
        file: 'src/store/sqlite/write-group.ts',
        search: `    const { tenant, id, owner, epoch, status, head, items } = op;
    prepare(sql.endAttempt).run(...op.attempt);`,
        replace: `    const { tenant, id, owner, epoch, status, head, items } = op;
    setTimeout(() => prepare(sql.endAttempt).run(...op.attempt), 20);`,
      },
    ],
  },
  {
    name: 'a truncated stream is completed',
    patches: [
      {
        file: 'src/turn/send-attempt.ts',
        search: 'if (end.error !== undefined) fail(end.error);',
        replace: `if (end.error?.code === 'upstream_stream_broken') finish('ended');
    else if (end.error !== undefined) fail(end.error);`,
      },
      {
        file: 'src/turn/conclude.ts',
        search: "endOf[assembler.end?.finish ?? 'paused']",
        replace: "endOf[assembler.end?.finish ?? 'completed']",
      },
    ],
  },
  {
    name: 'reads of a response ignore the tenant',
    patches: [
      {
        file: 'src/store/sql.ts',
        search: `LEFT JOIN items i ON i.tenant = t.tenant AND i.turn_id = t.id AND i.output = 1
    WHERE t.tenant = $1 AND t.id = $2`,
        replace: `LEFT JOIN items i ON i.tenant = t.tenant AND i.turn_id = t.id AND i.output = 1
    WHERE $1 <> '' AND t.id = $2`,
      },
    ],
  },
  {
    name: 'reads of a context ignore the tenant',
    patches: [
      {
        file: 'src/store/sql.ts',
        search: `      SELECT 0, t.id, t.parent, t.keep, t.status, t.session_id, t.anchor, t.depth FROM turns t
      WHERE t.tenant = $1 AND t.id = $2`,
        replace: `      SELECT 0, t.id, t.parent, t.keep, t.status, t.session_id, t.anchor, t.depth FROM turns t
      WHERE $1 <> '' AND t.id = $2`,
      },
      {
        file: 'src/store/sql.ts',
        search: 'FROM chain c JOIN turns p ON p.tenant = $1 AND p.id = c.parent WHERE c.keep > 0',
        replace: 'FROM chain c JOIN turns p ON p.id = c.parent WHERE c.keep > 0',
      },
      {
        file: 'src/store/sql.ts',
        search: 'FROM chain c LEFT JOIN items i ON i.tenant = $1 AND i.turn_id = c.id`',
        replace: 'FROM chain c LEFT JOIN items i ON i.turn_id = c.id`',
      },
      {
        file: 'src/store/sqlite/write-group.ts',
        search: 'if (parent === undefined) return',
        replace: 'if (false) return',
      },
      {
        file: 'src/store/sqlite/write-group.ts',
        search: 'if (parent.length < op',
        replace: 'if (parent && parent.length < op',
      },
    ],
  },
  {
    name: 'no sweep at the start',
    patches: [{ file: 'src/gateway.ts', search: 'await store.sweep(Date.now());', replace: '' }],
  },
  {
    name: 'the sweep writes no estimate',
    patches: [
      {
        file: 'src/store/sqlite/write-group.ts',
        search: 'prepare(sql.crashAttempts).run(tenant, id, nowMs, error.code, error.message);',
        replace: '',
      },
    ],
  },
  {
    name: 'the intent is not awaited',
    patches: [
      {
        file: 'src/turn/run-turn.ts',
        search: 'await store.beginTurn(intentOf(turn, call, owner, attempt.start));',
        replace: 'void store.beginTurn(intentOf(turn, call, owner, attempt.start)).catch(() => undefined);',
      },
    ],
  },
  {
    name: 'a delete is answered and not done',
    patches: [
      {
        file: 'src/store/sqlite/write-group.ts',
        search: 'if (prepare(sql.hideTurn).run(tenant, id, nowMs).changes === 0) return false;',
        replace: 'return id !== nowMs.toString() && tenant !== "";',
      },
    ],
  },
  {
    name: 'store: false keeps its input',
    patches: [
      {
        file: 'src/store/sqlite/tenant-store.ts',
        search: 'items: intent.store ? itemValues(intent.input) : [],',
        replace: 'items: itemValues(intent.input),',
      },
      {
        file: 'src/turn/open-turn.ts',
        search: 'input: request.store ? turn.history.input : [],',
        replace: 'input: turn.history.input,',
      },
    ],
  },
];

// A turn that was taken over is ended again by whoever lost it.
mutants.push({
  name: 'no fencing',
  engine: 'postgres',
  patches: [
    {
      file: 'src/store/postgres/statements.ts',
      search:
        "WHERE tenant = $1 AND id = $2 AND owner = $3 AND epoch = $4 AND status = 'in_progress' AND deleted_at_ms IS NULL",
      replace:
        "WHERE tenant = $1 AND id = $2 AND $3::text <> '' AND $4::integer >= 0 AND status IN ('in_progress', 'failed') AND deleted_at_ms IS NULL",
    },
  ],
});

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '25' },
    seed: { type: 'string', default: '26167' },
    /** Only mutants whose name holds this. */
    only: { type: 'string', default: '' },
  },
});

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

function apply(copy: string, patches: Patch[]): void {
  for (const { file, search, replace } of patches) {
    const path = join(copy, file);
    const text = readFileSync(path, 'utf8');
    const parts = text.split(search);
    if (parts.length !== 2) throw new Error(`${file} holds this ${parts.length - 1} times, not once: ${search}`);
    writeFileSync(path, parts.join(replace));
  }
}

interface Outcome {
  kills: number;
  acknowledged: number;
  violations: number;
  byLaw: Record<string, number>;
}

async function runIn(patches: Patch[], engine?: 'postgres'): Promise<Outcome> {
  const copy = copyTree();
  try {
    apply(copy, patches);
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
      ...(engine === undefined ? [] : ['--engine', engine, '--nodes', '3']),
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

process.stdout.write('| mutant | kills | acknowledged | violations by law | |\n|---|---|---|---|---|\n');
const chosen = mutants.filter(({ name }) => name.includes(values.only));
if (values.only === '') row('none', await runIn([]), false);
const faults = new Set(chosen.map(({ fault }) => fault).filter((fault) => fault !== undefined));
if (faults.size > 0) row('none, with lost answers', await runIn([lostAnswers]), false);
if (values.only === '') row('none, Postgres with three nodes', await runIn([], 'postgres'), false);
for (const { name, fault = [], patches, engine } of chosen) {
  row(name, await runIn([...fault, ...patches], engine), true);
}
