/**
 * The statements that every engine runs as they stand. Parameters are `$1`, `$2` …, in the order of the row functions in
 * rows.ts. No JSON functions (they damage `\u0000` and lone surrogates), no boolean columns (SQLite has none), times in
 * milliseconds, costs in nano-USD.
 */

export const turnColumns = [
  'tenant',
  'id',
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
  'envelope_hash',
  'input_count',
  'conversation',
];

export const itemColumns = ['tenant', 'turn_id', 'position', 'output', 'id', 'type', 'body', 'origin'];

export const attemptStartColumns = [
  'tenant',
  'turn_id',
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
];

const insertInto = (table: string, columns: string[]) =>
  `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((_, index) => `$${index + 1}`).join(', ')})`;

/** A turn that a client can still reach. */
export const live = (turn: string) => `${turn}.stored = 1 AND ${turn}.deleted_at_ms IS NULL`;

/** A turn whose items are in its conversation, where it has one. */
export const appended = (turn: string) => `${turn}.status IN ('completed', 'incomplete')`;

/** A turn that needs nobody's items any more, once those that it passes on to `except` are left out. */
const isGone = (turn: string, except: string) => `${turn}.deleted_at_ms IS NOT NULL AND ${turn}.purged = 0
  AND ${turn}.status NOT IN ('queued', 'in_progress')
  AND NOT EXISTS (SELECT 1 FROM turns c
    WHERE c.tenant = ${turn}.tenant AND c.parent = ${turn}.id AND c.purged = 0 AND c.keep > 0
      AND (c.stored = 1 OR c.stored = 2 AND c.status NOT IN ('failed', 'cancelled'))${except})
  AND NOT EXISTS (SELECT 1 FROM conversations v
    WHERE v.tenant = ${turn}.tenant AND v.head = ${turn}.id AND v.deleted_at_ms IS NULL)`;

export const sql = {
  insertTurn: insertInto('turns', turnColumns),
  insertItem: insertInto('items', itemColumns),
  insertEnvelope:
    'INSERT INTO envelopes (tenant, hash, body) VALUES ($1, $2, $3) ON CONFLICT (tenant, hash) DO NOTHING',
  insertAttempt: insertInto('attempts', attemptStartColumns),

  /** tenant, id. How long a context a child of this turn can keep; no row where it can have no child. */
  selectParent: `SELECT keep + input_count + output_count AS length FROM turns t
    WHERE t.tenant = $1 AND t.id = $2 AND ${live('t')}`,

  /** tenant, id. */
  selectRunning: `SELECT 1 AS running FROM turns WHERE tenant = $1 AND id = $2 AND status = 'in_progress'`,

  /** `attemptEndRow`. What the provider said beats an estimate, however late it comes; nothing else is ever rewritten. */
  endAttempt: `UPDATE attempts SET ${attemptEndColumns.map((column, index) => `${column} = $${index + 4}`).join(', ')},
      raw_reply = CASE WHEN EXISTS (SELECT 1 FROM turns t WHERE t.tenant = $1 AND t.id = $2 AND ${live('t')})
        THEN $${attemptEndColumns.length + 4} END
    WHERE tenant = $1 AND turn_id = $2 AND id = $3 AND (status = 'started' OR estimated = 1)`,

  /** tenant, id, owner, epoch, status, head, output count. No row: the commit is fenced, or was made before. */
  commitTurn: `UPDATE turns SET status = $5, output_count = $7,
      head = CASE WHEN stored = 1 AND deleted_at_ms IS NULL THEN $6 ELSE '' END
    WHERE tenant = $1 AND id = $2 AND owner = $3 AND epoch = $4 AND status = 'in_progress'
    RETURNING stored, deleted_at_ms, input_count, conversation`,

  /** tenant, id, owner, epoch, status. A row: this very commit was made before. */
  selectCommitted: `SELECT 1 AS committed FROM turns
    WHERE tenant = $1 AND id = $2 AND owner = $3 AND epoch = $4 AND status = $5`,

  /** tenant, conversation, turn id. What it has said and heard becomes the conversation's. */
  moveHead: `UPDATE conversations SET head = $3 WHERE tenant = $1 AND id = $2 AND writer = $3`,

  /** tenant, turn id. Of a turn that is kept by its conversation only, and has not come to be in it. */
  dropUnkept: `DELETE FROM items WHERE tenant = $1 AND turn_id = $2 AND EXISTS (SELECT 1 FROM turns t
    WHERE t.tenant = $1 AND t.id = $2 AND t.stored = 2 AND NOT ${appended('t')})`,

  /** tenant, id, time. */
  hideTurn: `UPDATE turns SET deleted_at_ms = $3, head = '' WHERE tenant = $1 AND id = $2 AND ${live('turns')}`,

  /** tenant, turn id. What an upstream said in its own words goes with the turn: it may quote what it was sent. */
  dropRawReplies: `UPDATE attempts SET raw_reply = NULL, error_message = NULL WHERE tenant = $1 AND turn_id = $2
    AND (raw_reply IS NOT NULL OR error_message IS NOT NULL)`,

  /**
   * tenant, id. Marks the turn, and upwards each hidden ancestor, whose items no turn needs any more; their items are to be
   * deleted by whoever runs this. CROSS JOIN: SQLite takes the tables in this order, else it would look at all of the tenant's turns.
   */
  purgeTurns: `UPDATE turns SET purged = 1 WHERE tenant = $1 AND id IN (
    WITH RECURSIVE gone (id, parent) AS (
      SELECT t.id, t.parent FROM turns t WHERE t.tenant = $1 AND t.id = $2 AND ${isGone('t', '')}
      UNION ALL
      SELECT p.id, p.parent FROM gone g CROSS JOIN turns p
      WHERE p.tenant = $1 AND p.id = g.parent AND ${isGone('p', ' AND c.id <> g.id')}
    ) SELECT id FROM gone) RETURNING id`,

  /** tenant, turn id. */
  deleteItems: 'DELETE FROM items WHERE tenant = $1 AND turn_id = $2',

  /** owner. Turns that nobody runs, where one process owns the store. */
  selectAbandoned: `SELECT tenant, id, owner, epoch, head FROM turns WHERE status = 'in_progress' AND owner <> $1`,

  /** tenant, id, owner, epoch, head. The epoch moves, so that the owner's commit is fenced if it comes after all. */
  failTurn: `UPDATE turns SET status = 'failed', epoch = epoch + 1, head = $5
    WHERE tenant = $1 AND id = $2 AND owner = $3 AND epoch = $4 AND status = 'in_progress'`,

  /** tenant, turn id, time, error code, error message. */
  crashAttempts: `UPDATE attempts SET status = 'crashed', ended_at_ms = $3, estimated = 1,
      input_tokens = estimated_input_tokens, cost_nano_usd = estimated_cost_nano_usd, error_code = $4, error_message = $5
    WHERE tenant = $1 AND turn_id = $2 AND status = 'started'`,

  /**
   * tenant, id. Every item of the turn and of the ancestors that it builds on, in no order; a turn without items has one
   * row of nulls. The chain ends at the anchor, which keeps nothing of its parent.
   */
  selectContext: `WITH RECURSIVE chain (hop, id, parent, keep, status, session_id, anchor, depth) AS (
      SELECT 0, t.id, t.parent, t.keep, t.status, t.session_id, t.anchor, t.depth FROM turns t
      WHERE t.tenant = $1 AND t.id = $2 AND ${live('t')}
      UNION ALL
      SELECT c.hop + 1, p.id, p.parent, p.keep, NULL, NULL, NULL, NULL
      FROM chain c JOIN turns p ON p.tenant = $1 AND p.id = c.parent WHERE c.keep > 0
    )
    SELECT c.hop, c.id AS turn_id, c.keep, c.status, c.session_id, c.anchor, c.depth,
      i.position, i.output, i.id, i.type, i.body, i.origin
    FROM chain c LEFT JOIN items i ON i.tenant = $1 AND i.turn_id = c.id`,

  /** tenant, id. One row for each output item, the first with head and envelope; one row where there is no output. */
  selectResponse: `SELECT t.status, t.session_id, i.id, i.type, i.body, i.origin,
      CASE WHEN i.position IS NULL OR i.position = t.input_count THEN t.head END AS head,
      CASE WHEN i.position IS NULL OR i.position = t.input_count THEN e.body END AS envelope,
      CASE WHEN t.status = 'failed' AND t.epoch = 0 THEN COALESCE((SELECT a.error_code FROM attempts a
        WHERE a.tenant = t.tenant AND a.turn_id = t.id ORDER BY a.number DESC LIMIT 1), 'internal_error') END AS error_code
    FROM turns t
    LEFT JOIN envelopes e ON e.tenant = t.tenant AND e.hash = t.envelope_hash
    LEFT JOIN items i ON i.tenant = t.tenant AND i.turn_id = t.id AND i.output = 1
    WHERE t.tenant = $1 AND t.id = $2 AND ${live('t')} ORDER BY i.position`,

  /** tenant, id. Null where an attempt runs, or used tokens of no known price. */
  selectCost: `SELECT CASE WHEN SUM(CASE WHEN a.cost_nano_usd IS NOT NULL THEN 0
        WHEN a.status <> 'started' AND a.input_tokens + a.output_tokens = 0 THEN 0 ELSE 1 END) = 0
      THEN SUM(a.cost_nano_usd) END AS cost_nano_usd
    FROM turns t JOIN attempts a ON a.tenant = t.tenant AND a.turn_id = t.id
    WHERE t.tenant = $1 AND t.id = $2 AND ${live('t')}`,

  /** tenant, id. */
  selectEnvelope: `SELECT e.body FROM turns t JOIN envelopes e ON e.tenant = t.tenant AND e.hash = t.envelope_hash
    WHERE t.tenant = $1 AND t.id = $2`,

  /** tenant, item id. */
  selectItem: `SELECT i.id, i.type, i.body, i.origin FROM items i
    JOIN turns t ON t.tenant = i.tenant AND t.id = i.turn_id
    WHERE i.tenant = $1 AND i.id = $2 AND i.body <> ''
      AND (t.deleted_at_ms IS NULL OR t.conversation IS NOT NULL AND ${appended('t')})
    ORDER BY t.created_at_ms DESC, t.id DESC, i.position DESC LIMIT 1`,

  /** tenant, session id. */
  selectSession: `SELECT t.id, t.parent, t.session_id, t.status, t.model, t.input_count, t.output_count,
      COALESCE(SUM(a.input_tokens), 0) AS input_tokens, COALESCE(SUM(a.cached_tokens), 0) AS cached_tokens,
      COALESCE(SUM(a.cache_write_tokens), 0) AS cache_write_tokens,
      COALESCE(SUM(a.cache_write_hour_tokens), 0) AS cache_write_hour_tokens,
      COALESCE(SUM(a.output_tokens), 0) AS output_tokens, COALESCE(SUM(a.reasoning_tokens), 0) AS reasoning_tokens,
      COALESCE(MAX(a.estimated), 0) AS estimated, COALESCE(SUM(a.cost_nano_usd), 0) AS cost_nano_usd
    FROM turns t LEFT JOIN attempts a ON a.tenant = t.tenant AND a.turn_id = t.id
    WHERE t.tenant = $1 AND t.session_id = $2 AND t.deleted_at_ms IS NULL AND t.protocol <> 'items'
    GROUP BY t.tenant, t.session_id, t.created_at_ms, t.id ORDER BY t.created_at_ms, t.id`,
} as const;
