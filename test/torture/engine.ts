import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { startPgBouncer } from '../support/pgbouncer.ts';
import { embeddedPostgres, queryDatabase } from '../support/postgres.ts';
import {
  type AttemptRow,
  type BudgetRow,
  canaryOf,
  type Dump,
  namesIn,
  type SpendLogRow,
  type Tenant,
  type TurnRow,
} from './history.ts';

/** A store that nodes can share, seen from outside: never through the gateway's own code. */
export interface Engine {
  name: EngineName;
  /** `store.url` of the configuration. */
  storeUrl: string;
  /** Undefined: it lives and dies with its only node. */
  server: StoreServer | undefined;
  /** What the engine's own check of its files says; empty: they are whole. */
  damage(): string[];
  /** Only when no node runs. */
  dump(): Promise<Dump>;
  /** Those of the canaries that the store's files hold. Only when no node runs. */
  filesHold(canaries: string[]): Promise<string[]>;
  close(): Promise<void>;
}

export interface BegunTurn {
  id: string;
  tenant: Tenant;
}

/** What can be done to a store that is a server of its own. */
export interface StoreServer {
  /** Ends every second connection. */
  connections(): Promise<void>;
  /** SIGKILL for the pooler that stands before it, and a start. */
  pooler(): Promise<void>;
  /** SIGKILL for the process of one connection: the server ends all others and recovers. */
  backend(): Promise<void>;
  /** SIGKILL for its first process, whose children end by themselves; then a start. */
  postmaster(): Promise<void>;
  /** SIGKILL for all of its processes, then a start. */
  crash(): Promise<void>;
  /** The owner that has come since this was asked last: nodes start one at a time. */
  newOwner: () => Promise<string>;
  /** What a node leaves behind that has said goodbye: the others take over at once. */
  forget(owner: string): Promise<void>;
  /** How many turns run; of this owner, or of all. */
  running(owner?: string): Promise<number>;
  /** How many leases and reservations are others' than these owners'. */
  heldByOthers(owners: readonly string[]): Promise<number>;
  /** Those of the owner that are stored. */
  begun(owner: string): Promise<BegunTurn[]>;
}

/** `pgbouncer`: Postgres behind it, by transaction. It must be installed. */
export const engineNames = ['sqlite', 'postgres', 'pgbouncer'] as const;
export type EngineName = (typeof engineNames)[number];

/** @throws Error where the engine cannot be shared by so many nodes. */
export async function createEngine(name: EngineName, folder: string, nodes: readonly string[]): Promise<Engine> {
  if (name !== 'sqlite') return createPostgresEngine(name);
  if (nodes.length > 1) throw new Error(`${name} is owned by one process: it cannot serve ${nodes.length} nodes`);
  return createSqliteEngine(folder);
}

const dumpQueries = {
  turns: 'SELECT tenant, id, parent, session_id, status, stored, key_id, end_user FROM turns',
  attempts:
    'SELECT tenant, id, turn_id, number, status, input_tokens, output_tokens, estimated, cost_nano_usd, error_code FROM attempts',
  spendLogs: 'SELECT request_id, session_id, team_id, prompt_tokens, completion_tokens FROM "LiteLLM_SpendLogs"',
  budgets: 'SELECT id, limit_nano_usd AS "limit", spent_nano_usd AS spent FROM budgets',
  held: `SELECT 'lease' AS what, budget_id, owner FROM budget_leases
    UNION ALL SELECT 'reservation', budget_id, owner FROM reservations`,
};

function createSqliteEngine(folder: string): Engine {
  const path = join(folder, 'turnpike.db');
  const all = <Row>(sql: string): Row[] => {
    const database = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
    try {
      return database.prepare(sql).all() as unknown as Row[];
    } finally {
      database.close();
    }
  };
  return {
    name: 'sqlite',
    storeUrl: `sqlite:${path}`,
    server: undefined,
    damage: () =>
      all<{ integrity_check: string }>('PRAGMA integrity_check')
        .map((row) => row.integrity_check)
        .filter((text) => text !== 'ok'),
    dump: async () => ({
      turns: all<TurnRow>(dumpQueries.turns),
      attempts: all<AttemptRow>(dumpQueries.attempts),
      spendLogs: all<SpendLogRow>(dumpQueries.spendLogs),
      budgets: all<BudgetRow>(dumpQueries.budgets),
      held: all<Dump['held'][number]>(dumpQueries.held),
    }),
    filesHold: async (texts) =>
      textsIn(
        readdirSync(folder)
          .filter((name) => name.startsWith('turnpike.db'))
          .map((name) => join(folder, name)),
        texts,
      ),
    close: async () => {},
  };
}

/** Each file is read through once, however many texts there are. */
function textsIn(files: string[], texts: string[]): string[] {
  const wanted = new Set(texts);
  const found = new Set<string>();
  for (const file of files) {
    for (const name of namesIn(readFileSync(file, 'latin1'))) {
      if (wanted.has(canaryOf(name))) found.add(canaryOf(name));
    }
  }
  return [...found];
}

async function createPostgresEngine(name: 'postgres' | 'pgbouncer'): Promise<Engine> {
  const server = await embeddedPostgres();
  const url = await server.createDatabase();
  const pooler = name === 'pgbouncer' ? await startPgBouncer(url) : undefined;
  const all = async <Row>(sql: string) => (await queryDatabase(url, sql)) as unknown as Row[];
  const ownersSeen = new Set<string>();
  return {
    name,
    storeUrl: pooler?.url ?? url,
    server: {
      async connections() {
        await all(`SELECT pg_terminate_backend(pid) FROM (SELECT pid, row_number() OVER () AS place FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid()) AS others WHERE place % 2 = 0`);
      },
      async pooler() {
        await pooler?.restart();
      },
      async backend() {
        const [row] = await all<{ pid: number }>(`SELECT pid FROM pg_stat_activity
          WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1`);
        if (row !== undefined) await server.killBackend(row.pid);
        await pooler?.ready();
      },
      async postmaster() {
        await server.killPostmaster();
        await server.start();
        await pooler?.ready();
      },
      async crash() {
        await server.kill();
        await server.start();
        await pooler?.ready();
      },
      async newOwner() {
        const owners = await all<{ owner: string }>('SELECT owner FROM nodes ORDER BY started_at DESC');
        const row = owners.find(({ owner }) => !ownersSeen.has(owner));
        if (row === undefined) throw new Error('no node has come');
        for (const { owner } of owners) ownersSeen.add(owner);
        return row.owner;
      },
      async forget(owner) {
        await all(`DELETE FROM nodes WHERE owner = '${owner}'`);
      },
      async running(owner) {
        const whose = owner === undefined ? '' : ` AND owner = '${owner}'`;
        const [row] = await all<{ count: number }>(
          `SELECT count(*) AS count FROM turns WHERE status = 'in_progress'${whose}`,
        );
        return row?.count ?? 0;
      },
      async heldByOthers(owners) {
        const held = await all<Dump['held'][number]>(dumpQueries.held);
        return held.filter(({ owner }) => !owners.includes(owner)).length;
      },
      begun: (owner) =>
        all<BegunTurn>(
          `SELECT id, tenant FROM turns WHERE status = 'in_progress' AND stored = 1 AND owner = '${owner}'`,
        ),
    },
    // After a crash the server reads its log by itself, and would not start over what it cannot read.
    damage: () => [],
    dump: async () => ({
      turns: await all<TurnRow>(dumpQueries.turns),
      attempts: await all<AttemptRow>(dumpQueries.attempts),
      spendLogs: await all<SpendLogRow>(dumpQueries.spendLogs),
      budgets: await all<BudgetRow>(dumpQueries.budgets),
      held: await all<Dump['held'][number]>(dumpQueries.held),
    }),
    async filesHold(texts) {
      await all('CHECKPOINT');
      const [row] = await all<{ folder: string }>(`SELECT current_setting('data_directory') AS folder`);
      const folder = row?.folder ?? '';
      const files = ['base', 'pg_wal'].flatMap((name) =>
        readdirSync(join(folder, name), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name)),
      );
      return textsIn(files, texts);
    },
    async close() {
      pooler?.stop();
      await server.stop();
    },
  };
}
