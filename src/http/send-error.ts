import type { IncomingMessage, ServerResponse } from 'node:http';
import { hasBody } from './check-request.ts';
import type { ErrorResponse } from './error-response.ts';

const lingerMs = 2_000;
const lingerBytes = 64 * 1024 * 1024;

/**
 * Throws away what the client still sends, for a while: a connection closed under a sender is a reset, in which many
 * clients lose the answer that was already there.
 */
function linger(request: IncomingMessage, done: () => void): void {
  let bytes = 0;
  function stop(): void {
    clearTimeout(timer);
    request.off('data', count).off('end', stop).off('close', stop);
    done();
  }
  function count(chunk: Buffer): void {
    bytes += chunk.length;
    if (bytes > lingerBytes) stop();
  }
  const timer = setTimeout(stop, lingerMs);
  request.on('data', count).on('end', stop).on('close', stop).resume();
}

/**
 * Answers with an error. A body that was not read closes the connection; an answer that has begun is cut, so that it can't
 * pass for a whole one.
 */
export function sendError(request: IncomingMessage, response: ServerResponse, error: ErrorResponse): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (response.destroyed) return;
  const unread = hasBody(request) && !request.complete;
  response.writeHead(error.status, {
    ...error.headers,
    'content-length': Buffer.byteLength(error.body),
    ...(unread ? { connection: 'close' } : {}),
  });
  if (!unread) {
    response.end(error.body);
    return;
  }
  response.write(error.body);
  linger(request, () => response.end());
}
