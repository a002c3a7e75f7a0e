import { GatewayError } from '../core/errors.ts';
import type { EventBatch } from '../store/event-batch.ts';
import type { Answer } from './answer.ts';
import type { AttemptEnd } from '../store/store.ts';
import { commitTurn } from './commit-turn.ts';
import { concludeFault } from './conclude.ts';
import { costOf } from './cost-of.ts';
import type { PreparedAttempt, Turn, TurnCall, TurnDependencies } from './turn.ts';

/**
 * Ends a turn that a fault of ours has broken off: nobody else would, as long as this process lives. Its attempt is billed with
 * what is known of it.
 * @returns what the client must be told.
 */
export async function failTurn(
  dependencies: TurnDependencies,
  call: TurnCall,
  turn: Turn,
  attempt: PreparedAttempt,
  answer: Answer | undefined,
  cause: unknown,
): Promise<GatewayError> {
  const { nowMs, log } = dependencies;
  const { deployment, start, usage, hold } = attempt;
  const spent = turn.spent || usage.inputTokens + usage.outputTokens > 0;
  const error = toldOf(cause, turn.id, spent);
  if (error.code === 'internal_error')
    log.error({ responseId: turn.id, err: cause }, 'a turn failed for an unforeseen reason');
  else log.warn({ responseId: turn.id, err: cause }, 'a turn could not go on');
  concludeFault(turn, error, usage, nowMs());
  const end: AttemptEnd = {
    id: start.id,
    status: 'failed',
    endedAtMs: Math.max(nowMs(), start.startedAtMs),
    firstTokenAtMs: undefined,
    upstreamId: undefined,
    upstreamModel: undefined,
    usage,
    costNanoUsd: costOf(usage, deployment),
    error: { code: error.code, message: error.message },
    rawReply: undefined,
    settles: hold !== undefined,
  };
  return (
    (await commitTurn(dependencies, call, turn, end, await eventsOf(dependencies, call, turn, answer), hold)) ?? error
  );
}

/** A budget without room, or a store that does not answer, is no fault of ours. */
function toldOf(cause: unknown, turnId: string, spent: boolean): GatewayError {
  if (cause instanceof GatewayError) return spent ? cause.asSpent() : cause;
  const message = `The gateway failed on this response. Its log tells why, under ${turnId}.`;
  return new GatewayError('internal_error', message, { cause, spent });
}

/** The store writes the last event where the one who had them cannot. */
async function eventsOf(
  { log }: TurnDependencies,
  { background }: TurnCall,
  { id }: Turn,
  answer: Answer | undefined,
): Promise<EventBatch[] | 'lost' | undefined> {
  if (background === undefined) return undefined;
  try {
    return (await answer?.seal()) ?? 'lost';
  } catch (err) {
    log.error({ responseId: id, err }, 'the end of a stream could not be written by its own process');
    return 'lost';
  }
}
