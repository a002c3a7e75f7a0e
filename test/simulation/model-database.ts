import { GatewayError } from '../../src/core/errors.ts';
import { noUsage, type Usage } from '../../src/core/usage.ts';
import { bucketOf, weekEndMs } from '../../src/store/bucket.ts';
import { crashError, failedHead } from '../../src/store/failed-head.ts';
import type {
  AttemptEnd,
  AttemptStart,
  CommitOutcome,
  ContextHashes,
  FoundContext,
  KeyClaim,
  KeyHolder,
  StoredContext,
  StoredContextItem,
  StoredItem,
  StoredResponse,
  StoredTurn,
  TurnCommit,
  TurnIntent,
  TurnStatus,
} from '../../src/store/store.ts';

export interface AttemptRow {
  readonly start: AttemptStart;
  status: 'started' | 'crashed' | AttemptEnd['status'];
  /** What the provider said, or our estimate. */
  usage: Usage;
  costNanoUsd: number | undefined;
  end: AttemptEnd | undefined;
}

/** Who took a key last, and when. */
export interface ClaimRow extends KeyHolder {
  readonly tenant: string;
  readonly keyHash: string;
  readonly atMs: number;
}

export interface TurnRow {
  readonly tenant: string;
  readonly intent: TurnIntent;
  status: TurnStatus;
  epoch: number;
  head: string;
  output: StoredItem[];
  context: ContextHashes | undefined;
  deleted: boolean;
  readonly attempts: AttemptRow[];
}

function deploymentOf({ attempts, intent }: TurnRow): string {
  const { provider, apiBase, upstreamModel } = attempts.at(-1)?.start ?? intent.attempt;
  return `${provider} ${apiBase} ${upstreamModel}`;
}

/**
 * What `src/store/store.ts` says of a store, in the plainest words there are: a map, and one call at a time. Any number of
 * processes may share one.
 */
export interface ModelDatabase {
  readonly turns: ReadonlyMap<string, TurnRow>;
  /** By tenant and key. */
  readonly claims: ReadonlyMap<string, ClaimRow>;
  begin(tenant: string, intent: TurnIntent): KeyHolder | undefined;
  nextAttempt(tenant: string, turnId: string, ended: AttemptEnd, started: AttemptStart): void;
  /** Ends the row of an attempt, and nothing else. */
  endAttempt(tenant: string, turnId: string, ended: AttemptEnd): void;
  commit(tenant: string, commit: TurnCommit): CommitOutcome;
  readContext(tenant: string, id: string): StoredContext | undefined;
  readInput(tenant: string, id: string): StoredContextItem[] | undefined;
  readResponse(tenant: string, id: string): StoredResponse | undefined;
  readCost(tenant: string, id: string): number | undefined;
  /** An envelope is named by its turn here. */
  readEnvelope(tenant: string, id: string, envelope: string): string | undefined;
  readItem(tenant: string, itemId: string): StoredItem | undefined;
  readFollowing(tenant: string, itemId: string): StoredItem | undefined;
  findContext(tenant: string, hashes: readonly string[]): FoundContext | undefined;
  findOpener(tenant: string, openCalls: readonly string[]): string | undefined;
  readKeyHolder(tenant: string, claim: KeyClaim): KeyHolder | undefined;
  delete(tenant: string, id: string): boolean;
  listSession(tenant: string, sessionId: string): StoredTurn[];
  /** Fails the turns that no process runs. */
  sweep(isDead: (owner: string) => boolean, nowMs: number): number;
}

export function createModelDatabase(): ModelDatabase {
  const turns = new Map<string, TurnRow>();

  const claims = new Map<string, ClaimRow>();

  const turnOf = (tenant: string, id: string) => {
    const turn = turns.get(id);
    return turn?.tenant === tenant ? turn : undefined;
  };
  const liveTurn = (tenant: string, id: string) => {
    const turn = turnOf(tenant, id);
    return turn?.intent.store === true && !turn.deleted ? turn : undefined;
  };

  function itemsOf(turn: TurnRow, withOutput: boolean): StoredContextItem[] {
    const { parent, id, input, store } = turn.intent;
    const above = parent === undefined || parent.keep === 0 ? undefined : turns.get(parent.id);
    const all = above === undefined ? [] : itemsOf(above, true).slice(0, parent?.keep);
    const isDropped = ({ type, id: item }: StoredItem) =>
      parent?.dropsReasoning === true &&
      type === 'reasoning' &&
      above?.output.some((said) => said.id === item) === true;
    const kept = all.filter((item) => !isDropped(item));
    const own = store ? [...input, ...(withOutput ? turn.output : [])] : [];
    return [...kept, ...own.map((item) => ({ ...item, turnId: id, envelope: id }))];
  }

  function holderOf(tenant: string, { keyHash, expiresBeforeMs }: KeyClaim): KeyHolder | undefined {
    const claim = claims.get(`${tenant} ${keyHash}`);
    const row = claim && turns.get(claim.turnId);
    if (claim === undefined || claim.atMs < expiresBeforeMs || (row !== undefined && gaveKeyUp(row))) return undefined;
    return { turnId: claim.turnId, bodyHash: claim.bodyHash };
  }

  function startedRow(start: AttemptStart): AttemptRow {
    return { start, status: 'started', usage: noUsage, costNanoUsd: undefined, end: undefined };
  }

  function endAttempt(tenant: string, turnId: string, ended: AttemptEnd): void {
    const row = turnOf(tenant, turnId)?.attempts.find(({ start }) => start.id === ended.id);
    if (row === undefined || (row.status !== 'started' && !row.usage.estimated)) return;
    Object.assign(row, { status: ended.status, usage: ended.usage, costNanoUsd: ended.costNanoUsd, end: ended });
  }

  return {
    turns,
    claims,

    begin(tenant, intent) {
      const { id, parent } = intent;
      if (parent !== undefined && parent.keep > 0) {
        const above = liveTurn(tenant, parent.id);
        if (above === undefined) {
          throw new GatewayError('previous_response_not_found', `Previous response with id '${parent.id}' not found.`, {
            param: 'previous_response_id',
          });
        }
        if (itemsOf(above, true).length < parent.keep) {
          throw new GatewayError('internal_error', 'The turn keeps more of its parent than there is.');
        }
      }
      if (turns.has(id)) throw new GatewayError('internal_error', 'The state store refused the turn.');
      const { head, attempt, idempotency: claim, createdAtMs } = intent;
      if (claim !== undefined) {
        const holder = holderOf(tenant, claim);
        if (holder !== undefined) return holder;
        const { keyHash, bodyHash } = claim;
        claims.set(`${tenant} ${keyHash}`, { tenant, keyHash, bodyHash, turnId: id, atMs: createdAtMs });
      }
      const attempts = [startedRow(attempt)];
      turns.set(id, {
        tenant,
        intent,
        status: 'in_progress',
        epoch: intent.epoch,
        head,
        output: [],
        context: undefined,
        deleted: false,
        attempts,
      });
      return undefined;
    },

    nextAttempt(tenant, turnId, ended, started) {
      endAttempt(tenant, turnId, ended);
      const turn = turnOf(tenant, turnId);
      if (turn?.status !== 'in_progress') {
        throw new GatewayError('internal_error', 'The turn is not running any more.');
      }
      turn.attempts.push(startedRow(started));
    },

    endAttempt,

    commit(tenant, { id, owner, epoch, status, head, output, context, attempt }) {
      endAttempt(tenant, id, attempt);
      const turn = turnOf(tenant, id);
      if (turn === undefined || turn.intent.owner !== owner || turn.epoch !== epoch) return 'fenced';
      if (turn.status !== 'in_progress') return turn.status === status ? 'committed' : 'fenced';
      turn.status = status;
      turn.head = turn.intent.store && !turn.deleted ? head : '';
      turn.output = output;
      turn.context = context;
      return 'committed';
    },

    readContext(tenant, id) {
      const turn = liveTurn(tenant, id);
      if (turn === undefined) return undefined;
      const { parent, sessionId } = turn.intent;
      const { anchor, depth } = parent ?? { anchor: id, depth: 0 };
      const items = itemsOf(turn, true);
      const bucket = bucketOf(turn.intent);
      const deployment = deploymentOf(turn);
      return { bucket, status: turn.status, sessionId, anchor, depth, deployment, length: items.length, items };
    },

    readInput(tenant, id) {
      const turn = liveTurn(tenant, id);
      return turn === undefined ? undefined : itemsOf(turn, false);
    },

    readResponse(tenant, id) {
      const turn = liveTurn(tenant, id);
      if (turn === undefined) return undefined;
      const { status, head, output, intent, epoch, attempts } = turn;
      const found = { status, sessionId: intent.sessionId, head, envelope: intent.envelope, output };
      if (status !== 'failed') return found;
      const last = attempts.findLast(
        ({ start, end }) => start.number === 1 || (end !== undefined && end.error?.code !== 'store_unavailable'),
      );
      return { ...found, errorCode: epoch > 0 ? null : (last?.end?.error?.code ?? 'internal_error') };
    },

    readCost(tenant, id) {
      let sum = 0;
      const turn = liveTurn(tenant, id);
      if (turn === undefined) return undefined;
      for (const { status, usage, costNanoUsd } of turn.attempts) {
        if (costNanoUsd === undefined && (status === 'started' || usage.inputTokens + usage.outputTokens > 0))
          return undefined;
        sum += costNanoUsd ?? 0;
      }
      return turn.attempts.some(({ costNanoUsd }) => costNanoUsd !== undefined) ? sum : undefined;
    },

    readEnvelope(tenant, _id, name) {
      const envelope = turnOf(tenant, name)?.intent.envelope;
      return envelope === '' ? undefined : envelope;
    },

    readItem(tenant, itemId) {
      const found = Array.from(turns.values())
        .filter((turn) => turn.tenant === tenant && turn.intent.store && !turn.deleted)
        .toSorted((a, b) => a.intent.createdAtMs - b.intent.createdAtMs || (a.intent.id < b.intent.id ? -1 : 1))
        .flatMap(({ intent, output }) => [...intent.input, ...output])
        .findLast(({ id }) => id === itemId);
      return found;
    },

    readFollowing(tenant, itemId) {
      for (const { tenant: owner, intent, deleted, output } of turns.values()) {
        const at = output.findIndex(({ id }) => id === itemId);
        if (owner === tenant && intent.store && !deleted && at >= 0) return output[at + 1];
      }
      return undefined;
    },

    findOpener(tenant, openCalls) {
      const found = Array.from(turns.values()).filter((turn) => turn.tenant === tenant && !turn.deleted);
      const opened = (hash: string) =>
        found.findLast(({ attempts }) => attempts.some(({ end }) => end?.openCalls === hash));
      const opener = openCalls.map(opened).find((turn) => turn !== undefined);
      return opener && deploymentOf(opener);
    },

    findContext(tenant, hashes) {
      const found = Array.from(turns.values())
        .filter((turn) => turn.tenant === tenant && turn.intent.store && !turn.deleted)
        .toSorted((a, b) => (a.intent.id < b.intent.id ? 1 : -1));
      for (const hash of hashes) {
        const turn = found.find(({ context }) => context?.said === hash);
        const { intent, context } = turn ?? {};
        if (turn === undefined || intent === undefined || context === undefined) continue;
        const { id, sessionId, parent } = intent;
        const { anchor, depth } = parent !== undefined && parent.keep > 0 ? parent : { anchor: id, depth: 0 };
        const { length } = itemsOf(turns.get(id) as TurnRow, true);
        const bucket = bucketOf(intent);
        return {
          id,
          bucket,
          bucketSpanMs: [weekEndMs(bucket - 1), weekEndMs(bucket)],
          sessionId,
          anchor,
          depth,
          length,
          deployment: deploymentOf(turn),
          ...context,
        };
      }
      return undefined;
    },

    readKeyHolder: holderOf,

    delete(tenant, id) {
      const turn = liveTurn(tenant, id);
      if (turn === undefined) return false;
      turn.deleted = true;
      turn.head = '';
      return true;
    },

    listSession(tenant, sessionId) {
      return Array.from(turns.values())
        .filter((turn) => turn.tenant === tenant && turn.intent.sessionId === sessionId && !turn.deleted)
        .toSorted((a, b) => a.intent.createdAtMs - b.intent.createdAtMs || (a.intent.id < b.intent.id ? -1 : 1))
        .map(storedTurn);
    },

    sweep(isDead, nowMs) {
      let count = 0;
      for (const turn of turns.values()) {
        if (turn.status !== 'in_progress' || !isDead(turn.intent.owner)) continue;
        count += 1;
        turn.status = 'failed';
        turn.epoch += 1;
        turn.head = failedHead(turn.head, nowMs, crashError);
        for (const row of turn.attempts) {
          if (row.status !== 'started') continue;
          const { estimatedInputTokens, estimatedCostNanoUsd } = row.start;
          row.status = 'crashed';
          row.usage = { ...noUsage, inputTokens: estimatedInputTokens, estimated: true };
          row.costNanoUsd = estimatedCostNanoUsd;
        }
      }
      return count;
    },
  };
}

/** Its end is no answer to keep, or nothing was paid for it: whoever comes with the same key runs anew. */
export function gaveKeyUp({ status, epoch, attempts }: TurnRow): boolean {
  if (status === 'cancelled') return true;
  return (
    status === 'failed' && (epoch > 0 || attempts.every(({ usage }) => usage.inputTokens + usage.outputTokens === 0))
  );
}

function storedTurn({ intent, status, output, attempts }: TurnRow): StoredTurn {
  const usage = { ...noUsage };
  let costNanoUsd = 0;
  for (const row of attempts) {
    usage.inputTokens += row.usage.inputTokens;
    usage.cachedTokens += row.usage.cachedTokens;
    usage.cacheWriteTokens += row.usage.cacheWriteTokens;
    usage.cacheWriteHourTokens += row.usage.cacheWriteHourTokens;
    usage.outputTokens += row.usage.outputTokens;
    usage.reasoningTokens += row.usage.reasoningTokens;
    usage.estimated ||= row.usage.estimated;
    costNanoUsd += row.costNanoUsd ?? 0;
  }
  return {
    id: intent.id,
    parentId: intent.parent?.id,
    sessionId: intent.sessionId,
    status,
    model: intent.model,
    inputItems: intent.store ? intent.input.length : 0,
    outputItems: output.length,
    usage,
    costNanoUsd,
  };
}
