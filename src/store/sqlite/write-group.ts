import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { crashPoint } from '../../crash-point.ts';
import { keptBucket, weekOfId } from '../bucket.ts';
import { budgetSql } from '../budget-sql.ts';
import { releaseLease, renewLease, type Script, setLimit, settleAttempt } from '../budget-script.ts';
import { conversationWrites, insertAppended, selectWriter, takeBoth, takeWriter } from '../conversation-sql.ts';
import { keyWrites } from '../key-sql.ts';
import { claim, type ClaimRow, forgetClaims, otherHolder } from '../idempotency.ts';
import { itemValueCount, type SqlValue } from '../rows.ts';
import { deleteSteps, failSteps, runSql, type Step } from '../run-sql.ts';
import { itemMarks, kept, sql } from '../sql.ts';
import { envelopeGraceMs, retentionSql } from '../retention-sql.ts';
import { createStatements } from './statements.ts';
import { type EngineFailure, failureOf, isLocked, movedAway } from './store-error.ts';
import type { ReservationOp, SettleOp, WriteOp, WriteResult, WriteResults } from './write-op.ts';

const claimKey = claim('VALUES ($1, $2, $3, $4, $5)', 6);

interface EndedTurn {
  stored: number;
  deleted_at_ms: number | null;
  input_count: number;
  conversation: string | null;
  bucket: number;
}

interface RunningTurn extends EndedTurn {
  /** 1: it keeps its content. */
  kept: number;
}

type OpOf<Kind extends WriteOp['kind']> = Extract<WriteOp, { kind: Kind }>;

/** So few that nobody waits for long behind them. */
const turnsAtOnce = 50;

interface TurnKey {
  tenant: string;
  id: string;
}

/** Where there are no partitions to drop. What is kept does not age, and what runs ends first. */
const sqliteExpiry = {
  selectAged: `SELECT tenant, id FROM turns INDEXED BY turns_with_head WHERE blanked = 0 AND created_at_ms < $1
    AND bucket <> 0 AND status NOT IN ('queued', 'in_progress') ORDER BY created_at_ms LIMIT $2`,
  selectSpent: `SELECT tenant, id FROM turns INDEXED BY turns_without_head WHERE blanked = 1 AND created_at_ms < $1
    AND bucket <> 0 AND status NOT IN ('queued', 'in_progress') ORDER BY created_at_ms LIMIT $2`,
  deleteTurn: [
    'DELETE FROM attempts WHERE tenant = $1 AND turn_id = $2 AND bucket = $3',
    'DELETE FROM items WHERE tenant = $1 AND turn_id = $2 AND bucket = $3',
    'DELETE FROM turns WHERE tenant = $1 AND id = $2 AND bucket = $3',
    'DELETE FROM background_runs WHERE tenant = $1 AND turn_id = $2 AND $3 <> 0',
  ],
} as const;

/** In two: SQLite keeps what an UPDATE returns in a table of its own, and the row that was, and both cost more than to read it first. */
export const sqliteCommit = {
  /** tenant, id, week, owner, epoch. No row: the commit is fenced, or was made before. */
  selectRunningTurn: `SELECT stored, deleted_at_ms, input_count, bucket, conversation, ${kept('turns')} AS kept FROM turns
    WHERE tenant = $1 AND id = $2 AND bucket IN (0, $3) AND owner = $4 AND epoch = $5 AND status = 'in_progress'`,
  /** tenant, id, bucket, status, output count, head, hashes. */
  endRunningTurn: `UPDATE turns SET status = $4, output_count = $5, head = $6, context_hash = $7, details_hashes = $8
    WHERE tenant = $1 AND id = $2 AND bucket = $3`,
} as const;

interface PlacedTurn {
  tenant: string;
  id: string;
  bucket: number;
}

/** What a client was told to be done survives a power cut; an intent survives the process only, and is cheaper by an fsync. */
const survivesPowerCut: Record<Exclude<WriteOp['kind'], 'begin' | 'steps'>, boolean> = {
  'next-attempt': false,
  commit: true,
  delete: true,
  fail: false,
  'renew-lease': false,
  'release-lease': false,
  'set-limit': true,
  keys: true,
  conversations: true,
  append: true,
  'end-attempt': false,
  expire: true,
  check: false,
};

function isPowerProof(op: WriteOp): boolean {
  if (op.kind === 'steps') return op.survivesPowerCut;
  // Of a turn that is queued the client is told at once.
  return op.kind === 'begin' ? op.attempt === undefined : survivesPowerCut[op.kind];
}

/**
 * Runs groups of writes on the one writing connection: each group is one transaction, with one fsync at most. Where
 * something in it fails, nothing of it was written; its writes are then run one by one, so that the bad one fails alone. Where
 * another program locks the file, all of them fail.
 */
export function createGroupWriter(db: DatabaseSync, path: string): (ops: WriteOp[]) => (WriteResult | EngineFailure)[] {
  const prepare = createStatements(db);
  let synchronous: 'FULL' | 'NORMAL' | undefined;
  const { ino } = statSync(path);

  /** Of a file that was deleted or replaced nothing would be there after the next start, and no write would fail. */
  const checkPlace = () => {
    if (statSync(path, { throwIfNoEntry: false })?.ino !== ino)
      throw Object.assign(new Error(`another file is at ${path}, or none`), { errcode: movedAway });
  };

  const insertItems = (turn: PlacedTurn, items: SqlValue[], from: number, mark: number) => {
    const insert = prepare(sql.insertItem);
    const { tenant, id, bucket } = turn;
    for (let at = 0; at < items.length; at += itemValueCount) {
      insert.run(tenant, id, bucket, from + at / itemValueCount, mark, ...items.slice(at, at + itemValueCount));
    }
  };

  const runSteps = (steps: Step[]) => {
    for (const step of steps) prepare(step.sql).run(...step.parameters);
  };

  /** Returns whether the turn itself was among those whose items went. */
  const purge = (tenant: string, id: string, expiryMs: number): boolean => {
    const week = weekOfId(id);
    const gone = prepare(sql.purgeTurns).all(tenant, id, week, expiryMs) as unknown as { id: string }[];
    for (const turn of gone) {
      prepare(sql.suspectEnvelopes).run(tenant, turn.id, week);
      prepare(sql.deleteItems).run(tenant, turn.id, week);
    }
    return gone.some((turn) => turn.id === id);
  };

  const runScript = <Result>(script: Script<Result>): Result => {
    let step = script.next();
    while (step.done !== true) {
      const [text, ...parameters] = step.value;
      step = script.next(prepare(text).all(...parameters));
    }
    return step.value;
  };

  const hasLeases = (tenant: string, { budgetIds, owner }: ReservationOp) =>
    budgetIds.every((id) => prepare(budgetSql.selectLease).get(tenant, id, owner) !== undefined);

  const reserve = (tenant: string, { attemptId, budgetIds, owner, nanoUsd }: ReservationOp) => {
    for (const id of budgetIds) prepare(budgetSql.reserve).run(tenant, attemptId, id, owner, nanoUsd);
  };

  const settle = (tenant: string, { attemptId, costNanoUsd }: SettleOp) =>
    runScript(settleAttempt(tenant, attemptId, costNanoUsd));

  /** Who wrote last; undefined: there is no such conversation. */
  const writerOf = (tenant: string, conversation: string): string | null | undefined => {
    const row = prepare(selectWriter).get(tenant, conversation) as { writer: string | null } | undefined;
    return row?.writer;
  };

  const begin = (op: OpOf<'begin'>): WriteResults['begin'] => {
    if (op.conversation !== undefined) {
      const writer = writerOf(op.tenant, op.conversation.id);
      if (writer === undefined) return 'conversation-not-found';
      if (writer !== op.conversation.writer) return 'conversation-locked';
    }
    if (op.reservation !== undefined && !hasLeases(op.tenant, op.reservation)) return 'lease-lost';
    if (op.parent !== undefined) {
      const { id, bucket } = op.parent;
      const parent = prepare(sql.selectParent).get(op.tenant, id, bucket, op.expiryMs) as
        | { length: number }
        | undefined;
      if (parent === undefined) return 'parent-not-found';
      if (parent.length < op.parent.keep) return 'parent-too-short';
    }
    if (op.claim !== undefined) {
      prepare(forgetClaims).run(op.claim[5] ?? null);
      const holder = otherHolder(prepare(claimKey).get(...op.claim) as ClaimRow | undefined, op.id);
      if (holder !== undefined) return holder;
    }
    if (op.conversation !== undefined) prepare(takeWriter).run(op.tenant, op.conversation.id, op.id);
    prepare(sql.insertTurn).run(...op.turn);
    if (op.envelope !== undefined) prepare(sql.insertEnvelope).run(...op.envelope);
    for (const hash of op.envelopes) {
      prepare(sql.copyEnvelope).run(op.tenant, hash, op.bucket, op.parent?.bucket ?? null, op.nowMs);
    }
    if (op.attempt !== undefined) prepare(sql.insertPlacedAttempt).run(...op.attempt);
    if (op.reservation !== undefined) reserve(op.tenant, op.reservation);
    insertItems(op, op.kept, -op.kept.length / itemValueCount, itemMarks.kept);
    insertItems(op, op.items, 0, itemMarks.input);
    runSteps(op.steps);
    return 'begun';
  };

  const nextAttempt = (op: OpOf<'next-attempt'>) => {
    prepare(sql.endAttempt).run(...op.ended);
    if (op.settles !== undefined) settle(op.tenant, op.settles);
    if (prepare(sql.selectRunning).get(op.tenant, op.id, weekOfId(op.id)) === undefined) return false;
    if (op.reservation !== undefined && !hasLeases(op.tenant, op.reservation)) return false;
    prepare(sql.insertAttempt).run(...op.started);
    if (op.reservation !== undefined) reserve(op.tenant, op.reservation);
    return true;
  };

  const adopt = ({ tenant, id, expiryMs, owner, epoch, head }: OpOf<'commit'>, count: number) => {
    const place = [tenant, id, weekOfId(id), expiryMs];
    return prepare(runSql.adoptOutput).get(...place, owner, epoch, head, count) as EndedTurn | undefined;
  };

  const commit = (op: OpOf<'commit'>) => {
    const { tenant, id, owner, epoch, status, head, hashes, expiryMs, items } = op;
    const week = weekOfId(id);
    prepare(sql.endAttempt).run(...op.attempt);
    if (op.settles !== undefined) settle(op.tenant, op.settles);
    const count = items.length / itemValueCount;
    const ended = prepare(sqliteCommit.selectRunningTurn).get(tenant, id, week, owner, epoch) as
      | RunningTurn
      | undefined;
    if (ended !== undefined) {
      const [headIfKept, ...hashesIfKept] = ended.kept === 1 ? [head, ...hashes] : ['', null, null];
      prepare(sqliteCommit.endRunningTurn).run(tenant, id, ended.bucket, status, count, headIfKept, ...hashesIfKept);
      runSteps(op.steps);
    }
    const turn = ended ?? (status === 'cancelled' ? adopt(op, count) : undefined);
    if (turn === undefined) {
      const committed = prepare(sql.selectCommitted).get(tenant, id, week, owner, epoch, status);
      return committed === undefined ? 'fenced' : 'committed';
    }
    const isAppended = turn.conversation !== null && (status === 'completed' || status === 'incomplete');
    if (isAppended) prepare(sql.moveHead).run(tenant, turn.conversation, id);
    // Deleted while it ran: its output is written only if somebody has come to need it.
    const purged = turn.deleted_at_ms !== null && purge(tenant, id, expiryMs);
    if ((turn.stored === 1 || turn.stored === 3 || isAppended) && !purged) {
      insertItems({ tenant, id, bucket: turn.bucket }, items, turn.input_count, itemMarks.output);
    }
    if (turn.stored === 2 && !isAppended) prepare(sql.dropUnkept).run(tenant, id);
    return 'committed';
  };

  const hide = ({ tenant, id, expiryMs, nowMs }: OpOf<'delete'>) => {
    const week = weekOfId(id);
    if (prepare(sql.hideTurn).run(tenant, id, week, expiryMs, nowMs).changes === 0) return false;
    runSteps(deleteSteps(tenant, id, nowMs));
    prepare(sql.dropRawReplies).run(tenant, id, week);
    purge(tenant, id, expiryMs);
    return true;
  };

  const fail = ({ tenant, id, owner, epoch, head, expiryMs, nowMs, error }: OpOf<'fail'>) => {
    const week = weekOfId(id);
    if (prepare(sql.failTurn).run(tenant, id, week, owner, epoch, head).changes === 0) return false;
    prepare(sql.crashAttempts).run(tenant, id, week, nowMs, error.code, error.message);
    runSteps(failSteps(tenant, id, nowMs));
    prepare(sql.dropUnkept).run(tenant, id);
    purge(tenant, id, expiryMs);
    return true;
  };

  const append = ({ tenant, conversation, create, writer, turnId, turn, items }: OpOf<'append'>): boolean => {
    if (create !== undefined) {
      if (prepare(conversationWrites.insert).run(...create).changes === 0) return true;
    } else if (writerOf(tenant, conversation) === writer) prepare(takeBoth).run(tenant, conversation, turnId);
    else return false;
    prepare(insertAppended).run(...turn);
    insertItems({ tenant, id: turnId, bucket: keptBucket }, items, 0, itemMarks.input);
    return true;
  };

  const expire = ({ contentBeforeMs, rowsBeforeMs, nowMs }: OpOf<'expire'>): boolean => {
    const aged = prepare(sqliteExpiry.selectAged).all(contentBeforeMs, turnsAtOnce) as unknown as TurnKey[];
    for (const { tenant, id } of aged) {
      const week = weekOfId(id);
      prepare(retentionSql.blankTurn).run(tenant, id, week);
      prepare(sql.dropRawReplies).run(tenant, id, week);
      purge(tenant, id, contentBeforeMs);
    }
    const spent = prepare(sqliteExpiry.selectSpent).all(rowsBeforeMs, turnsAtOnce) as unknown as TurnKey[];
    for (const { tenant, id } of spent) {
      for (const statement of sqliteExpiry.deleteTurn) prepare(statement).run(tenant, id, weekOfId(id));
    }
    const suspects = prepare(retentionSql.selectSuspects).all(nowMs - envelopeGraceMs, turnsAtOnce);
    for (const { tenant = null, hash = null, bucket = null } of suspects) {
      prepare(retentionSql.deleteUnused).run(tenant, hash, bucket);
      prepare(retentionSql.trustEnvelope).run(tenant, hash, bucket);
    }
    return aged.length > 0 || spent.length > 0 || suspects.length > 0;
  };

  const run = (op: WriteOp): WriteResult => {
    switch (op.kind) {
      case 'begin':
        return begin(op);
      case 'next-attempt':
        return nextAttempt(op);
      case 'commit':
        return commit(op);
      case 'delete':
        return hide(op);
      case 'fail':
        return fail(op);
      case 'steps': {
        const [first, ...others] = op.steps;
        if (first === undefined || prepare(first.sql).get(...first.parameters) === undefined) return false;
        runSteps(others);
        return true;
      }
      case 'renew-lease':
        return runScript(renewLease(op.tenant, op.ask, ''));
      case 'release-lease':
        runScript(releaseLease(op.lease, op.nowMs, ''));
        return true;
      case 'set-limit':
        runScript(setLimit(op.tenant, op.id, op.limitNanoUsd, op.nowMs, ''));
        return true;
      case 'keys':
        return prepare(keyWrites[op.statement]).run(...op.parameters).changes > 0;
      case 'conversations':
        return prepare(conversationWrites[op.statement]).run(...op.parameters).changes > 0;
      case 'append':
        return append(op);
      case 'end-attempt':
        prepare(sql.endAttempt).run(...op.ended);
        settle(op.tenant, op.settles);
        return true;
      case 'expire':
        return expire(op);
      case 'check':
        return true;
    }
  };

  const transact = (ops: WriteOp[]): WriteResult[] => {
    checkPlace();
    const level = ops.some(isPowerProof) ? 'FULL' : 'NORMAL';
    if (level !== synchronous) {
      db.exec(`PRAGMA synchronous = ${level}`);
      synchronous = level;
    }
    prepare('BEGIN IMMEDIATE').run();
    crashPoint('transaction-begun');
    try {
      const results = ops.map(run);
      prepare('COMMIT').run();
      crashPoint('transaction-committed');
      return results;
    } catch (error) {
      // A full disk ends the transaction by itself.
      if (db.isTransaction) prepare('ROLLBACK').run();
      throw error;
    }
  };

  return (ops) => {
    try {
      return transact(ops);
    } catch (error) {
      const failure = failureOf(error);
      // Who waited for a lock has waited for all.
      if (ops.length === 1 || isLocked(failure)) return ops.map(() => failure);
    }
    return ops.map((op) => {
      try {
        return transact([op])[0] ?? failureOf('no result');
      } catch (error) {
        return failureOf(error);
      }
    });
  };
}
