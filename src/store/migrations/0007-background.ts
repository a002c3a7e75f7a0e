import { type Kysely, sql } from 'kysely';
import { spendLogsView, type ViewDialect } from '../spend-logs-view.ts';

/**
 * `owner` and `ended_at_ms` say again what the turn's row says: whoever appends events finds both in the one row that it
 * locks. `body` is the client's request, until the run has ended. `last_sequence`: of the events that are there.
 */
const tables = [
  `CREATE TABLE background_runs (
    tenant text NOT NULL,
    turn_id text NOT NULL,
    owner text NOT NULL,
    streamed integer NOT NULL,
    body text NOT NULL,
    last_sequence integer NOT NULL,
    ended_at_ms bigint,
    expired integer NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, turn_id)
  )`,
  'CREATE INDEX background_runs_ended ON background_runs (ended_at_ms) WHERE expired = 0',
  `CREATE TABLE events (
    tenant text NOT NULL,
    turn_id text NOT NULL,
    first_sequence integer NOT NULL,
    last_sequence integer NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (tenant, turn_id, first_sequence)
  )`,
  `CREATE INDEX turns_queued ON turns (tenant, id) WHERE status = 'queued'`,
];

/** The view is made anew: to the old one a queued turn is a failure. */
export function background(dialect: ViewDialect) {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const statements = [...tables, 'DROP VIEW "LiteLLM_SpendLogs"', spendLogsView(dialect)];
      for (const statement of statements) await sql.raw(statement).execute(db);
    },
  };
}
