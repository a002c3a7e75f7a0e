import { type Kysely, sql } from 'kysely';
import { spendLogsView, type ViewDialect } from '../spend-logs-view.ts';

/**
 * From here on items are written without what their row says elsewhere (`stored-body.ts`, `turn/stored-origin.ts`), which code of
 * before would take for the whole. What was written before reads as it did. The view is made anew, to show whole items.
 */
export function leanItems(dialect: ViewDialect) {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const statement of ['DROP VIEW "LiteLLM_SpendLogs"', spendLogsView(dialect)])
        await sql.raw(statement).execute(db);
    },
  };
}
