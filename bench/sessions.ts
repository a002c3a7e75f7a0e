/**
 * What a coding agent's conversation takes in the store, which sends its whole history with each request:
 * `npm run bench:sessions -- [--turns 300] [--store sqlite|postgres]`. Says by how much the database has grown, and how much of what was
 * sent and told was new.
 */
import { parseArgs } from 'node:util';
import { agents, measureAgent } from '../test/support/agent-storage.ts';
import { embeddedPostgres } from '../test/support/postgres.ts';

const { values } = parseArgs({
  options: { turns: { type: 'string', default: '300' }, store: { type: 'string', default: 'sqlite' } },
});
const cleanups: (() => void)[] = [];
const server = values.store === 'postgres' ? await embeddedPostgres() : undefined;
const kilobytes = (bytes: number) => `${(bytes / 1024).toFixed(0)} KB`.padStart(10);
try {
  for (const agent of Object.keys(agents) as (keyof typeof agents)[]) {
    const url = await server?.createDatabase();
    const { turns, sessions, newBytes, sentBytes, storedBytes, grownBytes } = await measureAgent(
      agent,
      Number(values.turns),
      (cleanup) => void cleanups.push(cleanup),
      url,
    );
    const share = (bytes: number) => `${kilobytes(bytes)} = ${(bytes / newBytes).toFixed(2)} × new`;
    const stored = storedBytes === undefined ? '' : `stored ${share(storedBytes)}, `;
    process.stdout.write(
      `${agent.padEnd(12)} ${turns} turns, ${sessions} session: sent ${kilobytes(sentBytes)}, new ${kilobytes(newBytes)}, ${stored}grown by ${share(grownBytes)}\n`,
    );
  }
} finally {
  for (const cleanup of cleanups) cleanup();
  await server?.stop();
}
