/* oxlint-disable no-console */
import { createIdMint } from '../../src/core/ids.ts';
import type { Store, StoredItem, TenantStore } from '../../src/store/store.ts';

const ids = createIdMint();
const text = ids.mint('msg', 0).repeat(9);

/** Runs turns as the gateway does, but for the model: its statements, in its order, each waited for. */
export interface TurnRunner {
  /** @returns the turn's id. */
  run(parent: string | undefined, createdAtMs?: number): Promise<string>;
  /** A chain of so many turns. @returns the id of its last. */
  chain(length: number, createdAtMs?: number): Promise<string>;
}

export function createTurnRunner(store: Store, owner: string, tenant: string): TurnRunner {
  const own = store.forTenant(tenant);
  const run = (parent: string | undefined, createdAtMs = Date.now()) => runTurn(own, owner, parent, createdAtMs);
  return {
    run,
    async chain(length, createdAtMs) {
      let last = await run(undefined, createdAtMs);
      for (let turn = 2; turn <= length; turn++) last = await run(last, createdAtMs);
      return last;
    },
  };
}

async function runTurn(own: TenantStore, owner: string, parent: string | undefined, nowMs: number): Promise<string> {
  const context = parent === undefined ? undefined : await own.readContext(parent);
  if (parent !== undefined && context === undefined) throw new Error(`there is no response ${parent}`);
  const id = ids.mint('resp', nowMs);
  const attemptId = ids.mint('att', nowMs);
  const head = JSON.stringify({ id, object: 'response', created_at: nowMs, model: 'fast', metadata: {}, about: text });
  await own.beginTurn({
    id,
    createdAtMs: nowMs,
    kept: false,
    parent: context && parent ? { ...context, id: parent, keep: context.length, depth: context.depth + 1 } : undefined,
    sessionId: context?.sessionId ?? ids.mint('sess', nowMs),
    model: 'fast',
    protocol: 'responses',
    store: true,
    keepsContent: true,
    keyId: 'key_1',
    endUser: undefined,
    owner,
    epoch: 0,
    head,
    envelope: '{"instructions":"be brief","tools":[]}',
    input: [itemOf('user', nowMs)],
    attempt: {
      id: attemptId,
      number: 1,
      startedAtMs: nowMs,
      provider: 'anthropic',
      apiBase: 'https://api.example.com',
      upstreamModel: 'claude-x',
      requestHash: 'hash',
      codecVersion: '1',
      estimatedInputTokens: 1570,
      estimatedCostNanoUsd: 247_750,
    },
  });
  const outcome = await own.commitTurn({
    id,
    owner,
    epoch: 0,
    status: 'completed',
    head,
    output: [itemOf('assistant', nowMs)],
    attempt: {
      id: attemptId,
      status: 'completed',
      endedAtMs: nowMs + 1500,
      firstTokenAtMs: nowMs + 200,
      upstreamId: 'msg_upstream',
      upstreamModel: 'claude-x-20261101',
      usage: {
        inputTokens: 1570,
        cachedTokens: 400,
        cacheWriteTokens: 0,
        cacheWriteHourTokens: 0,
        outputTokens: 250,
        reasoningTokens: 50,
        estimated: false,
      },
      costNanoUsd: 247_750,
      error: undefined,
      rawReply: undefined,
    },
  });
  if (outcome !== 'committed') throw new Error(`the turn was ${outcome}`);
  return id;
}

function itemOf(role: 'user' | 'assistant', nowMs: number): StoredItem {
  const id = ids.mint('msg', nowMs);
  const origin = role === 'assistant' ? '{"provider":"anthropic","model":"claude-x"}' : null;
  return { id, type: 'message', body: JSON.stringify({ type: 'message', id, role, content: text }), origin };
}
