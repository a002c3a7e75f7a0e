import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { createPace } from '../core/pace.ts';
import { withPatience } from '../store/patience.ts';
import type { Keyring } from '../keys/keys.ts';
import { authenticate } from './authenticate.ts';
import { checkJson, parseJson, utf8Text } from './check-json.ts';
import { clientCredential, mayLend } from './client-credential.ts';
import { checkContent, checkLocal, checkTarget } from './check-request.ts';
import { errorResponse } from './error-response.ts';
import { type BodyLimits, checkLength, defaultBodyLimits, readBody } from './read-body.ts';
import type { Exchange, Route } from './route.ts';
import { createRouteTable } from './route-table.ts';
import { sendError } from './send-error.ts';
import { createUpgrades, type SocketRoute, type Upgrades } from './upgrade.ts';

export interface AppOptions {
  routes: readonly Route[];
  keyring: Keyring;
  /** The error shape of what no route answers, and of routes without one of their own. */
  encodeError: (error: GatewayError) => string;
  /** `req_…` */
  newRequestId: () => string;
  log: Log;
  bodyLimits?: Partial<BodyLimits>;
  /** Undefined: none is served. */
  sockets?: readonly SocketRoute[];
}

export interface App {
  /** Every route that is served, aliases included. */
  readonly routes: readonly Route[];
  /** No key is configured: the app must be reached over loopback only. */
  readonly open: boolean;
  readonly encodeError: (error: GatewayError) => string;
  /** A request listener of node:http, for the events `request`, `checkContinue` and `checkExpectation`. */
  readonly listener: (request: IncomingMessage, response: ServerResponse) => void;
  readonly upgrades: Upgrades;
  /** From now on the gateway says that it is not ready, and requests that need a key are refused with 503. */
  readonly drain: () => void;
  /** Resolves when no request is being served: a turn goes on for a moment after its connection has closed. */
  readonly settled: () => Promise<void>;
}

/** Read by all, changed by nobody. */
const noQuery = new URLSearchParams();

function unknownUrl(method: string, path: string): GatewayError {
  return new GatewayError('not_found', `Invalid URL (${method} ${path.slice(0, 200)})`);
}

function wrongMethod(method: string, path: string, allow: string): GatewayError {
  return new GatewayError(
    'method_not_allowed',
    `Not allowed to ${method} on ${path.slice(0, 200)}. (HINT: try ${allow}.)`,
  );
}

function needsMaster(): GatewayError {
  return new GatewayError('master_key_required', "Only the master key ('auth.master_key') may do this.");
}

/** A request's way in, in the order of the checks: target, origin, route, key, content; then the route's handler. */
export function createApp({ routes, keyring, encodeError, newRequestId, log, ...options }: AppOptions): App {
  const table = createRouteTable(routes);
  const bodyLimits = { ...defaultBodyLimits, ...options.bodyLimits };
  const { maxBytes } = bodyLimits;
  const upgrades = createUpgrades({ routes: options.sockets ?? [], keyring, encodeError, newRequestId, log, maxBytes });
  let draining = false;
  let running = 0;
  let onIdle: (() => void) | undefined;

  function finished(): void {
    running -= 1;
    if (running === 0) onIdle?.();
  }

  async function readJson(
    request: IncomingMessage,
    response: ServerResponse,
    onRead: ((bytes: Buffer, text: string) => void) | undefined,
  ): Promise<unknown> {
    checkLength(request, bodyLimits);
    if (request.headers.expect !== undefined) response.writeContinue();
    const bytes = await readBody(request, bodyLimits);
    const pace = createPace();
    const text = utf8Text(bytes);
    const decoded = pace.after(bytes.length);
    if (decoded !== undefined) await decoded;
    checkJson(text);
    const checked = pace.after(bytes.length);
    if (checked !== undefined) await checked;
    onRead?.(bytes, text);
    const body = parseJson(text);
    const parsed = pace.after(bytes.length);
    if (parsed !== undefined) await parsed;
    return body;
  }

  async function serve(exchange: Exchange, route: Route): Promise<void> {
    if (route.auth === 'none') {
      checkContent(exchange.request, route.content);
      await route.handle(exchange);
      return;
    }
    if (draining) throw new GatewayError('shutting_down', 'The gateway is shutting down.', { retryAfterSeconds: 1 });
    const authenticated = authenticate(exchange.request, keyring);
    const principal = authenticated instanceof Promise ? await authenticated : authenticated;
    if (route.auth === 'master' && !principal.isMaster) throw needsMaster();
    checkContent(exchange.request, route.content);
    const { request } = exchange;
    const credential = mayLend(request, keyring) ? await clientCredential(request, keyring) : undefined;
    await route.handle(Object.assign(exchange, { principal, credential }));
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = newRequestId();
    response.setHeader('x-request-id', requestId);
    // Anthropic's clients look for it under this name.
    response.setHeader('request-id', requestId);
    response.on('error', (err) => log.error({ requestId, err }, 'an answer could not be written'));
    const { method = '', url = '' } = request;
    const queryAt = url.indexOf('?');
    const path = queryAt === -1 ? url : url.slice(0, queryAt);
    try {
      checkTarget(request);
      if (keyring.open) checkLocal(request);
      const match = table.match(method, path);
      if (match === undefined) throw unknownUrl(method, path);
      if ('allow' in match) {
        const allow = match.allow.join(', ');
        response.setHeader('allow', allow);
        throw wrongMethod(method, path, allow);
      }
      const { route, params } = match;
      let body: Promise<unknown> | undefined;
      const exchange: Exchange = {
        request,
        response,
        requestId,
        params,
        query: queryAt === -1 ? noQuery : new URLSearchParams(url.slice(queryAt + 1)),
        draining,
        body: (onBytes) => (body ??= readJson(request, response, onBytes)),
      };
      await serve(exchange, route);
    } catch (thrown) {
      const encode = table.encodeErrorOf(path) ?? encodeError;
      const encodeFor = (error: GatewayError, id?: string) => encode(error, id, request);
      sendError(request, response, errorResponse(thrown, { requestId, encodeError: encodeFor, log }));
    }
  }

  return {
    routes: table.routes,
    open: keyring.open,
    encodeError,
    upgrades,
    listener(request, response) {
      running += 1;
      withPatience(() => answer(request, response)).then(finished, (err: unknown) => {
        log.error({ err }, 'an error could not be answered');
        response.destroy();
        finished();
      });
    },
    drain() {
      draining = true;
      upgrades.drain();
    },
    async settled() {
      await upgrades.settled();
      await new Promise<void>((resolve) => {
        onIdle = resolve;
        if (running === 0) resolve();
      });
    },
  };
}
