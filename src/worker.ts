import type { Config } from './config/config.ts';
import type { Identity } from './gateway.ts';
import { createLog, crashOnLostErrors, onStopSignal, runGateway } from './run-gateway.ts';

/** What the primary tells a worker: first what to run, in the end that it is to stop. */
export type WorkerOrder = { kind: 'run'; config: Config; identity: Identity } | { kind: 'stop' };

/** What a worker tells the primary: that it listens to orders (what comes earlier is lost), and then that it serves. */
export type WorkerReport = { kind: 'listening' } | { kind: 'serving'; url: string };

function report(message: WorkerReport): void {
  process.send?.(message);
}

/** One of several gateways behind one port; `workers.ts` starts it. */
async function work(): Promise<void> {
  let onStop = (_reason: string): void => {};
  const stopRequested = new Promise<string>((resolve) => {
    onStop = resolve;
  });
  const ordered = new Promise<WorkerOrder & { kind: 'run' }>((resolve) => {
    process.on('message', (order: WorkerOrder) => {
      if (order.kind === 'run') resolve(order);
      else onStop('primary');
    });
  });
  report({ kind: 'listening' });
  void onStopSignal().then(onStop);
  const log = await createLog(process.env['TURNPIKE_LOG_LEVEL']);
  crashOnLostErrors(log);
  const order = await Promise.race([ordered, stopRequested]);
  if (typeof order === 'string') process.exit(0);
  const { config, identity } = order;
  await runGateway(config, log, stopRequested, (url) => report({ kind: 'serving', url }), identity);
}

try {
  await work();
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(`turnpike: ${text.replaceAll('\n', ' ')}\n`);
  process.exit(1);
}
