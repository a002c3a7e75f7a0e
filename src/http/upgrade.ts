import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Keyring, Principal } from '../keys/keys.ts';
import { authenticate } from './authenticate.ts';
import { checkLocal, checkTarget } from './check-request.ts';
import { errorResponse } from './error-response.ts';
import { STATUS_CODES } from './node-http.ts';

/** Who is at the other end of a socket. */
export interface SocketCaller {
  request: IncomingMessage;
  /** What the WebSocket's frames are written to: it says when it is full, and has drained. */
  connection: Duplex;
  /** Asks the keyring again: a key may have been revoked since. Rejects as `authenticate` does. */
  authenticate: () => Principal | Promise<Principal>;
  principal: Principal;
}

export interface SocketSession {
  /** Closes as soon as nothing runs. */
  drain(): void;
  /** Closes now. */
  cut(): void;
  /** Resolves when the socket is closed and nothing runs any more. */
  readonly ended: Promise<void>;
}

export interface SocketRoute {
  /** A path under `/v1` is served without it too. */
  path: string;
  open: (socket: WebSocket, caller: SocketCaller) => SocketSession;
}

export interface UpgradeOptions {
  routes: readonly SocketRoute[];
  keyring: Keyring;
  encodeError: (error: GatewayError) => string;
  newRequestId: () => string;
  log: Log;
  /** Of one message. */
  maxBytes: number;
}

export interface Upgrades {
  /** A listener of node:http's `upgrade` event. */
  readonly listener: (request: IncomingMessage, connection: Duplex, head: Buffer) => void;
  /** New sockets are refused with 503; those that are open close as soon as nothing runs on them. */
  readonly drain: () => void;
  readonly cut: () => void;
  /** Resolves when no socket is open. */
  readonly settled: () => Promise<void>;
}

/** A WebSocket's way in: the same checks as a request's, and a refusal is an HTTP answer. */
export function createUpgrades({
  routes,
  keyring,
  encodeError,
  newRequestId,
  log,
  maxBytes,
}: UpgradeOptions): Upgrades {
  let server: WebSocketServer | undefined;
  const sessions = new Set<SocketSession>();
  let draining = false;

  async function accept(request: IncomingMessage, connection: Duplex, head: Buffer): Promise<void> {
    checkTarget(request);
    if (keyring.open) checkLocal(request);
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const route = routes.find((each) => each.path === path || each.path === `/v1${path}`);
    if (route === undefined || request.method !== 'GET') {
      throw new GatewayError('not_found', `No WebSocket is served at ${path.slice(0, 200)}.`);
    }
    if (draining) throw new GatewayError('shutting_down', 'The gateway is shutting down.', { retryAfterSeconds: 1 });
    const again = () => authenticate(request, keyring);
    const principal = await again();
    const ws = await import('ws');
    if (connection.destroyed) return;
    server ??= new ws.WebSocketServer({ noServer: true, maxPayload: maxBytes, perMessageDeflate: false });
    server.handleUpgrade(request, connection, head, (socket) => {
      const session = route.open(socket, { request, connection, authenticate: again, principal });
      sessions.add(session);
      void session.ended.then(() => sessions.delete(session));
      if (draining) session.drain();
    });
  }

  return {
    listener(request, connection, head) {
      const onError = () => connection.destroy();
      connection.on('error', onError);
      accept(request, connection, head).catch((thrown: unknown) => {
        const requestId = newRequestId();
        const { status, headers, body } = errorResponse(thrown, { requestId, encodeError, log });
        const lines = Object.entries({ ...headers, 'x-request-id': requestId, connection: 'close' });
        connection.end(
          `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n` +
            lines.map(([name, value]) => `${name}: ${value}\r\n`).join('') +
            `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
      });
    },
    drain() {
      draining = true;
      for (const session of sessions) session.drain();
    },
    cut() {
      for (const session of sessions) session.cut();
    },
    async settled() {
      while (sessions.size > 0) await Promise.all([...sessions].map((session) => session.ended));
    },
  };
}
