import { GatewayError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json-object.ts';
import type { Warning } from '../../core/warning.ts';
import { crashPoint } from '../../crash-point.ts';
import type { TenantRuns } from '../../store/run-store.ts';
import type { KeyHolder } from '../../store/store.ts';
import { holderBehind, keyMismatch } from '../answer-again.ts';
import { intentOf, openTurn, prepareAttempt } from '../open-turn.ts';
import { resolveHistory } from '../resolve-history.ts';
import type { Turn, TurnCall, TurnDependencies } from '../turn.ts';
import { countEvents } from './event-log.ts';

/** A request for a background turn: what a turn's call has, but for somewhere to write. */
export interface BackgroundCall extends Omit<TurnCall, 'sink' | 'background'> {
  /** The client's request as it came. */
  body: JsonObject;
  runs: TenantRuns;
  /** About: those that are queued at the same moment do not see each other. */
  maxQueued: number;
}

/** `held`: the idempotency key belongs to a turn that was queued before. */
export type Queued = { turn: Turn; warnings: Warning[] } | { held: string };

/** Stands in the stored request for the input, which the turn's items are. */
const someInput = { role: 'user', content: 'input' };

/**
 * The path of a background request until its turn is queued: steps 4 to 6 of `runTurn`, with an attempt that is prepared
 * so that what is wrong with the request is said now, and not sent.
 * @throws GatewayError for whatever ends it.
 */
export async function queueTurn(dependencies: TurnDependencies, call: BackgroundCall): Promise<Queued> {
  const { client, store, idempotency, body, runs, maxQueued } = call;
  const { router, ids, nowMs } = dependencies;
  const behind = (error: unknown) => holderBehind(dependencies, call, error);
  const heldBy = ({ turnId, bodyHash }: KeyHolder): Queued => {
    if (bodyHash !== idempotency?.bodyHash) throw keyMismatch();
    return { held: turnId };
  };
  const resolve = async () => {
    if ((await runs.countQueued(maxQueued)) >= maxQueued) throw tooMany();
    return resolveHistory(store, call.request, ids, nowMs());
  };
  const history = await resolve().catch(behind);
  if ('turnId' in history) return heldBy(history);
  const { request } = history;
  const [deployment] = router.route(request.model, history.pinned);
  const turn = openTurn(dependencies, { ...call, request }, history);
  const { encoded, start } = await prepareAttempt(dependencies, { request, client }, history, deployment, 1);

  const data = request.stream ? client.createStreamEncoder().queued(turn.reply) : '';
  const events = data === '' ? [] : [{ firstSequence: 0, lastSequence: countEvents(data) - 1, data }];
  const input = request.compaction === undefined ? [someInput] : [someInput, { type: 'compaction_trigger' }];
  const stored = JSON.stringify({ ...body, input });
  const run = { streamed: request.stream, body: stored, events };
  const holder = await runs.queue({ ...intentOf(dependencies, turn, { ...call, request }, start), run }).catch(behind);
  crashPoint('intent-written');
  return holder === undefined ? { turn, warnings: encoded.warnings } : heldBy(holder);
}

function tooMany(): GatewayError {
  const message = 'Too many background responses wait already. Try again when some of them have run.';
  return new GatewayError('too_many_queued', message, { retryAfterSeconds: 10 });
}
