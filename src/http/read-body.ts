import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../core/errors.ts';
import { createPieces } from '../core/pieces.ts';

export interface BodyLimits {
  maxBytes: number;
  /** From the first wish to read to the last byte. */
  timeoutMs: number;
}

export const defaultBodyLimits: BodyLimits = { maxBytes: 32 * 1024 * 1024, timeoutMs: 60_000 };

const tooLarge = (maxBytes: number) =>
  new GatewayError('request_too_large', `The request body is larger than ${maxBytes} bytes.`);

/** @throws GatewayError request_too_large for a body that says so before it is sent. */
export function checkLength(request: IncomingMessage, { maxBytes }: BodyLimits): void {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
}

/** Rejects with GatewayError request_too_large, request_timeout, or invalid_json where the client left half-way. */
export function readBody(request: IncomingMessage, { maxBytes, timeoutMs }: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const pieces = createPieces();
    let bytes = 0;

    function stop(): void {
      clearTimeout(timer);
      request.off('data', take).off('end', finish).off('close', cut);
    }
    function fail(error: GatewayError): void {
      stop();
      reject(error);
    }
    function take(chunk: Buffer): void {
      bytes += chunk.length;
      if (bytes > maxBytes) fail(tooLarge(maxBytes));
      else pieces.push(chunk);
    }
    function finish(): void {
      stop();
      resolve(pieces.whole());
    }
    function cut(): void {
      fail(new GatewayError('invalid_json', 'The request body ended early.'));
    }

    const timer = setTimeout(() => {
      fail(new GatewayError('request_timeout', 'The request body did not arrive in time.'));
    }, timeoutMs);
    if (request.destroyed) cut();
    else request.on('data', take).on('end', finish).on('close', cut);
  });
}
