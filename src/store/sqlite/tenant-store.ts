import { checkBegun, notRunning } from '../begin-outcome.ts';
import { columnText, exactJson } from '../column-text.ts';
import { createContextFinder, type FindFirst } from '../context-finder.ts';
import { commitOrFail } from '../commit-or-fail.ts';
import { createConversationStore } from '../create-conversation-store.ts';
import { envelopeHash, knownEnvelope } from '../envelope-hash.ts';
import { claimSpan, claimValues } from '../idempotency.ts';
import type { FileStore } from '../file-store.ts';
import type { RecentSet } from '../recent-set.ts';
import type { Sealer } from '../seal.ts';
import type { Retention } from '../retention.ts';
import { endSteps, queueSteps } from '../run-sql.ts';
import type { QueuedIntent } from '../run-store.ts';
import {
  attemptEndRow,
  attemptStartRow,
  envelopesOf,
  hashValues,
  itemValues,
  keptInput,
  keptValues,
  placeOf,
  turnRow,
} from '../rows.ts';
import { selectContext, sql } from '../sql.ts';
import type { AttemptEnd, AttemptStart, KeyHolder, TenantStore, TurnCommit, TurnIntent } from '../store.ts';
import { createTenantReads } from '../tenant-reads.ts';
import type { Unfinished } from '../unfinished.ts';
import type { RecentContexts } from '../recent-contexts.ts';
import type { Reader } from './reader.ts';
import type { ReservationOp, SettleOp } from './write-op.ts';
import type { Writer } from './writer.ts';

const sqliteContext = selectContext((table, alias, condition) => `${table} ${alias} ON ${condition}`);

export interface TenantStoreParts {
  reader: Reader;
  writer: Writer;
  unfinished: Unfinished;
  retention: Retention;
  files: FileStore;
  envelopeKey: string;
  contextKey: string;
  sealer: Sealer;
  /** `knownEnvelope`s that are in the database for sure, and need not be sent to the writer again. */
  knownEnvelopes: RecentSet;
  recentContexts: RecentContexts;
}

/** @see TenantRuns.queue */
interface TurnQueue {
  queueTurn(intent: QueuedIntent): Promise<KeyHolder | undefined>;
}

/** One tenant's view of the database: reads on this thread, from what is committed; writes through the writer thread. */
export function createTenantStore(tenant: string, parts: TenantStoreParts): TenantStore & TurnQueue {
  const { reader, writer, unfinished, retention, envelopeKey, sealer, knownEnvelopes } = parts;

  const commitTurn = async (commit: TurnCommit) =>
    writer.submit({
      kind: 'commit',
      tenant,
      id: commit.id,
      owner: commit.owner,
      epoch: commit.epoch,
      status: commit.status,
      head: exactJson(commit.head),
      hashes: hashValues(commit),
      items: itemValues(commit.output),
      expiryMs: retention.expiresBeforeMs(),
      attempt: attemptEndRow(tenant, commit.id, commit.attempt),
      steps: endSteps(tenant, commit.id, commit.events, commit.attempt.endedAtMs),
      settles: settleOf(commit.attempt),
    });

  async function begin(intent: TurnIntent | QueuedIntent): Promise<KeyHolder | 'lease-lost' | undefined> {
    const hash = envelopeHash(envelopeKey, tenant, intent);
    const place = placeOf(intent);
    const { bucket, kept } = place;
    const { id, parent, createdAtMs } = intent;
    const known = knownEnvelope(intent, bucket, hash);
    const isNew = hash !== null && !knownEnvelopes.has(known);
    const [keyHash, bodyHash] = claimValues(intent);
    const outcome = await writer.submit({
      kind: 'begin',
      tenant,
      id,
      bucket,
      expiryMs: retention.expiresBeforeMs(),
      nowMs: createdAtMs,
      parent:
        parent === undefined || parent.keep === 0 || intent.conversation !== undefined
          ? undefined
          : { id: parent.id, bucket: parent.bucket, keep: parent.keep },
      claim: keyHash === null ? undefined : [tenant, keyHash, bodyHash, id, createdAtMs, ...claimSpan(intent)],
      conversation: intent.conversation,
      turn: turnRow(tenant, intent, place, hash),
      envelope: isNew ? [tenant, hash, bucket, exactJson(intent.envelope), createdAtMs] : undefined,
      envelopes: envelopesOf(kept),
      attempt: 'run' in intent ? undefined : attemptStartRow(tenant, id, intent.attempt, bucket),
      steps: 'run' in intent ? queueSteps(tenant, intent) : [],
      kept: keptValues(kept),
      items: itemValues(keptInput(intent)),
      reservation: 'run' in intent ? undefined : reservationOf(intent.attempt),
    });
    if (typeof outcome === 'object' || outcome === 'lease-lost') return outcome;
    checkBegun(outcome, intent);
    if (isNew) knownEnvelopes.add(known);
    return undefined;
  }

  const findFirst: FindFirst = async <Row>(...[statement, hashes, place]: Parameters<FindFirst>) => {
    for (const [at, hash] of hashes.entries()) {
      const [found] = reader.all<Row>(sql[statement], tenant, hash, ...place);
      if (found !== undefined) return { ...found, at };
    }
    return undefined;
  };

  return {
    tenant,
    seal: sealer.forTenant(tenant),
    ...createTenantReads(tenant, reader.all, reader.tuples, sqliteContext, retention, parts.recentContexts),
    ...createContextFinder(parts.contextKey, tenant, retention, findFirst),

    files: parts.files.forTenant(tenant),
    conversations: createConversationStore(tenant, {
      all: reader.all,
      write: (statement, parameters) => writer.submit({ kind: 'conversations', statement, parameters }),
      append: (append) => writer.submit({ kind: 'append', ...append }),
    }),

    beginTurn: begin,
    async queueTurn(intent) {
      const outcome = await begin(intent);
      // A turn that waits reserves nothing.
      return outcome === 'lease-lost' ? undefined : outcome;
    },

    async nextAttempt(turnId, ended, started) {
      const begun = await writer.submit({
        kind: 'next-attempt',
        tenant,
        id: turnId,
        ended: attemptEndRow(tenant, turnId, ended),
        started: attemptStartRow(tenant, turnId, started),
        settles: settleOf(ended),
        reservation: reservationOf(started),
      });
      if (!begun) throw notRunning();
    },

    commitTurn: (commit) => commitOrFail(unfinished, commit, commitTurn),

    deleteResponse(responseId, nowMs) {
      return writer.submit({
        kind: 'delete',
        tenant,
        id: columnText(responseId),
        expiryMs: retention.expiresBeforeMs(),
        nowMs,
      });
    },
  };
}

function reservationOf({ id, reservation }: AttemptStart): ReservationOp | undefined {
  if (reservation === undefined) return undefined;
  const { budgetIds, owner, nanoUsd } = reservation;
  return { attemptId: id, budgetIds: budgetIds.map(columnText), owner, nanoUsd };
}

function settleOf({ id, settles, costNanoUsd }: AttemptEnd): SettleOp | undefined {
  return settles === true ? { attemptId: id, costNanoUsd: costNanoUsd ?? null } : undefined;
}
