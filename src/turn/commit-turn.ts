import { GatewayError } from '../core/errors.ts';
import type { BudgetHold } from '../spend/budget-book.ts';
import type { AttemptEnd, TurnCommit } from '../store/store.ts';
import { concludeLost } from './conclude.ts';
import { keepsContent, keptItems } from './keeps-content.ts';
import { move, turnLifecycle } from './lifecycle.ts';
import { contextBehind } from './stored-link.ts';
import type { Turn, TurnCall, TurnDependencies } from './turn.ts';

const pauseMs = 100;

/**
 * Writes the end of the turn. A commit whose outcome is unknown is run again, it being the same whenever it is run, for as
 * long as the client can be kept waiting: "told failed, stored completed" may come of it, the reverse never.
 * @returns what the client must be told in place of the reply; undefined: the end is stored.
 */
export async function commitTurn(
  dependencies: TurnDependencies,
  { store, request, background }: TurnCall,
  turn: Turn,
  attempt: AttemptEnd,
  events: TurnCommit['events'],
  hold?: BudgetHold,
): Promise<GatewayError | undefined> {
  const { owner, nowMs, log, limits } = dependencies;
  const { status } = turn.reply.state;
  if (status === 'queued' || status === 'in_progress') throw new Error('a turn is committed when it has ended');
  const conversation = turn.history.conversation?.id;
  const commit: TurnCommit = {
    id: turn.id,
    owner,
    epoch: 0,
    status,
    head: keepsContent(dependencies, request) ? turn.reply.head : '',
    output: keptItems(dependencies, request, turn.storedOutput),
    attempt,
    context: contextBehind(store, turn),
    conversation,
    events,
  };
  hold?.end(attempt.costNanoUsd);
  const giveUpAtMs = nowMs() + limits.commitMs;
  for (;;) {
    try {
      const outcome = await store.commitTurn(commit);
      hold?.settle();
      if (outcome === 'fenced') {
        log[background === undefined ? 'error' : 'info'](
          { responseId: turn.id },
          'the turn was ended by others while it ran',
        );
        return lose(turn, 'it was ended by others while it ran');
      }
      turn.state = move(turnLifecycle, turn.state, 'commit');
      return undefined;
    } catch (cause) {
      if (nowMs() >= giveUpAtMs) {
        hold?.doubt(attempt.id);
        log.error({ responseId: turn.id, err: cause }, 'the turn could not be stored');
        return lose(turn, cause);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

function lose(turn: Turn, cause: unknown): GatewayError {
  const error = new GatewayError('store_unavailable', 'The response could not be stored.', { cause, spent: true });
  turn.state = move(turnLifecycle, turn.state, 'lose');
  concludeLost(turn, error);
  return error;
}
