/** Where a test can end the process: points on the path of a request, in its order. */
export type CrashPoint =
  | 'admitted'
  | 'intent-written'
  | 'upstream-sent'
  | 'first-byte'
  | 'mid-tool-arguments'
  | 'terminal-seen'
  | 'transaction-begun'
  | 'transaction-committed'
  | 'terminal-written'
  | 'stream-ended';

/** Between two batches of `turnpike store copy`. */
type CopyCrashPoint = 'rows-copied';

interface Aim {
  name: string;
  passesLeft: number;
}

function aimOf(text: string): Aim {
  const [name = '', passes = ''] = text.split(':');
  return { name, passesLeft: Number(passes) };
}

const text = process.env['TURNPIKE_CRASH_AT'];
const aim = text === undefined ? undefined : aimOf(text);

/**
 * Ends the process by SIGKILL, as a crash would, on the n-th pass of the point that TURNPIKE_CRASH_AT names (`name:n`).
 * Does nothing without the variable. Each thread counts for itself. The build leaves out this module and every call.
 */
export function crashPoint(name: CrashPoint | CopyCrashPoint): void {
  if (aim === undefined || aim.name !== name) return;
  aim.passesLeft -= 1;
  if (aim.passesLeft === 0) process.kill(process.pid, 'SIGKILL');
}
