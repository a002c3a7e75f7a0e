import { columnText, columnTextOrNull, exactJson } from './column-text.ts';
import type { QueuedIntent } from './run-store.ts';
import type { AttemptEnd, AttemptStart, StoredItem, TurnIntent } from './store.ts';

export type SqlValue = string | number | null;

/** Parameters of `sql.insertTurn`. A turn that is not stored leaves no head: it holds the client's metadata. */
export function turnRow(tenant: string, intent: TurnIntent | QueuedIntent, envelopeHash: string | null): SqlValue[] {
  const { parent } = intent;
  return [
    tenant,
    intent.id,
    intent.createdAtMs,
    parent?.id ?? null,
    parent?.keep ?? 0,
    parent?.anchor ?? intent.id,
    parent?.depth ?? 0,
    columnText(intent.sessionId),
    columnText(intent.model),
    intent.protocol,
    'run' in intent ? 'queued' : 'in_progress',
    storedMark(intent),
    columnText(intent.keyId),
    columnTextOrNull(intent.endUser),
    intent.owner,
    intent.epoch,
    intent.store ? exactJson(intent.head) : '',
    envelopeHash,
    intent.input.length,
    intent.conversation?.id ?? null,
  ];
}

/** 1: stored for whoever has its id. 2: its items are its conversation's, and nobody can name the turn. */
function storedMark({ store, conversation }: TurnIntent | QueuedIntent): 0 | 1 | 2 {
  if (store) return 1;
  return conversation === undefined ? 0 : 2;
}

/** The input that is written. */
export function keptInput({ store, conversation, input }: TurnIntent | QueuedIntent): StoredItem[] {
  return store || conversation !== undefined ? input : [];
}

/** How many values `itemValues` writes for an item. */
export const itemValueCount = 4;

/** The last four parameters of `sql.insertItem` for each item, in one flat list: it travels between threads. */
export function itemValues(items: StoredItem[]): SqlValue[] {
  return items.flatMap(({ id, type, body, origin }) => [
    columnText(id),
    columnText(type),
    exactJson(body),
    origin === null ? null : exactJson(origin),
  ]);
}

/** Parameters of `sql.insertAttempt`. */
export function attemptStartRow(tenant: string, turnId: string, start: AttemptStart): SqlValue[] {
  return [
    tenant,
    turnId,
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
    start.estimatedCostNanoUsd,
  ];
}

/** Parameters of `sql.endAttempt`. */
export function attemptEndRow(tenant: string, turnId: string, end: AttemptEnd): SqlValue[] {
  return [
    tenant,
    turnId,
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
    columnTextOrNull(end.rawReply),
  ];
}
