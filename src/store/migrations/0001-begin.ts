import { type Kysely, sql } from 'kysely';
import { spendLogsView, type ViewDialect } from '../spend-logs-view.ts';

/** What the engines' schemas have each for itself. */
export interface SchemaDialect extends ViewDialect {
  engine: 'sqlite' | 'postgres';
  /** Statements that make the tables and indexes of this engine alone. */
  ownTables: readonly string[];
  /** What follows the columns of a table whose rows lie in buckets. */
  byBucket: string;
  /** The type of a column of bytes. */
  bytesType: string;
}

/**
 * Types that both engines read as meant: `bigint` and `integer` are whole numbers, flags are 0 or 1, JSON is text. `bucket` is
 * the week of the turn's id, or 0 where time does not drop the turn; it ends each primary key, since Postgres wants it there.
 */
const tables = ({ byBucket }: SchemaDialect) => [
  `CREATE TABLE turns (
    tenant text NOT NULL,
    id text NOT NULL,
    bucket integer NOT NULL,
    created_at_ms bigint NOT NULL,
    parent text,
    keep integer NOT NULL,
    anchor text NOT NULL,
    depth integer NOT NULL,
    session_id text NOT NULL,
    model text NOT NULL,
    protocol text NOT NULL,
    status text NOT NULL,
    stored integer NOT NULL,
    deleted_at_ms bigint,
    purged integer NOT NULL DEFAULT 0,
    key_id text NOT NULL,
    end_user text,
    owner text NOT NULL,
    epoch integer NOT NULL,
    head text NOT NULL,
    envelope_hash text,
    input_count integer NOT NULL,
    output_count integer NOT NULL DEFAULT 0,
    kept_count integer NOT NULL,
    PRIMARY KEY (tenant, id, bucket)
  ) ${byBucket}`,
  'CREATE INDEX turns_parent ON turns (tenant, parent)',
  'CREATE INDEX turns_session ON turns (tenant, session_id, created_at_ms, id, bucket)',
  `CREATE INDEX turns_in_progress ON turns (owner) WHERE status = 'in_progress'`,
  `CREATE TABLE items (
    tenant text NOT NULL,
    turn_id text NOT NULL,
    bucket integer NOT NULL,
    position integer NOT NULL,
    output integer NOT NULL,
    id text NOT NULL,
    type text NOT NULL,
    body text NOT NULL,
    origin text,
    envelope_hash text,
    PRIMARY KEY (tenant, turn_id, position, bucket)
  ) ${byBucket}`,
  'CREATE INDEX items_id ON items (tenant, id)',
  'CREATE INDEX items_envelope ON items (tenant, envelope_hash) WHERE envelope_hash IS NOT NULL',
  `CREATE TABLE envelopes (
    tenant text NOT NULL,
    hash text NOT NULL,
    bucket integer NOT NULL,
    body text NOT NULL,
    written_at_ms bigint NOT NULL,
    suspect integer NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, hash, bucket)
  ) ${byBucket}`,
  'CREATE INDEX envelopes_suspect ON envelopes (written_at_ms) WHERE suspect = 1',
  `CREATE TABLE attempts (
    tenant text NOT NULL,
    id text NOT NULL,
    turn_id text NOT NULL,
    bucket integer NOT NULL,
    number integer NOT NULL,
    status text NOT NULL,
    started_at_ms bigint NOT NULL,
    provider text NOT NULL,
    api_base text NOT NULL,
    upstream_model text NOT NULL,
    request_hash text NOT NULL,
    codec_version text NOT NULL,
    estimated_input_tokens bigint NOT NULL,
    estimated_cost_nano_usd bigint NOT NULL,
    ended_at_ms bigint,
    first_token_at_ms bigint,
    upstream_id text,
    reported_model text,
    input_tokens bigint NOT NULL DEFAULT 0,
    cached_tokens bigint NOT NULL DEFAULT 0,
    cache_write_tokens bigint NOT NULL DEFAULT 0,
    cache_write_hour_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    reasoning_tokens bigint NOT NULL DEFAULT 0,
    estimated integer NOT NULL DEFAULT 0,
    cost_nano_usd bigint,
    error_code text,
    error_message text,
    raw_reply text,
    PRIMARY KEY (tenant, turn_id, id, bucket)
  ) ${byBucket}`,
  `CREATE INDEX attempts_started ON attempts (tenant, turn_id) WHERE status = 'started'`,
];

export function begin(dialect: SchemaDialect) {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const statement of [...tables(dialect), ...dialect.ownTables, spendLogsView(dialect)])
        await sql.raw(statement).execute(db);
    },
  };
}
