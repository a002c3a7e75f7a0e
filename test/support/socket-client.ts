import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import type { ClientEvent } from './read-events.ts';

const ends = new Set(['response.completed', 'response.incomplete', 'response.failed']);

export interface SocketClient {
  socket: WebSocket;
  /** Everything that was received. */
  messages: ClientEvent[];
  send(message: object | string): void;
  /** The next message that is not taken yet. */
  next(): Promise<ClientEvent>;
  /** Sends it, and takes messages until the response has ended or was refused. */
  create(body: object): Promise<ClientEvent[]>;
  /** Code and reason. */
  closed: Promise<number>;
}

/** A client of the WebSocket mode that looks at every message. */
export async function connect(url: string, headers: Record<string, string> = {}): Promise<SocketClient> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/responses`, { headers });
  onTestFinished(() => socket.terminate());
  const messages: ClientEvent[] = [];
  let taken = 0;
  let wake = () => {};
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { type: string };
    messages.push({ event: message.type, data: message });
    wake();
  });
  const closed = new Promise<number>((resolve) => {
    socket.on('close', (code) => {
      resolve(code);
      wake();
    });
  });
  await once(socket, 'open');

  const client: SocketClient = {
    socket,
    messages,
    closed,
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    async next() {
      while (messages.length <= taken) {
        if (socket.readyState === WebSocket.CLOSED) throw new Error('the socket is closed, and nothing has come');
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return messages[taken++] as ClientEvent;
    },
    async create(body) {
      client.send({ type: 'response.create', ...body });
      const events: ClientEvent[] = [];
      for (;;) {
        const message = await client.next();
        events.push(message);
        const isRefusal = message.event === 'error' && message.data.sequence_number === undefined;
        if (isRefusal || ends.has(message.event)) return events;
      }
    },
  };
  return client;
}

/** The status and body with which a WebSocket is refused. */
export async function refusal(
  url: string,
  headers: Record<string, string> = {},
  path = '/v1/responses',
): Promise<{ status: number | undefined; body: unknown }> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`, { headers });
  socket.on('error', () => {});
  const [, response] = (await once(socket, 'unexpected-response')) as [
    unknown,
    AsyncIterable<Buffer> & { statusCode?: number },
  ];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) };
}
