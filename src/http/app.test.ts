import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { errorKinds, GatewayError } from '../core/errors.ts';
import { createKeyring } from '../keys/keys.ts';
import { type AppOptions, createApp } from './app.ts';
import type { Exchange, KeyExchange, Route } from './route.ts';
import { listen } from './serve.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const keys = { masterKey: 'sk-master', keys: [{ name: 'ci', key: 'sk-ci', team: 'alpha' }], pepper: Buffer.alloc(32) };
const noKeys = { masterKey: undefined, keys: [], pepper: Buffer.alloc(32) };

const echo = async ({ body, params, query, principal, response }: KeyExchange): Promise<void> => {
  const seen = { body: await body(), params, query: query.toString(), tenant: principal.tenant };
  response.end(JSON.stringify(seen));
};
const show = ({ params, query, response }: Exchange): Promise<void> => {
  response.end(JSON.stringify({ params, query: query.toString() }));
  return Promise.resolve();
};
const fail = (thrown: unknown) => (): Promise<void> => Promise.reject(thrown);

const routes: Route[] = [
  { method: 'POST', path: '/v1/responses', auth: 'key', content: 'json', handle: echo },
  { method: 'GET', path: '/v1/responses/{id}', auth: 'key', content: 'none', handle: show },
  { method: 'POST', path: '/v1/responses/{id}/cancel', auth: 'key', content: 'none', handle: show },
  { method: 'GET', path: '/health/live', auth: 'none', content: 'none', handle: show },
  { method: 'GET', path: '/v1/bug', auth: 'none', content: 'none', handle: fail(new TypeError('canary')) },
  {
    method: 'GET',
    path: '/v1/shaped',
    auth: 'none',
    content: 'none',
    encodeError: ({ code }) => `shaped ${code}`,
    handle: fail(new GatewayError('upstream_overloaded', 'busy', { retryAfterSeconds: 7 })),
  },
  {
    method: 'GET',
    path: '/v1/half',
    auth: 'none',
    content: 'none',
    handle({ response }) {
      response.write('half');
      return Promise.reject(new Error('broken'));
    },
  },
];

async function start(options: Partial<AppOptions> = {}): Promise<{ port: number; logged: unknown[] }> {
  const logged: unknown[] = [];
  const note = (fields: Record<string, unknown>) => logged.push(fields);
  let requests = 0;
  const app = createApp({
    routes,
    keyring: createKeyring(keys),
    encodeError: ({ message, type, param, wireCode: code }) =>
      JSON.stringify({ error: { message, type, param, code } }),
    newRequestId: () => `req_${(requests += 1)}`,
    log: { info: note, warn: note, error: note },
    ...options,
  });
  const server = await listen(app, { host: '127.0.0.1', port: 0, drainMs: 0 });
  cleanups.push(server.close);
  return { port: Number(new URL(server.url).port), logged };
}

function open(port: number): Socket {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  cleanups.push(() => Promise.resolve(void socket.destroy()));
  return socket;
}

/** Resolves with all that came by the connection's end, or by the first moment at which `enough` holds. */
function received(socket: Socket, enough: (text: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (enough(text)) resolve(text);
    });
    socket.on('close', () => resolve(text));
  });
}

interface Answer {
  status: number;
  head: string;
  body: string;
}

async function exchange(port: number, raw: string): Promise<Answer> {
  const socket = open(port);
  socket.write(raw);
  const text = await received(socket);
  const [head = '', ...body] = text.split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), head: head.toLowerCase(), body: body.join('\r\n\r\n') };
}

const auth = 'authorization: Bearer sk-ci\r\n';
const request = (line: string, headers = auth, body = '') =>
  `${line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${headers}\r\n${body}`;
const post = (body: string, headers = auth) =>
  request(
    'POST /v1/responses',
    `${headers}content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`,
    body,
  );

const errorOf = ({ body }: Answer): { message: string; type: string; param: string | null; code: string | null } =>
  (JSON.parse(body) as { error: ReturnType<typeof errorOf> }).error;

describe('routes', () => {
  test('a handler gets the parsed body, the query and the principal; the answer carries our own request id', async () => {
    const { port } = await start();
    const answer = await exchange(
      port,
      post('{"a":"é"}', `${auth}x-request-id: theirs\r\n`).replace('responses ', 'responses?x=1 '),
    );
    expect(answer.status).toBe(200);
    expect(
      JSON.parse(
        Buffer.from(answer.body, 'latin1')
          .toString()
          .replace(/^\w+\r\n|\r\n0\r\n\r\n$/g, ''),
      ),
    ).toEqual({
      body: { a: 'é' },
      params: {},
      query: 'x=1',
      tenant: 'alpha',
    });
    expect(answer.head).toContain('x-request-id: req_1');
    expect(answer.head).not.toContain('theirs');
    expect(answer.head).not.toMatch(/^server:/m);
  });

  test('unknown paths and wrong methods are told apart, in the shape of OpenAI', async () => {
    const { port } = await start();
    const unknown = await exchange(port, request('GET /v1/nothing?key=1'));
    expect(unknown.status).toBe(404);
    expect(errorOf(unknown)).toEqual({
      message: 'Invalid URL (GET /v1/nothing)',
      type: 'invalid_request_error',
      param: null,
      code: 'unknown_url',
    });
    const wrong = await exchange(port, request('DELETE /v1/responses'));
    expect(wrong.status).toBe(405);
    expect(wrong.head).toContain('allow: post');
  });

  test('an error has the shape of the route, and a failure nobody foresaw says nothing', async () => {
    const { port, logged } = await start();
    const shaped = await exchange(port, request('GET /v1/shaped'));
    expect(shaped).toMatchObject({ status: 503, body: 'shaped upstream_overloaded' });
    expect(shaped.head).toContain('retry-after: 7');
    const bug = await exchange(port, request('GET /v1/bug'));
    expect(bug.status).toBe(500);
    expect(bug.body).not.toContain('canary');
    expect(logged).toContainEqual({ requestId: 'req_2', err: new TypeError('canary') });
  });

  test('an answer that is written to after its end is told to the log, and ends nothing else', async () => {
    const writeOn: Route = {
      method: 'GET',
      path: '/on',
      auth: 'none',
      content: 'none',
      handle({ response }) {
        response.end('done');
        response.write('more');
        return Promise.resolve();
      },
    };
    const { port, logged } = await start({ routes: [writeOn] });
    expect((await exchange(port, request('GET /on'))).body).toBe('done');
    expect((await exchange(port, request('GET /on'))).status).toBe(200);
    expect(logged[0]).toMatchObject({ requestId: 'req_1', err: { code: 'ERR_STREAM_WRITE_AFTER_END' } });
  });

  test('an answer that fails half-way is cut, never ended', async () => {
    const { port } = await start();
    const { body } = await exchange(port, request('GET /v1/half'));
    expect(body).toMatch(/^(4\r\nhalf\r\n)?$/);
  });

  test.each([
    ['two Host headers', 'GET /health/live HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n'],
    ['no Host header', 'GET /health/live HTTP/1.1\r\nconnection: close\r\n\r\n'],
    ['an absolute target', 'GET http://localhost/health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'],
    ['the whole server as target', 'OPTIONS * HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'],
  ])('%s is a 400', async (_name, raw) => {
    const { port } = await start();
    const answer = await exchange(port, raw);
    expect(answer.status).toBe(400);
    expect(errorOf(answer).type).toBe('invalid_request_error');
  });
});

describe('authentication', () => {
  test.each([
    ['Bearer', 'authorization: Bearer sk-ci\r\n', 200],
    ['bearer in small letters', 'authorization: bearer sk-ci\r\n', 200],
    ['x-api-key', 'x-api-key: sk-ci\r\n', 200],
    ['authorization wins over x-api-key', 'authorization: Bearer sk-ci\r\nx-api-key: sk-ant-theirs\r\n', 200],
    ['x-api-key makes up for nothing', 'authorization: Bearer nope\r\nx-api-key: sk-ci\r\n', 401],
    ['nothing', '', 401],
    ['a wrong key', 'authorization: Bearer canary\r\n', 401],
    ['a wrong scheme', 'authorization: Basic sk-ci\r\n', 401],
    ['two tokens', 'authorization: Bearer sk-ci sk-ci\r\n', 401],
    ['an empty token', 'authorization: Bearer \r\n', 401],
    ['two Authorization headers', 'authorization: Bearer sk-ci\r\nauthorization: Bearer sk-ci\r\n', 401],
    ['two x-api-key headers', 'x-api-key: sk-ci\r\nx-api-key: sk-ci\r\n', 401],
    ['an injection', "authorization: Bearer ' OR 1=1--\r\n", 401],
    ['10 KB', `authorization: Bearer ${'canary'.repeat(1700)}\r\n`, 401],
  ])('%s', async (_name, headers, status) => {
    const { port } = await start();
    const answer = await exchange(port, request('GET /v1/responses/resp_1', headers));
    expect(answer.status).toBe(status);
    expect(answer.body).not.toContain('canary');
    if (status === 401) {
      expect(answer.head).toContain('www-authenticate: bearer');
      expect(errorOf(answer)).toMatchObject({ type: 'authentication_error', code: 'invalid_api_key' });
    }
  });

  test('comes before the body: who has no key is answered before one is sent', async () => {
    const { port } = await start();
    const socket = open(port);
    socket.write(
      request(
        'POST /v1/responses',
        'expect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 1000000\r\n',
      ),
    );
    const text = await received(socket, (sofar) => sofar.includes('}'));
    expect(text).toMatch(/^HTTP\/1\.1 401 /);
  });

  test('a client that waits for leave to send gets it', async () => {
    const { port } = await start();
    const socket = open(port);
    socket.write(
      request(
        'POST /v1/responses',
        `${auth}expect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 2\r\n`,
      ),
    );
    socket.once('data', () => socket.write('{}'));
    expect(await received(socket)).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
  });
});

describe('bodies', () => {
  const typed = (contentType: string, more = '') =>
    request('POST /v1/responses', `${auth}content-type: ${contentType}\r\ncontent-length: 2\r\n${more}`, '{}');

  test.each([
    ['application/json', typed('application/json'), 200],
    ['with a charset', typed('Application/JSON; charset="UTF-8"'), 200],
    ['another charset', typed('application/json; charset=latin1'), 415],
    ['a form', typed('text/plain'), 415],
    ['no content type', request('POST /v1/responses', `${auth}content-length: 2\r\n`, '{}'), 415],
    ['no content type and no body', request('POST /v1/responses', `${auth}content-length: 0\r\n`), 415],
    ['gzip', typed('application/json', 'content-encoding: gzip\r\n'), 415],
    ['identity', typed('application/json', 'content-encoding: identity\r\n'), 200],
    ['nothing to read', request('POST /v1/responses/resp_1/cancel', `${auth}content-length: 0\r\n`), 200],
    [
      'a form where nothing is read',
      request('POST /v1/responses/resp_1/cancel', `${auth}content-length: 2\r\n`, 'a='),
      415,
    ],
    ['not JSON', post('{"a"'), 400],
    ['an empty body', post(''), 400],
    ['too deep', post('['.repeat(101) + ']'.repeat(101)), 400],
    ['a key twice', post('{"a":1,"\\u0061":2}'), 400],
    [
      'in chunks',
      request(
        'POST /v1/responses',
        `${auth}content-type: application/json\r\ntransfer-encoding: chunked\r\n`,
        '1\r\n{\r\n1\r\n}\r\n0\r\n\r\n',
      ),
      200,
    ],
  ])('%s', async (_name, raw, status) => {
    const { port } = await start();
    const answer = await exchange(port, raw);
    expect(answer.status).toBe(status);
    if (status === 415) expect(errorOf(answer)).toMatchObject({ code: 'unsupported_media_type', param: null });
  });

  test('a body that is too large is refused by its length, before it is sent', async () => {
    const { port } = await start();
    const socket = open(port);
    socket.write(
      `POST /v1/responses HTTP/1.1\r\nhost: localhost\r\n${auth}` +
        'content-type: application/json\r\ncontent-length: 10000000000\r\n\r\n',
    );
    const text = await received(socket, (sofar) => sofar.includes('}'));
    expect(text).toMatch(/^HTTP\/1\.1 413 [^]*connection: close/i);
  });

  test('a body that turns out too large is refused as it grows; the client can send on and read the answer', async () => {
    const { port } = await start({ bodyLimits: { maxBytes: 1000 } });
    const chunk = `1000\r\n${'x'.repeat(4096)}\r\n`;
    const headers = `${auth}content-type: application/json\r\ntransfer-encoding: chunked\r\n`;
    const socket = open(port);
    const sent = Promise.withResolvers<void>();
    socket.write(request('POST /v1/responses', headers, `${chunk.repeat(4000)}0\r\n\r\n`), () => sent.resolve());
    await sent.promise;
    const text = await received(socket);
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    expect(text).toContain('request_too_large');
  });

  test('a body of exactly the limit is read', async () => {
    const { port } = await start({ bodyLimits: { maxBytes: 8 } });
    expect((await exchange(port, post('"123456"'))).status).toBe(200);
    expect((await exchange(port, post('"1234567"'))).status).toBe(413);
  });

  test('a body that does not arrive is a 408', async () => {
    const { port } = await start({ bodyLimits: { timeoutMs: 1 } });
    const socket = open(port);
    socket.write(request('POST /v1/responses', `${auth}content-type: application/json\r\ncontent-length: 5\r\n`, '{'));
    const text = await received(socket, (sofar) => sofar.includes('}'));
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('a client that leaves inside its body is no failure of ours', async () => {
    const rejected = Promise.withResolvers<unknown>();
    const { port, logged } = await start({
      routes: [
        {
          method: 'POST',
          path: '/v1/responses',
          auth: 'key',
          content: 'json',
          handle: ({ body }) => body().then(undefined, (error: unknown) => rejected.resolve(error)),
        },
      ],
    });
    const socket = open(port);
    socket.write(
      request('POST /v1/responses', `${auth}content-type: application/json\r\ncontent-length: 5\r\n`, '{'),
      () => socket.destroy(),
    );
    expect(await rejected.promise).toMatchObject({ code: 'invalid_json' });
    expect(logged).toEqual([]);
  });

  test('a body that is asked for after the client left is not waited for', async () => {
    const begun = Promise.withResolvers<void>();
    const rejected = Promise.withResolvers<unknown>();
    const { port } = await start({
      routes: [
        {
          method: 'POST',
          path: '/v1/responses',
          auth: 'key',
          content: 'json',
          async handle({ body, response }) {
            const left = new Promise((resolve) => response.on('close', resolve));
            begun.resolve();
            await left;
            await body().catch((error: unknown) => rejected.resolve(error));
          },
        },
      ],
    });
    const socket = open(port);
    socket.write(post('{').replace('length: 1', 'length: 5'));
    await begun.promise;
    socket.destroy();
    expect(await rejected.promise).toMatchObject({ code: 'invalid_json' });
  });
});

describe('without a key', () => {
  const asked = (headers: string, line = 'GET /v1/responses/resp_1') =>
    `${line} HTTP/1.1\r\n${headers}connection: close\r\n\r\n`;

  test.each([
    ['localhost', 'host: localhost\r\n', 200],
    ['another address of this machine', 'host: 127.0.0.2:4000\r\n', 200],
    ['127.0.0.1 with a port', 'host: 127.0.0.1:4000\r\n', 200],
    ['[::1]', 'host: [::1]:4000\r\n', 200],
    ['its own origin', 'host: LocalHost:4000\r\norigin: http://localhost:4000\r\n', 200],
    ['whatever key', 'host: localhost\r\nauthorization: Bearer anything\r\n', 200],
    ['a name that leads here', 'host: evil.example\r\n', 403],
    ['a name that begins like ours', 'host: localhost.evil.example\r\n', 403],
    ['an empty host', 'host: \r\n', 403],
    ['an address of another machine', 'host: 192.0.2.1\r\n', 403],
    ['a name that begins like an address of ours', 'host: 127.0.0.1.evil.example\r\n', 403],
    ['a web page', 'host: localhost:4000\r\norigin: https://evil.example\r\n', 403],
    ['a page of another port', 'host: localhost:4000\r\norigin: http://localhost:3000\r\n', 403],
    ['a page without an origin', 'host: localhost:4000\r\norigin: null\r\n', 403],
    ['two origins', 'host: localhost\r\norigin: http://localhost\r\norigin: http://evil.example\r\n', 403],
  ])('%s', async (_name, headers, status) => {
    const { port } = await start({ keyring: createKeyring(noKeys) });
    const answer = await exchange(port, asked(headers));
    expect(answer.status).toBe(status);
    if (status === 403) expect(errorOf(answer).type).toBe('permission_error');
    expect((await exchange(port, asked(headers, 'GET /health/live'))).status).toBe(status);
  });

  test('a form is refused', async () => {
    const { port } = await start({ keyring: createKeyring(noKeys) });
    const form = 'content-type: text/plain\r\ncontent-length: 2\r\n';
    expect((await exchange(port, request('POST /v1/responses', form, '{}'))).status).toBe(415);
  });
});

test('every status that an error can have can be answered with', async () => {
  const codes = Object.keys(errorKinds) as (keyof typeof errorKinds)[];
  const { port } = await start({
    routes: codes.map((code): Route => ({
      method: 'GET',
      path: `/${code}`,
      auth: 'none',
      content: 'none',
      handle: fail(new GatewayError(code, 'why')),
    })),
  });
  const answers = await Promise.all(codes.map((code) => exchange(port, request(`GET /${code}`))));
  expect(answers.map(({ status }) => status)).toEqual(codes.map((code) => errorKinds[code].status));
});
