import { keptBucket, weekOfId } from '../bucket.ts';
import { type BeginOutcome, checkBegun, notRunning } from '../begin-outcome.ts';
import { columnText, exactJson } from '../column-text.ts';
import { createContextFinder, type FindFirst } from '../context-finder.ts';
import { commitOrFail } from '../commit-or-fail.ts';
import { conversationWrites, insertAppended, selectWriter, takeBoth } from '../conversation-sql.ts';
import { type AppendWrite, createConversationStore } from '../create-conversation-store.ts';
import { envelopeHash, knownEnvelope } from '../envelope-hash.ts';
import { failedHead } from '../failed-head.ts';
import { type ClaimRow, claimSpan, claimValues, otherHolder } from '../idempotency.ts';
import type { FileStore } from '../file-store.ts';
import type { RecentSet } from '../recent-set.ts';
import type { Sealer } from '../seal.ts';
import { deleteSteps, endSteps, queueSteps, runSql, type Step } from '../run-sql.ts';
import type { QueuedIntent } from '../run-store.ts';
import type { Retention } from '../retention.ts';
import {
  attemptEndRow,
  attemptStartRow,
  envelopesOf,
  hashValues,
  itemValueCount,
  itemValues,
  keptInput,
  keptValues,
  placeOf,
  type SqlValue,
  turnRow,
} from '../rows.ts';
import { attemptStartColumns, sql } from '../sql.ts';
import type { AttemptStart, CommitOutcome, KeyHolder, TenantStore, TurnCommit, TurnIntent } from '../store.ts';
import { createTenantReads } from '../tenant-reads.ts';
import type { Unfinished } from '../unfinished.ts';
import { settleAttempt } from '../budget-script.ts';
import { makeBuckets } from './buckets.ts';
import { reservationValues, runScript } from './budget-engine.ts';
import { isMissingPartition, isUnknownOutcome } from './database-error.ts';
import type { Database, Query, SqlParameter } from './database.ts';
import { purge } from './purge.ts';
import { runSteps } from './run-steps.ts';
import { statements } from './statements.ts';
import { neverBegun, unsentAttempt } from '../unsent-attempt.ts';

export interface TenantStoreParts {
  database: Database;
  unfinished: Unfinished;
  retention: Retention;
  files: FileStore;
  envelopeKey: string;
  contextKey: string;
  sealer: Sealer;
  /** `knownEnvelope`s that are in the database for sure. */
  knownEnvelopes: RecentSet;
}

interface EndedTurn {
  stored: number;
  deleted_at_ms: number | null;
  input_count: number;
  conversation: string | null;
  bucket: number;
}

/** Null: nothing was begun, and nothing claimed. */
interface BegunRow {
  outcome: BeginOutcome;
  turn_id?: string | null;
  body_hash?: string | null;
}

function isBegun(row: BegunRow | undefined, id: string): boolean {
  return row?.outcome === 'begun' && otherHolder(claimOf(row), id) === undefined;
}

function claimOf(row: BegunRow | undefined): ClaimRow | undefined {
  const { turn_id = null, body_hash = null } = row ?? {};
  return turn_id === null || body_hash === null ? undefined : { turn_id, body_hash };
}

/** @see TenantRuns.queue */
interface TurnQueue {
  queueTurn(intent: QueuedIntent): Promise<KeyHolder | undefined>;
}

/** One tenant's view of the database: what a turn needs is one statement each. */
export function createTenantStore(tenant: string, parts: TenantStoreParts): TenantStore & TurnQueue {
  const { database, unfinished, retention, envelopeKey, sealer, knownEnvelopes } = parts;

  /** What was begun may end when the bucket it lies in has been dropped, and what begins may be the first of its week. */
  async function inBucket<Result>(week: number, write: () => Promise<Result>): Promise<Result> {
    try {
      return await write();
    } catch (error) {
      if (!isMissingPartition(error)) throw error;
      await makeBuckets(database, [week]);
      return write();
    }
  }

  async function commitTurn(commit: TurnCommit): Promise<CommitOutcome> {
    const row = [
      tenant,
      commit.id,
      weekOfId(commit.id),
      commit.owner,
      commit.epoch,
      commit.status,
      exactJson(commit.head),
      commit.output.length,
      ...hashValues(commit),
    ];
    const attempt = attemptEndRow(tenant, commit.id, commit.attempt);
    const items = valueArrays(itemValues(commit.output));
    const { settles = false } = commit.attempt;
    const steps = endSteps(tenant, commit.id, commit.events, commit.attempt.endedAtMs);
    if (steps.length === 0) {
      const statement = commit.conversation === undefined ? statements.commit : statements.commitInConversation;
      const bucket = commit.conversation === undefined ? weekOfId(commit.id) : keptBucket;
      const done = await database.query(statement[settles ? 'budgeted' : 'plain'], [
        ...row.with(2, bucket),
        ...attempt.slice(3),
        ...items,
      ]);
      if (done.length > 0) return 'committed';
    }
    return database.transaction(async (query) => {
      const outcome = await commitLocked(query, row, attempt, items, steps);
      if (settles) await runScript(query, settleAttempt(tenant, commit.attempt.id, commit.attempt.costNanoUsd ?? null));
      return outcome;
    });
  }

  const commitInBucket = (commit: TurnCommit) => inBucket(weekOfId(commit.id), () => commitTurn(commit));

  /** The rarer cases: a background turn, one that was deleted while it ran or taken over, or this very commit was made before. */
  async function commitLocked(
    query: Query,
    row: SqlValue[],
    attempt: SqlValue[],
    items: SqlValue[][],
    steps: Step[],
  ): Promise<CommitOutcome> {
    const [, id = null, week = null, owner = null, epoch = null, status = null] = row;
    await query(statements.lockChain, [tenant, id, week]);
    await query(sql.endAttempt, attempt);
    const [ended] = await query<EndedTurn>(statements.commitLocked, row);
    if (ended !== undefined) await runSteps(query, steps);
    const [turn = ended] =
      ended === undefined && status === 'cancelled'
        ? await query<EndedTurn>(runSql.adoptOutput, [
            tenant,
            id,
            week,
            retention.expiresBeforeMs(),
            owner,
            epoch,
            ...row.slice(6, 8),
          ])
        : [];
    if (turn === undefined) {
      const committed = await query(sql.selectCommitted, [tenant, id, week, owner, epoch, status]);
      return committed.length > 0 ? 'committed' : 'fenced';
    }
    const isAppended = turn.conversation !== null && (status === 'completed' || status === 'incomplete');
    if (isAppended) await query(sql.moveHead, [tenant, turn.conversation, id]);
    const purged = turn.deleted_at_ms !== null && (await purge(query, tenant, String(id), retention.expiresBeforeMs()));
    if ((turn.stored === 1 || turn.stored === 3 || isAppended) && !purged) {
      await query(statements.insertOutput, [tenant, id, turn.bucket, turn.input_count, ...items]);
    }
    if (turn.stored === 2 && !isAppended) await query(sql.dropUnkept, [tenant, id]);
    return 'committed';
  }

  /** @param undo ends the turn, where nobody knows whether it has begun; true: it had. Undefined: it is to stay. */
  async function begin(
    intent: TurnIntent | QueuedIntent,
    attempt: SqlValue[],
    run: (text: string, parameters: SqlParameter[]) => Promise<BegunRow[]>,
    undo: (() => Promise<boolean>) | undefined,
    started?: AttemptStart,
  ): Promise<KeyHolder | 'lease-lost' | undefined> {
    const { id, parent, conversation } = intent;
    const hash = envelopeHash(envelopeKey, tenant, intent);
    const place = placeOf(intent);
    const { bucket, kept } = place;
    const known = knownEnvelope(intent, bucket, hash);
    const isNew = hash !== null && !knownEnvelopes.has(known);
    // A conversation's head needs no lock of its own: nobody can delete its items while it is the head.
    const base = parent === undefined || parent.keep === 0 || conversation !== undefined ? undefined : parent;
    const parameters = [
      ...turnRow(tenant, intent, place, hash),
      ...attempt.slice(3),
      base?.id ?? null,
      base?.bucket ?? null,
      retention.expiresBeforeMs(),
      isNew ? exactJson(intent.envelope) : null,
      envelopesOf(kept),
      ...valueArrays([...keptValues(kept), ...itemValues(keptInput(intent))]),
      ...(conversation === undefined ? [] : [conversation.writer]),
      ...(started?.reservation === undefined ? [] : reservationValues(started.id, started.reservation)),
      ...(intent.idempotency === undefined ? [] : [...claimValues(intent), ...claimSpan(intent)]),
    ];
    try {
      const statement = conversation === undefined ? statements.begin : statements.beginInConversation;
      const { plain, budgeted, keyed, keyedBudgeted } = statement;
      const [unlimited, limited] = intent.idempotency === undefined ? [plain, budgeted] : [keyed, keyedBudgeted];
      const text = started?.reservation === undefined ? unlimited : limited;
      const [row] = await inBucket(bucket, () => run(text, parameters));
      if (row?.outcome === 'lease-lost') return 'lease-lost';
      checkBegun(row?.outcome ?? 'parent-not-found', intent);
      const holder = otherHolder(claimOf(row), id);
      if (holder !== undefined) return holder;
    } catch (error) {
      if (undo !== undefined && isUnknownOutcome(error)) unfinished.add(id, undo);
      throw error;
    }
    if (isNew) knownEnvelopes.add(known);
    return undefined;
  }

  function hide(id: string, nowMs: number): Promise<boolean> {
    const week = weekOfId(id);
    const expiryMs = retention.expiresBeforeMs();
    return database.transaction(async (query) => {
      await query(statements.lockChain, [tenant, id, week]);
      const hidden = await query(`${sql.hideTurn} RETURNING id`, [tenant, id, week, expiryMs, nowMs]);
      if (hidden.length === 0) return false;
      await runSteps(query, deleteSteps(tenant, id, nowMs));
      await query(sql.dropRawReplies, [tenant, id, week]);
      await purge(query, tenant, id, expiryMs);
      return true;
    });
  }

  const findFirst: FindFirst = async <Row>(...[statement, hashes, place]: Parameters<FindFirst>) => {
    const parameters = [tenant, hashes.join(','), ...place];
    const [found] = await database.query<Row & { at: number }>(statements[statement], parameters);
    return found;
  };

  return {
    tenant,
    seal: sealer.forTenant(tenant),
    ...createTenantReads(
      tenant,
      (text, ...parameters) => database.query(text, parameters),
      (text, ...parameters) => database.tuples(text, parameters),
      statements.selectContext,
      retention,
    ),
    ...createContextFinder(parts.contextKey, tenant, retention, findFirst),

    files: parts.files.forTenant(tenant),
    conversations: createConversationStore(tenant, {
      all: (text, ...parameters) => database.query(text, parameters),
      write: async (statement, parameters) =>
        (await database.query(`${conversationWrites[statement]} RETURNING 1`, parameters)).length > 0,
      append: (append) => database.transaction((query) => appendItems(query, append)),
    }),

    beginTurn(intent) {
      const { id, attempt, owner, epoch, createdAtMs } = intent;
      const failed = async () => {
        const head = intent.keepsContent ? failedHead(intent.head, createdAtMs, neverBegun) : '';
        const commit = {
          id,
          owner,
          epoch,
          status: 'failed' as const,
          head,
          output: [],
          attempt: unsentAttempt(attempt),
        };
        return (await commitInBucket(commit)) === 'committed';
      };
      return begin(intent, attemptStartRow(tenant, id, attempt), database.query, failed, attempt);
    },

    async queueTurn(intent) {
      const { id, createdAtMs } = intent;
      const none = attemptStartColumns.map(() => null);
      // Whoever was told 503 knows no id to ask for: it is not to run, be it that it has begun meanwhile. With a key the same request
      // again finds it, at once and at any process, and is told the id.
      const hidden = intent.idempotency === undefined ? () => hide(id, createdAtMs) : undefined;
      const queued = (text: string, parameters: SqlParameter[]) =>
        database.transaction(async (query) => {
          const rows = await query<BegunRow>(text, parameters);
          if (isBegun(rows[0], id)) await runSteps(query, queueSteps(tenant, intent));
          return rows;
        });
      const outcome = await begin(intent, none, queued, hidden);
      // A turn that waits reserves nothing.
      return outcome === 'lease-lost' ? undefined : outcome;
    },

    async nextAttempt(turnId, ended, started) {
      const end = attemptEndRow(tenant, turnId, ended);
      const start = attemptStartRow(tenant, turnId, started);
      const { reservation = { budgetIds: [], owner: '', nanoUsd: 0 } } = started;
      const isBudgeted = ended.settles === true || started.reservation !== undefined;
      try {
        const begun = isBudgeted
          ? await database.query(statements.nextAttempt.budgeted, [
              ...end,
              ...start.slice(3),
              ...reservationValues(started.id, reservation),
            ])
          : await database.query(statements.nextAttempt.plain, [...end, ...start.slice(3)]);
        if (begun.length === 0) throw notRunning();
      } catch (error) {
        if (isUnknownOutcome(error)) {
          const row = attemptEndRow(tenant, turnId, unsentAttempt(started));
          unfinished.add(started.id, async () => {
            await database.query(sql.endAttempt, row);
            if (started.reservation !== undefined)
              await database.transaction((query) => runScript(query, settleAttempt(tenant, started.id, 0)));
            return false;
          });
        }
        throw error;
      }
    },

    commitTurn: (commit) => commitOrFail(unfinished, commit, commitInBucket),

    deleteResponse: (responseId, nowMs) => hide(columnText(responseId), nowMs),
  };
}

/** The conversation's row is held before it is looked at: of many who append at once, one has found it as it is. */
async function appendItems(query: Query, append: AppendWrite): Promise<boolean> {
  const { tenant, conversation, create, writer, turnId, turn, items } = append;
  if (create !== undefined) {
    const made = await query(`${conversationWrites.insert} RETURNING 1`, create);
    if (made.length === 0) return true;
  } else {
    const [row] = await query<{ writer: string | null }>(`${selectWriter} FOR UPDATE`, [tenant, conversation]);
    if (row === undefined || row.writer !== writer) return false;
    await query(takeBoth, [tenant, conversation, turnId]);
  }
  await query(insertAppended, turn);
  await query(statements.insertInput, [tenant, turnId, ...valueArrays(items)]);
  return true;
}

/** `itemValues` as `unnest` takes them: one array for each column. */
function valueArrays(values: SqlValue[]): SqlValue[][] {
  return Array.from({ length: itemValueCount }, (_, column) =>
    values.filter((_value, index) => index % itemValueCount === column),
  );
}
