import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { Log } from '../core/log.ts';
import { GatewayError } from '../core/errors.ts';
import { createIdMint } from '../core/ids.ts';
import { createKeyring } from '../keys/keys.ts';
import { responsesCodec } from '../protocols/responses/index.ts';
import type { Store } from '../store/store.ts';
import type { TurnDependencies } from '../turn/turn.ts';
import { responsesSocket, type ResponsesSocketLimits } from './responses-socket.ts';
import { createUpgrades } from './upgrade.ts';

/** Answered with as much, which no kernel takes off our hands at once. */
const steer = JSON.stringify({ type: 'response.steer', input: 'x'.repeat(24 * 1024 * 1024) });

const ids = createIdMint();
const log: Log = { debug() {}, info() {}, warn() {}, error() {} } as unknown as Log;

interface Rig {
  client: WebSocket;
  /** The gateway's own end, when both are open. */
  opened: Promise<WebSocket>;
}

/** No turn is run: neither the store nor the path is asked for anything. */
async function open(limits: Partial<ResponsesSocketLimits>, readContext?: () => Promise<never>): Promise<Rig> {
  const store = { forTenant: () => ({ readContext }) } as unknown as Store;
  const route = responsesSocket(store, { log, ids, nowMs: Date.now } as unknown as TurnDependencies, limits);
  const server = Promise.withResolvers<WebSocket>();
  const upgrades = createUpgrades({
    routes: [{ ...route, open: (socket, caller) => (server.resolve(socket), route.open(socket, caller)) }],
    keyring: createKeyring({ masterKey: undefined, keys: [], pepper: Buffer.alloc(32) }),
    encodeError: responsesCodec.encodeError,
    newRequestId: () => 'req_1',
    log,
    maxBytes: steer.length,
  });
  const http = createServer();
  http.on('upgrade', upgrades.listener);
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  onTestFinished(() => void http.close());
  const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}/v1/responses`, {
    autoPong: false,
  });
  onTestFinished(() => client.terminate());
  return { client, opened: once(client, 'open').then(() => server.promise) };
}

test('a connection that has lasted its time is told so, and closed', async () => {
  const { client } = await open({ lifeMs: 1 });
  const [message] = (await once(client, 'message')) as [Buffer];
  expect(JSON.parse(message.toString())).toMatchObject({
    type: 'error',
    status: 400,
    error: { code: 'websocket_connection_limit_reached' },
  });
  expect((await once(client, 'close'))[0]).toBe(1000);
});

test.each([
  ['are too many', { maxWaiting: 2 }, 'x'],
  ['are too large together', { maxWaitingBytes: 2500 }, 'x'.repeat(1000)],
])('requests that wait behind one that runs, and %s, are refused, and nothing else is', async (_, limits, input) => {
  const running = Promise.withResolvers<void>();
  const release = Promise.withResolvers<never>();
  const { client, opened } = await open(limits, () => (running.resolve(), release.promise));
  await opened;
  const create = JSON.stringify({ type: 'response.create', model: 'm', previous_response_id: 'resp_1', input });
  client.send(create);
  await running.promise;
  const codes: unknown[] = [];
  const all = Promise.withResolvers<void>();
  client.on('message', (message: Buffer) => {
    codes.push(JSON.parse(message.toString()).error.code);
    if (codes.length === 1) release.reject(new GatewayError('store_unavailable', 'away'));
    if (codes.length === 4) all.resolve();
  });
  for (let index = 0; index < 3; index++) client.send(create);
  await all.promise;
  expect(codes).toEqual([
    'websocket_stream_limit_reached',
    'store_unavailable',
    'store_unavailable',
    'store_unavailable',
  ]);
});

test('a client that answers no ping is let go of', async () => {
  const { client } = await open({ pingMs: 10 });
  expect((await once(client, 'close'))[0]).toBe(1006);
});

describe('a client that does not read its answers', () => {
  const asked = 3;

  /** @returns the gateway's end, when it reads no further. */
  async function flood({ client, opened }: Rig): Promise<WebSocket> {
    const socket = await opened;
    client.pause();
    const held = new Promise<void>((resolve) => {
      vi.spyOn(socket, 'pause').mockImplementationOnce(() => {
        WebSocket.prototype.pause.call(socket);
        resolve();
      });
    });
    for (let index = 0; index < asked; index++) client.send(steer);
    await held;
    return socket;
  }

  test('is not read either, and gets them all when it does', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const pingMs = 1000;
    const rig = await open({ pingMs });
    const { client } = rig;
    await rig.opened;
    vi.advanceTimersByTime(pingMs);
    const socket = await flood(rig);
    // No pong could be read.
    vi.advanceTimersByTime(10 * pingMs);
    expect(socket.readyState).toBe(WebSocket.OPEN);
    const all = Promise.withResolvers<void>();
    let received = 0;
    client.on('message', () => {
      if (++received === asked) all.resolve();
    });
    client.resume();
    await all.promise;

    client.send('{}');
    await once(client, 'message');
    // That it reads was as good as a pong; from here on it takes one.
    vi.advanceTimersByTime(pingMs);
    await once(client, 'ping');
    vi.advanceTimersByTime(pingMs);
    await once(socket, 'close');
  });

  test('is cut when it has read nothing for long', async () => {
    const socket = await flood(await open({ stalledMs: 1 }));
    expect((await once(socket, 'close'))[0]).toBe(1006);
  });
});
