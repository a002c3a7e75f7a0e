import { readFileSync } from 'node:fs';
import { type ArgsDef, defineCommand, runCommand, runMain, type SubCommandsDef } from 'citty';
import type { Log } from './core/log.ts';

// Only citty is loaded before the command is known: start-up counts, and `--help` needs no gateway.

const configArgument = {
  config: { type: 'string', valueHint: 'FILE', description: 'Configuration (default: ./turnpike.yaml if it is there)' },
} as const satisfies ArgsDef;

const addressArguments = {
  port: { type: 'string', valueHint: 'N', description: 'Port in place of the configured one; 0: any that is free' },
  host: { type: 'string', valueHint: 'H', description: 'Address in place of the configured one' },
} as const satisfies ArgsDef;

const serveArguments = { ...configArgument, ...addressArguments } as const satisfies ArgsDef;

const serve = defineCommand({
  meta: { name: 'serve', description: 'Run the gateway (the default command)' },
  args: serveArguments,
  async run({ args }) {
    refuseUnknownArguments(args, serveArguments);
    const port = readPort(args.port);
    const log = await createLog(process.env['TURNPIKE_LOG_LEVEL']);
    crashOnLostErrors(log);
    const stopRequested = onStopSignal();
    const { loadConfig } = await import('./config/load.ts');
    const config = await loadConfig({ file: args.config, host: args.host, port, env: process.env, cwd: process.cwd() });
    const { startGateway } = await import('./gateway.ts');
    const gateway = await startGateway(config, { log });
    process.stdout.write(`turnpike ready on ${gateway.url}\n`);
    log.info({ signal: await stopRequested }, 'stopping');
    await gateway.close();
    process.exit(0);
  },
});

const check = defineCommand({
  meta: { name: 'check', description: 'Check the configuration and say what it gives' },
  args: configArgument,
  async run({ args }) {
    refuseUnknownArguments(args, configArgument);
    const { loadConfig } = await import('./config/load.ts');
    const { summarise } = await import('./config/summarise.ts');
    const config = await loadConfig({ file: args.config, env: process.env, cwd: process.cwd() });
    process.stdout.write(`ok\n${summarise(config)}`);
  },
});

const demoArguments = {
  url: { type: 'string', valueHint: 'URL', description: 'The gateway (default: http://127.0.0.1:4000)' },
  key: { type: 'string', valueHint: 'K', description: 'Its key (default: TURNPIKE_MASTER_KEY of the environment)' },
  model: { type: 'string', valueHint: 'M', description: 'The model (default: the simulator, else the first there is)' },
} as const satisfies ArgsDef;

const demo = defineCommand({
  meta: {
    name: 'demo',
    description: 'Hold a conversation with tools through a running gateway, and show what it stored',
  },
  args: demoArguments,
  async run({ args }) {
    refuseUnknownArguments(args, demoArguments);
    const { runDemo } = await import('./demo.ts');
    await runDemo({
      url: args.url ?? 'http://127.0.0.1:4000',
      key: args.key ?? process.env['TURNPIKE_MASTER_KEY'],
      model: args.model,
      write: (text) => process.stdout.write(text),
    });
  },
});

const subCommands: SubCommandsDef = {
  serve,
  check,
  demo,
};

const turnpike = defineCommand({
  meta: { name: 'turnpike', version: readVersion(), description: 'An LLM gateway with a stateful Responses API' },
  subCommands,
});

/** A mistake of the user: its message is all that is printed. */
class UsageError extends Error {}

/** Citty takes any flag; a misspelt one must not be ignored. */
function refuseUnknownArguments(args: { _: string[]; [name: string]: unknown }, known: ArgsDef): void {
  const names = Object.keys(known);
  for (const [name, value] of Object.entries(args)) {
    if (name === '_') continue;
    if (!names.includes(name)) throw new UsageError(`unknown option --${name}; known here: --${names.join(', --')}`);
    if (value === '' || typeof value === 'boolean') throw new UsageError(`--${name} needs a value`);
  }
  if (args._[0] !== undefined) throw new UsageError(`unexpected argument ${args._[0]}`);
}

function readPort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new UsageError('--port must be a number from 0 to 65535');
  return port;
}

/** JSON lines on stderr: stdout is for the ready line alone. Written synchronously, so that a crash loses none. */
async function createLog(level = 'warn'): Promise<Log> {
  const { pino } = await import('pino');
  const levels = [...Object.keys(pino.levels.values), 'silent'];
  if (!levels.includes(level)) throw new UsageError(`TURNPIKE_LOG_LEVEL must be one of: ${levels.join(', ')}`);
  const log: Log = pino({ level }, pino.destination({ dest: 2, sync: true }));
  return log;
}

/** After an error that nobody caught nobody knows what still holds; what was committed is safe, so end and be restarted. */
function crashOnLostErrors(log: Log): void {
  process.on('uncaughtException', (error) => {
    log.error({ error: error.stack ?? String(error) }, 'uncaught error');
    process.exit(1);
  });
}

/** Resolves at the first SIGTERM or SIGINT; the second ends the process at once. */
function onStopSignal(): Promise<NodeJS.Signals> {
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

function readVersion(): string {
  // Both src/ and dist/ are one level below it.
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '';
}

/** Runs the command line, and prints why it cannot: on stderr, without a stack trace, since no trace helps a user. */
async function main(rawArgs: string[]): Promise<void> {
  const [first] = rawArgs;
  const asksForUsage = rawArgs.includes('--help') || rawArgs.includes('-h');
  if (asksForUsage || first === '--version' || first === '-v') return runMain(turnpike, { rawArgs });
  const named = first !== undefined && !first.startsWith('-');
  try {
    if (named && !Object.hasOwn(subCommands, first)) {
      throw new UsageError(`unknown command ${first}; known: ${Object.keys(subCommands).join(', ')}`);
    }
    await runCommand(turnpike, { rawArgs: named ? rawArgs : ['serve', ...rawArgs] });
  } catch (error) {
    const { ConfigError } = await import('./config/problem.ts');
    const text = error instanceof Error ? error.message : String(error);
    process.stderr.write(error instanceof ConfigError ? `${text}\n` : `turnpike: ${text.replaceAll('\n', ' ')}\n`);
    process.exit(1);
  }
}

await main(process.argv.slice(2));
