import { appended, deploymentOf, itemMarks } from './sql.ts';

const isLive = (conversation: string) => `${conversation}.deleted_at_ms IS NULL`;

/** Where a conversation ends, and who writes to it. A writer that runs in whatever state keeps others out. */
const tip = `v.session_id, v.writer,
      CASE WHEN w.status NOT IN ('completed', 'incomplete', 'failed', 'cancelled') THEN 1 ELSE 0 END AS locked,
      h.id AS head, h.anchor, h.depth, h.keep + h.input_count + h.output_count AS length,
      ${deploymentOf('a')} AS deployment`;

const tipSource = `conversations v
    LEFT JOIN turns w ON w.tenant = v.tenant AND w.id = v.writer AND w.bucket = 0
    LEFT JOIN turns h ON h.tenant = v.tenant AND h.id = v.head AND h.bucket = 0
    LEFT JOIN attempts a ON a.tenant = v.tenant AND a.turn_id = v.head AND a.bucket = 0
      AND a.number = (SELECT MAX(l.number) FROM attempts l WHERE l.tenant = v.tenant AND l.turn_id = v.head AND l.bucket = 0)`;

/** Its turns lie where time takes nothing. */
const ofConversation = `t.tenant = $1 AND t.bucket = 0 AND t.conversation = $2 AND ${appended('t')}`;

/** Whether what an anchor keeps comes from the conversation: it may lie several anchors back, one for each week. */
const wentOn = (anchor: string) => `EXISTS (WITH RECURSIVE kept (id) AS (
      SELECT k.parent FROM turns k WHERE k.tenant = $1 AND k.id = ${anchor}
      UNION ALL
      SELECT k.parent FROM kept c CROSS JOIN turns p CROSS JOIN turns k WHERE p.tenant = $1 AND p.id = c.id
        AND p.conversation IS NULL AND k.tenant = $1 AND k.id = p.anchor
    ) SELECT 1 FROM kept c CROSS JOIN turns p WHERE p.tenant = $1 AND p.id = c.id AND p.conversation = $2)`;

/** CROSS JOIN: SQLite takes the tables in this order, else it would look at all of the tenant's items. */
const page = (order: 'asc' | 'desc') => {
  const beyond = order === 'asc' ? '>' : '<';
  return `SELECT i.id, i.type, i.body, i.origin FROM turns t CROSS JOIN items i
    WHERE ${ofConversation} AND i.tenant = $1 AND i.turn_id = t.id AND i.bucket = 0 AND i.body <> ''
      AND (CAST($3 AS integer) IS NULL OR t.depth ${beyond} CAST($3 AS integer)
      OR t.depth = CAST($3 AS integer) AND i.position ${beyond} CAST($4 AS integer))
    ORDER BY t.depth ${order}, i.position ${order} LIMIT $5`;
};

export const conversationReads = {
  /** tenant, id. */
  select: `SELECT v.id, v.created_at_ms, v.session_id, v.metadata FROM conversations v
    WHERE v.tenant = $1 AND v.id = $2 AND ${isLive('v')}`,

  /** tenant, id, turn id. `appended`: this very turn is there. */
  selectTip: `SELECT ${tip}, EXISTS (SELECT 1 FROM turns m WHERE m.tenant = $1 AND m.id = $3 AND m.bucket = 0) AS appended FROM ${tipSource} WHERE v.tenant = $1 AND v.id = $2 AND ${isLive('v')}`,

  /** tenant, id. Every item of the conversation, in no order, each with the tip; a turn without items has one row of nulls. */
  selectContext: `SELECT ${tip}, t.id AS turn_id, t.depth AS turn_depth, t.envelope_hash, i.position, i.id, i.type, i.body, i.origin
    FROM ${tipSource}
    LEFT JOIN turns t ON t.tenant = v.tenant AND t.conversation = v.id AND t.bucket = 0 AND ${appended('t')}
    LEFT JOIN items i ON i.tenant = t.tenant AND i.turn_id = t.id AND i.bucket = 0
    WHERE v.tenant = $1 AND v.id = $2 AND ${isLive('v')}`,

  /** tenant, id, item id. Of an item that was deleted too: whoever reads page by page goes on behind it. */
  selectPlace: `SELECT t.depth, i.position FROM items i JOIN turns t ON t.tenant = i.tenant AND t.id = i.turn_id
    WHERE i.tenant = $1 AND i.id = $3 AND i.bucket = 0 AND ${ofConversation}
    ORDER BY CASE WHEN i.body = '' THEN 1 ELSE 0 END, t.depth DESC, i.position DESC LIMIT 1`,

  /** tenant, id, depth and position behind which the page begins or nulls, how many. */
  selectOldest: page('asc'),
  selectNewest: page('desc'),

  /** tenant, id, item id. */
  selectItem: `SELECT i.id, i.type, i.body, i.origin FROM items i JOIN turns t ON t.tenant = i.tenant AND t.id = i.turn_id
    WHERE i.tenant = $1 AND i.id = $3 AND i.bucket = 0 AND i.body <> '' AND ${ofConversation} LIMIT 1`,
} as const;

/** Writes of conversations: one statement each on every engine, and whether it changed a row is its outcome. */
export const conversationWrites = {
  /** tenant, id, time, session id, metadata, the turn of its first items or null. No row: it was made before. */
  insert: `INSERT INTO conversations (tenant, id, created_at_ms, session_id, metadata, head, writer)
    SELECT CAST($1 AS text), CAST($2 AS text), CAST($3 AS bigint), CAST($4 AS text), CAST($5 AS text), CAST($6 AS text),
      CAST($6 AS text)
    WHERE true ON CONFLICT (tenant, id) DO NOTHING`,

  /** tenant, id, metadata. */
  setMetadata: `UPDATE conversations SET metadata = $3 WHERE tenant = $1 AND id = $2 AND ${isLive('conversations')}`,

  /** tenant, id, time. */
  delete: `UPDATE conversations SET deleted_at_ms = $3, metadata = '{}'
    WHERE tenant = $1 AND id = $2 AND ${isLive('conversations')}`,

  /**
   * tenant, id, item id. Its place stays: those who keep the conversation have counted it. Whoever went on from it in another
   * bucket has copies; others may have an item of the same id.
   */
  deleteItem: `UPDATE items SET body = '', origin = NULL WHERE tenant = $1 AND id = $3 AND body <> ''
    AND (bucket = 0 OR output = ${itemMarks.kept}) AND EXISTS (SELECT 1 FROM items o
      JOIN turns t ON t.tenant = o.tenant AND t.id = o.turn_id
      WHERE o.tenant = $1 AND o.id = $3 AND o.bucket = 0 AND ${ofConversation} AND (o.turn_id = items.turn_id
        OR items.output = ${itemMarks.kept} AND ${wentOn('items.turn_id')}))`,
} as const;

export type ConversationWrite = keyof typeof conversationWrites;

/** tenant, id, time, parent, keep, anchor, depth, session id, key id, conversation, input count: a turn that no model made. */
export const insertAppended = `INSERT INTO turns (tenant, id, created_at_ms, parent, keep, anchor, depth, session_id, key_id,
      conversation, input_count, bucket, kept_count, model, protocol, status, stored, owner, epoch, head, blanked)
    SELECT CAST($1 AS text), CAST($2 AS text), CAST($3 AS bigint), CAST($4 AS text), CAST($5 AS integer), CAST($6 AS text),
      CAST($7 AS integer), CAST($8 AS text), CAST($9 AS text), CAST($10 AS text), CAST($11 AS integer), 0, 0, '', 'items',
      'completed', 2, '', 0, '', 1`;

/** tenant, conversation. The row that every writer holds first. */
export const selectWriter = `SELECT writer FROM conversations WHERE tenant = $1 AND id = $2 AND ${isLive('conversations')}`;

/** tenant, conversation, turn id. */
export const takeWriter = 'UPDATE conversations SET writer = $3 WHERE tenant = $1 AND id = $2';

/** tenant, conversation, turn id. */
export const takeBoth = 'UPDATE conversations SET head = $3, writer = $3 WHERE tenant = $1 AND id = $2';
