import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import {
  type ArgsDef,
  type CommandDef,
  defineCommand,
  renderUsage,
  runCommand,
  runMain,
  type SubCommandsDef,
} from 'citty';

// Only citty is loaded before the command is known: start-up counts, and `--help` needs no gateway.

const configArgument = {
  config: { type: 'string', valueHint: 'FILE', description: 'Configuration (default: ./turnpike.yaml if it is there)' },
} as const satisfies ArgsDef;

const addressArguments = {
  port: { type: 'string', valueHint: 'N', description: 'Port in place of the configured one; 0: any that is free' },
  host: { type: 'string', valueHint: 'H', description: 'Address in place of the configured one' },
} as const satisfies ArgsDef;

const serveArguments = {
  ...configArgument,
  ...addressArguments,
  workers: { type: 'string', valueHint: 'N', description: 'Processes that serve the port together, on Postgres' },
} as const satisfies ArgsDef;

const serve = defineCommand({
  meta: { name: 'serve', description: 'Run the gateway (the default command)' },
  args: serveArguments,
  async run({ args }) {
    refuseUnknownArguments(args, serveArguments);
    const port = readNumber('port', args.port, 0, 65_535);
    const workers = readNumber('workers', args.workers, 1, 256);
    const { createLog, crashOnLostErrors, onStopSignal, runGateway } = await import('./run-gateway.ts');
    const log = await createLog(process.env['TURNPIKE_LOG_LEVEL']);
    crashOnLostErrors(log);
    const stopRequested = onStopSignal();
    const { loadConfig } = await import('./config/load.ts');
    const { env } = process;
    const config = await loadConfig({ file: args.config, host: args.host, port, workers, env, cwd: process.cwd() });
    const run = config.server.workers === 1 ? runGateway : (await import('./workers.ts')).runWorkers;
    await run(config, log, stopRequested, (url) => process.stdout.write(`turnpike ready on ${url}\n`));
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
    const { createLog } = await import('./run-gateway.ts');
    const { findUnpriced } = await import('./gateway.ts');
    const unpriced = await findUnpriced(config, await createLog(process.env['TURNPIKE_LOG_LEVEL']));
    process.stdout.write(`ok\n${summarise(config, unpriced)}`);
  },
});

const migrateArguments = {
  ...configArgument,
  'dry-run': { type: 'boolean', description: 'Say what would be done, and do nothing' },
} as const satisfies ArgsDef;

const migrate = defineCommand({
  meta: { name: 'migrate', description: 'Bring the store to the newest schema, as serve does when it starts' },
  args: migrateArguments,
  async run({ args }) {
    refuseUnknownArguments(args, migrateArguments);
    const dryRun = args['dry-run'] === true;
    const { loadConfig } = await import('./config/load.ts');
    const { migrateStore } = await import('./migrate-store.ts');
    const config = await loadConfig({ file: args.config, env: process.env, cwd: process.cwd() });
    const { pending, version, isNewer, keepsOlder } = await migrateStore(config.store, { dryRun });
    const verb = dryRun ? 'would apply' : 'applied';
    const lines = pending.map((name) => `${verb} ${name}`);
    if (lines.length === 0)
      lines.push(isNewer ? `nothing to do: schema ${version} is newer, and this version runs on it` : 'nothing to do');
    else if (version !== undefined)
      lines.push(
        `processes at schema ${version} ${keepsOlder ? 'run on beside it' : 'cannot run on it: stop them first'}`,
      );
    process.stdout.write(`${lines.join('\n')}\n`);
    if (dryRun && pending.length > 0) process.exitCode = 2;
  },
});

const copyArguments = {
  from: { type: 'positional', required: true, description: 'The store to copy: sqlite:PATH or postgres://…' },
  to: {
    type: 'positional',
    required: true,
    description: 'The store to copy it to: empty, or a copy that was broken off',
  },
  force: { type: 'boolean', description: 'Copy although gateways run on a Postgres store' },
} as const satisfies ArgsDef;

const copy = defineCommand({
  meta: { name: 'copy', description: 'Copy a whole store to another engine or place, and compare the two' },
  args: copyArguments,
  async run({ args }) {
    refuseUnknownArguments(args, copyArguments);
    const { from, to } = args;
    const { copyStore } = await import('./copy-store.ts');
    const write = (text: string) => process.stdout.write(text);
    if (!(await copyStore({ from, to, force: args.force === true, write }))) process.exitCode = 1;
  },
});

const store = defineCommand({
  meta: { name: 'store', description: 'Work on whole stores' },
  subCommands: { copy },
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

const verifyArguments = {
  'base-url': {
    type: 'positional',
    required: true,
    description: 'The server, with or without /v1: http://127.0.0.1:4000, https://api.openai.com/v1',
  },
  key: { type: 'string', valueHint: 'K', description: 'A key of it (default: VERIFY_KEY of the environment)' },
  key2: { type: 'string', valueHint: 'K', description: 'A key of another tenant, for the walls between them' },
  model: { type: 'string', valueHint: 'M', description: 'The model to ask (default: the first that the server lists)' },
  model2: { type: 'string', valueHint: 'M', description: 'Another one, for chains that change their model' },
  'restart-cmd': { type: 'string', valueHint: 'CMD', description: 'Restarts the server, for what must survive it' },
  only: { type: 'string', valueHint: 'A,B', description: 'Checks whose names begin so: state, tools/loop' },
  timeout: { type: 'string', valueHint: 'S', description: 'Seconds that a check may take (default: 120)' },
  json: { type: 'string', valueHint: 'FILE', description: 'Write the report as JSON, too' },
  junit: { type: 'string', valueHint: 'FILE', description: 'Write the report as JUnit XML, too' },
} as const satisfies ArgsDef;

const verifyCommand = defineCommand({
  meta: {
    name: 'verify',
    description: 'Check any Responses server from outside: state, streams, tools, walls, errors',
  },
  args: verifyArguments,
  async run({ args }) {
    refuseUnknownArguments(args, verifyArguments);
    const seconds = readNumber('timeout', args.timeout, 1, 3600) ?? 120;
    const { verify } = await import('./verify/verify.ts');
    const passed = await verify({
      baseUrl: args['base-url'],
      key: args.key ?? process.env['VERIFY_KEY'],
      key2: args.key2,
      model: args.model,
      model2: args.model2,
      restartCommand: args['restart-cmd'],
      only: args.only?.split(',') ?? [],
      timeoutMs: seconds * 1000,
      json: args.json,
      junit: args.junit,
      write: (text) => process.stdout.write(text),
      progress: (text) => process.stderr.write(text),
    });
    if (!passed) process.exitCode = 1;
  },
});

const clientArgument = {
  client: { type: 'positional', required: true, description: 'codex, claude-code or opencode' },
} as const satisfies ArgsDef;

const connectArguments = {
  ...clientArgument,
  url: demoArguments.url,
  key: { type: 'string', valueHint: 'K', description: 'A key of it (default: TURNPIKE_KEY of the environment)' },
  model: {
    type: 'string',
    valueHint: 'M',
    description: 'The model (default: the first that it lists, the simulator last)',
  },
  write: { type: 'boolean', description: "Write it into the client's own file, and keep what was there" },
} as const satisfies ArgsDef;

const connectCommand = defineCommand({
  meta: { name: 'connect', description: 'Show how a coding agent is pointed at a gateway, or do it' },
  args: connectArguments,
  async run({ args }) {
    refuseUnknownArguments(args, connectArguments);
    const { connect } = await import('./connect/connect.ts');
    await connect({
      client: args.client,
      url: args.url ?? 'http://127.0.0.1:4000',
      key: args.key ?? process.env['TURNPIKE_KEY'],
      model: args.model,
      save: args.write === true,
      env: process.env,
      write: (text) => process.stdout.write(text),
    });
  },
});

const disconnectArguments = {
  ...clientArgument,
  force: { type: 'boolean', description: 'Even where the file was changed since; that file is kept beside it' },
} as const satisfies ArgsDef;

const disconnectCommand = defineCommand({
  meta: { name: 'disconnect', description: 'Put back what `connect --write` has changed, byte for byte' },
  args: disconnectArguments,
  async run({ args }) {
    refuseUnknownArguments(args, disconnectArguments);
    const { disconnect } = await import('./connect/connect.ts');
    const write = (text: string) => process.stdout.write(text);
    disconnect({ client: args.client, force: args.force === true, env: process.env, write });
  },
});

const subCommands: SubCommandsDef = {
  serve,
  check,
  migrate,
  store,
  demo,
  verify: verifyCommand,
  connect: connectCommand,
  disconnect: disconnectCommand,
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
  for (const [given, value] of Object.entries(args)) {
    if (given === '_') continue;
    // Citty gives a name with a dash under its camel case too.
    const name = given.replaceAll(/\B[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    if (!names.includes(name)) throw new UsageError(`unknown option --${name}; known here: --${names.join(', --')}`);
    if (known[name]?.type === 'boolean') continue;
    if (value === '' || typeof value === 'boolean') throw new UsageError(`--${name} needs a value`);
  }
  const extra = args._[Object.values(known).filter(({ type }) => type === 'positional').length];
  if (extra !== undefined) throw new UsageError(`unexpected argument ${extra}`);
}

function readNumber(name: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= least && number <= most)) throw new UsageError(`--${name} must be a number from ${least} to ${most}`);
  return number;
}

function readVersion(): string {
  // Both src/ and dist/ are one level below it.
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '';
}

/** Citty colours by the environment alone, whatever stdout is. */
async function showUsage<T extends ArgsDef>(command: CommandDef<T>, parent?: CommandDef<T>): Promise<void> {
  const text = `${await renderUsage(command, parent)}\n`;
  const hasColours = process.stdout.isTTY && process.stdout.hasColors();
  process.stdout.write(`${hasColours ? text : stripVTControlCharacters(text)}\n`);
}

/**
 * Whoever reads the output may leave before its end, as `head` does. What was begun goes on all the same: a copy of a store that
 * breaks off where its reader does is none.
 */
function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (!('code' in error) || error.code !== 'EPIPE') throw error;
    });
  }
}

/** Runs the command line, and prints why it cannot: on stderr, without a stack trace, since no trace helps a user. */
async function main(rawArgs: string[]): Promise<void> {
  const [first] = rawArgs;
  const asksForUsage = rawArgs.includes('--help') || rawArgs.includes('-h');
  if (asksForUsage || first === '--version' || first === '-v') return runMain(turnpike, { rawArgs, showUsage });
  const named = first !== undefined && !first.startsWith('-');
  try {
    if (named && !Object.hasOwn(subCommands, first)) {
      throw new UsageError(`unknown command ${first}; known: ${Object.keys(subCommands).join(', ')}`);
    }
    await runCommand(turnpike, { rawArgs: named ? rawArgs : ['serve', ...rawArgs] });
  } catch (error) {
    const { ConfigError } = await import('./config/problem.ts');
    const text = stripVTControlCharacters(error instanceof Error ? error.message : String(error));
    process.stderr.write(error instanceof ConfigError ? `${text}\n` : `turnpike: ${text.replaceAll('\n', ' ')}\n`);
    process.exit(1);
  }
}

outliveReaders();
await main(process.argv.slice(2));
