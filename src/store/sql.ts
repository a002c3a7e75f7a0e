import { unknownCosts } from './unknown-costs.ts';

/**
 * The statements that every engine runs as they stand. Parameters are `$1`, `$2` …, in the order of the row functions in
 * rows.ts. No JSON functions (they damage `\u0000` and lone surrogates), no boolean columns (SQLite has none), times in
 * milliseconds, costs in nano-USD.
 *
 * A turn, its items, its attempts and its envelope lie in one bucket: the week of its id, or 0 where it is kept. So does every
 * turn of which it keeps something. Each statement names the bucket, or the two that it can be, as a parameter: Postgres then
 * looks at no other partition, neither when it plans nor when it runs. "Week" is that of the turn's id.
 */

export const turnColumns = [
  'tenant',
  'id',
  'bucket',
  'created_at_ms',
  'parent',
  'keep',
  'anchor',
  'depth',
  'session_id',
  'model',
  'protocol',
  'status',
  'stored',
  'key_id',
  'end_user',
  'owner',
  'epoch',
  'head',
  'blanked',
  'envelope_hash',
  'input_count',
  'kept_count',
  'drops_reasoning',
  'conversation',
];

export const itemColumns = [
  'tenant',
  'turn_id',
  'bucket',
  'position',
  'output',
  'id',
  'type',
  'body',
  'origin',
  'envelope_hash',
];

/** What the column `output` says of an item. A kept one is an anchor's own copy of what it keeps of its parent. */
export const itemMarks = { input: 0, output: 1, kept: 2 } as const;

export const attemptStartColumns = [
  'tenant',
  'turn_id',
  'bucket',
  'id',
  'number',
  'status',
  'started_at_ms',
  'provider',
  'api_base',
  'upstream_model',
  'request_hash',
  'codec_version',
  'estimated_input_tokens',
  'estimated_cost_nano_usd',
];

export const attemptEndColumns = [
  'status',
  'ended_at_ms',
  'first_token_at_ms',
  'upstream_id',
  'reported_model',
  'input_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'cache_write_hour_tokens',
  'output_tokens',
  'reasoning_tokens',
  'estimated',
  'cost_nano_usd',
  'error_code',
  'error_message',
  'open_calls',
];

const insertInto = (table: string, columns: string[]) =>
  `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((_, index) => `$${index + 1}`).join(', ')})`;

/** Content that a client can still reach, unless it has become too old. */
const shown = (turn: string) => `${turn}.stored = 1 AND ${turn}.deleted_at_ms IS NULL`;

/** Content that is there, be it for nobody but who runs the gateway. */
export const kept = (turn: string) => `${turn}.stored IN (1, 3) AND ${turn}.deleted_at_ms IS NULL`;

/** @param expiry the parameter that says from when on a response is young enough. What is kept does not age. */
const expired = (turn: string, expiry: string) => `${turn}.bucket <> 0 AND ${turn}.created_at_ms < ${expiry}`;

/** A turn that a client can still reach. */
export const live = (turn: string, expiry: string) =>
  `${shown(turn)} AND (${turn}.bucket = 0 OR ${turn}.created_at_ms >= ${expiry})`;

/** A turn whose items are in its conversation, where it has one. */
export const appended = (turn: string) => `${turn}.status IN ('completed', 'incomplete')`;

/** A turn that needs nobody's items any more, once those that it passes on to `except` are left out. */
const isGone = (turn: string, except: string) => `(${turn}.deleted_at_ms IS NOT NULL OR ${expired(turn, '$4')})
  AND ${turn}.purged = 0 AND ${turn}.status NOT IN ('queued', 'in_progress')
  AND NOT EXISTS (SELECT 1 FROM turns c WHERE c.tenant = $1 AND c.bucket IN (0, $3) AND c.bucket = ${turn}.bucket
    AND c.parent = ${turn}.id AND c.purged = 0 AND c.keep > 0
    AND (c.stored IN (1, 3) OR c.stored = 2 AND c.status NOT IN ('failed', 'cancelled'))${except})
  AND NOT EXISTS (SELECT 1 FROM conversations v
    WHERE v.tenant = $1 AND v.head = ${turn}.id AND v.deleted_at_ms IS NULL)`;

/** What an attempt was made on, as `routing/deployment-name.ts` names deployments. */
export const deploymentOf = (attempt: string) =>
  `${attempt}.provider || ' ' || ${attempt}.api_base || ' ' || ${attempt}.upstream_model`;

/**
 * In one of the weeks from `$4` to before `$5`, or where things are kept. Said of each table, since a planner does not conclude it
 * from the others.
 */
const within = (table: string) => `(${table}.bucket = 0 OR ${table}.bucket >= $4 AND ${table}.bucket < $5)`;

const newestItem = (join = ''): string => `FROM items i
    JOIN turns t ON t.tenant = i.tenant AND t.id = i.turn_id AND t.bucket = i.bucket AND ${within('t')} ${join}
    WHERE i.tenant = $1 AND i.id = $2 AND i.body <> '' AND i.output <> ${itemMarks.kept}
      AND ${within('i')} AND NOT (${expired('t', '$3')}) AND t.stored <> 3
      AND (t.deleted_at_ms IS NULL OR t.conversation IS NOT NULL AND ${appended('t')})
    ORDER BY t.created_at_ms DESC, t.id DESC, i.position DESC LIMIT 1`;

/** Of what the model said. */
const followedBy = `JOIN items f ON f.tenant = i.tenant AND f.turn_id = i.turn_id AND f.bucket = i.bucket AND ${within('f')}
      AND f.position = i.position + 1 AND f.output = ${itemMarks.output} AND i.output = f.output AND f.body <> ''`;

/**
 * tenant, id, bucket, expiry, how many ancestors at most. Every item of the turn and of the ancestors that it builds on, in no
 * order, as `ContextRow`s; a turn without items has one row of nulls. The chain ends at the anchor, which keeps nothing of its parent.
 * @param lookup the table, looked up for each turn of the chain by itself, as what stands behind `JOIN`.
 */
export const selectContext = (
  lookup: (table: string, alias: string, condition: string) => string,
) => `WITH RECURSIVE chain (hop, id, parent, keep, kept_count, drops_reasoning, envelope_hash, status, session_id, anchor, depth, deployment) AS (
      SELECT 0, t.id, t.parent, t.keep, t.kept_count, t.drops_reasoning, t.envelope_hash, t.status, t.session_id, t.anchor,
        t.depth,
        (SELECT ${deploymentOf('a')} FROM attempts a WHERE a.tenant = $1 AND a.turn_id = $2 AND a.bucket = $3
          ORDER BY a.number DESC LIMIT 1)
      FROM turns t WHERE t.tenant = $1 AND t.id = $2 AND t.bucket = $3 AND ${live('t', '$4')}
      UNION ALL
      SELECT c.hop + 1, p.id, p.parent, p.keep, p.kept_count, p.drops_reasoning, p.envelope_hash, NULL, NULL, NULL, NULL, NULL
      FROM chain c JOIN ${lookup('turns', 'p', 'p.tenant = $1 AND p.id = c.parent AND p.bucket = $3')}
      WHERE c.keep > 0 AND c.hop < CAST($5 AS integer)
    )
    SELECT c.hop, c.id, c.keep, c.kept_count, c.drops_reasoning, COALESCE(i.envelope_hash, c.envelope_hash), i.position, i.output,
      i.id, i.type, i.body, i.origin, c.status, c.session_id, c.anchor, c.depth,
      c.deployment, c.parent
    FROM chain c LEFT JOIN ${lookup('items', 'i', 'i.tenant = $1 AND i.turn_id = c.id AND i.bucket = $3')}`;

export const sql = {
  insertTurn: insertInto('turns', turnColumns),
  insertItem: insertInto('items', itemColumns),

  /** tenant, hash, bucket, body, time. */
  insertEnvelope: `INSERT INTO envelopes (tenant, hash, bucket, body, written_at_ms) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (tenant, hash, bucket) DO UPDATE SET written_at_ms = excluded.written_at_ms`,

  /** tenant, hash, bucket, another bucket in which it is, time. */
  copyEnvelope: `INSERT INTO envelopes (tenant, hash, bucket, body, written_at_ms)
    SELECT e.tenant, e.hash, $3, e.body, $5 FROM envelopes e WHERE e.tenant = $1 AND e.hash = $2 AND e.bucket = $4
    ON CONFLICT (tenant, hash, bucket) DO UPDATE SET written_at_ms = excluded.written_at_ms`,

  /** `attemptStartRow`, of a turn of which it is known where it lies. */
  insertPlacedAttempt: insertInto('attempts', attemptStartColumns),
  /** `attemptStartRow`. The attempt lies where its turn does. */
  insertAttempt: insertInto('attempts', attemptStartColumns).replace(
    '$3',
    '(SELECT t.bucket FROM turns t WHERE t.tenant = $1 AND t.id = $2 AND t.bucket IN (0, $3))',
  ),

  /** tenant, id, bucket, expiry. How long a context a child of this turn can keep; no row where it can have no child. */
  selectParent: `SELECT keep + kept_count + input_count + output_count AS length FROM turns t
    WHERE t.tenant = $1 AND t.id = $2 AND t.bucket = $3 AND ${kept('t')} AND NOT (${expired('t', '$4')})`,

  /** tenant, hash, expiry, span. A hash does not tell when it was stored. */
  selectByContext: `SELECT t.id, t.bucket, t.session_id, t.anchor, t.depth, t.context_hash, t.details_hashes,
      t.keep + t.kept_count + t.input_count + t.output_count AS length,
      (SELECT ${deploymentOf('a')} FROM attempts a WHERE a.tenant = $1 AND a.turn_id = t.id AND a.bucket = t.bucket
        AND ${within('a')} ORDER BY a.number DESC LIMIT 1) AS deployment
    FROM turns t WHERE t.tenant = $1 AND t.context_hash = $2 AND ${within('t')} AND t.created_at_ms >= $3 AND ${kept('t')}
    ORDER BY t.id DESC LIMIT 1`,

  /** tenant, `open_calls`, expiry, span. */
  selectOpener: `SELECT ${deploymentOf('a')} AS deployment FROM attempts a
    WHERE a.tenant = $1 AND a.open_calls = $2 AND ${within('a')} AND a.started_at_ms >= $3
    ORDER BY a.started_at_ms DESC LIMIT 1`,

  /** tenant, id, week. */
  selectRunning: `SELECT 1 AS running FROM turns WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3) AND status = 'in_progress'`,

  /** `attemptEndRow`. What the provider said beats an estimate, however late it comes; nothing else is ever rewritten. */
  endAttempt: `UPDATE attempts SET ${attemptEndColumns.map((column, index) => `${column} = $${index + 5}`).join(', ')},
      raw_reply = CASE WHEN CAST($${attemptEndColumns.length + 5} AS text) IS NOT NULL AND EXISTS (SELECT 1 FROM turns t
          WHERE t.tenant = $1 AND t.id = $2 AND t.bucket IN (0, $3) AND ${kept('t')})
        THEN $${attemptEndColumns.length + 5} END
    WHERE tenant = $1 AND turn_id = $2 AND bucket IN (0, $3) AND id = $4 AND (status = 'started' OR estimated = 1)`,

  /** tenant, id, week, owner, epoch, status. A row: this very commit was made before. */
  selectCommitted: `SELECT 1 AS committed FROM turns
    WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3) AND owner = $4 AND epoch = $5 AND status = $6`,

  /** tenant, conversation, turn id. What it has said and heard becomes the conversation's. */
  moveHead: `UPDATE conversations SET head = $3 WHERE tenant = $1 AND id = $2 AND writer = $3`,

  /** tenant, turn id. Of a turn that is kept by its conversation only, and has not come to be in it. */
  dropUnkept: `DELETE FROM items WHERE tenant = $1 AND turn_id = $2 AND bucket = 0 AND EXISTS (SELECT 1 FROM turns t
    WHERE t.tenant = $1 AND t.id = $2 AND t.bucket = 0 AND t.stored = 2 AND NOT ${appended('t')})`,

  /** tenant, id, week, expiry, time. */
  hideTurn: `UPDATE turns SET deleted_at_ms = $5, head = '', blanked = 1, context_hash = NULL, details_hashes = NULL
    WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3) AND ${live('turns', '$4')}`,

  /** tenant, turn id, week. What an upstream said in its own words goes with the turn: it may quote what it was sent. */
  dropRawReplies: `UPDATE attempts SET raw_reply = NULL, error_message = NULL, open_calls = NULL
    WHERE tenant = $1 AND turn_id = $2 AND bucket IN (0, $3)
      AND (raw_reply IS NOT NULL OR error_message IS NOT NULL OR open_calls IS NOT NULL)`,

  /**
   * tenant, id, week, expiry. Marks the turn, and upwards each hidden or expired ancestor, whose items no turn needs any more;
   * their items are to be deleted by whoever runs this. CROSS JOIN: SQLite takes the tables in this order, else it would look
   * at all of the tenant's turns.
   */
  purgeTurns: `UPDATE turns SET purged = 1 WHERE tenant = $1 AND bucket IN (0, $3) AND id IN (
    WITH RECURSIVE gone (id, parent, bucket) AS (
      SELECT t.id, t.parent, t.bucket FROM turns t
      WHERE t.tenant = $1 AND t.id = $2 AND t.bucket IN (0, $3) AND ${isGone('t', '')}
      UNION ALL
      SELECT p.id, p.parent, p.bucket FROM gone g CROSS JOIN turns p
      WHERE p.tenant = $1 AND p.id = g.parent AND p.bucket IN (0, $3) AND p.bucket = g.bucket
        AND ${isGone('p', ' AND c.id <> g.id')}
    ) SELECT id FROM gone) RETURNING id`,

  /** tenant, turn id, week. Envelopes of a turn whose items go are looked at later: other turns may have the same. */
  suspectEnvelopes: `UPDATE envelopes SET suspect = 1 WHERE tenant = $1 AND bucket IN (0, $3) AND hash IN (
    SELECT t.envelope_hash FROM turns t WHERE t.tenant = $1 AND t.id = $2 AND t.bucket IN (0, $3)
    UNION SELECT i.envelope_hash FROM items i WHERE i.tenant = $1 AND i.turn_id = $2 AND i.bucket IN (0, $3))`,

  /** tenant, turn id, week. */
  deleteItems: 'DELETE FROM items WHERE tenant = $1 AND turn_id = $2 AND bucket IN (0, $3)',

  /** owner. Turns that nobody runs, where one process owns the store. */
  selectAbandoned: `SELECT tenant, id, owner, epoch, head FROM turns WHERE status = 'in_progress' AND owner <> $1`,

  /** tenant, id, week, owner, epoch, head. The epoch moves, so that the owner's commit is fenced if it comes after all. */
  failTurn: `UPDATE turns SET status = 'failed', epoch = epoch + 1, head = CASE WHEN blanked = 0 THEN $6 ELSE '' END
    WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3) AND owner = $4 AND epoch = $5 AND status = 'in_progress'`,

  /** tenant, turn id, week, time, error code, error message. Another process's clock may have begun it later than ours ends it. */
  crashAttempts: `UPDATE attempts SET status = 'crashed', estimated = 1,
      ended_at_ms = CASE WHEN started_at_ms > CAST($4 AS bigint) THEN started_at_ms ELSE CAST($4 AS bigint) END,
      input_tokens = estimated_input_tokens, cost_nano_usd = estimated_cost_nano_usd, error_code = $5, error_message = $6
    WHERE tenant = $1 AND turn_id = $2 AND bucket IN (0, $3) AND status = 'started'`,

  /**
   * tenant, id, week, expiry. One row for each output item, the first with head and envelope; one row where there is no output.
   * A further attempt that never began, its beginning having been lost, is not what a response has failed with.
   */
  selectResponse: `SELECT t.status, t.session_id, i.id, i.type, i.body, i.origin,
      CASE WHEN i.position IS NULL OR i.position = t.input_count THEN t.head END AS head,
      CASE WHEN i.position IS NULL OR i.position = t.input_count THEN e.body END AS envelope,
      CASE WHEN t.status = 'failed' AND t.epoch = 0 THEN COALESCE((SELECT a.error_code FROM attempts a
        WHERE a.tenant = $1 AND a.turn_id = $2 AND a.bucket IN (0, $3)
          AND (a.number = 1 OR a.status <> 'started' AND COALESCE(a.error_code, '') <> 'store_unavailable')
        ORDER BY a.number DESC LIMIT 1), 'internal_error') END AS error_code
    FROM turns t
    LEFT JOIN envelopes e ON e.tenant = $1 AND e.hash = t.envelope_hash AND e.bucket IN (0, $3) AND e.bucket = t.bucket
    LEFT JOIN items i ON i.tenant = $1 AND i.turn_id = $2 AND i.bucket IN (0, $3) AND i.output = ${itemMarks.output}
    WHERE t.tenant = $1 AND t.id = $2 AND t.bucket IN (0, $3) AND ${live('t', '$4')} ORDER BY i.position`,

  /** tenant, id, week, expiry. Null where an attempt runs, or used tokens of no known price. */
  selectCost: `SELECT CASE WHEN ${unknownCosts} = 0 THEN SUM(a.cost_nano_usd) END AS cost_nano_usd
    FROM turns t JOIN attempts a ON a.tenant = $1 AND a.turn_id = $2 AND a.bucket IN (0, $3)
    WHERE t.tenant = $1 AND t.id = $2 AND t.bucket IN (0, $3) AND ${live('t', '$4')}`,

  /** tenant, hash, week of a turn in whose context it was named. */
  selectEnvelope: 'SELECT body FROM envelopes WHERE tenant = $1 AND hash = $2 AND bucket IN (0, $3) LIMIT 1',

  /** tenant, item id, expiry, span. An item's id does not tell when it was stored. */
  selectItem: `SELECT i.id, i.type, i.body, i.origin ${newestItem()}`,

  /** The same: what its turn said next. */
  selectFollowing: `SELECT f.id, f.type, f.body, f.origin ${newestItem(followedBy)}`,

  /** tenant, session id. */
  selectSession: `SELECT t.id, t.parent, t.session_id, t.status, t.model, t.input_count, t.output_count,
      COALESCE(SUM(a.input_tokens), 0) AS input_tokens, COALESCE(SUM(a.cached_tokens), 0) AS cached_tokens,
      COALESCE(SUM(a.cache_write_tokens), 0) AS cache_write_tokens,
      COALESCE(SUM(a.cache_write_hour_tokens), 0) AS cache_write_hour_tokens,
      COALESCE(SUM(a.output_tokens), 0) AS output_tokens, COALESCE(SUM(a.reasoning_tokens), 0) AS reasoning_tokens,
      COALESCE(MAX(a.estimated), 0) AS estimated, COALESCE(SUM(a.cost_nano_usd), 0) AS cost_nano_usd
    FROM turns t LEFT JOIN attempts a ON a.tenant = t.tenant AND a.turn_id = t.id AND a.bucket = t.bucket
    WHERE t.tenant = $1 AND t.session_id = $2 AND t.deleted_at_ms IS NULL AND t.protocol <> 'items'
    GROUP BY t.tenant, t.session_id, t.created_at_ms, t.id, t.bucket ORDER BY t.created_at_ms, t.id`,
} as const;
