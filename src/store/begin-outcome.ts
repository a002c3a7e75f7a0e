import { GatewayError } from '../core/errors.ts';
import { conversationLocked, conversationNotFound } from './conversation-store.ts';
import type { QueuedIntent } from './run-store.ts';
import type { KeyHolder, TurnIntent } from './store.ts';

/** `lease-lost`: the process has no lease of a budget that the turn reserves in. */
export type BeginOutcome =
  | 'begun'
  | 'parent-not-found'
  | 'parent-too-short'
  | 'conversation-not-found'
  | 'conversation-locked'
  | 'lease-lost';

/** As `BeginOutcome`, or who holds the idempotency key. */
export type ClaimOutcome = BeginOutcome | KeyHolder;

/** @throws GatewayError where the turn was not begun. */
export function checkBegun(outcome: BeginOutcome, { parent, conversation }: TurnIntent | QueuedIntent): void {
  if (outcome === 'conversation-not-found') throw conversationNotFound(conversation?.id ?? '', 'conversation');
  if (outcome === 'conversation-locked') throw conversationLocked();
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
