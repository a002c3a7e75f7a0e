import { GatewayError } from '../../core/errors.ts';
import { reasonOf } from '../../core/reason-of.ts';

/** What an operator is told: it names the database, without its password. */
export function cannotOpen(url: string, error: unknown): GatewayError {
  const { host, pathname } = new URL(url);
  const message = `The store postgres://${host}${pathname} cannot be opened: ${reasonOf(error)}.`;
  return new GatewayError('store_unavailable', message, { cause: error });
}
