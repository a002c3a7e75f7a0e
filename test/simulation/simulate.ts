import type { GatewayError } from '../../src/core/errors.ts';
import { createIdMint } from '../../src/core/ids.ts';
import { messagesCodec } from '../../src/protocols/messages/index.ts';
import { responsesCodec } from '../../src/protocols/responses/index.ts';
import { anthropicProfile, createAnthropicProvider } from '../../src/providers/anthropic.ts';
import type { Deployment, Transport } from '../../src/providers/provider.ts';
import { createBudgetBook } from '../../src/spend/budget-book.ts';
import { createRouter } from '../../src/routing/router.ts';
import { createKeyedRuns, type KeyedRuns } from '../../src/turn/keyed-runs.ts';
import { runTurn } from '../../src/turn/run-turn.ts';
import type { TenantStore } from '../../src/store/store.ts';
import type { TurnDependencies, TurnLimits } from '../../src/turn/turn.ts';
import { createJudge, isReplay } from './judge.ts';
import { createClientSink } from './model-client.ts';
import { createModelDatabase } from './model-database.ts';
import { createNodeStore, type StoreWeather } from './model-store.ts';
import { createModelUpstream } from './model-upstream.ts';
import type { TurnRecord } from './turn-record.ts';
import { createWorld, type Home, maxLatencyMs } from './world.ts';

const log = { info() {}, warn() {}, error() {} };
/** No call of these is under one. */
const noBudgets = { forTenant: () => ({ renewLease: () => Promise.reject(new Error('there are no budgets')) }) };

export interface SimulatedRun {
  /** What was found to be wrong. */
  offences: string[];
  /** How often each thing happened that the simulation is there for. */
  counts: Record<string, number>;
  trace: string[];
}

interface Node extends Home {
  dependencies: TurnDependencies;
  keyedRuns: KeyedRuns;
}

const tenants = ['alpha', 'beta'] as const;
const tools = [{ type: 'function', name: 'look_up', description: 'Looks up', parameters: { type: 'object' } }];

/** One whole run of gateways, clients, upstreams and a database, in which everything that happens follows from the seed. */
export async function simulate(seed: number, isTraced = false): Promise<SimulatedRun> {
  const world = createWorld(seed, isTraced);
  const { random } = world;
  const limits: TurnLimits = {
    keepAliveMs: random.pick([100, 1000]),
    stallMs: random.pick([2500, 6000]),
    totalMs: 15_000,
    commitMs: random.pick([300, 1500]),
  };
  const outageMs = world.nowMs() + random.below(4000);
  const weather: StoreWeather = {
    faultRate: random.pick([0, 0, 0.05, 0.25]),
    outage: { fromMs: outageMs, untilMs: outageMs + (random.chance(0.2) ? random.below(6000) : 0) },
    graceMs: limits.commitMs + 3 * maxLatencyMs,
  };
  const database = createModelDatabase();
  const judge = createJudge(world, database, limits);
  const transportOf = createModelUpstream({
    world,
    faultRate: random.pick([0, 0.2, 0.5]),
    onCall: (call) => judge.called(call),
    onTouched: (call) => judge.touched(call),
  });
  const nodes: Node[] = [];
  const turns: TurnRecord[] = [];

  function startNode(): void {
    const node: Home = { name: `n${nodes.length + 1}`, alive: true, frozenUntilMs: 0 };
    const transport = transportOf(node);
    const nowMs = world.nowMs;
    nodes.push(
      Object.assign(node, {
        keyedRuns: createKeyedRuns(),
        dependencies: {
          router: createRouter({
            deployments: [
              deploymentOf('fast', 'claude-haiku-4-5', 'https://a.test', transport),
              deploymentOf('fast', 'claude-haiku-4-5', 'https://b.test', transport),
              deploymentOf('smart', 'claude-sonnet-4-5', 'https://c.test', transport),
            ],
            aliases: {},
            retries: 1,
            fallbacks: { fast: ['smart'] },
            random: random.next,
            nowMs,
          }),
          ids: createIdMint(random.fill),
          budgets: createBudgetBook({ budgets: noBudgets, owner: node.name, nowMs, log }),
          nowMs,
          owner: node.name,
          log,
          limits,
          ledger: 'request' as const,
        },
      }),
    );
  }

  const alive = () => nodes.filter((node) => node.alive);

  function deploymentOf(group: string, model: string, baseUrl: string, transport: Transport): Deployment {
    return {
      group,
      provider: createAnthropicProvider(messagesCodec, transport),
      model,
      baseUrl,
      apiKey: `key of ${baseUrl}`,
      headers: {},
      timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1 },
      weight: 1,
      profile: anthropicProfile(model),
      prices: { input: 1, output: 5, cacheRead: undefined, cacheWrite: undefined },
    };
  }

  /** One that the client has the id of: mostly the last that ended well, at times one that can't be continued. */
  function chooseParent(tenant: string): TurnRecord | undefined {
    const known = turns.filter((turn) => turn.tenant === tenant && turn.sink.id !== undefined && !isReplay(turn));
    const ended = known.filter(({ sink }) => sink.told?.status === 'completed' || sink.told?.status === 'incomplete');
    const kind = random.next();
    if (kind < 0.6) return ended.at(-1);
    if (kind < 0.75) return ended[random.below(ended.length)];
    if (kind < 0.85) return known[random.below(known.length)];
    if (kind < 0.88) return turns.find((turn) => turn.tenant !== tenant && turn.sink.id !== undefined);
    return undefined;
  }

  function inputOf(tag: string, parent: TurnRecord | undefined): Pick<TurnRecord, 'input' | 'said'> {
    const said: TurnRecord['said'] = [];
    const input: unknown[] = [];
    const output = parent?.sink.told === undefined ? [] : outputOf(parent.sink.told.text);
    for (const { type, status, call_id } of output) {
      if (type !== 'function_call' || status === 'incomplete') continue;
      const found = `found for ${tag}`;
      input.push({ type: 'function_call_output', call_id, output: found });
      said.push({ type: 'tool_result', tool_use_id: call_id, content: found });
    }
    if (input.length === 0 || random.chance(0.3)) {
      input.push({ role: 'user', content: `${tag} asks – 🜁` });
      said.push({ type: 'text', text: `${tag} asks – 🜁` });
    }
    return { input, said };
  }

  /** @param again the turn that is asked for once more, under the same key. */
  function startTurn(client: number, left: number, again?: TurnRecord): void {
    const tenant = again?.tenant ?? tenants[client % 2] ?? 'alpha';
    const candidates = alive();
    const node = candidates[random.below(candidates.length)];
    if (node === undefined) {
      later(client, left, again);
      return;
    }
    const tag = `t${turns.length + 1}`;
    const parent = again === undefined ? chooseParent(tenant) : again.parent;
    const { input, said } = inputOf(tag, parent);
    const stream = random.chance(0.75);
    const body = {
      model: 'fast',
      input,
      stream,
      store: again?.stored ?? random.chance(0.93),
      user: tag,
      ...(parent === undefined ? {} : { previous_response_id: parent.sink.id }),
      ...(random.chance(0.5) ? { tools } : {}),
    };
    const ownKey = random.chance(0.3) ? `key of ${tag}` : undefined;
    const key = again === undefined ? ownKey : again.key;
    // A client's mistake: a key that it has used for something else.
    const request = again !== undefined && random.chance(0.9) ? again.request : `request of ${tag}`;
    const sink = createClientSink({
      world,
      node,
      tag,
      onTold: (told) => judge.told(turn, told),
      onHeard: () => judge.heard(turn),
      onOffence: (offence) => judge.accuse(`${tag}: ${offence}`),
    });
    const turn: TurnRecord = {
      tag,
      tenant,
      node,
      parent,
      key,
      request,
      input,
      said,
      stored: body.store,
      sink,
      calls: [],
      storeFaults: 0,
      commitAtMs: undefined,
      deletion: 'none',
      knewOutput: parent?.sink.told !== undefined,
      couldContinue: judge.canContinue(parent, tenant),
      state: 'running',
      error: undefined,
      toldError: undefined,
    };
    turns.push(turn);
    judge.started(turn);
    const faulty = createNodeStore({
      world,
      database,
      node,
      tenant,
      weather,
      onFault: () => {
        turn.storeFaults += 1;
      },
    });
    const store: TenantStore = {
      ...faulty,
      commitTurn(commit) {
        turn.commitAtMs ??= world.nowMs();
        return faulty.commitTurn(commit);
      },
    };
    const createStreamEncoder = () => {
      const encoder = responsesCodec.createStreamEncoder();
      const error = (thrown: GatewayError) => encoder.error((turn.toldError = thrown));
      return { ...encoder, error };
    };
    const over = (error: unknown) => {
      turn.state = 'settled';
      turn.error = error;
      world.trace(() => `${tag} settles: ${error instanceof Error ? error.message : 'well'}`);
      judge.settled(turn);
      goOn(turn, client, left);
    };
    world.schedule(
      `${tag} arrives${parent === undefined ? '' : `, after ${parent.tag}`}`,
      () => {
        const idempotency = key === undefined ? undefined : node.keyedRuns.open(key, request);
        const call = {
          request: responsesCodec.decodeRequest(body),
          client: { ...responsesCodec, createStreamEncoder },
          store,
          keyId: 'key',
          sessionId: undefined,
          idempotency,
          sink,
        };
        runTurn(node.dependencies, call)
          .finally(() => idempotency?.close())
          .then(() => over(undefined), over);
      },
      { home: node },
    );
    // Before it knows how the first one ends: its connection is slow, or it has no patience.
    if (key !== undefined && again === undefined && random.chance(0.3)) later(client, 0, turn);
    if (random.chance(0.12)) {
      world.schedule(`client ${tag} hangs up`, () => sink.hangUp(), {
        delayMs: random.chance(0.5) ? random.below(60) : random.below(4000),
        home: node,
      });
    }
  }

  function later(client: number, left: number, again?: TurnRecord): void {
    const name = again === undefined ? `client ${client} goes on` : `client ${client} asks for ${again.tag} again`;
    world.schedule(name, () => startTurn(client, left, again), {
      delayMs: world.latencyMs(),
      home: null,
    });
  }

  /** What a client does with an end, or with the lack of one. */
  function goOn(turn: TurnRecord, client: number, left: number): void {
    const isOwn = turn.sink.told !== undefined && !isReplay(turn);
    if (isOwn && random.chance(0.3)) readBack(turn);
    if (isOwn && random.chance(0.06)) remove(turn);
    if (turn.key !== undefined && random.chance(turn.sink.told === undefined ? 0.7 : 0.3)) later(client, 0, turn);
    if (left > 0) later(client, left - 1);
    // A fork: two turns at once on whatever is chosen.
    if (left > 1 && random.chance(0.15)) later(client, 0);
  }

  function visit(turn: TurnRecord, what: string, run: (store: TenantStore) => Promise<void>): void {
    const candidates = alive();
    const node = candidates[random.below(candidates.length)];
    if (node === undefined) return;
    const store = createNodeStore({ world, database, node, tenant: turn.tenant, weather, onFault() {} });
    const refused = (error: Error) => {
      if (!error.message.includes('simulated')) judge.accuse(`${turn.tag}: ${what} failed: ${error.message}`);
    };
    world.schedule(`${turn.tag} ${what}`, () => void run(store).catch(refused), { home: node });
  }

  function readBack(turn: TurnRecord): void {
    visit(turn, 'is read back', async (store) => {
      const found = await store.readResponse(turn.sink.id ?? '');
      judge.readBack(turn, found);
    });
  }

  function remove(turn: TurnRecord): void {
    turn.deletion = 'asked';
    visit(turn, 'is deleted', async (store) => {
      if (await store.deleteResponse(turn.sink.id ?? '', world.nowMs())) turn.deletion = 'done';
    });
  }

  function crash(node: Node): void {
    judge.count('crash');
    world.crash(node);
    for (const turn of turns) {
      if (turn.node !== node || turn.state !== 'running') continue;
      turn.state = 'crashed';
      for (const call of turn.calls) if (call.state === 'open') call.state = 'crashed';
      later(0, 0, turn.key === undefined || random.chance(0.2) ? undefined : turn);
    }
    startNode();
    scheduleSweep(node, random.below(1500));
  }

  function scheduleSweep(node: Node, delayMs: number): void {
    world.schedule(
      `sweep of ${node.name}`,
      () => {
        judge.count(
          'swept',
          database.sweep((owner) => owner === node.name, world.nowMs()),
        );
      },
      { delayMs, home: null },
    );
  }

  /** A process that stands still for so long that the others take it for dead, and then goes on. */
  function freeze(node: Node): void {
    judge.count('freeze');
    node.frozenUntilMs = world.nowMs() + 500 + random.below(2000);
    scheduleSweep(node, 300);
  }

  const misfortune = (name: string, happen: (node: Node) => void) => {
    world.schedule(
      name,
      () => {
        const candidates = alive();
        const node = candidates[random.below(candidates.length)];
        if (node !== undefined) happen(node);
      },
      { delayMs: random.chance(0.5) ? random.below(200) : random.below(5000), home: null },
    );
  };

  const nodeCount = 1 + random.below(3);
  for (let at = 0; at < nodeCount; at += 1) startNode();
  const clients = 1 + random.below(3);
  for (let client = 0; client < clients; client += 1) later(client, random.below(4));
  if (random.chance(0.25)) misfortune('a crash', crash);
  if (random.chance(0.1)) misfortune('another crash', crash);
  if (random.chance(0.15)) misfortune('a freeze', freeze);

  try {
    await world.run(() => turns.some((turn) => turn.state === 'running'));
    database.sweep((owner) => nodes.some((node) => node.name === owner && !node.alive), world.nowMs());
    judge.atRest(turns);
  } catch (error) {
    judge.accuse(error instanceof Error ? error.message : String(error));
  }
  return { offences: judge.offences, counts: judge.counts, trace: world.traced };
}

function outputOf(text: string): { type: string; status?: string; call_id?: string }[] {
  return (JSON.parse(text) as { output: { type: string; status?: string; call_id?: string }[] }).output;
}
