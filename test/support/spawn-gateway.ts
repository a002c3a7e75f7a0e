import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

const main = new URL('../../src/main.ts', import.meta.url).pathname;
/** As `bin/turnpike.js` has it: what Node has made of the sources is kept, by their content. It halves a start. */
const compileCache = new URL('../../node_modules/.cache/turnpike-tests', import.meta.url).pathname;

/** The program: these sources, on the Node that runs the tests, or another: `bun dist/main.mjs`, say. */
const program = process.env['TURNPIKE_TEST_GATEWAY']?.split(' ') ?? [process.execPath, main];

export interface SpawnedGateway {
  url: string;
  pid: number;
  process: ChildProcess;
  /** Everything that it wrote to stdout and stderr so far. */
  output(): string;
  /** Sends the signal and resolves with the exit code, or null where the signal ended it. */
  kill(signal: NodeJS.Signals): Promise<number | null>;
}

export interface SpawnOptions {
  /** The text of a configuration file; undefined: none. */
  config?: string;
  /** Where it runs and keeps its store: the same folder again is a restart. */
  folder: string;
  env?: Record<string, string>;
  arguments?: string[];
  /** A command that becomes the gateway: what stands behind it is the gateway's own. */
  through?: readonly string[];
  /** Takes what ends the process; undefined: it is ended with the test. For a gateway that a whole file shares. */
  onCleanup?: (cleanup: () => void) => void;
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'turnpike-test-'));
}

/** The real process itself, never npm or a launcher: what is killed here is the gateway. */
export async function spawnGateway(options: SpawnOptions): Promise<SpawnedGateway> {
  const args = ['serve', '--port', '0', ...(options.arguments ?? [])];
  if (options.config !== undefined) {
    const file = join(options.folder, 'gateway.yaml');
    writeFileSync(file, options.config);
    args.push('--config', file);
  }
  const { PATH = '', HOME = '' } = process.env;
  const [command = '', ...rest] = [...(options.through ?? []), ...program, ...args];
  const child = spawn(command, rest, {
    cwd: options.folder,
    env: { PATH, HOME, NODE_COMPILE_CACHE: compileCache, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const gateway: SpawnedGateway = {
    url: '',
    pid: child.pid ?? -1,
    process: child,
    output: () => output,
    async kill(signal) {
      child.kill(signal);
      return (await exited)[0];
    },
  };
  (options.onCleanup ?? onTestFinished)(() => {
    child.kill('SIGKILL');
  });
  gateway.url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', () => {
      const ready = /^turnpike ready on (http:\S+)$/m.exec(output);
      if (ready?.[1] !== undefined) resolve(ready[1]);
    });
    child.on('exit', (code) => reject(new Error(`the gateway ended with ${code} before it was ready:\n${output}`)));
  });
  return gateway;
}
