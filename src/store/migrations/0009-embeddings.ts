import { type Kysely, sql } from 'kysely';
import { spendLogsView, type ViewDialect } from '../spend-logs-view.ts';

/** The view has a word of its own for embeddings. */
export function embeddings(dialect: ViewDialect) {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      await sql.raw('DROP VIEW "LiteLLM_SpendLogs"').execute(db);
      await sql.raw(spendLogsView(dialect)).execute(db);
    },
  };
}
