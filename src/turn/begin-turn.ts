import { GatewayError } from '../core/errors.ts';
import type { KeyHolder } from '../store/store.ts';
import { intentOf } from './open-turn.ts';
import { reserveBudget, unhold } from './reserve-budget.ts';
import { losesLink } from './stored-link.ts';
import type { PreparedAttempt, Turn, TurnCall, TurnDependencies } from './turn.ts';

/** A process that is taken for gone again and again has other troubles. */
const maxLeases = 3;

/**
 * Reserves what the turn may cost and writes its intent.
 * @returns who holds its idempotency key already: nothing was written or reserved then.
 * @throws GatewayError budget_exceeded, what the store refuses, or store_unavailable.
 */
export async function beginTurn(
  dependencies: TurnDependencies,
  call: TurnCall,
  turn: Turn,
  attempt: PreparedAttempt,
): Promise<KeyHolder | undefined> {
  for (let lease = 1; lease <= maxLeases; lease++) {
    await reserveBudget(dependencies, call, turn, attempt);
    const intent = intentOf(dependencies, turn, call, attempt.start);
    try {
      const begun = await call.store.beginTurn(intent);
      if (begun !== 'lease-lost') {
        if (begun !== undefined) attempt.hold?.cancel();
        return begun;
      }
      attempt.hold?.loseLease();
    } catch (error) {
      unhold(attempt, error);
      if (!losesLink(error, turn)) throw error;
    }
  }
  throw new GatewayError('store_unavailable', 'The budget of this call could not be leased.');
}
