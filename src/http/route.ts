import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GatewayError } from '../core/errors.ts';
import type { Principal } from '../keys/keys.ts';
import type { ClientCredential } from '../turn/lend-credential.ts';

/** One request and its answer. A handler writes to `response` itself, or throws before it has. */
export interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  /** `req_…`, ours; already set as `x-request-id`. */
  requestId: string;
  /** What stood for `{name}` in the path, percent-decoded. */
  params: Readonly<Record<string, string>>;
  query: URLSearchParams;
  /** The gateway is stopping: what asks for its readiness is told no. */
  readonly draining: boolean;
  /**
   * The body's JSON, within the limits of size, depth and number of values; read and parsed once, when first asked for.
   * Rejects with GatewayError 400, 408 or 413.
   * @param onRead sees what the JSON is parsed from, of the first call only.
   */
  body: (onRead?: (bytes: Buffer, text: string) => void) => Promise<unknown>;
}

export interface KeyExchange extends Exchange {
  principal: Principal;
  /** For deployments that are called with their caller's own. */
  credential: ClientCredential | undefined;
}

interface RouteShape {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/v1/responses/{id}/input_items`. A path under `/v1` is served without it too. */
  path: string;
  /** `json`, `form`: the content type must say so. `none`: a body may be there, as JSON, and few read it. */
  content: 'json' | 'form' | 'none';
  /** The error shape of the route's protocol; undefined: the app's own. */
  encodeError?: (error: GatewayError, requestId: string | undefined, request: IncomingMessage) => string;
}

/** A route without a key has no principal to open a store with. `master`: no key but the master key will do. */
export type Route = RouteShape &
  (
    | { auth: 'key' | 'master'; handle: (exchange: KeyExchange) => Promise<void> }
    | { auth: 'none'; handle: (exchange: Exchange) => Promise<void> }
  );
