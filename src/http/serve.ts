import type { ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ErrorCode, GatewayError } from '../core/errors.ts';
import { isLoopback } from '../core/is-loopback.ts';
import type { App } from './app.ts';
import { createServer } from './node-http.ts';

export interface ServeOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  /** How long running requests may go on after `close`. */
  drainMs: number;
}

export interface HttpServer {
  /** Without a slash at the end. */
  readonly url: string;
  /** Takes no new connections, lets running requests end within `drainMs`, cuts the others. The same promise each time. */
  close: () => Promise<void>;
}

const idleSweepMs = 50;

/** Connections that wait to be taken. Of 2,000 that come at once, Node's own 511 lets some be reset; the system has a limit as well. */
const backlog = 4096;

/** What Node's parser refuses, by its codes; all else is a request that is not HTTP. */
const parserErrors: Record<string, { code: ErrorCode; statusLine: string; message: string }> = {
  HPE_HEADER_OVERFLOW: {
    code: 'request_too_large',
    statusLine: '431 Request Header Fields Too Large',
    message: 'The request headers are too large.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    code: 'request_timeout',
    statusLine: '408 Request Timeout',
    message: 'The request did not arrive in time.',
  },
};
const malformed = {
  code: 'invalid_value',
  statusLine: '400 Bad Request',
  message: 'The request is not valid HTTP.',
} as const;

function rawAnswer(app: App, parserCode: string): string {
  const { code, statusLine, message } = parserErrors[parserCode] ?? malformed;
  const body = app.encodeError(new GatewayError(code, message));
  return (
    `HTTP/1.1 ${statusLine}\r\nconnection: close\r\ncontent-type: application/json\r\n` +
    `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

/**
 * Opens the port. Rejects with Node's own error where that can't be done, and with an Error where it must not: an app
 * without a key on an address that others can reach.
 */
export async function listen(app: App, { port, drainMs, ...options }: ServeOptions): Promise<HttpServer> {
  const host = options.host.replace(/^\[(.*)\]$/, '$1');
  if (app.open && !isLoopback(host)) throw new Error(`without a key the gateway must not listen on ${host}`);
  /** The last answer on each connection: a parser's error must not be written into the middle of one. */
  const answers = new WeakMap<Duplex, ServerResponse>();
  const server = createServer({
    maxHeaderSize: 16 * 1024,
    headersTimeout: 15_000,
    requestTimeout: 120_000,
    connectionsCheckingInterval: 5_000,
    // Longer than load balancers keep theirs, so that it is never we who close a connection as they send.
    keepAliveTimeout: 75_000,
    // The app refuses a missing Host itself, in JSON.
    requireHostHeader: false,
    // Some clients offer other protocols with every request, and are answered as if they had not.
    shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === 'websocket',
  });
  for (const event of ['request', 'checkContinue', 'checkExpectation'] as const) {
    server.on(event, (request, response) => {
      answers.set(request.socket, response);
      app.listener(request, response);
    });
  }
  server.on('upgrade', app.upgrades.listener);
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const answer = answers.get(socket);
    const mayWrite = answer === undefined || answer.writableFinished || !answer.headersSent;
    if (mayWrite && socket.writable) {
      socket.end(rawAnswer(app, error.code ?? ''), () => socket.destroy());
    } else {
      socket.destroy();
    }
  });

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host, backlog }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  const actualPort = typeof address === 'object' && address !== null ? address.port : port;

  let closed: Promise<void> | undefined;
  function close(): Promise<void> {
    app.drain();
    return new Promise((resolve) => {
      const sweep = setInterval(() => server.closeIdleConnections(), idleSweepMs);
      const limit = setTimeout(() => {
        app.upgrades.cut();
        server.closeAllConnections();
      }, drainMs);
      server.close(() => {
        clearInterval(sweep);
        clearTimeout(limit);
        resolve();
      });
    });
  }

  return {
    url: `http://${isIP(host) === 6 ? `[${host}]` : host}:${actualPort}`,
    close: () => (closed ??= close()),
  };
}
