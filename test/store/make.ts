import type {
  AttemptEnd,
  AttemptStart,
  ParentLink,
  StoredItem,
  TenantStore,
  TurnCommit,
  TurnIntent,
} from '../../src/store/store.ts';
import type { EventBatch } from '../../src/store/event-batch.ts';
import type { QueuedIntent } from '../../src/store/run-store.ts';
import { bucketOf, weekOf } from '../../src/store/bucket.ts';
import type { Usage } from '../../src/core/usage.ts';

/** What tests put into stores. Ids are counted, so that a failing run reads the same every time. */
let made = 0;
const nextId = (prefix: string, ms = startMs) =>
  `${prefix}_${ms.toString(16).padStart(12, '0')}${String(++made).padStart(32, '0')}`;

export const startMs = 1_763_800_000_007;

export function itemOf(value: unknown, origin: string | null = null): StoredItem {
  const id = nextId('msg');
  return { id, type: 'message', body: JSON.stringify({ type: 'message', id, value }), origin };
}

export function attemptStartOf(overrides: Partial<AttemptStart> = {}): AttemptStart {
  return {
    id: nextId('att'),
    number: 1,
    startedAtMs: startMs,
    provider: 'anthropic',
    apiBase: 'https://api.example.com',
    upstreamModel: 'claude-x',
    requestHash: 'hash',
    codecVersion: '1',
    estimatedInputTokens: 11,
    estimatedCostNanoUsd: 1100,
    ...overrides,
  };
}

export const someUsage: Usage = {
  inputTokens: 157,
  cachedTokens: 40,
  cacheWriteTokens: 7,
  cacheWriteHourTokens: 2,
  outputTokens: 25,
  reasoningTokens: 5,
  estimated: false,
};

export function attemptEndOf(id: string, overrides: Partial<AttemptEnd> = {}): AttemptEnd {
  return {
    id,
    status: 'completed',
    endedAtMs: startMs + 1500,
    firstTokenAtMs: startMs + 200,
    upstreamId: 'msg_upstream',
    upstreamModel: 'claude-x-20261101',
    usage: someUsage,
    costNanoUsd: 247_750,
    error: undefined,
    rawReply: undefined,
    ...overrides,
  };
}

export function intentOf(overrides: Partial<TurnIntent> = {}): TurnIntent {
  const createdAtMs = overrides.createdAtMs ?? startMs + made + 1;
  const id = overrides.id ?? nextId('resp', createdAtMs);
  return {
    id,
    createdAtMs,
    kept: overrides.conversation !== undefined,
    parent: undefined,
    sessionId: 'sess_1',
    model: 'fast',
    protocol: 'responses',
    store: true,
    keepsContent: overrides.store ?? true,
    keyId: 'key_1',
    endUser: undefined,
    owner: 'process-1',
    epoch: 0,
    head: JSON.stringify({ id, object: 'response', status: 'in_progress', metadata: {} }),
    envelope: '{"instructions":"be brief","tools":[]}',
    input: [itemOf(`input of ${id}`)],
    attempt: attemptStartOf(),
    ...overrides,
  };
}

/** Events with these sequence numbers, as one batch. */
export function batchOf(firstSequence: number, lastSequence = firstSequence): EventBatch {
  let data = '';
  for (let n = firstSequence; n <= lastSequence; n++) {
    data += `event: response.x\ndata: {"type":"response.x","sequence_number":${n},"text":"\ud800"}\n\n`;
  }
  return { firstSequence, lastSequence, data };
}

export function queuedOf(
  overrides: Partial<TurnIntent> = {},
  run: Partial<QueuedIntent['run']> = {},
): QueuedIntent & { attempt: AttemptStart } {
  const intent = intentOf(overrides);
  const head = JSON.stringify({ id: intent.id, object: 'response', status: 'queued', background: true });
  return { ...intent, head, run: { streamed: true, body: '{"model":"fast"}', events: [batchOf(0, 1)], ...run } };
}

export function commitOf(intent: TurnIntent, overrides: Partial<TurnCommit> = {}): TurnCommit {
  return {
    id: intent.id,
    owner: intent.owner,
    epoch: intent.epoch,
    status: 'completed',
    head: JSON.stringify({ id: intent.id, object: 'response', status: 'completed', metadata: {} }),
    output: intent.store ? [itemOf(`output of ${intent.id}`)] : [],
    attempt: attemptEndOf(intent.attempt.id),
    ...overrides,
  };
}

/** A link to a turn that never was. */
export const strayLink = (id: string, keep = 1): ParentLink => ({
  id,
  bucket: weekOf(startMs),
  keep,
  items: [],
  anchor: id,
  depth: 1,
});

/** The link of a turn that, in its parent's bucket, keeps the first `keep` items of its parent's context; keeping none makes it an anchor. */
export function linkTo(parent: TurnIntent, keep: number, childId: string): ParentLink {
  const { anchor, depth } = parent.parent ?? { anchor: parent.id, depth: 0 };
  const { id } = parent;
  const bucket = bucketOf(parent);
  return keep === 0
    ? { id, bucket, keep, items: [], anchor: childId, depth: 0 }
    : { id, bucket, keep, items: [], anchor, depth: depth + 1 };
}

/** The same for a turn that is in the store, whoever wrote it. */
export async function readLink(own: TenantStore, id: string, keep: number, childId: string): Promise<ParentLink> {
  const found = await own.readContext(id);
  if (found === undefined) throw new Error(`there is no response ${id}`);
  const { bucket, items, anchor, depth } = found;
  return keep === 0
    ? { id, bucket, keep, items: [], anchor: childId, depth: 0 }
    : { id, bucket, keep, items: items.slice(0, keep), anchor, depth: depth + 1 };
}

export { nextId };
