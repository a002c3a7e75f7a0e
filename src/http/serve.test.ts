import { createServer, connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createKeyring } from '../keys/keys.ts';
import { createApp } from './app.ts';
import type { Route } from './route.ts';
import { type HttpServer, listen } from './serve.ts';

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const pepper = Buffer.alloc(32);
const encodeError = ({ code, message }: { code: string; message: string }) => JSON.stringify({ code, message });

function appWith(routes: Route[], masterKey: string | undefined = 'sk') {
  const ignore = () => undefined;
  return createApp({
    routes,
    keyring: createKeyring({ masterKey, keys: [], pepper }),
    encodeError,
    newRequestId: () => 'req_1',
    log: { info: ignore, warn: ignore, error: ignore },
  });
}

const live: Route = {
  method: 'GET',
  path: '/health/ready',
  auth: 'none',
  content: 'none',
  handle({ response, draining }) {
    response.end(draining ? 'draining' : 'ready');
    return Promise.resolve();
  },
};

/** A route that answers when it is told to. */
function held() {
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const route: Route = {
    method: 'GET',
    path: '/held',
    auth: 'key',
    content: 'none',
    async handle({ response }) {
      begun.resolve();
      await release.promise;
      response.end('done');
    },
  };
  return { route, begun: begun.promise, release: release.resolve };
}

async function started(app: ReturnType<typeof appWith>, drainMs = 60_000): Promise<HttpServer> {
  const server = await listen(app, { host: '127.0.0.1', port: 0, drainMs });
  cleanups.push(server.close);
  return server;
}

interface Client {
  socket: Socket;
  text: () => string;
  until: (part: string) => Promise<void>;
  closed: Promise<void>;
}

function client({ url }: HttpServer): Client {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
  cleanups.unshift(() => void socket.destroy());
  let text = '';
  let check: () => void = () => undefined;
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    check();
  });
  return {
    socket,
    text: () => text,
    until: (part) =>
      new Promise((resolve) => {
        check = () => {
          if (text.includes(part)) resolve();
        };
        check();
      }),
    closed: new Promise((resolve) => socket.on('close', () => resolve())),
  };
}

const get = (path: string, headers = '') =>
  `GET ${path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk\r\n${headers}\r\n`;

describe('what is not HTTP', () => {
  test.each([
    ['noise', 'hello\r\n\r\n', 400, 'invalid_value'],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00', 400, 'invalid_value'],
    ['headers above 16 KB', get('/health/ready', `x: ${'a'.repeat(20_000)}\r\n`), 431, 'request_too_large'],
    [
      'length and chunks',
      get('/health/ready', 'content-length: 1\r\ntransfer-encoding: chunked\r\n'),
      400,
      'invalid_value',
    ],
    ['two lengths', get('/health/ready', 'content-length: 1\r\ncontent-length: 2\r\n'), 400, 'invalid_value'],
    ['a folded header', get('/health/ready', 'a: 1\r\n b\r\n'), 400, 'invalid_value'],
    ['a space before the colon', get('/health/ready', 'content-length : 1\r\n'), 400, 'invalid_value'],
  ])('%s is answered in JSON and the connection closed', async (_name, raw, status, code) => {
    const caller = client(await started(appWith([live])));
    caller.socket.write(raw, 'latin1');
    await caller.closed;
    const [head = '', body = ''] = caller.text().split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(head).toContain('connection: close');
    expect(JSON.parse(body)).toMatchObject({ code });
  });

  test('an answer that has begun is cut, not written into', async () => {
    const route: Route = {
      method: 'POST',
      path: '/stream',
      auth: 'none',
      content: 'none',
      handle({ request, response }) {
        request.resume();
        response.write('begun');
        return Promise.resolve();
      },
    };
    const caller = client(await started(appWith([route])));
    caller.socket.write(
      'POST /stream HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
    );
    await caller.until('begun');
    caller.socket.write('zz\r\n');
    await caller.closed;
    expect(caller.text()).not.toContain('400');
    expect(caller.text()).not.toContain('invalid_value');
  });

  test('noise after a whole answer is answered', async () => {
    const caller = client(await started(appWith([live])));
    caller.socket.write(get('/health/ready'));
    await caller.until('ready');
    caller.socket.write('hello\r\n\r\n');
    await caller.closed;
    expect(caller.text()).toContain('HTTP/1.1 400 Bad Request');
  });

  test('clients that reset their connections do no harm', async () => {
    const { route, begun, release } = held();
    const server = await started(appWith([route, live]));
    const gone = client(server);
    gone.socket.write(get('/held'));
    await begun;
    gone.socket.resetAndDestroy();
    release();
    const next = client(server);
    next.socket.write(get('/health/ready'));
    await next.until('ready');
    expect(next.text()).toMatch(/^HTTP\/1\.1 200 OK/);
  });
});

describe('close', () => {
  test('lets what runs end, refuses what comes, closes what is idle', async () => {
    const { route, begun, release } = held();
    const server = await started(appWith([route, live]));
    const idle = client(server);
    idle.socket.write(get('/health/ready'));
    await idle.until('ready');
    const running = client(server);
    running.socket.write(get('/held'));
    const late = client(server);
    late.socket.write(get('/health/ready', 'x: ').trimEnd());
    await begun;

    const closing = server.close();
    expect(server.close()).toBe(closing);
    await idle.closed;
    late.socket.write(`1\r\n\r\n${get('/held')}`);
    await late.until('shutting_down');
    expect(late.text()).toMatch(/draining[^]*HTTP\/1\.1 503 [^]*retry-after: 1\r\n/i);
    const refused = client(server);
    await refused.closed;
    expect(refused.text()).toBe('');

    release();
    await closing;
    await running.closed;
    expect(running.text()).toMatch(/^HTTP\/1\.1 200 OK[^]*done/);
  });

  test('cuts what runs beyond the limit', async () => {
    const { route, begun } = held();
    const server = await started(appWith([route]), 1);
    const running = client(server);
    running.socket.write(get('/held'));
    await begun;
    await server.close();
    await running.closed;
    expect(running.text()).toBe('');
  });
});

describe('listen', () => {
  test('rejects where the port is taken', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => void taken.close());
    const address = taken.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    await expect(listen(appWith([live]), { host: '127.0.0.1', port, drainMs: 0 })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });

  describe('without a key', () => {
    const open = () =>
      createApp({
        routes: [],
        keyring: createKeyring({ masterKey: undefined, keys: [], pepper }),
        encodeError,
        newRequestId: () => 'req_1',
        log: console,
      });

    test.each(['0.0.0.0', '::', '192.0.2.1', 'example.com'])('not on %s', async (host) => {
      await expect(listen(open(), { host, port: 0, drainMs: 0 })).rejects.toThrow(`must not listen on ${host}`);
    });

    test('on localhost, however that is spelled', async () => {
      const server = await listen(open(), { host: 'LOCALHOST', port: 0, drainMs: 0 });
      expect(server.url).toMatch(/^http:\/\/LOCALHOST:\d+$/);
      await server.close();
    });
  });

  test('the URL can be called', async () => {
    const { url } = await started(appWith([live]));
    expect(await (await fetch(`${url}/health/ready`)).text()).toBe('ready');
  });
});
