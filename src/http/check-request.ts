import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../core/errors.ts';
import { isLoopback } from '../core/is-loopback.ts';
import { headerValues } from './header-values.ts';

const json = /^application\/json *(; *charset *= *"?utf-?8"? *)?$/i;
const form = /^multipart\/form-data *;/i;

/**
 * Refuses what Node's parser lets through and two readers could read in two ways.
 * @throws GatewayError invalid_value, or expectation_failed for what no server of ours will do.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-3.2
 */
export function checkTarget(request: IncomingMessage): void {
  if (!request.url?.startsWith('/')) {
    throw new GatewayError('invalid_value', 'The request target must be a path.');
  }
  const hosts = headerValues(request, 'host').length;
  if (hosts > 1 || (hosts === 0 && request.httpVersion === '1.1')) {
    throw new GatewayError('invalid_value', 'The request must have one Host header.');
  }
  const { expect } = request.headers;
  if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
    throw new GatewayError('expectation_failed', "Of the 'Expect' header only '100-continue' is understood.");
  }
}

/**
 * Keeps web pages out of a gateway that asks for no key: neither by a name that is made to resolve to this machine, nor
 * from another origin.
 * @throws GatewayError host_not_allowed, origin_not_allowed.
 */
export function checkLocal(request: IncomingMessage): void {
  const host = request.headers.host ?? '';
  if (!isLoopback(host.replace(/:\d{1,5}$/, ''))) {
    throw new GatewayError('host_not_allowed', 'Without a configured key the gateway answers to localhost only.');
  }
  const origins = headerValues(request, 'origin');
  if (origins.some((origin) => origin.toLowerCase() !== `http://${host.toLowerCase()}`)) {
    throw new GatewayError(
      'origin_not_allowed',
      'Without a configured key the gateway takes no requests from web pages.',
    );
  }
}

export function hasBody(request: IncomingMessage): boolean {
  const { headers } = request;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/**
 * A body is plain JSON and says so; what expects JSON is told so even by an empty body. That keeps forms of web pages out.
 * @throws GatewayError unsupported_media_type.
 */
export function checkContent(request: IncomingMessage, expected: 'json' | 'form' | 'none'): void {
  if (expected === 'none' && !hasBody(request)) return;
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new GatewayError('unsupported_media_type', 'The request body must not be compressed.');
  }
  const type = request.headers['content-type'] ?? '';
  if (expected === 'form') {
    // A web page of another origin can send one: `checkLocal` refuses it where no key is asked for.
    if (form.test(type)) return;
    throw new GatewayError(
      'unsupported_media_type',
      "The request body must be sent with 'Content-Type: multipart/form-data'.",
    );
  }
  if (!json.test(type)) {
    throw new GatewayError(
      'unsupported_media_type',
      "The request body must be sent with 'Content-Type: application/json'.",
    );
  }
}
