import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createClient } from './client.ts';
import { createRounds, fakeCodingModel, type PlayedAgent, playClaudeCode, playCodex } from './coding-agent.ts';
import { queryDatabase } from './postgres.ts';
import { spawnGateway, temporaryFolder } from './spawn-gateway.ts';

export const agents = { codex: playCodex, 'claude-code': playClaudeCode } as const;

export interface AgentStorage extends PlayedAgent {
  /** Of rows and entries of indexes. Undefined: the database does not tell. */
  storedBytes: number | undefined;
  /** By how much the database has grown: pages that are not full, too. */
  grownBytes: number;
}

/**
 * Plays a coding agent's conversation over a gateway of its own, and looks at what it leaves.
 * @param postgres the URL of an empty database; undefined: SQLite.
 */
export async function measureAgent(
  agent: keyof typeof agents,
  turns: number,
  onCleanup: (cleanup: () => void) => void,
  postgres?: string,
): Promise<AgentStorage> {
  const rounds = createRounds(turns);
  const model = await fakeCodingModel(rounds, onCleanup);
  const folder = temporaryFolder();
  const store = postgres === undefined ? '' : `store: { url: "${postgres}", secret: "${'7'.repeat(64)}" }`;
  const config = `
models: [{ name: m, provider: anthropic, model: claude-haiku-4-5, base_url: "${model.url}", api_key: k }]
ledger: { content: ${agent === 'codex' ? 'always' : 'request'} }
${store}
`;
  const start = () => spawnGateway({ config, folder, onCleanup });
  const sizeNow = async () => {
    if (postgres === undefined) return sizeOf(join(folder, 'turnpike.db'));
    const [row] = await queryDatabase(postgres, 'SELECT pg_database_size(current_database()) AS size');
    return { stored: undefined, file: Number(row?.['size']) };
  };
  await (await start()).kill('SIGTERM');
  const before = await sizeNow();
  const gateway = await start();
  const played = await agents[agent](createClient(gateway.url), rounds, '01a2029c-dd47-7543-aa05-63ea2fd753f1');
  await gateway.kill('SIGTERM');
  const after = await sizeNow();
  const storedBytes = after.stored === undefined ? undefined : after.stored - (before.stored ?? 0);
  return { ...played, storedBytes, grownBytes: after.file - before.file };
}

function sizeOf(path: string): { stored: number; file: number } {
  const db = new DatabaseSync(path, { readOnly: true });
  const row = db.prepare('SELECT sum(payload) AS payload FROM dbstat').get();
  db.close();
  return { stored: Number(row?.['payload']), file: statSync(path).size };
}
