import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { readGeminiPath } from './gemini-upstream.ts';

/** One request of the gateway; its answer is whatever bytes the test writes. */
export interface RawCall {
  path: string;
  /** The request line and the headers, as they came. */
  head: string;
  text: string;
  /** With the model and `stream`, where the address says them. */
  // oxlint-disable-next-line no-explicit-any -- a test reads whatever was sent
  body: any;
  socket: Socket;
  /** Resolves when the connection is gone, whoever ended it. */
  closed: Promise<void>;
}

export interface RawServer {
  url: string;
  port: number;
  readonly close: () => void;
}

/** Listens on 127.0.0.1 and leaves every connection to the test. */
export async function rawServer(onConnection: (socket: Socket) => void): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    // A gateway that hangs up is what many tests are about; `closed` tells them.
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** A provider that reads requests properly and answers byte by byte as the test says. */
export async function rawUpstream(answer: (call: RawCall) => void): Promise<RawServer> {
  return rawServer((socket) => {
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      for (;;) {
        const headEnd = received.indexOf('\r\n\r\n');
        if (headEnd === -1) return;
        const head = received.toString('latin1', 0, headEnd);
        const length = Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0);
        if (received.length < headEnd + 4 + length) return;
        const text = received.toString('utf8', headEnd + 4, headEnd + 4 + length);
        received = received.subarray(headEnd + 4 + length);
        const path = head.split(' ')[1] ?? '';
        const { model, streamed } = readGeminiPath(path);
        const said: unknown = text === '' ? undefined : JSON.parse(text);
        const body: unknown = model === '' ? said : { ...Object(said), model, stream: streamed };
        answer({ path, head, text, body, socket, closed });
      }
    });
  });
}

export function headOf(status: string, headers: Record<string, string>): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status}\r\n${lines.join('')}\r\n`;
}

export function chunkOf(data: string | Buffer): Buffer {
  const bytes = Buffer.from(data);
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

export const lastChunk = '0\r\n\r\n';
const eventStream = headOf('200 OK', { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' });

/** Headers of an event stream and a beginning of it; the rest is the test's. */
export function beginStream({ socket }: RawCall, data: string | Buffer = ''): void {
  socket.write(data.length === 0 ? eventStream : Buffer.concat([Buffer.from(eventStream), chunkOf(data)]));
}

/** A whole stream whose HTTP is right, whatever its events are. */
export function sendStream(call: RawCall, data: string | Buffer): void {
  beginStream(call, data);
  call.socket.write(lastChunk);
}

export function sendBody(
  { socket }: RawCall,
  body: string,
  status = '200 OK',
  headers: Record<string, string> = {},
): void {
  const length = String(Buffer.byteLength(body));
  socket.write(headOf(status, { 'content-type': 'application/json', ...headers, 'content-length': length }) + body);
}
