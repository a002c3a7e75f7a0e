import { GatewayError } from '../core/errors.ts';

/** The engine's trouble, told without paths or content. */
export function unavailable(reason: string, cause?: unknown): GatewayError {
  return new GatewayError('store_unavailable', `The state store is unavailable: ${reason}.`, { cause });
}

/** A mistake of ours: what we wrote breaks a rule of the schema. */
export function refused(cause: unknown): GatewayError {
  return new GatewayError('internal_error', 'The state store refused the turn.', { cause });
}
