import type { ServerResponse } from 'node:http';

/** @param body JSON text. */
export function sendJson(response: ServerResponse, body: string, status = 200): void {
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  });
  response.end(body);
}
