import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { AttemptRow, Dump, SpendLogRow, TurnRow } from './history.ts';

/** A store that nodes can share, seen from outside: never through the gateway's own code. */
export interface Engine {
  name: string;
  /** `store.url` of the configuration. */
  storeUrl: string;
  /** What the engine's own check of its files says; empty: they are whole. */
  damage(): string[];
  /** Only when no node runs. */
  dump(): Dump;
  /** Those of the texts that the store's files hold. Only when no node runs. */
  filesHold(texts: string[]): string[];
}

export const engineNames = ['sqlite'] as const;
export type EngineName = (typeof engineNames)[number];

/** @throws Error where the engine cannot be shared by so many nodes. */
export function createEngine(name: EngineName, folder: string, nodes: readonly string[]): Engine {
  if (nodes.length > 1) throw new Error(`${name} is owned by one process: it cannot serve ${nodes.length} nodes`);
  return createSqliteEngine(folder);
}

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
    damage: () =>
      all<{ integrity_check: string }>('PRAGMA integrity_check')
        .map((row) => row.integrity_check)
        .filter((text) => text !== 'ok'),
    dump: () => ({
      turns: all<TurnRow>('SELECT tenant, id, parent, session_id, status, stored, key_id, end_user FROM turns'),
      attempts: all<AttemptRow>(
        'SELECT tenant, id, turn_id, number, status, input_tokens, output_tokens, estimated, cost_nano_usd, error_code FROM attempts',
      ),
      spendLogs: all<SpendLogRow>(
        'SELECT request_id, session_id, team_id, prompt_tokens, completion_tokens FROM "LiteLLM_SpendLogs"',
      ),
    }),
    filesHold(texts) {
      const files = readdirSync(folder)
        .filter((name) => name.startsWith('turnpike.db'))
        .map((name) => readFileSync(join(folder, name)));
      return texts.filter((text) => files.some((file) => file.includes(text)));
    },
  };
}
