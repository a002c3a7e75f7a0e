import v8 from 'node:v8';
import type { Config } from './config/config.ts';
import type { Log } from './core/log.ts';
import type { Identity } from './gateway.ts';

/** JSON lines on stderr: stdout is for the ready line alone. Written synchronously, so that a crash loses none. */
export async function createLog(level = 'warn'): Promise<Log> {
  const { pino } = await import('pino');
  const levels = [...Object.keys(pino.levels.values), 'silent'];
  if (!levels.includes(level)) throw new Error(`TURNPIKE_LOG_LEVEL must be one of: ${levels.join(', ')}`);
  const log: Log = pino({ level }, pino.destination({ dest: 2, sync: true }));
  return log;
}

/** After an error that nobody caught nobody knows what still holds; what was committed is safe, so end and be restarted. */
export function crashOnLostErrors(log: Log): void {
  process.on('uncaughtException', (error) => {
    log.error({ error: error.stack ?? String(error) }, 'uncaught error');
    process.exit(1);
  });
}

/** Resolves at the first SIGTERM or SIGINT; the second ends the process at once. */
export function onStopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let asked = false;
    const onSignal = (signal: NodeJS.Signals): void => {
      if (asked) process.exit(1);
      asked = true;
      resolve(signal);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}

/**
 * A gateway calls most of its functions once a turn. V8's middle compiler, Maglev, gets all of them at the same turn, and its queue
 * takes 25 MB that the C library then keeps; what its last one optimizes after 1,000 calls in place of 3,000 needs no middle. And what
 * the command line says of the young generation is the main thread's: threads say how much they need (`resourceLimits`).
 * A Node without one of these flags says so on stderr and goes on; Bun has none of them.
 * @see docs/decisions/2026-11-30-code-that-is-warm.md
 */
function tuneEngine(): void {
  if (process.versions['bun'] !== undefined) return;
  for (const flag of ['--no-maglev', '--invocation-count-for-turbofan=1000', '--max-semi-space-size=0']) {
    v8.setFlagsFromString(flag);
  }
}

/** Serves from when it is ready, which `announce` is told, until it is to stop; then ends the process. */
export async function runGateway(
  config: Config,
  log: Log,
  stopRequested: Promise<string>,
  announce: (url: string) => void,
  identity?: Identity,
): Promise<never> {
  tuneEngine();
  const { startGateway } = await import('./gateway.ts');
  const gateway = await startGateway(config, { log, ...(identity !== undefined && { identity }) });
  announce(gateway.url);
  log.info({ signal: await stopRequested }, 'stopping');
  await gateway.close();
  process.exit(0);
}
