import { concludeAttempt } from './conclude.ts';
import { keepsContent } from './keeps-content.ts';
import { reserveBudget, unhold } from './reserve-budget.ts';
import type { AttemptOutcome, PreparedAttempt, Turn, TurnCall, TurnDependencies } from './turn.ts';

/**
 * Ends one attempt in the store and begins the next, which reserves for itself: what the first has not cost is free for it.
 * @throws GatewayError budget_exceeded, or what the store says. The first is then still to be ended.
 */
export async function storeNextAttempt(
  dependencies: TurnDependencies,
  call: TurnCall,
  turn: Turn,
  { attempt, outcome }: { attempt: PreparedAttempt; outcome: AttemptOutcome },
  next: PreparedAttempt,
): Promise<void> {
  const { request, store } = call;
  const end = concludeAttempt(attempt, outcome, keepsContent(dependencies, request), dependencies.nowMs());
  attempt.hold?.end(end.costNanoUsd);
  await reserveBudget(dependencies, call, turn, next);
  try {
    await store.nextAttempt(turn.id, end, next.start);
  } catch (error) {
    unhold(next, error);
    throw error;
  }
  attempt.hold?.settle();
}
