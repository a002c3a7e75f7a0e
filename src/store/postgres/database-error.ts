import { DatabaseError } from 'pg';
import type { GatewayError } from '../../core/errors.ts';
import { refused, unavailable } from '../unavailable.ts';

/** By the beginning of SQLSTATE, or of the code of the operating system. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/^(53100|ENOSPC)/, 'the disk or its quota is full'],
  [/^53/, 'its server has no connection or memory left'],
  [/^(57014|55P03)/, 'it did not answer in time'],
  [/^57P/, 'its server is stopping or starting'],
  [/^25006/, 'it is read-only'],
  [/^40/, 'it broke off the transaction'],
  [/^(28|3D)/, 'its server refuses us'],
  [/^(ERR_TLS_|CERT_|UNABLE_TO_)|_SIGNED_CERT/, 'its certificate cannot be trusted'],
  [/^(58|XX)/, 'its files cannot be read or written'],
  [/^(08|E[A-Z]+$)/, 'it cannot be reached'],
];

/** What a broken constraint (23), a value (22) or a size (54) that no column takes have in common: we sent it. */
const ourMistake = /^(22|23|54)/;

/** Thrown where no answer came in time. */
export class NoAnswer extends Error {}

/** The statement was sent and its outcome never told: it may have been done, or may be done yet. */
export class UnknownOutcome extends Error {}

export function isUnknownOutcome(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof UnknownOutcome;
}

/** Whether a row was refused for lack of a partition to take it. No table of ours has a check of its own. */
export function isMissingPartition(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof DatabaseError && error.cause.code === '23514';
}

/** Whether a row was another transaction's for longer than `lock_timeout`. */
export function isLocked(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof DatabaseError && error.cause.code === '55P03';
}

/**
 * Whether the connection takes no writes: it leads to a standby, or to a session that was opened while nothing was to be written, and
 * goes on so when others write again.
 */
export function isReadOnly(error: unknown): boolean {
  return error instanceof DatabaseError && error.code === '25006';
}

/** Whether the server itself said that it did not do it, and goes on serving the connection. */
export function isStatementError(error: unknown): boolean {
  return error instanceof DatabaseError && error.severity === 'ERROR';
}

/** @param sent true: the statement had left when the error came. */
export function databaseError(error: unknown, sent: boolean): GatewayError {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (ourMistake.test(code)) return refused(error);
  const unanswered = error instanceof NoAnswer || (code === '' && /timeout/i.test(String(error)));
  const fallback = code === '' ? 'its connection was lost' : 'its engine failed';
  const reason = unanswered
    ? 'it did not answer in time'
    : (reasons.find(([pattern]) => pattern.test(code))?.[1] ?? fallback);
  const cause = sent && !isStatementError(error) ? new UnknownOutcome(String(error), { cause: error }) : error;
  return unavailable(reason, cause);
}
