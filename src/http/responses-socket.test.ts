import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import type { Log } from '../core/log.ts';
import { createKeyring } from '../keys/keys.ts';
import { responsesCodec } from '../protocols/responses/index.ts';
import type { Store } from '../store/store.ts';
import type { TurnDependencies } from '../turn/turn.ts';
import { responsesSocket, type ResponsesSocketLimits } from './responses-socket.ts';
import { createUpgrades } from './upgrade.ts';

const log: Log = { debug() {}, info() {}, warn() {}, error() {} } as unknown as Log;

/** No turn is run: neither the store nor the path is asked for anything. */
async function open(limits: Partial<ResponsesSocketLimits>): Promise<WebSocket> {
  const store = { forTenant: () => ({}) } as unknown as Store;
  const upgrades = createUpgrades({
    routes: [responsesSocket(store, { log } as unknown as TurnDependencies, limits)],
    keyring: createKeyring({ masterKey: undefined, keys: [], pepper: Buffer.alloc(32) }),
    encodeError: responsesCodec.encodeError,
    newRequestId: () => 'req_1',
    log,
    maxBytes: 1000,
  });
  const server = createServer();
  server.on('upgrade', upgrades.listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/v1/responses`, {
    autoPong: false,
  });
  onTestFinished(() => socket.terminate());
  return socket;
}

test('a connection that has lasted its time is told so, and closed', async () => {
  const socket = await open({ lifeMs: 1 });
  const [message] = (await once(socket, 'message')) as [Buffer];
  expect(JSON.parse(message.toString())).toMatchObject({
    type: 'error',
    status: 400,
    error: { code: 'websocket_connection_limit_reached' },
  });
  expect((await once(socket, 'close'))[0]).toBe(1000);
});

test('a client that answers no ping is let go of', async () => {
  const socket = await open({ pingMs: 10 });
  expect((await once(socket, 'close'))[0]).toBe(1006);
});
