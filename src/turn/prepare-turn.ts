import { noUsage } from '../core/usage.ts';
import { headText } from '../protocols/responses/response.ts';
import { createAnswer } from './answer.ts';
import { move, responseLifecycle, turnLifecycle } from './lifecycle.ts';
import { openTurn } from './open-turn.ts';
import type { History } from './resolve-history.ts';
import type { TurnCall, TurnDependencies } from './turn.ts';

/**
 * Answers a request that wants no output (`generate: false`): its context is made ready for the next one, no upstream is
 * called, nothing is spent.
 */
export function prepareTurn(dependencies: TurnDependencies, call: TurnCall, history: History): void {
  const turn = openTurn(dependencies, call, history);
  const answer = createAnswer(dependencies, call, turn);
  try {
    answer.announce();
    const { state } = turn.reply;
    turn.state = move(turnLifecycle, turn.state, 'end');
    state.status = move(responseLifecycle, state.status, 'complete');
    state.completedAtMs = Math.max(dependencies.nowMs(), state.createdAtMs);
    state.usage = noUsage;
    turn.reply.head = headText(state);
    call.local?.remember(turn, undefined);
    answer.finish(undefined);
  } finally {
    answer.release();
  }
}
