import { claim } from '../idempotency.ts';
import { selectWriter } from '../conversation-sql.ts';
import { itemValueCount } from '../rows.ts';
import {
  attemptEndColumns,
  attemptStartColumns,
  itemColumns,
  itemMarks,
  kept,
  selectContext,
  sql,
  turnColumns,
} from '../sql.ts';
import { hasLeases, lockedLeases, reservationValueCount, reserved, settled } from './budget-statements.ts';

/** Columns that are not text, of those that are written out of a SELECT: a parameter has no type there but the one it is cast to. */
const types: Record<string, string> = {
  bucket: 'integer',
  created_at_ms: 'bigint',
  keep: 'integer',
  depth: 'integer',
  stored: 'integer',
  epoch: 'integer',
  blanked: 'integer',
  input_count: 'integer',
  kept_count: 'integer',
  drops_reasoning: 'integer',
  number: 'integer',
  started_at_ms: 'bigint',
  estimated_input_tokens: 'bigint',
  estimated_cost_nano_usd: 'bigint',
};

const parameters = (columns: readonly string[], first: number) =>
  columns.map((column, index) => `$${first + index}::${types[column] ?? 'text'}`).join(', ');

const insertFrom = (table: string, columns: readonly string[], values: string, source: string) =>
  `INSERT INTO ${table} (${columns.join(', ')}) SELECT ${values} FROM ${source}`;

const itemValueColumns = itemColumns.slice(-itemValueCount).join(', ');
const itemFields = itemColumns
  .slice(-itemValueCount)
  .map((column) => `i.${column}`)
  .join(', ');

/** Items come as arrays of one length, one for each of their values, from `$first` on. */
const itemsFrom = (first: number) =>
  `unnest(${Array.from({ length: itemValueCount }, (_, offset) => `$${first + offset}::text[]`).join(', ')})
    WITH ORDINALITY AS i (${itemValueColumns}, ordinal)`;

const endColumns = [...attemptEndColumns, 'raw_reply'];

/** Behind the parameters of `turnRow`: those of `attemptStartRow`, then these. */
const beginAttempt = turnColumns.length + 1;
const beginParent = beginAttempt + attemptStartColumns.length - 3;
const beginParentBucket = beginParent + 1;
const beginExpiry = beginParentBucket + 1;
const beginEnvelope = beginExpiry + 1;
const beginEnvelopes = beginEnvelope + 1;
const beginItems = beginEnvelopes + 1;
const beginWriter = beginItems + itemValueCount;
const turnParameter = (column: string) => `$${turnColumns.indexOf(column) + 1}::${types[column] ?? 'text'}`;
const conversationParameter = turnParameter('conversation');
const reservationAt = (inConversation: boolean) => beginWriter + (inConversation ? 1 : 0);
const claimAt = (inConversation: boolean, isBudgeted: boolean) =>
  reservationAt(inConversation) + (isBudgeted ? reservationValueCount : 0);

/** tenant, id, bucket, owner, epoch, status, head, output count, hashes, then those of `attemptEndRow` from the attempt's id on. */
const commitAttempt = 11;
const commitItems = commitAttempt + 1 + endColumns.length;

/** tenant, turn id, week, attempt id, then the rest of `attemptEndRow`, then that of `attemptStartRow`. */
const nextEnd = 5;
const nextStart = nextEnd + endColumns.length;
const nextReservation = nextStart + attemptStartColumns.length - 3;

const endAssignments = (first: number, keepsReply: string) =>
  endColumns
    .map((column, index) => {
      const value = `$${first + index}`;
      return `${column} = ${column === 'raw_reply' ? `CASE WHEN ${keepsReply} THEN ${value} END` : value}`;
    })
    .join(', ');

/** A parameter has no type there but the one it is cast to. */
const selectWriterOf = (conversation: string) => selectWriter.replace('$1', '$1::text').replace('$2', conversation);

const conversationVerdict = `WHEN NOT EXISTS (SELECT 1 FROM conversation) THEN 'conversation-not-found'
        WHEN (SELECT writer FROM conversation) IS DISTINCT FROM $${beginWriter}::text THEN 'conversation-locked'
        `;

const takeWriter = `
    named AS (
      UPDATE conversations SET writer = $2::text FROM begun WHERE tenant = $1::text AND id = ${conversationParameter}
    ),`;

/** Of a commit. */
const isAppended = `$6 IN ('completed', 'incomplete')`;

const appendTurn = `, named AS (
      UPDATE conversations v SET head = $2 FROM turn
      WHERE v.tenant = $1 AND v.id = turn.conversation AND v.writer = $2 AND ${isAppended}
    ), dropped AS (
      DELETE FROM items i USING turn
      WHERE i.tenant = $1 AND i.turn_id = $2 AND i.bucket = 0 AND turn.stored = 2 AND NOT ${isAppended}
    )`;

const leaseVerdict = (reservation: number) => `WHEN NOT ${hasLeases(reservation)} THEN 'lease-lost'
        `;

/** A statement as it is, and for attempts under a budget. */
function variants(textOf: (isBudgeted: boolean) => string): { plain: string; budgeted: string } {
  return { plain: textOf(false), budgeted: textOf(true) };
}

const costOf = (first: number) => `$${first + attemptEndColumns.indexOf('cost_nano_usd')}`;

const claimed = (first: number) =>
  `claim AS (${claim(
    `SELECT $1::text, $${first}::text, $${first + 1}::text, $2::text, ${turnParameter('created_at_ms')}
      FROM verdict WHERE outcome = 'begun'`,
    first + 2,
  )})`;

/**
 * `turnRow`, `attemptStartRow` from the attempt's id on or as many nulls, the parent of which something is kept or null, its
 * bucket, expiry, the envelope's text or null where it was written before, hashes of envelopes that come along from the
 * parent's bucket, the arrays of items (those that are kept, then the input), in a conversation who must have written to it last,
 * under a budget `reservationValues`, with an idempotency key `claimValues` and `claimSpan`. The parent is locked until the turn is there, so that it cannot be deleted, and its items
 * with it, in between. Gives a `BeginOutcome`, and who holds the idempotency key from now on, be it another turn. Few turns have
 * a key, and to plan for one takes Postgres longer than all the rest.
 */
const begin = (inConversation: boolean, isBudgeted: boolean, hasKey: boolean) => `WITH parent AS (
      SELECT keep + kept_count + input_count + output_count AS length FROM turns t
      WHERE t.tenant = $1 AND t.id = $${beginParent}::text AND t.bucket = $${beginParentBucket}::integer
        AND ${kept('t')} AND (t.bucket = 0 OR t.created_at_ms >= $${beginExpiry}::bigint) FOR SHARE
    ), ${inConversation ? `conversation AS (${selectWriterOf(conversationParameter)} FOR UPDATE), ` : ''}${isBudgeted ? `${lockedLeases(reservationAt(inConversation))}, ` : ''}verdict AS (
      SELECT CASE ${isBudgeted ? leaseVerdict(reservationAt(inConversation)) : ''}${inConversation ? conversationVerdict : ''}WHEN $${beginParent}::text IS NULL THEN 'begun' WHEN NOT EXISTS (SELECT 1 FROM parent) THEN 'parent-not-found'
        WHEN (SELECT length FROM parent) < ${turnParameter('keep')} + ${turnParameter('kept_count')} THEN 'parent-too-short'
        ELSE 'begun' END AS outcome
    ), ${hasKey ? `${claimed(claimAt(inConversation, isBudgeted))}, ` : ''}begun AS (
      SELECT 1 FROM verdict WHERE outcome = 'begun'${hasKey ? ' AND (SELECT turn_id FROM claim) = $2::text' : ''}
    ),${inConversation ? takeWriter : ''}
    turn AS (${insertFrom('turns', turnColumns, parameters(turnColumns, 1), 'begun')}),
    envelope AS (
      INSERT INTO envelopes (tenant, hash, bucket, body, written_at_ms)
      SELECT $1, e.hash, ${turnParameter('bucket')}, e.body, ${turnParameter('created_at_ms')} FROM begun, (
        SELECT ${turnParameter('envelope_hash')} AS hash, $${beginEnvelope}::text AS body WHERE $${beginEnvelope}::text IS NOT NULL
        UNION ALL
        SELECT o.hash, o.body FROM envelopes o
        WHERE o.tenant = $1 AND o.bucket = $${beginParentBucket}::integer AND o.hash = ANY ($${beginEnvelopes}::text[])
          AND o.hash IS DISTINCT FROM ${turnParameter('envelope_hash')}
      ) e ORDER BY e.hash
      ON CONFLICT (tenant, hash, bucket) DO UPDATE SET written_at_ms = excluded.written_at_ms
    ),
    attempt AS (${insertFrom(
      'attempts',
      attemptStartColumns,
      `$1, $2, ${turnParameter('bucket')}, ${parameters(attemptStartColumns.slice(3), beginAttempt)}`,
      `begun WHERE $${beginAttempt}::text IS NOT NULL`,
    )}),
    item AS (${insertFrom(
      'items',
      itemColumns,
      `$1, $2, ${turnParameter('bucket')}, i.ordinal - 1 - ${turnParameter('kept_count')},
        CASE WHEN i.ordinal <= ${turnParameter('kept_count')} THEN ${itemMarks.kept} ELSE ${itemMarks.input} END, ${itemFields}`,
      `begun, ${itemsFrom(beginItems)}`,
    )})${isBudgeted ? `, ${reserved(reservationAt(inConversation), 'begun')}` : ''}
    ${hasKey ? 'SELECT v.outcome, c.turn_id, c.body_hash FROM verdict v LEFT JOIN claim c ON true' : 'SELECT outcome FROM verdict'}`;

const begins = (inConversation: boolean) => ({
  plain: begin(inConversation, false, false),
  budgeted: begin(inConversation, true, false),
  keyed: begin(inConversation, false, true),
  keyedBudgeted: begin(inConversation, true, true),
});

/**
 * Ends a turn that is as it was begun: not deleted, not taken over, not ended. All or nothing: no row means that nothing
 * was written, and that the turn is to be looked at with its row locked.
 * That it runs is said so that no index can: one over what runs looks cheap where nothing ran when its table was last analysed,
 * and each commit would read all that its process runs.
 * A turn in a conversation becomes its head, where it has ended well.
 */
const commit = (inConversation: boolean, isBudgeted: boolean) => `WITH turn AS (
      UPDATE turns SET status = $6, output_count = $8, head = CASE WHEN stored IN (1, 3) THEN $7 ELSE '' END,
        context_hash = CASE WHEN stored IN (1, 3) THEN $9 END, details_hashes = CASE WHEN stored IN (1, 3) THEN $10 END
      WHERE tenant = $1 AND id = $2 AND bucket = $3 AND owner = $4 AND epoch = $5
        AND status || '' = 'in_progress' AND deleted_at_ms IS NULL AND conversation IS ${inConversation ? 'NOT NULL' : 'NULL'}
      RETURNING stored, input_count, bucket, conversation
    ), attempt AS (
      UPDATE attempts a SET ${endAssignments(commitAttempt + 1, 'turn.stored IN (1, 3)')} FROM turn
      WHERE a.tenant = $1 AND a.turn_id = $2 AND a.bucket = $3 AND a.id = $${commitAttempt} AND (a.status = 'started' OR a.estimated = 1)
    ), item AS (${insertFrom(
      'items',
      itemColumns,
      `$1, $2, turn.bucket, turn.input_count + i.ordinal - 1, ${itemMarks.output}, ${itemFields}`,
      `turn, ${itemsFrom(commitItems)} WHERE turn.stored IN (1, 3)${inConversation ? ` OR ${isAppended}` : ''}`,
    )})${inConversation ? appendTurn : ''}${isBudgeted ? `, ${settled(`$${commitAttempt}`, costOf(commitAttempt + 1), 'turn')}` : ''}
    SELECT 1 AS committed FROM turn`;

/** A statement that looks for a hash, for many with commas between them: of the first that it finds a row of. */
const firstOf = (
  statement: string,
) => `SELECT found.*, h.place - 1 AS at FROM unnest(string_to_array($2, ',')) WITH ORDINALITY AS h (hash, place)
    CROSS JOIN LATERAL (${statement.replace('$2', 'h.hash')}) found ORDER BY h.place LIMIT 1`;

/**
 * What Postgres runs in place of the transactions that SQLite makes of sql.ts: each is one statement, so one round trip and
 * atomic by itself. Rows are locked in one order everywhere: a chain's anchor, a turn, its attempts, its items.
 */
export const statements = {
  begin: begins(false),
  beginInConversation: begins(true),

  /**
   * A row: both were written. The old attempt is ended whether or not the turn still runs. Under a budget: then
   * `reservationValues` of the next.
   */
  nextAttempt: variants(
    (isBudgeted) => `WITH turn AS (
      SELECT t.stored, t.deleted_at_ms, t.bucket FROM turns t
      WHERE t.tenant = $1 AND t.id = $2 AND t.bucket IN (0, $3) AND t.status = 'in_progress' FOR SHARE
    ), ${isBudgeted ? `${lockedLeases(nextReservation)}, ` : ''}begun AS (
      SELECT bucket FROM turn${isBudgeted ? ` WHERE ${hasLeases(nextReservation)}` : ''}
    ), ended AS (
      UPDATE attempts SET ${endAssignments(nextEnd, 'EXISTS (SELECT 1 FROM turn WHERE stored IN (1, 3) AND deleted_at_ms IS NULL)')}
      WHERE tenant = $1 AND turn_id = $2 AND bucket IN (0, $3) AND id = $4 AND (status = 'started' OR estimated = 1)
    )${isBudgeted ? `, one AS (SELECT 1), ${settled('$4', costOf(nextEnd), 'one')}, ${reserved(nextReservation, 'begun')}` : ''}
    ${insertFrom(
      'attempts',
      attemptStartColumns,
      `$1, $2, begun.bucket, ${parameters(attemptStartColumns.slice(3), nextStart)}`,
      'begun',
    )}
    RETURNING 1 AS begun`,
  ),

  /**
   * OFFSET 0: as long as a week's tables are young, the planner knows nothing of them, and would join the chain to all that the
   * tenant has there, once for each turn of it.
   */
  selectContext: selectContext(
    (table, alias, condition) =>
      `LATERAL (SELECT * FROM ${table} ${alias} WHERE ${condition} OFFSET 0) ${alias} ON true`,
  ),

  selectByContext: firstOf(sql.selectByContext),
  selectOpener: firstOf(sql.selectOpener),

  commit: variants((isBudgeted) => commit(false, isBudgeted)),
  commitInConversation: variants((isBudgeted) => commit(true, isBudgeted)),

  /**
   * tenant, id, week, owner, epoch, status, head, output count, hashes. As the commit of a turn, for whoever has locked its chain.
   * No row: it is fenced, or was made before.
   */
  commitLocked: `UPDATE turns SET status = $6, output_count = $8, head = CASE WHEN ${kept('turns')} THEN $7 ELSE '' END,
      context_hash = CASE WHEN ${kept('turns')} THEN $9 END, details_hashes = CASE WHEN ${kept('turns')} THEN $10 END
    WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3) AND owner = $4 AND epoch = $5 AND status = 'in_progress'
    RETURNING stored, deleted_at_ms, input_count, bucket, conversation`,

  /** tenant, turn id, then the arrays of items, of a conversation. */
  insertInput: insertFrom(
    'items',
    itemColumns,
    `$1::text, $2::text, 0, i.ordinal - 1, ${itemMarks.input}, ${itemFields}`,
    itemsFrom(3),
  ),

  /** tenant, id, bucket, position of the first, then the arrays of items. */
  insertOutput: insertFrom(
    'items',
    itemColumns,
    `$1::text, $2::text, $3::integer, $4::integer + i.ordinal - 1, ${itemMarks.output}, ${itemFields}`,
    itemsFrom(5),
  ),

  /**
   * tenant, id, week. To be run before a transaction looks which items a chain still needs: of all that do so, and of all turns
   * that keep something of one another, one goes at a time.
   */
  lockChain: `SELECT 1 AS locked FROM turns WHERE tenant = $1 AND bucket IN (0, $3)
    AND id = (SELECT t.anchor FROM turns t WHERE t.tenant = $1 AND t.id = $2 AND t.bucket IN (0, $3)) FOR UPDATE`,

  /** owner. */
  beat: `INSERT INTO nodes (owner, started_at, heartbeat_at) VALUES ($1, clock_timestamp(), clock_timestamp())
    ON CONFLICT (owner) DO UPDATE SET heartbeat_at = clock_timestamp()`,

  /** Writes nothing, and is refused where nothing can be written. */
  check: 'UPDATE nodes SET heartbeat_at = heartbeat_at WHERE false',

  /** owner. */
  leave: 'DELETE FROM nodes WHERE owner = $1',

  /** owner. Its turns were failed long ago. */
  forgetNodes: `DELETE FROM nodes WHERE owner <> $1 AND heartbeat_at < clock_timestamp() - interval '1 day'`,

  /** owner, lease in ms, whether a late heartbeat counts. Turns whose process has left, or has not been heard of for a lease. */
  selectAbandoned: `SELECT t.tenant, t.id, t.owner, t.epoch, t.head FROM turns t LEFT JOIN nodes n ON n.owner = t.owner
    WHERE t.status = 'in_progress' AND t.owner <> $1 AND (n.owner IS NULL
      OR ($3::boolean AND n.heartbeat_at < clock_timestamp() - $2 * interval '1 millisecond'))`,

  /** As `selectAbandoned`: attempts that nobody has ended, of turns that have. */
  selectForgotten: `SELECT a.tenant, a.turn_id, a.id, a.started_at_ms, t.epoch FROM attempts a
    JOIN turns t ON t.tenant = a.tenant AND t.id = a.turn_id AND t.bucket = a.bucket LEFT JOIN nodes n ON n.owner = t.owner
    WHERE a.status = 'started' AND t.status NOT IN ('queued', 'in_progress') AND t.owner <> $1 AND (n.owner IS NULL
      OR ($3::boolean AND n.heartbeat_at < clock_timestamp() - $2 * interval '1 millisecond'))`,
} as const;
