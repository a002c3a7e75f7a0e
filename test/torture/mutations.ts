import type { EngineName } from './engine.ts';

// The gateway with one promise taken out each time.

/** The text must occur exactly once in the file. */
export interface Patch {
  file: string;
  search: string;
  replace: string;
}

export interface Mutant {
  name: string;
  /** What the rig does not do to the gateway by itself. With it alone nothing must be found. */
  fault?: Patch[];
  /** Whatever the engine. */
  patches?: Patch[];
  /** And on this engine. Undefined: it has no meaning there. */
  on: Partial<Record<EngineName, Patch[]>>;
}

/** The answer of every third commit is lost, as it is where a connection to the store breaks: it is run again. */
export const lostAnswers: Patch = {
  file: 'src/turn/commit-turn.ts',
  search: 'const outcome = await store.commitTurn(commit);',
  replace: `if (Number.parseInt(turn.id.at(-1) ?? '', 16) % 3 === 0) await store.commitTurn(commit);
      const outcome = await store.commitTurn(commit);`,
};

/** All that makes the mutant on this engine. */
export const patchesOf = ({ fault = [], patches = [], on }: Mutant, engine: EngineName): Patch[] => [
  ...fault,
  ...patches,
  ...(on[engine] ?? []),
];

/**
 * The files that the patches change, as they are then.
 * @param read a file of the tree.
 */
export function patched(patches: readonly Patch[], read: (file: string) => string): Map<string, string> {
  const files = new Map<string, string>();
  for (const { file, search, replace } of patches) {
    const parts = (files.get(file) ?? read(file)).split(search);
    if (parts.length !== 2) throw new Error(`${file} holds this ${parts.length - 1} times, not once: ${search}`);
    files.set(file, parts.join(replace));
  }
  return files;
}

export const mutants: Mutant[] = [
  {
    name: 'terminal event before the commit',
    patches: [
      {
        file: 'src/turn/run-turn.ts',
        search:
          'const lost = await commitTurn(dependencies, call, turn, attemptEnd, await answer.seal(), attempt.hold);',
        replace: `const lost = undefined;
    const sealed = await answer.seal();
    answer.finish(outcome.error);
    await commitTurn(dependencies, call, turn, attemptEnd, sealed, attempt.hold);`,
      },
      { file: 'src/turn/run-turn.ts', search: 'answer.finish(lost ?? outcome.error);', replace: 'void lost;' },
    ],
    on: { sqlite: [], postgres: [] },
  },
  {
    name: 'batch writer: acknowledged at once, written each second',
    on: {
      sqlite: [
        {
          file: 'src/store/sqlite/writer.ts',
          search: `        queue.push({ op, isLong: isLong(op), resolve: resolve as Pending['resolve'], reject });
        if (pumpScheduled || running.length > 0) return;`,
          replace: `        queue.push({ op, isLong: isLong(op), resolve: resolve as Pending['resolve'], reject });
        if (op.kind === 'commit') (resolve as Pending['resolve'])('committed');
        if (op.kind === 'commit' && !pumpScheduled && running.length === 0) {
          pumpScheduled = true;
          setTimeout(pump, 1000);
          return;
        }
        if (pumpScheduled || running.length > 0) return;`,
        },
      ],
      postgres: [
        {
          file: 'src/store/postgres/tenant-store.ts',
          search: `commitTurn: (commit) => commitOrFail(unfinished, commit, commitInBucket),`,
          replace: `async commitTurn(commit) {
      setTimeout(() => void commitOrFail(unfinished, commit, commitInBucket).catch(() => undefined), 1000);
      return 'committed';
    },`,
        },
      ],
    },
  },
  {
    name: 'a commit that is run again is fenced',
    fault: [lostAnswers],
    on: {
      sqlite: [
        {
          file: 'src/store/sqlite/write-group.ts',
          search: "return committed === undefined ? 'fenced' : 'committed';",
          replace: "return 'fenced';",
        },
      ],
      postgres: [
        {
          file: 'src/store/postgres/tenant-store.ts',
          search: `return committed.length > 0 ? 'committed' : 'fenced';`,
          replace: `return committed.length < 0 ? 'committed' : 'fenced';`,
        },
      ],
    },
  },
  {
    name: 'a commit that is run again is billed again',
    fault: [lostAnswers],
    patches: [
      {
        file: 'src/store/sql.ts',
        search:
          "WHERE tenant = $1 AND turn_id = $2 AND bucket IN (0, $3) AND id = $4 AND (status = 'started' OR estimated = 1)`",
        replace: 'WHERE tenant = $1 AND turn_id = $2 AND bucket IN (0, $3) AND id = $4`',
      },
      {
        file: 'src/store/sql.ts',
        search: '`${column} = $${index + 5}`',
        replace: "`${column} = ${column.endsWith('_tokens') ? `${column} + ` : ''}$${index + 5}`",
      },
    ],
    on: { sqlite: [], postgres: [] },
  },
  {
    name: 'spend after the end, in a second transaction',
    on: {
      sqlite: [
        {
          file: 'src/store/sqlite/write-group.ts',
          search: `    const week = weekOfId(id);
    prepare(sql.endAttempt).run(...op.attempt);`,
          replace: `    const week = weekOfId(id);
    setTimeout(() => prepare(sql.endAttempt).run(...op.attempt), 20);`,
        },
      ],
      postgres: [
        {
          file: 'src/store/postgres/statements.ts',
          search: `AND a.id = $\${commitAttempt} AND (`,
          replace: `AND a.id = $\${commitAttempt} AND false AND (`,
        },
        {
          file: 'src/store/postgres/tenant-store.ts',
          search: `if (done.length > 0) return 'committed';`,
          replace: `setTimeout(() => void database.query(sql.endAttempt, attempt).catch(() => undefined), 20);
      if (done.length > 0) return 'committed';`,
        },
      ],
    },
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
        search: "const finish = assembler.end?.finish ?? 'paused';",
        replace: "const finish = assembler.end?.finish ?? 'completed';",
      },
    ],
    on: { sqlite: [], postgres: [] },
  },
  {
    name: 'reads of a response ignore the tenant',
    patches: [
      {
        file: 'src/store/sql.ts',
        search: `LEFT JOIN items i ON i.tenant = $1 AND i.turn_id = $2 AND i.bucket IN (0, $3) AND i.output = \${itemMarks.output}
    WHERE t.tenant = $1 AND t.id = $2`,
        replace: `LEFT JOIN items i ON i.tenant = t.tenant AND i.turn_id = $2 AND i.bucket IN (0, $3) AND i.output = \${itemMarks.output}
    WHERE $1 <> '' AND t.id = $2`,
      },
    ],
    on: { sqlite: [], postgres: [] },
  },
  {
    name: 'reads of a context ignore the tenant',
    patches: [
      {
        file: 'src/store/sql.ts',
        search: `          ORDER BY a.number DESC LIMIT 1)
      FROM turns t WHERE t.tenant = $1 AND t.id = $2`,
        replace: `          ORDER BY a.number DESC LIMIT 1)
      FROM turns t WHERE $1 <> '' AND t.id = $2`,
      },
      {
        file: 'src/store/sql.ts',
        search: `'p.tenant = $1 AND p.id = c.parent AND`,
        replace: `'p.id = c.parent AND`,
      },
      {
        file: 'src/store/sql.ts',
        search: `'i.tenant = $1 AND i.turn_id = c.id AND`,
        replace: `'i.turn_id = c.id AND`,
      },
    ],
    on: {
      sqlite: [
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
      postgres: [
        {
          file: 'src/store/postgres/statements.ts',
          search: `WHERE t.tenant = $1 AND t.id = $\${beginParent}::text AND`,
          replace: `WHERE t.id = $\${beginParent}::text AND`,
        },
      ],
    },
  },
  {
    name: 'no sweep at the start',
    patches: [{ file: 'src/gateway.ts', search: 'await store.sweep(Date.now());', replace: '' }],
    on: { sqlite: [] },
  },
  {
    name: 'the sweep writes no estimate',
    on: {
      sqlite: [
        {
          file: 'src/store/sqlite/write-group.ts',
          search: 'prepare(sql.crashAttempts).run(tenant, id, week, nowMs, error.code, error.message);',
          replace: '',
        },
      ],
      postgres: [
        {
          file: 'src/store/postgres/sweep.ts',
          search: `await query(sql.crashAttempts, [tenant, id, week, nowMs, crashError.code, crashError.message]);`,
          replace: `void [nowMs, crashError];`,
        },
      ],
    },
  },
  {
    name: 'the intent is not awaited',
    patches: [
      {
        file: 'src/turn/run-turn.ts',
        search: 'const holder = await beginTurn(dependencies, call, turn, attempt).catch(held);',
        replace: `const holder = undefined;
  void beginTurn(dependencies, call, turn, attempt).catch(() => undefined);`,
      },
    ],
    on: { sqlite: [], postgres: [] },
  },
  {
    name: 'a delete is answered and not done',
    on: {
      sqlite: [
        {
          file: 'src/store/sqlite/write-group.ts',
          search: 'if (prepare(sql.hideTurn).run(tenant, id, week, expiryMs, nowMs).changes === 0) return false;',
          replace: 'return id !== nowMs.toString() && tenant !== "";',
        },
      ],
      postgres: [
        {
          file: 'src/store/postgres/tenant-store.ts',
          search: `    const expiryMs = retention.expiresBeforeMs();
    return database.transaction(`,
          replace: `    const expiryMs = retention.expiresBeforeMs();
    return database.query('SELECT 1').then(() => true);
    return database.transaction(`,
        },
      ],
    },
  },
  {
    name: 'store: false keeps its input',
    patches: [
      {
        file: 'src/turn/open-turn.ts',
        search: 'input: keptItems(dependencies, request, input),',
        replace: 'input,',
      },
    ],
    on: {
      sqlite: [
        {
          file: 'src/store/sqlite/tenant-store.ts',
          search: 'items: itemValues(keptInput(intent)),',
          replace: 'items: itemValues(intent.input),',
        },
      ],
      postgres: [
        {
          file: 'src/store/postgres/tenant-store.ts',
          search: `...itemValues(keptInput(intent))`,
          replace: `...itemValues(intent.input)`,
        },
      ],
    },
  },
  {
    name: 'a budget is looked at and then added to: what runs holds nothing',
    patches: [
      {
        file: 'src/spend/budget-account.ts',
        search: 'const free = () => granted - held - ended;',
        replace: 'const free = () => granted - ended;',
      },
    ],
    on: { sqlite: [], postgres: [] },
  },
  // A turn that was taken over is ended again by whoever lost it.
  {
    name: 'no fencing',
    on: {
      postgres: [
        {
          file: 'src/store/postgres/statements.ts',
          search: `AND owner = $4 AND epoch = $5
        AND status || '' = 'in_progress' AND deleted_at_ms IS NULL`,
          replace: `AND $4::text <> '' AND $5::integer >= 0
        AND status IN ('in_progress', 'failed') AND deleted_at_ms IS NULL`,
        },
      ],
    },
  },
  {
    name: 'no ON CONFLICT',
    on: {
      postgres: [
        {
          file: 'src/store/postgres/statements.ts',
          search: `ON CONFLICT (tenant, hash, bucket) DO UPDATE SET written_at_ms = excluded.written_at_ms`,
          replace: ``,
        },
      ],
    },
  },
  {
    name: 'synchronous_commit=off, and the check of it left out',
    on: {
      postgres: [
        {
          file: 'src/store/postgres/prepare-database.ts',
          search: `if (settings[name] === 'off')`,
          replace: `if (name !== 'synchronous_commit' && settings[name] === 'off')`,
        },
        {
          file: 'test/support/postgres.ts',
          search: `postgresFlags: ['listen_addresses=127.0.0.1',`,
          replace: `postgresFlags: ['synchronous_commit=off', 'listen_addresses=127.0.0.1',`,
        },
      ],
    },
  },
];
