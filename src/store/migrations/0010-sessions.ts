import { type Kysely, sql } from 'kysely';
import { spendLogsView, type ViewDialect } from '../spend-logs-view.ts';

/**
 * `context_hash` stands for all that was said in a turn's context, output included, `settings_hash` for the settings between.
 * Code of before leaves both empty, so that its turns are not found by them. It does not know turns whose content is kept
 * though they are not stored (`stored` is 3), which none begins before `ledger.content` says so.
 */
const statements = [
  'ALTER TABLE turns ADD COLUMN context_hash text',
  'ALTER TABLE turns ADD COLUMN settings_hash text',
  'CREATE INDEX turns_context ON turns (tenant, context_hash, id) WHERE context_hash IS NOT NULL',
  'DROP VIEW "LiteLLM_SpendLogs"',
];

/** The view is made anew, to show what is kept for it alone. */
export function sessions(dialect: ViewDialect) {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const statement of [...statements, spendLogsView(dialect)]) await sql.raw(statement).execute(db);
    },
  };
}
