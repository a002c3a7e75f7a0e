import { once } from 'node:events';
import { WebSocket } from 'ws';
import { Skip } from './expect.ts';

// oxlint-disable no-explicit-any -- whatever a server answers is looked at

/** A WebSocket on `/responses`, one request at a time. */
export interface VerifySocket {
  /** Sends it, and resolves with every message until the response has ended, or an error came. */
  create(body: object): Promise<any[]>;
  /** The message that answers it. */
  ask(message: object | string): Promise<any>;
  close(): void;
}

const ends = new Set(['response.completed', 'response.incomplete', 'response.failed', 'error']);

/** @throws Skip where the server speaks no WebSocket. */
export async function openSocket(url: string, key: string | undefined): Promise<VerifySocket> {
  const socket = new WebSocket(url, key === undefined ? {} : { headers: { authorization: `Bearer ${key}` } });
  const messages: any[] = [];
  let wake = () => {};
  socket.on('message', (data: Buffer) => {
    messages.push(JSON.parse(data.toString()));
    wake();
  });
  socket.on('close', () => wake());
  try {
    await once(socket, 'open');
  } catch (cause) {
    throw new Skip('the server opens no WebSocket', { cause });
  }

  async function next(): Promise<any> {
    while (messages.length === 0) {
      if (socket.readyState !== WebSocket.OPEN) throw new Error('the server closed the WebSocket');
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return messages.shift();
  }

  return {
    async create(body) {
      socket.send(JSON.stringify({ type: 'response.create', ...body }));
      const taken: any[] = [];
      for (;;) {
        const message = await next();
        taken.push(message);
        // An error in the middle of a stream is followed by the response's own end.
        const followed = message.type === 'error' && message.sequence_number !== undefined;
        if (ends.has(message.type) && !followed) return taken;
      }
    },
    ask(message) {
      socket.send(typeof message === 'string' ? message : JSON.stringify(message));
      return next();
    },
    close: () => socket.terminate(),
  };
}
