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
  search: "if ((await store.commitTurn(commit)) === 'fenced')",
  replace: `if (Number.parseInt(turn.id.at(-1) ?? '', 16) % 3 === 0) await store.commitTurn(commit);
      if ((await store.commitTurn(commit)) === 'fenced')`,
};

export const mutants: Mutant[] = [
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
    on: { sqlite: [], postgres: [] },
  },
  {
    name: 'batch writer: acknowledged at once, written each second',
    on: {
      sqlite: [
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
      postgres: [
        {
          file: 'src/store/postgres/tenant-store.ts',
          search: `commitTurn: (commit) => commitOrFail(unfinished, commit, commitTurn),`,
          replace: `async commitTurn(commit) {
      setTimeout(() => void commitOrFail(unfinished, commit, commitTurn).catch(() => undefined), 1000);
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
          search:
            "return prepare(sql.selectCommitted).get(tenant, id, owner, epoch, status) === undefined ? 'fenced' : 'committed';",
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
        search: "WHERE tenant = $1 AND turn_id = $2 AND id = $3 AND (status = 'started' OR estimated = 1)`",
        replace: 'WHERE tenant = $1 AND turn_id = $2 AND id = $3`',
      },
      {
        file: 'src/store/sql.ts',
        search: '`${column} = $${index + 4}`',
        replace: "`${column} = ${column.endsWith('_tokens') ? `${column} + ` : ''}$${index + 4}`",
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
          search: `    const { tenant, id, owner, epoch, status, head, items } = op;
    prepare(sql.endAttempt).run(...op.attempt);`,
          replace: `    const { tenant, id, owner, epoch, status, head, items } = op;
    setTimeout(() => prepare(sql.endAttempt).run(...op.attempt), 20);`,
        },
      ],
      postgres: [
        {
          file: 'src/store/postgres/statements.ts',
          search: `WHERE a.tenant = $1 AND a.turn_id = $2 AND a.id = $\${commitAttempt} AND (`,
          replace: `WHERE a.tenant = $1 AND a.turn_id = $2 AND a.id = $\${commitAttempt} AND false AND (`,
        },
        {
          file: 'src/store/postgres/tenant-store.ts',
          search: `return done.length > 0 ? 'committed' :`,
          replace: `setTimeout(() => void database.query(sql.endAttempt, attempt).catch(() => undefined), 20);
    return done.length > 0 ? 'committed' :`,
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
        search: "endOf[assembler.end?.finish ?? 'paused']",
        replace: "endOf[assembler.end?.finish ?? 'completed']",
      },
    ],
    on: { sqlite: [], postgres: [] },
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
    on: { sqlite: [], postgres: [] },
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
          search: 'prepare(sql.crashAttempts).run(tenant, id, nowMs, error.code, error.message);',
          replace: '',
        },
      ],
      postgres: [
        {
          file: 'src/store/postgres/sweep.ts',
          search: `await query(sql.crashAttempts, [tenant, id, nowMs, crashError.code, crashError.message]);`,
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
        search: 'await store.beginTurn(intentOf(turn, call, owner, attempt.start));',
        replace: 'void store.beginTurn(intentOf(turn, call, owner, attempt.start)).catch(() => undefined);',
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
          search: 'if (prepare(sql.hideTurn).run(tenant, id, nowMs).changes === 0) return false;',
          replace: 'return id !== nowMs.toString() && tenant !== "";',
        },
      ],
      postgres: [
        {
          file: 'src/store/postgres/tenant-store.ts',
          search: `      const id = columnText(responseId);
      return database.transaction(`,
          replace: `      const id = columnText(responseId);
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
        search: 'input: request.store ? turn.history.input : [],',
        replace: 'input: turn.history.input,',
      },
    ],
    on: {
      sqlite: [
        {
          file: 'src/store/sqlite/tenant-store.ts',
          search: 'items: intent.store ? itemValues(intent.input) : [],',
          replace: 'items: itemValues(intent.input),',
        },
      ],
      postgres: [
        {
          file: 'src/store/postgres/tenant-store.ts',
          search: `...itemArrays(intent.store ? intent.input : []),`,
          replace: `...itemArrays(intent.input),`,
        },
      ],
    },
  },
  // A turn that was taken over is ended again by whoever lost it.
  {
    name: 'no fencing',
    on: {
      postgres: [
        {
          file: 'src/store/postgres/statements.ts',
          search:
            "WHERE tenant = $1 AND id = $2 AND owner = $3 AND epoch = $4 AND status = 'in_progress' AND deleted_at_ms IS NULL",
          replace:
            "WHERE tenant = $1 AND id = $2 AND $3::text <> '' AND $4::integer >= 0 AND status IN ('in_progress', 'failed') AND deleted_at_ms IS NULL",
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
          search: `IS NOT NULL ON CONFLICT (tenant, hash) DO NOTHING`,
          replace: `IS NOT NULL`,
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
          search: `postgresFlags: ['-c', 'listen_addresses=127.0.0.1',`,
          replace: `postgresFlags: ['-c', 'synchronous_commit=off', '-c', 'listen_addresses=127.0.0.1',`,
        },
      ],
    },
  },
];
