import type { GatewayError } from '../../core/errors.ts';
import { refused, unavailable } from '../unavailable.ts';

/** An engine's error as it crosses from the writer thread. */
export interface EngineFailure {
  message: string;
  /** SQLite's extended result code; 0: not SQLite's error. @see https://www.sqlite.org/rescode.html */
  errcode: number;
}

const constraint = 19;
/** The file is not where it was: SQLite's own code, which it gives where it looks. */
export const movedAway = 1032;

/** By SQLite's primary result code. */
const causes: Record<number, string> = {
  5: 'it is locked by another program',
  6: 'it is locked by another program',
  8: 'it is read-only',
  10: 'the disk cannot be read or written',
  11: 'its file is damaged',
  13: 'the disk or its quota is full',
  14: 'its file cannot be opened',
  26: 'its file is not a database',
};

/** Another program holds the file. */
export const isLocked = ({ errcode }: EngineFailure) => errcode % 256 === 5;

export function failureOf(error: unknown): EngineFailure {
  if (!(error instanceof Error)) return { message: String(error), errcode: 0 };
  const errcode = 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : 0;
  return { message: error.message, errcode };
}

/** A broken constraint is a mistake of ours; everything else is the engine's trouble, told without paths or content. */
export function storeError(failure: EngineFailure): GatewayError {
  const primary = failure.errcode % 256;
  const cause = new Error(failure.message);
  if (failure.errcode === movedAway) return unavailable('its file was deleted or replaced', cause);
  return primary === constraint ? refused(cause) : unavailable(causes[primary] ?? 'its engine failed', cause);
}
