import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createAuthority } from '../../test/support/certificates.ts';
import type { GatewayError } from '../core/errors.ts';
import type { UpstreamCall, UpstreamRequest } from './provider.ts';
import { createSocketTransport } from './socket.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function listening(server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A server that answers each connection's first bytes with whatever `answer` does to the socket. */
const rawServer = (answer: (socket: Socket) => void) =>
  listening(createServer((socket) => socket.once('data', () => answer(socket))));

const httpServer = (answer: (request: IncomingMessage, response: ServerResponse) => void) =>
  listening(createHttpServer(answer));

function transport(): ReturnType<typeof createSocketTransport> {
  const created = createSocketTransport();
  cleanups.push(() => created.close());
  return created;
}

function requestTo(origin: string, change: Partial<UpstreamRequest> = {}): UpstreamRequest {
  const timeouts = { connectMs: 1000, firstByteMs: 1000, idleMs: 1000 };
  return {
    origin,
    path: '/v1/messages',
    headers: { 'content-type': 'application/json' },
    body: '{"a":"é"}',
    timeouts,
    ...change,
  };
}

interface Heard {
  status: number | undefined;
  headers: Record<string, string | undefined>;
  body: string;
  error: GatewayError | undefined;
  calls: string[];
}

interface Listening {
  call: UpstreamCall;
  heard: Heard;
  /** Resolves at the call's end. */
  done: Promise<Heard>;
  /** Resolves at the first data. */
  flowing: Promise<void>;
}

function send(through: ReturnType<typeof createSocketTransport>, request: UpstreamRequest): Listening {
  const heard: Heard = { status: undefined, headers: {}, body: '', error: undefined, calls: [] };
  const end = Promise.withResolvers<Heard>();
  const flowing = Promise.withResolvers<void>();
  const call = through.send(request, {
    onHeaders(status, headers) {
      heard.calls.push('headers');
      heard.status = status;
      heard.headers = headers;
    },
    onData(chunk) {
      heard.calls.push('data');
      heard.body += chunk.toString();
      flowing.resolve();
    },
    onEnd() {
      heard.calls.push('end');
      end.resolve(heard);
    },
    onError(error) {
      heard.calls.push('error');
      heard.error = error;
      end.resolve(heard);
    },
  });
  return { call, heard, done: end.promise, flowing: flowing.promise };
}

const sse = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n';
const chunkedHead = sse + 'transfer-encoding: chunked\r\n\r\n';
const chunked = chunkedHead + '5\r\nhello\r\n';

describe('createSocketTransport', () => {
  test('sends the body with its length and hands on status, lower-case headers and bytes', async () => {
    const seen = Promise.withResolvers<{ body: string; request: IncomingMessage }>();
    const origin = await httpServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => seen.resolve({ body, request }));
      response.writeHead(529, { 'Retry-After': '3', 'X-Twice': ['a', 'b'], 'Set-Cookie': 's=1' });
      response.end('busy');
    });
    const heard = await send(transport(), requestTo(origin, { headers: { 'x-api-key': 'sk' } })).done;
    expect(heard).toMatchObject({ status: 529, body: 'busy', calls: ['headers', 'data', 'end'] });
    expect(heard.headers).toMatchObject({ 'retry-after': '3', 'x-twice': 'a, b' });
    expect(heard.headers).not.toHaveProperty('set-cookie');
    const { body, request } = await seen.promise;
    expect(body).toBe('{"a":"é"}');
    expect(request).toMatchObject({ method: 'POST', url: '/v1/messages' });
    expect(request.headers).toMatchObject({ 'x-api-key': 'sk', 'content-length': '10' });
    expect(request.headers).not.toHaveProperty('accept-encoding');
    expect(request.headers).not.toHaveProperty('transfer-encoding');
  });

  test('uses a connection again', async () => {
    let sockets = 0;
    const server = createHttpServer((request, response) => request.resume().on('end', () => response.end('ok')));
    server.on('connection', () => (sockets += 1));
    const origin = await listening(server);
    const through = transport();
    for (let i = 0; i < 5; i += 1) expect((await send(through, requestTo(origin)).done).body).toBe('ok');
    expect(sockets).toBeLessThanOrEqual(2);
  });

  test('silence is upstream_timeout: before the headers (F-05), after them (F-06), inside the body (F-07)', async () => {
    const timeouts = { connectMs: 1000, firstByteMs: 100, idleMs: 100 };
    const outcome = async (answer: (socket: Socket) => void) =>
      (await send(transport(), requestTo(await rawServer(answer), { timeouts })).done).error;
    const [noHeaders, noBody, noEnd] = await Promise.all([
      outcome(() => undefined),
      outcome((socket) => socket.write(sse + '\r\n')),
      outcome((socket) => socket.write(chunked)),
    ]);
    expect(noHeaders).toMatchObject({ code: 'upstream_timeout', retryable: true });
    expect(noBody).toMatchObject({ code: 'upstream_timeout', retryable: true });
    expect(noEnd).toMatchObject({ code: 'upstream_timeout', retryable: false });
  });

  test.each<[name: string, code: string, retryable: boolean, answer: (socket: Socket) => void]>([
    ['connection reset before an answer (F-03)', 'upstream_unreachable', true, (socket) => socket.resetAndDestroy()],
    ['connection closed before an answer', 'upstream_unreachable', true, (socket) => socket.end()],
    ['connection closed inside the headers', 'upstream_unreachable', true, (socket) => socket.end(sse)],
    ['closed inside a chunked body (F-11)', 'upstream_stream_broken', false, (socket) => socket.end(chunked)],
    ['closed inside a chunk (F-14)', 'upstream_stream_broken', false, (socket) => socket.end(chunked + '1f4\r\nabc')],
    [
      'shorter than its content-length (F-15)',
      'upstream_stream_broken',
      false,
      (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhello'),
    ],
    [
      'reset inside the body (F-16)',
      'upstream_stream_broken',
      false,
      (socket) => socket.write(chunked, () => setImmediate(() => socket.resetAndDestroy())),
    ],
    ['broken chunk framing', 'upstream_stream_broken', false, (socket) => socket.write(chunked + 'zz\r\n')],
    ['closed right after the headers', 'upstream_stream_broken', true, (socket) => socket.end(chunkedHead)],
    ['not HTTP', 'upstream_invalid_response', true, (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')],
    [
      'headers without end (F-42)',
      'upstream_invalid_response',
      true,
      (socket) => socket.write('HTTP/1.1 200 OK\r\nx: ' + 'a'.repeat(100_000)),
    ],
    [
      '1xx without end (F-42)',
      'upstream_invalid_response',
      true,
      (socket) => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)),
    ],
    [
      'compressed without being asked (F-41)',
      'upstream_invalid_response',
      true,
      (socket) => socket.write(sse + 'content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc'),
    ],
  ])('%s is %s', async (_name, code, retryable, answer) => {
    const origin = await rawServer(answer);
    const { error, calls } = await send(transport(), requestTo(origin)).done;
    expect(error).toMatchObject({ code, retryable });
    expect(calls.filter((call) => call === 'error' || call === 'end')).toEqual(['error']);
    expect(error?.message).not.toContain('127.0.0.1');
    expect(error?.cause).toBeInstanceOf(Error);
  });

  test('nobody listens (F-01), or no such name (F-04): unreachable', async () => {
    const server = createServer();
    const origin = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    for (const target of [origin, 'http://no-such-host.invalid']) {
      const { error } = await send(transport(), requestTo(target)).done;
      expect(error).toMatchObject({ code: 'upstream_unreachable', retryable: true });
    }
  });

  test('no TLS on the other side: upstream_tls, and nothing of the request went out in the clear (F-44)', async () => {
    let received = '';
    const server = createServer((socket) => {
      socket.on('data', (chunk: Buffer) => {
        received += chunk.toString('latin1');
        socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      });
    });
    const secure = (await listening(server)).replace('http:', 'https:');
    const { error } = await send(transport(), requestTo(secure, { headers: { 'x-api-key': 'canary' } })).done;
    expect(error).toMatchObject({ code: 'upstream_tls', retryable: false });
    expect(received).not.toContain('canary');
    expect(received).toContain('\x08http/1.1');
    expect(received).not.toContain('\x08http/1.1\x02h2');
  });

  test.each([302, 307])('a redirect is an answer, not followed (F-31): %d', async (status) => {
    let trapped = 0;
    const trap = await httpServer((_request, response) => {
      trapped += 1;
      response.end();
    });
    const origin = await httpServer((_request, response) => response.writeHead(status, { location: trap }).end());
    expect(await send(transport(), requestTo(origin)).done).toMatchObject({ status, calls: ['headers', 'end'] });
    expect(trapped).toBe(0);
  });

  test('abort closes the connection, and nothing is heard after it', async () => {
    const closed = Promise.withResolvers<void>();
    const origin = await rawServer((socket) => {
      socket.on('close', () => closed.resolve());
      socket.write(chunked);
    });
    const timeouts = { connectMs: 1000, firstByteMs: 600_000, idleMs: 600_000 };
    const { call, heard, flowing } = send(transport(), requestTo(origin, { timeouts }));
    await flowing;
    const before = [...heard.calls];
    call.abort();
    await closed.promise;
    expect(heard.calls).toEqual(before);
    expect(before).toEqual(['headers', 'data']);
  });

  test('a call that is aborted before it is sent never is', async () => {
    let requests = 0;
    const origin = await httpServer((_request, response) => {
      requests += 1;
      response.end();
    });
    const through = transport();
    const { call, heard } = send(through, requestTo(origin));
    call.abort();
    await send(through, requestTo(origin)).done;
    expect(requests).toBe(1);
    expect(heard.calls).toEqual([]);
  });

  test('pause stops the reading: the other side is held back until resume', async () => {
    const total = 64 * 1024 * 1024;
    const block = Buffer.alloc(1024 * 1024, 'x');
    let sent = 0;
    const heldBack = Promise.withResolvers<void>();
    const origin = await httpServer((request, response) => {
      request.resume();
      const more = (): void => {
        while (sent < total) {
          sent += block.length;
          if (!response.write(block)) {
            response.once('drain', more);
            if (sent > 1) heldBack.resolve();
            return;
          }
        }
        response.end();
      };
      more();
    });
    let bytes = 0;
    const done = Promise.withResolvers<void>();
    const call = transport().send(
      requestTo(origin, { timeouts: { connectMs: 1000, firstByteMs: 9000, idleMs: 9000 } }),
      {
        onHeaders: () => undefined,
        onData(chunk) {
          if (bytes === 0) call.pause();
          bytes += chunk.length;
        },
        onEnd: () => done.resolve(),
        onError: (error) => done.reject(error),
      },
    );
    await heldBack.promise;
    // Another call's whole round trips, while the first is paused: time in which an unheeded pause would read on.
    const other = await httpServer((_request, response) => response.end('ok'));
    for (let i = 0; i < 20; i += 1) await send(transport(), requestTo(other)).done;
    expect(bytes).toBeLessThan(1024 * 1024);
    expect(sent).toBeLessThan(total);
    call.resume();
    await done.promise;
    expect(bytes).toBe(total);
  });

  test('a call that is paused before its answer gets headers, and no data until resume', async () => {
    const origin = await httpServer((_request, response) => response.end('hello'));
    const { call, heard, done } = send(transport(), requestTo(origin));
    call.pause();
    for (let i = 0; i < 20; i += 1) await send(transport(), requestTo(origin)).done;
    expect(heard.calls).toEqual(['headers']);
    call.resume();
    expect(await done).toMatchObject({ body: 'hello' });
  });

  test('a request that cannot be sent is an internal error, told after send has returned', async () => {
    const { heard, done } = send(
      transport(),
      requestTo('http://127.0.0.1:9', { headers: { 'x-api-key': 'a\r\nb: c' } }),
    );
    expect(heard.calls).toEqual([]);
    expect((await done).error).toMatchObject({ code: 'internal_error', retryable: false });
  });

  test('a listener that throws ends its own call, with that error as the cause', async () => {
    const origin = await httpServer((_request, response) => response.end('hello'));
    const failure = new TypeError('bug');
    const error = await new Promise<GatewayError>((resolve, reject) => {
      transport().send(requestTo(origin), {
        onHeaders: () => undefined,
        onData() {
          throw failure;
        },
        onEnd: () => reject(new Error('ended')),
        onError: resolve,
      });
    });
    expect(error).toMatchObject({ code: 'internal_error', cause: failure });
  });

  test('close breaks what is open and refuses what comes', async () => {
    const origin = await rawServer((socket) => socket.write(chunked));
    const through = createSocketTransport();
    const open = send(through, requestTo(origin));
    await open.flowing;
    await through.close();
    expect((await open.done).error).toBeDefined();
    const other = await httpServer((_request, response) => response.end('ok'));
    for (const target of [origin, other]) {
      expect((await send(through, requestTo(target)).done).error).toMatchObject({ code: 'shutting_down' });
    }
  });

  test('a proxy from the environment is used, but not for what NO_PROXY names', async () => {
    const direct = await httpServer((_request, response) => response.end('direct'));
    const proxy = await httpServer((request, response) => response.end(`proxied ${request.url}`));
    vi.stubEnv('HTTP_PROXY', proxy);
    vi.stubEnv('http_proxy', proxy);
    expect((await send(transport(), requestTo('http://upstream.invalid')).done).body).toBe(
      'proxied http://upstream.invalid/v1/messages',
    );
    vi.stubEnv('NO_PROXY', '127.0.0.1');
    vi.stubEnv('no_proxy', '127.0.0.1');
    expect((await send(transport(), requestTo(direct)).done).body).toBe('direct');
  });

  describe('an upstream with TLS, through a proxy', () => {
    /** A proxy that opens tunnels to the upstream, whatever host it is asked for, and the hosts that it was asked for. */
    async function proxyTo(
      origin: string,
      status = '200 OK',
    ): Promise<{ proxy: string; asked: (string | undefined)[] }> {
      const asked: (string | undefined)[] = [];
      const server = createHttpServer();
      server.on('connect', (request: IncomingMessage, client: Socket) => {
        asked.push(request.url);
        client.write(`HTTP/1.1 ${status}\r\n\r\n`);
        const upstream = connect(Number(new URL(origin).port), '127.0.0.1');
        for (const socket of [client, upstream]) socket.on('error', () => undefined);
        client.pipe(upstream).pipe(client);
      });
      const proxy = await listening(server);
      for (const name of ['HTTPS_PROXY', 'https_proxy']) vi.stubEnv(name, proxy);
      for (const name of ['NO_PROXY', 'no_proxy']) vi.stubEnv(name, '');
      return { proxy, asked };
    }

    async function tlsUpstream(): Promise<{ origin: string; authority: string }> {
      const authority = createAuthority('somebody');
      const { key, certificate } = authority.issue();
      const server = createHttpsServer({ key, cert: certificate }, (_request, response) => response.end('secret'));
      const origin = (await listening(server)).replace('http:', 'https:');
      return { origin, authority: authority.certificate };
    }

    test('is reached by a tunnel', async () => {
      const { origin, authority } = await tlsUpstream();
      const { asked } = await proxyTo(origin);
      const trusted = getCACertificates('default');
      setDefaultCACertificates([...trusted, authority]);
      cleanups.push(() => setDefaultCACertificates(trusted));
      expect((await send(transport(), requestTo(origin)).done).body).toBe('secret');
      expect(asked).toEqual([new URL(origin).host]);
    });

    test('is not trusted for the tunnel alone', async () => {
      const { origin } = await tlsUpstream();
      await proxyTo(origin);
      expect((await send(transport(), requestTo(origin)).done).error).toMatchObject({ code: 'upstream_tls' });
    });

    test('is unreachable where the proxy says no', async () => {
      const { origin } = await tlsUpstream();
      await proxyTo(origin, '407 Proxy Authentication Required');
      const { error } = await send(transport(), requestTo(origin)).done;
      expect(error).toMatchObject({ code: 'upstream_unreachable' });
      expect(String(error?.cause)).toContain('407');
    });
  });
});
