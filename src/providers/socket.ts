import type { Dispatcher } from 'undici';
// The package's own entry would load its fetch, its WebSocket and its caches as well.
import connect from 'undici/lib/api/api-connect.js';
import EnvHttpProxyAgent from 'undici/lib/dispatcher/env-http-proxy-agent.js';
import Pool from 'undici/lib/dispatcher/pool.js';
import { GatewayError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Transport, UpstreamCall, UpstreamListener, UpstreamRequest } from './provider.ts';
import { upstreamFailure } from './upstream-failure.ts';
import type { CallStage } from './upstream-failure.ts';

interface SocketTransportOptions {
  log?: Log;
}

const maxHeaderBytes = 32 * 1024;
const maxInformationalResponses = 16;

/** Vendors' edges hold idle connections for minutes; local servers often for five seconds, and we must let go first. */
const idleConnectionMs = { 'https:': 30_000, 'http:': 4_000 };

function proxied(): boolean {
  const { http_proxy, HTTP_PROXY, https_proxy, HTTPS_PROXY } = process.env;
  return Boolean(http_proxy || HTTP_PROXY || https_proxy || HTTPS_PROXY);
}

/**
 * One pool of HTTP/1.1 connections for each origin, without a limit: a stream holds its connection, and how many run at
 * once is the deployment's business. Certificates are verified, redirects are answers like any other, compression is not
 * asked for.
 */
function createDispatcher(origin: string, connectMs: number): Dispatcher {
  const options = {
    allowH2: false,
    connections: null,
    connectTimeout: connectMs,
    keepAliveTimeout: idleConnectionMs[origin.startsWith('https:') ? 'https:' : 'http:'],
    keepAliveMaxTimeout: 600_000,
    maxHeaderSize: maxHeaderBytes,
  };
  return proxied()
    ? new EnvHttpProxyAgent({ ...options, clientFactory: createProxyClient })
    : new Pool(origin, options);
}

/** Asks a proxy for tunnels, by the method that dispatchers are given by the package's own entry only. */
function createProxyClient(proxy: URL, options: object): Dispatcher {
  return Object.assign(new Pool(proxy, options), { connect });
}

function plainHeaders(headers: Record<string, string | string[] | undefined>): Record<string, string | undefined> {
  const plain: Record<string, string | undefined> = {};
  for (const name in headers) {
    const value = headers[name];
    if (name === '__proto__' || name === 'set-cookie') continue;
    plain[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return plain;
}

function compressed(headers: Record<string, string | undefined>): boolean {
  const encoding = headers['content-encoding'];
  return encoding !== undefined && encoding !== '' && encoding.toLowerCase() !== 'identity';
}

/** @param log told of a listener that threw after its call had ended; before that, such an error is the call's end. */
function startCall(
  dispatcher: Dispatcher,
  request: UpstreamRequest,
  listener: UpstreamListener,
  log: Log | undefined,
): UpstreamCall {
  let controller: Dispatcher.DispatchController | undefined;
  let stage: CallStage = 'before-headers';
  let informational = 0;
  let returned = false;
  let paused = false;
  let ended = false;
  let aborted = false;

  function fail(error: Error): void {
    if (aborted) return;
    if (ended) {
      log?.error({ err: error }, 'an upstream listener threw at the end of its call');
      return;
    }
    if (!returned) {
      queueMicrotask(() => fail(error));
      return;
    }
    ended = true;
    listener.onError(upstreamFailure(error, stage));
  }

  function refuse(cause: string, message: string): void {
    const error = new GatewayError('upstream_invalid_response', message, { cause: new Error(cause), retryable: true });
    controller?.abort(error);
  }

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      controller = started;
      if (aborted) started.abort(new Error('aborted before it was sent'));
      else if (paused) started.pause();
    },
    onResponseStart(started, status, rawHeaders) {
      // They were read; kept, they would hold what the connection had read with them for as long as the stream goes on.
      started.rawHeaders = null;
      if (aborted) return;
      if (status < 200) {
        informational += 1;
        if (informational > maxInformationalResponses)
          refuse('too many 1xx responses', 'The upstream did not answer in HTTP.');
        return;
      }
      const headers = plainHeaders(rawHeaders);
      if (compressed(headers)) {
        refuse(
          `content-encoding ${headers['content-encoding']}`,
          'The upstream compressed its answer without being asked.',
        );
        return;
      }
      stage = 'before-body';
      listener.onHeaders(status, headers);
    },
    onResponseData(_controller, chunk) {
      if (aborted) return;
      stage = 'in-body';
      listener.onData(chunk);
    },
    onResponseEnd() {
      if (aborted || ended) return;
      ended = true;
      listener.onEnd();
    },
    onResponseError(_controller, error) {
      fail(error);
    },
  };
  dispatcher.dispatch(
    {
      origin: request.origin,
      path: request.path,
      method: 'POST',
      headers: request.headers,
      body: request.body,
      headersTimeout: request.timeouts.firstByteMs,
      bodyTimeout: request.timeouts.idleMs,
    },
    handler,
  );
  returned = true;

  return {
    pause() {
      paused = true;
      controller?.pause();
    },
    resume() {
      paused = false;
      controller?.resume();
    },
    abort() {
      if (aborted || ended) return;
      aborted = true;
      controller?.abort(new Error('aborted by the gateway'));
    },
  };
}

/**
 * Sends upstream requests over HTTP/1.1 connections that are kept and used again. HTTPS_PROXY, HTTP_PROXY and NO_PROXY
 * are honoured as they are at the first call to an origin. Nothing is sent twice: a connection that breaks once bytes
 * went out is the route's to retry. `close` breaks the calls that are still open.
 * @see https://undici.nodejs.org/#/docs/api/Dispatcher.md
 */
export function createSocketTransport({ log }: SocketTransportOptions = {}): Transport {
  const dispatchers = new Map<string, Dispatcher>();
  let closed: Promise<void> | undefined;

  function dispatcherFor(origin: string, connectMs: number): Dispatcher {
    const key = `${connectMs} ${origin}`;
    let dispatcher = dispatchers.get(key);
    if (dispatcher === undefined) {
      dispatcher = createDispatcher(origin, connectMs);
      dispatchers.set(key, dispatcher);
    }
    return dispatcher;
  }

  return {
    send(request, listener) {
      if (closed !== undefined) {
        queueMicrotask(() => listener.onError(new GatewayError('shutting_down', 'The gateway is shutting down.')));
        return { pause() {}, resume() {}, abort() {} };
      }
      return startCall(dispatcherFor(request.origin, request.timeouts.connectMs), request, listener, log);
    },
    close() {
      closed ??= Promise.all(Array.from(dispatchers.values(), (dispatcher) => dispatcher.destroy())).then(
        () => undefined,
      );
      return closed;
    },
  };
}
