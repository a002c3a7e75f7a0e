import { type ChildProcess, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fillStore } from './fill-store.ts';
import { start, stop } from './processes.ts';
import type { Addressed, Pair } from './scenario.ts';

export interface Target extends Addressed {
  name: string;
  pid: number;
  /** Keeps state: is played the chains too. */
  isStateful: boolean;
  close(): Promise<void>;
  /** Where its event loop's delay is written, as `loop-delay.ts` says; undefined: nobody watches. */
  loopDelayFile?: string;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const folders: string[] = [];

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-bench-'));
  folders.push(folder);
  return folder;
}

/** Everything that the bench has made on disk. */
export function removeFolders(): void {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}

const closing = (child: ChildProcess) => () => stop(child);

export async function startUpstream(): Promise<Target> {
  const { child, line } = await start(process.execPath, [join(root, 'bench/fake-upstream.ts')]);
  return {
    name: 'direct',
    url: `http://127.0.0.1:${line}`,
    pid: child.pid ?? 0,
    headers: {},
    models: everyPair('bench', 'bench'),
    isUpstream: true,
    isStateful: false,
    close: closing(child),
  };
}

function everyPair(anthropic: string, chat: string): Record<Pair, string> {
  return {
    'responses-anthropic': anthropic,
    'messages-anthropic': anthropic,
    'chat-anthropic': anthropic,
    'chat-chat': chat,
  };
}

interface GatewayOptions {
  name: string;
  /** Of the checkout whose `dist` runs. */
  checkout: string;
  upstreamUrl: string;
  storeUrl: string | undefined;
  workers: number;
  /** How many turns the store is to hold before; SQLite's own only. */
  storedTurns: number;
}

/** What an installed package holds, of a checkout that is built. @returns its program. */
function installed(checkout: string, folder: string): string {
  mkdirSync(join(folder, 'bin'));
  for (const file of ['package.json', 'bin/turnpike.js']) copyFileSync(join(checkout, file), join(folder, file));
  symlinkSync(join(checkout, 'dist'), join(folder, 'dist'));
  return join(folder, 'bin/turnpike.js');
}

/** The built gateway as it is run in earnest: a durable store, a key that is checked, spend that is written. */
export async function startTurnpike(options: GatewayOptions): Promise<Target> {
  const { name, checkout, upstreamUrl, storeUrl = 'sqlite:bench.db', workers, storedTurns } = options;
  const cwd = temporaryFolder();
  const secret = storeUrl.startsWith('sqlite:') ? '' : `, secret: "${'0'.repeat(64)}"`;
  writeFileSync(
    join(cwd, 'turnpike.yaml'),
    `server: { port: 0, workers: ${workers} }
store: { url: "${storeUrl}"${secret} }
auth: { master_key: bench-master, keys: [{ name: bench, key: bench-key }] }
models:
  - { name: "bench-*", provider: anthropic, model: "*", base_url: "${upstreamUrl}", api_key: k }
  - { name: "chat/*", provider: openai-compatible, model: "*", base_url: "${upstreamUrl}/v1", api_key: k }
`,
  );
  const loopDelayFile = join(cwd, 'loop-delay');
  const env = {
    ...process.env,
    NODE_OPTIONS: `--import=${new URL('loop-delay.ts', import.meta.url).href}`,
    BENCH_LOOP_DELAY: loopDelayFile,
  };
  const program = installed(checkout, cwd);
  const open = async (): Promise<Target> => {
    const { child, line } = await start(process.execPath, [program, 'serve'], { cwd, env });
    return {
      name,
      url: line.split(' ').at(-1) ?? '',
      pid: child.pid ?? 0,
      headers: { authorization: 'Bearer bench-key' },
      models: everyPair('bench', 'chat/bench'),
      isUpstream: false,
      isStateful: true,
      close: closing(child),
      // Of many processes it would be the first one's, which serves nobody.
      ...(workers === 1 && { loopDelayFile }),
    };
  };
  if (storedTurns > 0) {
    const first = await open();
    await growChain(first, 'responses-anthropic', 10, 5000);
    await first.close();
    fillStore(join(cwd, 'bench.db'), storedTurns);
  }
  return open();
}

/** 30 items, or as many as there are turns, that together hold the bytes. @returns the id of the last turn. */
export async function growChain(
  { url, headers, models }: Target,
  pair: Pair,
  turns: number,
  bytes: number,
): Promise<string> {
  const items = Math.max(30, turns);
  const content = 'x'.repeat(Math.ceil(bytes / items));
  let parent: string | undefined;
  for (let turn = 0; turn < turns; turn++) {
    const count = Math.floor(((turn + 1) * items) / turns) - Math.floor((turn * items) / turns);
    const input = Array.from({ length: count }, () => ({ role: 'user', content }));
    const body = JSON.stringify({ model: `${models[pair] ?? ''}-c1`, input, previous_response_id: parent });
    const answer = await fetch(`${url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
    parent = ((await answer.json()) as { id: string }).id;
  }
  return parent ?? '';
}

/** Another commit of this repository, built beside this one with the same packages. @returns its folder. */
export function buildCommit(commit: string): string {
  const folder = join(temporaryFolder(), 'checkout');
  run('git', ['worktree', 'add', '--detach', folder, commit], root);
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  run('tsdown', [], folder);
  return folder;
}

export function forgetCommit(folder: string): void {
  run('git', ['worktree', 'remove', '--force', folder], root);
}

function run(command: string, args: string[], cwd: string): void {
  const { status, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}

const pairNames = Object.keys(everyPair('', '')) as Pair[];

/**
 * A gateway that runs already: `name=NAME,url=URL,pid=PID,key=KEY,stateful=yes,chat-chat=MODEL,…`, with the name of the model
 * for each pair that it is to be asked for.
 */
export function parseTarget(text: string): Target {
  const fields = new Map(
    text.split(',').map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
  );
  const url = fields.get('url') ?? '';
  const { hostname } = new URL(url);
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) throw new Error(`${url} is not on this machine`);
  const key = fields.get('key');
  const models: Target['models'] = {};
  for (const pair of pairNames) {
    const model = fields.get(pair);
    if (model !== undefined) models[pair] = model;
  }
  return {
    name: fields.get('name') ?? hostname,
    url,
    pid: Number(fields.get('pid')),
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    models,
    isUpstream: false,
    isStateful: fields.get('stateful') === 'yes',
    close: () => Promise.resolve(),
  };
}
