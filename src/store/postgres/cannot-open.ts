import { GatewayError } from '../../core/errors.ts';

/** What an operator is told: it names the database, without its password. */
export function cannotOpen(url: string, error: unknown): GatewayError {
  const { host, pathname } = new URL(url);
  const message = `The store postgres://${host}${pathname} cannot be opened: ${reasonOf(error)}.`;
  return new GatewayError('store_unavailable', message, { cause: error });
}

/** The innermost cause, in words or as a code. */
export function reasonOf(error: unknown): string {
  let text = String(error);
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    text = cause.message === '' && 'code' in cause ? String(cause.code) : cause.message;
  }
  return text;
}
