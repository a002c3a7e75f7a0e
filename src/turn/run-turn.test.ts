import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { expectStream } from '../../test/support/check-stream.ts';
import { parseEvents } from '../../test/support/read-events.ts';
import { createIdMint } from '../core/ids.ts';
import type { ClientCodec } from '../protocols/codec.ts';
import { messagesCodec } from '../protocols/messages/index.ts';
import { responsesCodec } from '../protocols/responses/index.ts';
import type { Deployment, Transport } from '../providers/provider.ts';
import { createSimulatorProvider, simulatorPrices } from '../providers/simulator/simulator.ts';
import { createSimulatorTransport } from '../providers/simulator/transport.ts';
import { createRouter, type Router } from '../routing/router.ts';
import { createSqliteStore } from '../store/sqlite/create-sqlite-store.ts';
import { createBudgetBook } from '../spend/budget-book.ts';
import type { Store, TenantStore } from '../store/store.ts';
import { createKeyedRuns } from './keyed-runs.ts';
import { runTurn } from './run-turn.ts';
import type { TurnCall, TurnDependencies, TurnSink } from './turn.ts';

const directory = mkdtempSync(join(tmpdir(), 'turnpike-turn-'));
const log = { info: () => {}, warn: () => {}, error: () => {} };
let store: Store;
let tenants = 0;

beforeAll(async () => {
  const path = join(directory, 'turnpike.db');
  store = await createSqliteStore({ path, secret: Buffer.alloc(32, 7), owner: 'process-1', log });
});
afterAll(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

const fault = () => {
  throw new TypeError('x is not a function');
};

/** An upstream that closes before its reply has an item. */
const beginsOnly: Transport = {
  send(_, listener) {
    const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], usage: {} };
    queueMicrotask(() => {
      listener.onHeaders(200, { 'content-type': 'text/event-stream' });
      listener.onData(
        Buffer.from(`event: message_start\ndata: ${JSON.stringify({ type: 'message_start', message })}\n\n`),
      );
      listener.onEnd();
    });
    return { pause() {}, resume() {}, abort() {} };
  },
  close: () => Promise.resolve(),
};

const provider = createSimulatorProvider(messagesCodec, createSimulatorTransport());
const deployment: Omit<Deployment, 'provider'> = {
  group: 'm',
  model: 'simulator',
  baseUrl: 'http://simulator.invalid',
  apiKey: undefined,
  headers: {},
  timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1 },
  weight: 1,
  profile: provider.profileOf('simulator'),
  prices: simulatorPrices,
};

/** An upstream that says nothing. */
const isSilent: Transport = {
  send: () => ({ pause() {}, resume() {}, abort() {} }),
  close: () => Promise.resolve(),
};

interface Parts {
  keepAliveMs?: number;
  transport?: Transport;
  router?: Partial<Router>;
  client?: Partial<ClientCodec>;
}

/** One call on the simulator in a tenant of its own, with parts that fail. */
function callOf(stream: boolean, parts: Parts) {
  const nowMs = Date.now;
  const router = createRouter({
    deployments: [{ ...deployment, provider: { ...provider, ...(parts.transport && { transport: parts.transport }) } }],
    aliases: {},
    retries: 0,
    fallbacks: {},
    random: Math.random,
    nowMs,
  });
  const limits = { keepAliveMs: parts.keepAliveMs ?? 600_000, stallMs: 600_000, totalMs: 600_000, commitMs: 1 };
  const dependencies: TurnDependencies = {
    router: { ...router, ...parts.router },
    ids: createIdMint(),
    nowMs,
    owner: 'process-1',
    budgets: createBudgetBook({ budgets: store.budgets, owner: 'process-1', nowMs: Date.now, log }),
    log,
    limits,
    ledger: 'request',
  };
  const own = store.forTenant(`tenant-${++tenants}`);
  const ids: string[] = [];
  const written: string[] = [];
  const call: TurnCall = {
    request: responsesCodec.decodeRequest({ model: 'm', input: 'Hello', stream }),
    client: { ...responsesCodec, ...parts.client },
    store: {
      ...own,
      beginTurn(intent) {
        ids.push(intent.id);
        return own.beginTurn(intent);
      },
    },
    keyId: 'key_1',
    sessionId: 'sess_1',
    idempotency: createKeyedRuns().open('key', 'body'),
    sink: {
      closed: false,
      start: () => {},
      write: (text) => written.push(text) > 0,
      end: (text) => void written.push(text),
      onClose: () => {},
      onDrain: () => {},
    },
  };
  return { own, ids, written, dependencies, call };
}

/** Its turn, from beginning to end. */
async function run(stream: boolean, parts: Parts) {
  const { own, ids, written, dependencies, call } = callOf(stream, parts);
  const thrown: unknown = await runTurn(dependencies, call).then(
    () => undefined,
    (error: unknown) => error,
  );
  const id = ids.at(-1) ?? '';
  const [turn] = await own.listSession('sess_1');
  return {
    own,
    id,
    thrown,
    written,
    turn,
    again: (changed: Partial<TurnCall> = {}) => runTurn(dependencies, { ...call, ...changed }),
    response: await own.readResponse(id),
  };
}

const broken = () => ({ ...responsesCodec.createStreamEncoder(), delta: fault, partEnd: fault });
const cannotBegin = () => ({ ...responsesCodec.createStreamEncoder(), begin: fault });
/** The last says whether our estimate is billed, the upstream having given no figures yet. */
const unforeseen: [string, boolean, Parts, boolean][] = [
  ['is told that an attempt went well', false, { router: { succeeded: fault } }, false],
  ['is told that an attempt went well', true, { router: { succeeded: fault } }, false],
  ['writes the stream', true, { client: { createStreamEncoder: broken } }, true],
];

describe('a fault of ours while a turn runs', () => {
  test.each(unforeseen)('in what %s ends the turn in the store (stream: %s)', async (_, stream, parts, estimated) => {
    const { own, id, turn, response, thrown, written, again } = await run(stream, parts);
    expect(response).toMatchObject({ status: 'failed', errorCode: 'internal_error', output: [] });
    expect(JSON.parse(response?.head ?? '')).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: expect.stringContaining(id) as string },
    });
    expect(turn?.usage.estimated).toBe(estimated);
    expect(turn?.usage.outputTokens).toBeGreaterThan(0);
    expect(turn?.usage.inputTokens).toBeGreaterThan(0);
    // Known where every attempt has ended.
    expect(await own.readCost(id)).toBeGreaterThan(0);
    expect(thrown).toMatchObject({ code: 'internal_error', status: 500, spent: true });
    expect(written.join('')).not.toMatch(/response\.(completed|failed)|\[DONE\]/);
    // The upstream may have been paid: the same request under the same key is not run again.
    await expect(again()).rejects.toMatchObject({ code: 'internal_error', spent: true });
    expect(await own.listSession('sess_1')).toHaveLength(1);
  });

  test('before anything is sent costs nothing, and the same request may be sent again', async () => {
    const { own, id, turn, response, thrown, written } = await run(true, { client: { createStreamEncoder: fault } });
    expect(response).toMatchObject({ status: 'failed', errorCode: 'internal_error', output: [] });
    expect(turn?.usage).toMatchObject({ inputTokens: 0, outputTokens: 0 });
    expect(await own.readCost(id)).toBe(0);
    expect(thrown).toMatchObject({ code: 'internal_error', status: 500, spent: false });
    expect(written).toEqual([]);
  });

  test('in what keeps the line alive ends the turn: the upstream may have served it', async () => {
    const { own, id, turn, response, thrown, written } = await run(true, {
      keepAliveMs: 1,
      transport: isSilent,
      client: { createStreamEncoder: cannotBegin },
    });
    expect(response).toMatchObject({ status: 'failed', errorCode: 'internal_error', output: [] });
    expect(turn?.usage).toMatchObject({ inputTokens: expect.not.toBeOneOf([0]) as number, estimated: true });
    expect(await own.readCost(id)).toBeGreaterThan(0);
    expect(thrown).toMatchObject({ code: 'internal_error', status: 500, spent: true });
    expect(written).toEqual([]);
  });

  test('before a stream has shown anything of an item makes it a failed one', async () => {
    const { written, response, thrown } = await run(true, { transport: beginsOnly, router: { failed: fault } });
    expect(thrown).toBeUndefined();
    expect(expectStream(parseEvents(written.join('')))).toMatchObject({ status: 'failed', output: [] });
    expect(response).toMatchObject({ status: 'failed', errorCode: 'internal_error' });
  });

  test('after its end was stored changes nothing of it', async () => {
    const { response, thrown, written } = await run(false, { client: { encodeReply: fault } });
    expect(thrown).toBeInstanceOf(TypeError);
    expect(response).toMatchObject({ status: 'completed', output: [{ type: 'message' }] });
    expect(written).toEqual([]);
  });
});

test('a parent that was found by what the input begins with, and goes while the turn begins, fails nothing', async () => {
  const { own, id, response, again } = await run(false, {});
  const output = response?.output.map(({ body }) => JSON.parse(body) as object) ?? [];
  const said = (role: string, content: string) => ({ role, content });
  const input = [said('user', 'Hello'), ...output, said('user', 'And?')];
  const request = responsesCodec.decodeRequest({ model: 'm', input });
  const parents: (string | undefined)[] = [];
  const beginTurn: TenantStore['beginTurn'] = async (intent) => {
    parents.push(intent.parent?.id);
    await own.deleteResponse(id, Date.now());
    return own.beginTurn(intent);
  };
  await again({ request, idempotency: undefined, store: { ...own, beginTurn } });
  expect(parents).toEqual([id, undefined]);
  const [turn] = await own.listSession('sess_1');
  expect(turn).toMatchObject({ status: 'completed', inputItems: input.length });
  expect(await own.readInput(turn?.id ?? '')).toHaveLength(input.length);
});

test('a stream that waits for a turn whose client leaves has that answer which it runs for itself, and one end', async () => {
  const simulator = createSimulatorTransport();
  let sent = 0;
  const transport: Transport = {
    ...simulator,
    send: (...args) => (++sent === 1 ? isSilent : simulator).send(...args),
  };
  const { own, ids, written, dependencies, call } = callOf(true, { keepAliveMs: 1, transport });
  const begins = (sink: TurnSink): [TurnCall, Promise<void>] => {
    const begun = Promise.withResolvers<void>();
    const write = (text: string) => (begun.resolve(), sink.write(text));
    return [{ ...call, sink: { ...sink, write }, idempotency: runs.open('key', 'body') }, begun.promise];
  };
  const runs = createKeyedRuns();
  const [first, firstBegins] = begins({ ...call.sink, write: () => true });
  const left = runTurn(dependencies, first).finally(() => first.idempotency?.close());
  await firstBegins;
  const [second, secondBegins] = begins(call.sink);
  const waiting = runTurn(dependencies, second);
  await secondBegins;
  Object.assign(first.sink, { closed: true });
  first.sink.onClose();
  await left;
  await waiting;

  const final = expectStream(parseEvents(written.join('')));
  expect(final).toMatchObject({ status: 'completed', output: [{ type: 'message' }] });
  expect(sent).toBe(2);
  expect(await own.readResponse(ids[0] ?? '')).toMatchObject({ status: 'cancelled' });
  expect(await own.readResponse(final.id)).toMatchObject({ status: 'completed' });
});
