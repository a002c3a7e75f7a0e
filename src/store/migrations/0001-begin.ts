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
  /** The type of a column of text, which is compared byte by byte. */
  textType: string;
}

/**
 * Types that both engines read as meant: `bigint` and `integer` are whole numbers, flags are 0 or 1, JSON is text. `bucket` is
 * the week of the turn's id, or 0 where time does not drop the turn; it ends each primary key, since Postgres wants it there.
 *
 * Of its indexes over all rows only the key begins with the tenant: where Postgres knows nothing of a tenant yet, it takes any that
 * does for as good as the key, and would read all that the tenant has.
 *
 * `blanked`: 1 where `head` is empty for good. It says so where an index asks: a commit writes `head`, and would move the entry.
 *
 * `drops_reasoning`: 1 where the turn keeps what its parent put out without the reasoning in it.
 *
 * `context_hash` stands for all that was said in a turn's context, output included, `details_hashes` for the settings, ids and
 * reasoning in it: one for each way in which clients give them back, with spaces between.
 */
const turns = ({ byBucket }: SchemaDialect) => [
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
    blanked integer NOT NULL DEFAULT 0,
    key_id text NOT NULL,
    end_user text,
    owner text NOT NULL,
    epoch integer NOT NULL,
    head text NOT NULL,
    envelope_hash text,
    input_count integer NOT NULL,
    output_count integer NOT NULL DEFAULT 0,
    kept_count integer NOT NULL,
    drops_reasoning integer NOT NULL DEFAULT 0,
    conversation text,
    context_hash text,
    details_hashes text,
    PRIMARY KEY (tenant, id, bucket)
  ) ${byBucket}`,
  'CREATE INDEX turns_parent ON turns (tenant, parent) WHERE parent IS NOT NULL',
  'CREATE INDEX turns_session ON turns (session_id, tenant, created_at_ms, id, bucket)',
  `CREATE INDEX turns_in_progress ON turns (owner) WHERE status = 'in_progress'`,
  'CREATE INDEX turns_conversation ON turns (conversation, tenant, depth) WHERE conversation IS NOT NULL',
  'CREATE INDEX turns_context ON turns (tenant, context_hash, id) WHERE context_hash IS NOT NULL',
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
  'CREATE INDEX items_id ON items (id, tenant)',
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
    estimated_cost_nano_usd bigint,
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
    open_calls text,
    raw_reply text,
    PRIMARY KEY (tenant, turn_id, id, bucket)
  ) ${byBucket}`,
  `CREATE INDEX attempts_started ON attempts (tenant, turn_id) WHERE status = 'started'`,
  'CREATE INDEX attempts_open_calls ON attempts (tenant, open_calls) WHERE open_calls IS NOT NULL',
];

/** `writer` is the turn that wrote last, or writes now: as long as it runs, nobody else may. */
const conversations = [
  `CREATE TABLE conversations (
    tenant text NOT NULL,
    id text NOT NULL,
    created_at_ms bigint NOT NULL,
    session_id text NOT NULL,
    metadata text NOT NULL,
    head text,
    writer text,
    deleted_at_ms bigint,
    PRIMARY KEY (tenant, id)
  )`,
  'CREATE INDEX conversations_head ON conversations (tenant, head)',
];

/** `keys` belongs to no tenant: it says who the tenants are. A deleted key's row stays, for the spend that names it. */
const keys = [
  `CREATE TABLE teams (
    id text NOT NULL PRIMARY KEY,
    name text NOT NULL UNIQUE,
    created_at_ms bigint NOT NULL
  )`,
  `CREATE TABLE keys (
    id text NOT NULL PRIMARY KEY,
    name text NOT NULL,
    team_id text,
    tenant text NOT NULL,
    hash text NOT NULL UNIQUE,
    last4 text NOT NULL,
    created_at_ms bigint NOT NULL,
    blocked_at_ms bigint,
    deleted_at_ms bigint,
    previous_hash text,
    previous_until_ms bigint,
    expires_at_ms bigint
  )`,
  'CREATE INDEX keys_team ON keys (team_id)',
  'CREATE INDEX keys_previous_hash ON keys (previous_hash)',
];

const idempotency = [
  `CREATE TABLE idempotency (
    tenant text NOT NULL,
    key_hash text NOT NULL,
    body_hash text NOT NULL,
    turn_id text NOT NULL,
    created_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, key_hash)
  )`,
  'CREATE INDEX idempotency_created ON idempotency (created_at_ms)',
];

/**
 * Money is in nano-USD. What is leased of a budget is the sum of its leases, so that it cannot drift from them. A budget lies in
 * the tenant of the calls that are under it; where it was before its key came to another is looked for in all.
 */
const budgets = [
  `CREATE TABLE budgets (
    tenant text NOT NULL,
    id text NOT NULL,
    limit_nano_usd bigint,
    spent_nano_usd bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, id)
  )`,
  'CREATE INDEX budgets_id ON budgets (id)',
  `CREATE TABLE budget_leases (
    tenant text NOT NULL,
    budget_id text NOT NULL,
    owner text NOT NULL,
    granted_nano_usd bigint NOT NULL,
    PRIMARY KEY (tenant, budget_id, owner)
  )`,
  `CREATE TABLE reservations (
    tenant text NOT NULL,
    attempt_id text NOT NULL,
    budget_id text NOT NULL,
    owner text NOT NULL,
    amount_nano_usd bigint NOT NULL,
    settled_nano_usd bigint,
    PRIMARY KEY (tenant, attempt_id, budget_id)
  )`,
  'CREATE INDEX reservations_budget ON reservations (tenant, budget_id, owner)',
  `CREATE TABLE budget_charges (
    tenant text NOT NULL,
    attempt_id text NOT NULL,
    budget_id text NOT NULL,
    amount_nano_usd bigint NOT NULL,
    created_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, attempt_id, budget_id)
  )`,
];

/** One row, that of the secret with which keys and envelopes are hashed: a value derived from it, which tells nothing of it. */
const secret = ['CREATE TABLE secret (name text NOT NULL PRIMARY KEY, fingerprint text NOT NULL)'];

/**
 * `owner` and `ended_at_ms` say again what the turn's row says: whoever appends events finds both in the one row that it
 * locks. What waits has no owner, and is listed from here, where it is not parted by week.
 * `body` is the client's request, until the run has ended. `last_sequence`: of the events that are there. `error_code`: why it
 * failed without an attempt.
 */
const background = [
  `CREATE TABLE background_runs (
    tenant text NOT NULL,
    turn_id text NOT NULL,
    owner text NOT NULL,
    streamed integer NOT NULL,
    body text NOT NULL,
    last_sequence integer NOT NULL,
    ended_at_ms bigint,
    expired integer NOT NULL DEFAULT 0,
    error_code text,
    PRIMARY KEY (tenant, turn_id)
  )`,
  `CREATE INDEX background_runs_waiting ON background_runs (tenant, turn_id) WHERE owner = '' AND ended_at_ms IS NULL`,
  'CREATE INDEX background_runs_ended ON background_runs (ended_at_ms) WHERE expired = 0',
  `CREATE TABLE events (
    tenant text NOT NULL,
    turn_id text NOT NULL,
    first_sequence integer NOT NULL,
    last_sequence integer NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (tenant, turn_id, first_sequence)
  )`,
];

/**
 * `state`: `uploading`, which nobody sees; `ready`; `deleted`, whose bytes are being removed. `file_usage` is what a tenant's
 * chunks have together, in one row, so that uploads at once cannot pass a limit that each of them keeps.
 */
const files = ({ bytesType }: SchemaDialect) => [
  `CREATE TABLE files (
    tenant text NOT NULL,
    id text NOT NULL,
    created_at_ms bigint NOT NULL,
    state text NOT NULL,
    filename text NOT NULL,
    purpose text NOT NULL,
    media_type text NOT NULL,
    size bigint NOT NULL,
    expires_at_ms bigint,
    PRIMARY KEY (tenant, id)
  )`,
  `CREATE INDEX files_unready ON files (state, created_at_ms) WHERE state <> 'ready'`,
  'CREATE INDEX files_expiry ON files (expires_at_ms) WHERE expires_at_ms IS NOT NULL',
  `CREATE TABLE file_chunks (
    tenant text NOT NULL,
    file_id text NOT NULL,
    position integer NOT NULL,
    size integer NOT NULL,
    data ${bytesType} NOT NULL,
    PRIMARY KEY (tenant, file_id, position)
  )`,
  'CREATE TABLE file_usage (tenant text NOT NULL PRIMARY KEY, size bigint NOT NULL)',
];

/** The schema of the first release. */
export function begin(dialect: SchemaDialect) {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const tables = [
        ...turns(dialect),
        ...conversations,
        ...keys,
        ...idempotency,
        ...budgets,
        ...secret,
        ...background,
        ...files(dialect),
        ...dialect.ownTables,
      ].map((statement) => statement.replaceAll(/ text\b/g, ` ${dialect.textType}`));
      for (const statement of [...tables, spendLogsView(dialect)]) await sql.raw(statement).execute(db);
    },
  };
}
