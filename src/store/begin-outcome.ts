import { GatewayError } from '../core/errors.ts';
import type { KeyHolder, ParentLink } from './store.ts';

export type BeginOutcome = 'begun' | 'parent-not-found' | 'parent-too-short';

/** As `BeginOutcome`, or who holds the idempotency key. */
export type ClaimOutcome = BeginOutcome | KeyHolder;

/** @throws GatewayError where the turn was not begun. */
export function checkBegun(outcome: BeginOutcome, parent: ParentLink | undefined): void {
  if (outcome === 'parent-not-found') {
    throw new GatewayError('previous_response_not_found', `Previous response with id '${parent?.id}' not found.`, {
      param: 'previous_response_id',
    });
  }
  if (outcome === 'parent-too-short') {
    throw new GatewayError('internal_error', 'The turn keeps more of its parent than there is.');
  }
}

export function notRunning(): GatewayError {
  return new GatewayError('internal_error', 'The turn is not running any more.');
}
