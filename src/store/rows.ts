import { bucketOf, weekOfId } from './bucket.ts';
import { columnText, columnTextOrNull, exactJson } from './column-text.ts';
import type { QueuedIntent } from './run-store.ts';
import { bodyColumn } from './stored-body.ts';
import type { AttemptEnd, AttemptStart, StoredContextItem, StoredItem, TurnCommit, TurnIntent } from './store.ts';

export type SqlValue = string | number | null | Uint8Array;

/** Where a turn lies, and what it takes along to get there. */
export interface TurnPlace {
  bucket: number;
  /** Of what is kept of the parent, what lies in another bucket: the turn has a copy of it, and is an anchor. */
  kept: readonly StoredContextItem[];
}

/**
 * A context lies in one bucket, so that no other is needed to read it: a turn whose parent lies in another takes its context
 * along. A turn that is not stored has none.
 */
export function placeOf(intent: TurnIntent | QueuedIntent): TurnPlace {
  const { parent } = intent;
  const bucket = bucketOf(intent);
  if (parent === undefined || parent.keep === 0 || parent.bucket === bucket || !intent.keepsContent)
    return { bucket, kept: [] };
  // Fewer, where some were deleted from their conversation.
  if (parent.items.length > parent.keep) throw new Error('the link to the parent brings more than it keeps');
  return { bucket, kept: parent.items };
}

/** Parameters of `sql.insertTurn`. A turn that is not stored leaves no head: it holds the client's metadata. */
export function turnRow(
  tenant: string,
  intent: TurnIntent | QueuedIntent,
  { bucket, kept }: TurnPlace,
  envelopeHash: string | null,
): SqlValue[] {
  const { parent } = intent;
  const base = parent?.bucket === bucket ? parent : undefined;
  return [
    tenant,
    intent.id,
    bucket,
    intent.createdAtMs,
    parent?.id ?? null,
    base?.keep ?? 0,
    base?.anchor ?? intent.id,
    base?.depth ?? 0,
    columnText(intent.sessionId),
    columnText(intent.model),
    intent.protocol,
    'run' in intent ? 'queued' : 'in_progress',
    storedMark(intent),
    columnText(intent.keyId),
    columnTextOrNull(intent.endUser),
    intent.owner,
    intent.epoch,
    intent.keepsContent ? exactJson(intent.head) : '',
    intent.keepsContent ? 0 : 1,
    envelopeHash,
    intent.input.length,
    kept.length,
    base?.dropsReasoning === true ? 1 : 0,
    intent.conversation?.id ?? null,
  ];
}

/**
 * 1: stored for whoever has its id. 2: its items are its conversation's, and nobody can name the turn. 3: its content is kept,
 * and nobody can name it.
 */
function storedMark({ store, keepsContent, conversation }: TurnIntent | QueuedIntent): 0 | 1 | 2 | 3 {
  if (store) return 1;
  if (conversation !== undefined) return 2;
  return keepsContent ? 3 : 0;
}

/** The input that is written. */
export function keptInput({ keepsContent, conversation, input }: TurnIntent | QueuedIntent): StoredItem[] {
  return keepsContent || conversation !== undefined ? input : [];
}

/** How many values `itemValues` writes for an item. */
export const itemValueCount = 5;

/** The last five parameters of `sql.insertItem` for each item, in one flat list: it travels between threads. */
export function itemValues(items: readonly StoredItem[]): SqlValue[] {
  return items.flatMap((item) => itemRow(item, null));
}

/** As `itemValues`, for an anchor's copies: each goes on naming the envelope of the turn that brought it. */
export function keptValues(items: readonly StoredContextItem[]): SqlValue[] {
  return items.flatMap((item) => itemRow(item, item.envelope));
}

function itemRow(item: StoredItem, envelope: string | null): SqlValue[] {
  const { id, type, origin } = item;
  return [
    columnText(id),
    columnText(type),
    exactJson(bodyColumn(item)),
    origin === null ? null : exactJson(origin),
    envelope,
  ];
}

/** Envelopes that an anchor's copies name, which have to come along. */
export function envelopesOf(kept: readonly StoredContextItem[]): string[] {
  return [...new Set(kept.flatMap(({ envelope }) => envelope ?? []))].toSorted();
}

/** The last two parameters of `sql.commitTurn`. */
export function hashValues({ context }: TurnCommit): [SqlValue, SqlValue] {
  return [context?.said ?? null, context?.details.join(' ') ?? null];
}

/** Parameters of `sql.insertAttempt`. @param bucket of the turn, for `sql.insertPlacedAttempt`. */
export function attemptStartRow(
  tenant: string,
  turnId: string,
  start: AttemptStart,
  bucket = weekOfId(turnId),
): SqlValue[] {
  return [
    tenant,
    turnId,
    bucket,
    start.id,
    start.number,
    'started',
    start.startedAtMs,
    columnText(start.provider),
    columnText(start.apiBase),
    columnText(start.upstreamModel),
    start.requestHash,
    start.codecVersion,
    start.estimatedInputTokens,
    start.estimatedCostNanoUsd ?? null,
  ];
}

/** Parameters of `sql.endAttempt`. */
export function attemptEndRow(tenant: string, turnId: string, end: AttemptEnd): SqlValue[] {
  return [
    tenant,
    turnId,
    weekOfId(turnId),
    end.id,
    end.status,
    end.endedAtMs,
    end.firstTokenAtMs ?? null,
    columnTextOrNull(end.upstreamId),
    columnTextOrNull(end.upstreamModel),
    end.usage.inputTokens,
    end.usage.cachedTokens,
    end.usage.cacheWriteTokens,
    end.usage.cacheWriteHourTokens,
    end.usage.outputTokens,
    end.usage.reasoningTokens,
    end.usage.estimated ? 1 : 0,
    end.costNanoUsd ?? null,
    end.error?.code ?? null,
    columnTextOrNull(end.error?.message),
    end.openCalls ?? null,
    columnTextOrNull(end.rawReply),
  ];
}
