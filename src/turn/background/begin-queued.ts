import { GatewayError } from '../../core/errors.ts';
import { responseErrorCode } from '../../protocols/responses/response.ts';
import type { ClientCodec } from '../../protocols/codec.ts';
import type { Deployment } from '../../providers/provider.ts';
import type { StoredRun, TenantRuns } from '../../store/run-store.ts';
import type { TenantStore } from '../../store/store.ts';
import { move, responseLifecycle } from '../lifecycle.ts';
import { prepareAttempt, turnOf } from '../open-turn.ts';
import { reserveBudget, unhold } from '../reserve-budget.ts';
import { storedHistory } from '../resolve-history.ts';
import { routeTurn } from '../route-turn.ts';
import type { PreparedAttempt, Turn, TurnCall, TurnDependencies } from '../turn.ts';
import type { EventLog } from './event-log.ts';

export interface BeginOptions {
  dependencies: TurnDependencies;
  client: ClientCodec;
  store: TenantStore;
  runs: TenantRuns;
  id: string;
}

/** A turn whose first attempt is in the store, and is to be sent. */
export interface BegunTurn {
  call: TurnCall;
  turn: Turn;
  attempt: PreparedAttempt;
  others: Deployment[];
}

/**
 * Steps 4 to 6 of the path once more, for a turn that has waited, here or in a process that is gone: all that it needs is read
 * back from the store.
 * @param openLog is told that the turn is about to begin.
 * @returns undefined where there is nothing to run: somebody else was quicker, or it has ended. `no-room`: calls that run hold
 * what is left of its budget, and it waits.
 * @throws GatewayError `store_unavailable`
 */
export async function beginQueued(
  { dependencies, client, store, runs, id }: BeginOptions,
  openLog: (run: StoredRun) => EventLog,
): Promise<BegunTurn | 'no-room' | undefined> {
  const { router, nowMs, owner, log } = dependencies;
  const run = await runs.readQueued(id);
  const input = await store.readInput(id);
  if (run === undefined || input === undefined) {
    // It would be listed for ever, before all that its tenant has queued since.
    if (await runs.cancelAged(id, nowMs()))
      log.warn({ responseId: id }, 'a queued turn became too old before it could be run, and was cancelled');
    return undefined;
  }
  try {
    if (run.isRevoked)
      throw new GatewayError('invalid_api_key', 'The key of this response was revoked before it could run.');
    // Always as a stream, so that a turn that is cancelled leaves what there is.
    const given = client.decodeRequest(JSON.parse(run.body));
    const history = await storedHistory(store, { ...given, input: [], stream: true }, input, run.sessionId, id);
    const { request } = history;
    const [first, ...others] = await routeTurn(router, { request, store, keyId: run.keyId }, history);
    const sink = openLog(run);
    const { keyId, budgetIds, sessionId } = run;
    const call: TurnCall = { request, client, store, keyId, budgetIds, sessionId, sink, background: sink };
    const status = move(responseLifecycle, 'queued', 'start');
    const turn = turnOf(request, history, { id, createdAtMs: run.createdAtMs, sessionId, status });
    const attempt = await prepareAttempt(dependencies, call, history, first, 1);
    const { epoch, owner: queuedBy } = run;
    await reserveBudget(dependencies, call, turn, attempt);
    const start = { id, queuedBy, epoch, owner, head: turn.reply.head, attempt: attempt.start };
    const started = await runs.start(start).catch((error: unknown) => {
      unhold(attempt, error);
      throw error;
    });
    if (!started) attempt.hold?.cancel();
    return started ? { call, turn, attempt, others } : undefined;
  } catch (thrown) {
    if (thrown instanceof GatewayError && thrown.code === 'store_unavailable') throw thrown;
    const isBudget = thrown instanceof GatewayError && thrown.code === 'budget_exceeded';
    if (isBudget && !thrown.spent) return 'no-room';
    // What could be run when it was queued, and cannot now: a model is gone, the budget, or the key. It must not wait for ever.
    log[isBudget || run.isRevoked ? 'info' : 'error']({ responseId: id, err: thrown }, 'a queued turn cannot be run');
    const message = `The gateway failed on this response. Its log tells why, under ${id}.`;
    const error = thrown instanceof GatewayError ? thrown : new GatewayError('internal_error', message);
    const fault = { code: responseErrorCode(error.code), message: error.message, reason: error.code };
    await runs.failQueued(id, run, fault, nowMs());
    return undefined;
  }
}
