import { type Clock, hop } from './clock.ts';
import type { BegunTurn } from './engine.ts';
import { type Cluster, keyOf, type Node } from './cluster.ts';
import { endOf, type Exchange, exchangesOf, type ReadResponse } from './exchange.ts';
import {
  canaryOf,
  type CreateSent,
  type Found,
  type JournalEntry,
  type JournalEvent,
  proberNumber,
  readerNumber,
  requestName,
  type Sent,
  spender,
  spenderTokens,
  type Step,
  type Tenant,
  tenants,
  userOf,
} from './history.ts';
import { type Journal, now } from './journal.ts';
import { type Random, seeded } from './random.ts';

const tool = {
  type: 'function',
  name: 'get_weather',
  description: 'Get the current weather',
  parameters: {
    type: 'object',
    properties: { location: { type: 'string' }, unit: { type: 'string' } },
    required: ['location'],
  },
};

/** A stored turn that a client was told has completed. */
export interface Acknowledged {
  name: string;
  tenant: Tenant;
  model: string;
  /** Where its end was read. */
  node: string;
  response: ReadResponse;
}

interface ClientParts {
  seed: string;
  cluster: Cluster;
  clock: Clock;
  journal: Journal<JournalEntry>;
}

export interface Clients {
  /** Runs until `stop`. */
  run(loops: number): Promise<void>;
  stop(): void;
  /** Every acknowledged turn that nobody has asked to delete. */
  acknowledged(): Acknowledged[];
  /** Fetches, from other nodes, the turns that this one has begun, whether or not their clients know their ids yet. */
  readBegun: (node: string, turns: BegunTurn[]) => Promise<void>;
  /** So many calls at once with a key whose budget is small. */
  spend: (calls: number) => Promise<void>;
  /** Fetches these ids, each with its tenant's key. */
  fetchAll(ids: { id: string; tenant: Tenant }[]): Promise<Map<string, Found>>;
  /** Goes on from each of these turns once. */
  continueAll(turns: Acknowledged[]): Promise<void>;
}

export function createClients({ seed, cluster, clock, journal }: ClientParts): Clients {
  const live = new Map<string, Acknowledged>();
  let running = true;
  let begunCount = 0;

  /** Sends, and writes all that comes back into the journal. */
  async function exchange(sent: Sent, node: Node, body: object | undefined, leaveAfter = Infinity): Promise<void> {
    const { name, action, target = '' } = sent;
    const add = (event: JournalEvent) => journal.add({ at: now(), name, ...event });
    add({ kind: 'sent', sent });
    const path = action === 'create' ? '' : `/${target}`;
    const method = action === 'create' ? 'POST' : action === 'get' ? 'GET' : 'DELETE';
    const abort = new AbortController();
    let events = 0;
    try {
      const response = await fetch(`${node.gateway.url}/v1/responses${path}`, {
        method,
        headers: { authorization: `Bearer ${keyOf[sent.tenant]}`, 'content-type': 'application/json' },
        signal: abort.signal,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      clock.tick();
      const { status, headers } = response;
      const [sessionId, requestId] = ['x-turnpike-session-id', 'x-request-id'].map((name) => headers.get(name));
      add({ kind: 'status', status, sessionId: sessionId ?? null, requestId: requestId ?? null });
      if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
        add({ kind: 'body', text: await response.text() });
        clock.tick();
        return;
      }
      let rest = '';
      for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        clock.tick();
        const frames = (rest + piece).split('\n\n');
        rest = frames.pop() ?? '';
        for (const frame of frames) {
          const [, event, data] = /^event: ([^\n]+)\ndata: ([^\n]+)$/.exec(frame) ?? [];
          if (event === undefined || data === undefined) continue;
          add({ kind: 'event', event: { event, data } });
          events += 1;
          if (events < leaveAfter) continue;
          add({ kind: 'left' });
          abort.abort();
          return;
        }
      }
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      const cause = error.cause instanceof Error ? error.cause.message : '';
      add({ kind: 'lost', why: `${error.message} ${cause}` });
      // The rig hears a moment later that the process has ended.
      await hop(10);
    }
  }

  function readBack(name: string, from: number): Exchange {
    const own = journal.entries.slice(from).filter((entry) => entry.name === name);
    const found = exchangesOf(own).get(name);
    if (found === undefined) throw new Error(`${name} is not in the journal`);
    return found;
  }

  /** Takes a turn on `parent`: with its tools' outputs where it made calls, else with a question. */
  async function takeTurn(
    name: string,
    random: Random,
    parent: Acknowledged | undefined,
    options: { model: string; stream: boolean; store: boolean; tenant: Tenant; tools: boolean; leaveAfter?: number },
  ): Promise<Acknowledged | undefined> {
    const { model, stream, store, tenant, tools, leaveAfter } = options;
    // At once, and elsewhere.
    const node = await cluster.anyNode(random, parent?.node);
    if (node === undefined) return undefined;
    const canary = canaryOf(name);
    const trespass = parent !== undefined && parent.tenant !== tenant;
    const calls = trespass ? [] : (parent?.response.output.filter(({ type }) => type === 'function_call') ?? []);
    const question = `What is the weather in ${canary}?`;
    const input: Step[] =
      calls.length === 0
        ? [['user', question]]
        : calls.map(({ call_id = '' }, index) => ['output', call_id, `sunny ${index}, says ${canary}`] as const);
    const create: CreateSent = { model, stream, store, parent: parent?.name, input };
    const target = parent?.response.id;
    const sent: Sent = {
      name,
      client: name.slice(0, -7),
      tenant,
      node: node.name,
      action: 'create',
      target,
      trespass,
      create,
    };
    const from = journal.entries.length;
    await exchange(
      sent,
      node,
      {
        model,
        stream,
        store,
        user: userOf(name),
        previous_response_id: target ?? null,
        input: input.map((step) =>
          step[0] === 'output'
            ? { type: 'function_call_output', call_id: step[1], output: step[2] }
            : { role: 'user', content: step[1] },
        ),
        ...(tools ? { tools: [tool] } : {}),
        ...(model === 'qwen' ? {} : { reasoning: { effort: 'low', summary: 'auto' } }),
      },
      leaveAfter,
    );
    const response = endOf(readBack(name, from));
    if (response?.status !== 'completed' || !store || trespass) return undefined;
    // What is acted on from here on is on the disk: the client does not forget it.
    await journal.settled();
    const turn: Acknowledged = { name, tenant, model, node: node.name, response };
    live.set(name, turn);
    return turn;
  }

  async function reach(
    action: 'get' | 'delete',
    name: string,
    random: Random,
    tenant: Tenant,
    turn: Acknowledged,
  ): Promise<void> {
    const node = await cluster.anyNode(random);
    if (node === undefined) return;
    const trespass = turn.tenant !== tenant;
    const target = turn.response.id;
    const sent: Sent = { name, client: name.slice(0, -7), tenant, node: node.name, action, target, trespass };
    await exchange(sent, node, undefined);
  }

  async function loop(index: number): Promise<void> {
    const random = seeded(`${seed} client ${index}`);
    const tenant = tenants[index % tenants.length] ?? 'alpha';
    let count = 0;
    const nextName = () => requestName(tenant, index, (count += 1));
    const own = () =>
      [...live.values()].filter(({ name }) => name.startsWith(requestName(tenant, index, 0).slice(0, -6)));
    const foreign = () => [...live.values()].filter((turn) => turn.tenant !== tenant);
    let tip: Acknowledged | undefined;

    const turnFrom = (parent: Acknowledged | undefined) =>
      takeTurn(nextName(), random, parent, {
        model: parent === undefined || random.below(6) === 0 ? random.pick(['claude', 'qwen', 'pair']) : parent.model,
        stream: random.below(4) > 0,
        store: random.below(10) > 0,
        tenant,
        tools: random.below(5) > 0,
        leaveAfter: random.below(25) === 0 ? 1 + random.below(12) : Infinity,
      });

    for (;;) {
      if (!running) return;
      const draw = random.below(100);
      const others = draw < 6 ? foreign() : [];
      const mine = draw < 16 ? own() : [];
      if (others.length > 0) {
        const turn = random.pick(others);
        const way = random.below(3);
        if (way === 0) await turnFrom(turn);
        else await reach(way === 1 ? 'get' : 'delete', nextName(), random, tenant, turn);
      } else if (draw >= 6 && draw < 9 && mine.length > 2) {
        const turn = random.pick(mine);
        live.delete(turn.name);
        if (tip === turn) tip = undefined;
        await reach('delete', nextName(), random, tenant, turn);
      } else if (draw >= 9 && draw < 16 && mine.length > 0) {
        // A fork of any age.
        tip = (await turnFrom(random.pick(mine))) ?? tip;
      } else if (draw < 26 && tip !== undefined) {
        // Two children at once.
        const both = await Promise.all([turnFrom(tip), turnFrom(tip)]);
        tip = both[0] ?? both[1] ?? tip;
      } else {
        const parent = draw < 34 ? undefined : tip;
        tip = (await turnFrom(parent)) ?? parent;
      }
    }
  }

  /** Runs the tasks, several at a time. */
  async function spread<T>(tasks: T[], run: (task: T) => Promise<void>): Promise<void> {
    const queue = tasks.values();
    const worker = async () => {
      for (const task of queue) await run(task);
    };
    await Promise.all(Array.from({ length: 8 }, worker));
  }

  return {
    async run(loops) {
      await Promise.all(Array.from({ length: loops }, (_, index) => loop(index)));
    },
    stop() {
      running = false;
    },
    acknowledged: () => [...live.values()],
    async readBegun(stopped, turns) {
      const random = seeded(`${seed} begun ${begunCount}`);
      for (const { id, tenant } of turns) {
        // The spender's calls are in no journal: what became of them is judged by what they cost.
        if (!Object.hasOwn(keyOf, tenant)) continue;
        const node = await cluster.anyNode(random, stopped);
        if (node === undefined || node.name === stopped) continue;
        begunCount += 1;
        const name = requestName(tenant, readerNumber, begunCount);
        const client = name.slice(0, -7);
        await exchange(
          { name, client, tenant, node: node.name, action: 'get', target: id, trespass: false },
          node,
          undefined,
        );
      }
    },
    async spend(calls) {
      const random = seeded(`${seed} spender`);
      const call = async () => {
        const node = await cluster.anyNode(random);
        if (node === undefined) return;
        const body = { model: spender, user: spender, input: 'spend', max_output_tokens: spenderTokens };
        await fetch(`${node.gateway.url}/v1/responses`, {
          method: 'POST',
          headers: { authorization: `Bearer ${keyOf[spender]}`, 'content-type': 'application/json' },
          body: JSON.stringify(body),
        })
          .then((response) => response.text())
          .catch((error: unknown) => {
            if (!(error instanceof TypeError)) throw error;
          });
      };
      await Promise.all(Array.from({ length: calls }, call));
    },
    async fetchAll(ids) {
      const random = seeded(`${seed} fetch`);
      const found = new Map<string, Found>();
      await spread(ids, async ({ id, tenant }) => {
        const node = await cluster.anyNode(random);
        if (node === undefined) throw new Error('no node is left to ask');
        const response = await fetch(`${node.gateway.url}/v1/responses/${id}`, {
          headers: { authorization: `Bearer ${keyOf[tenant]}` },
        });
        found.set(id, { status: response.status, text: await response.text() });
        clock.tick();
      });
      return found;
    },
    async continueAll(turns) {
      const random = seeded(`${seed} continue`);
      let count = 0;
      await spread(turns, async (turn) => {
        count += 1;
        const name = requestName(turn.tenant, proberNumber, count);
        const { tenant, model } = turn;
        const stream = random.below(2) === 0;
        await takeTurn(name, random, turn, { tenant, model, stream, store: true, tools: false });
      });
    },
  };
}
