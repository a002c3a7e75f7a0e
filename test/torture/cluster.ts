import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { spawnGateway, type SpawnedGateway } from '../support/spawn-gateway.ts';
import { type Deed, type LogLine, spender, spenderBudget, spenderNanoUsdPerToken, spenderTokens } from './history.ts';
import { now } from './journal.ts';
import type { Random } from './random.ts';
import type { Round } from './schedule.ts';

export interface Node {
  name: string;
  gateway: SpawnedGateway;
  /** Resolves when the process has ended, whatever ended it. */
  ended: Promise<void>;
  /** How the store knows it; undefined: the store has one node. */
  owner: string | undefined;
  /** It has died for its round already, in the sweep or while another round ran, and was started again without an end. */
  hasDied: boolean;
}

/** The gateways of a run, each a process that can be ended and started again. */
export interface Cluster {
  /**
   * A node that runs, waiting for one if none does. Undefined: the cluster has been stopped.
   * @param last is left out if another one runs.
   */
  anyNode(random: Random, last?: string): Promise<Node | undefined>;
  /** The last process of this name, whether or not it runs. */
  node(name: string): Node;
  /** True: the node runs, and is the same process as when it was asked for. */
  isUp(node: Node): boolean;
  /** @param round how this life is to end; undefined: it is not. */
  start(name: string, round: Round | undefined): Promise<void>;
  /** Starts those that have died before their round came. */
  revive(): Promise<void>;
  /** How the store knows those that run. */
  owners(): string[];
  /** SIGTERM for all. */
  stop(): Promise<void>;
  killAll: () => void;
  /** Resolves when no node runs any more. */
  gone(): Promise<unknown>;
  /** Milliseconds that the slowest start after a kill took. */
  readonly slowestStartMs: number;
  readonly faults: string[];
  /** Of all nodes that have ended. */
  readonly log: LogLine[];
}

/** @param newOwner how the store knows the node that was started last. */
export function createCluster(
  folder: string,
  config: string,
  deed: (deed: Deed) => void,
  newOwner: (() => Promise<string>) | undefined,
): Cluster {
  const last = new Map<string, Node>();
  const up = new Map<string, Node>();
  const cleanups: (() => void)[] = [];
  const faults: string[] = [];
  const log: LogLine[] = [];
  let slowestStartMs = 0;
  let stopping = false;
  let onStart = () => {};
  let started = new Promise<void>((resolve) => {
    onStart = resolve;
  });

  function onEnd(node: Node): void {
    log.push(...linesOf(node.name, node.gateway.output()));
    if (up.get(node.name) === node) up.delete(node.name);
    const { exitCode, signalCode } = node.gateway.process;
    deed({ at: now(), node: node.name, what: `ended by ${signalCode ?? `itself, with ${exitCode}`}` });
    if (signalCode !== 'SIGKILL' && !stopping)
      faults.push(`node ${node.name} ended by itself: ${node.gateway.output()}`);
    if (node.gateway.output().includes('uncaught error')) faults.push(`uncaught error: ${node.gateway.output()}`);
  }

  async function start(name: string, round: Round | undefined): Promise<void> {
    const home = join(folder, name);
    mkdirSync(home, { recursive: true });
    const from = now();
    const aim = round?.death.by === 'point' ? `${round.death.point}:${round.death.pass}` : undefined;
    const spawn = (env: Record<string, string>) =>
      spawnGateway({ config, folder: home, env, onCleanup: (cleanup) => void cleanups.push(cleanup) });
    let hasDied = false;
    const gateway = await spawn(aim === undefined ? {} : { TURNPIKE_CRASH_AT: aim }).catch((error: unknown) => {
      if (aim === undefined || !(error instanceof Error && error.message.includes('ended with null'))) throw error;
      deed({ at: now(), node: name, what: `ended at ${aim} before it was ready` });
      hasDied = true;
      return spawn({});
    });
    slowestStartMs = Math.max(slowestStartMs, now() - from);
    const child = gateway.process;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const owner = await newOwner?.();
    const node: Node = { name, gateway, owner, hasDied, ended: ended.then(() => onEnd(node)) };
    up.set(name, node);
    last.set(name, node);
    deed({
      at: now(),
      node: name,
      what: `started as ${gateway.pid}${aim === undefined ? '' : `, to die at ${aim}`}`,
    });
    onStart();
    started = new Promise((resolve) => {
      onStart = resolve;
    });
  }

  return {
    async anyNode(random, other) {
      while (up.size === 0) {
        if (stopping) return undefined;
        await started;
      }
      const others = [...up.values()].filter(({ name }) => name !== other);
      return random.pick(others.length > 0 ? others : [...up.values()]);
    },
    node(name) {
      const node = last.get(name);
      if (node === undefined) throw new Error(`node ${name} was never started`);
      return node;
    },
    isUp: (node) => up.get(node.name) === node,
    start,
    async revive() {
      for (const { name } of last.values()) {
        if (up.has(name)) continue;
        await start(name, undefined);
        const node = last.get(name);
        if (node !== undefined) node.hasDied = true;
      }
    },
    owners: () => [...up.values()].flatMap(({ owner }) => owner ?? []),
    async stop() {
      stopping = true;
      for (const node of up.values()) {
        const code = await node.gateway.kill('SIGTERM');
        if (code !== 0) faults.push(`node ${node.name} ended with ${code} at SIGTERM: ${node.gateway.output()}`);
        await node.ended;
      }
      onStart();
    },
    killAll() {
      for (const cleanup of cleanups) cleanup();
    },
    gone: () => Promise.all([...last.values()].map(({ ended }) => ended)),
    get slowestStartMs() {
      return slowestStartMs;
    },
    faults,
    log,
  };
}

/** What is not an object is no line of the log: the word that the node is ready, or what was cut when it died. */
function linesOf(node: string, output: string): LogLine[] {
  return output.split('\n').flatMap((text) => {
    if (!text.startsWith('{') || !text.endsWith('}')) return [];
    const { requestId, responseId } = JSON.parse(text) as Pick<LogLine, 'requestId' | 'responseId'>;
    return [{ node, text, ...(requestId && { requestId }), ...(responseId && { responseId }) }];
  });
}

/** Both tenants have a key of their own, alpha's with a budget that is never spent; `pair` has a second deployment to go on with where the first is overloaded. */
export function gatewayConfig(storeUrl: string, upstreamUrl: string): string {
  const spenderCap = spenderBudget * spenderTokens * spenderNanoUsdPerToken;
  const price = 'price: { input: 1, output: 5 }';
  const claude = `provider: anthropic, model: claude-haiku-4-5, api_key: k, ${price}`;
  const qwen = `provider: openai-compatible, model: qwen3-32b, api_key: k, ${price}`;
  return `
store: { url: "${storeUrl}", secret: "${'5a'.repeat(32)}", lease_seconds: 3, timeout_ms: 10000 }
auth:
  keys:
    - { name: alpha, key: sk-torture-alpha-0123456789abcdef, team: alpha, budget_usd: 1000000 }
    - { name: beta, key: sk-torture-beta-0123456789abcdef, team: beta }
    - { name: ${spender}, key: ${keyOf[spender]}, budget_usd: ${spenderCap / 1e9} }
models:
  - { name: claude, base_url: "${upstreamUrl}", ${claude} }
  - { name: qwen, base_url: "${upstreamUrl}/v1", ${qwen} }
  - { name: pair, base_url: "${upstreamUrl}/first", ${claude} }
  - { name: pair, base_url: "${upstreamUrl}/second", ${claude} }
  - { name: ${spender}, base_url: "${upstreamUrl}", provider: anthropic, model: claude-haiku-4-5, api_key: k, price: { input: 0, output: ${spenderNanoUsdPerToken / 1000} } }
routing: { retries: 1 }
`;
}

export const keyOf = {
  alpha: 'sk-torture-alpha-0123456789abcdef',
  beta: 'sk-torture-beta-0123456789abcdef',
  [spender]: 'sk-torture-spender-0123456789abcdef',
} as const;
