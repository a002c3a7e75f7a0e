import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { createStall } from './stall.ts';

/** What leaves by a WebSocket for as long as it is open. */
export interface SocketLine {
  /** The client can't take more now. */
  readonly full: boolean;
  readonly closed: boolean;
  send(text: string): void;
  ping(): void;
  /** What `write` sends leaves at once. */
  together(write: () => void): void;
  /** Tells of room after it was full, and of the end. @returns what ends that. */
  watch(onDrain: () => void, onClose: () => void): () => void;
}

/**
 * While the client does not read what is there for it, nothing that it sends is read either: each message has an answer, some
 * have one of their own size, and these would pile up.
 */
export function createSocketLine(socket: WebSocket, connection: Duplex, stalledMs: number): SocketLine {
  const stall = createStall(() => socket.terminate(), stalledMs);

  function holdIfFull(): void {
    if (!connection.writableNeedDrain || socket.isPaused) return;
    socket.pause();
    stall.begin();
  }

  connection.on('drain', () => {
    stall.end();
    socket.resume();
  });
  // Answered by the socket itself.
  socket.on('ping', holdIfFull);
  socket.on('close', () => stall.end());

  return {
    get full() {
      return connection.writableNeedDrain;
    },
    get closed() {
      return socket.readyState !== socket.OPEN;
    },
    send(text) {
      if (socket.readyState === socket.OPEN) socket.send(text);
      holdIfFull();
    },
    ping() {
      socket.ping();
      holdIfFull();
    },
    together(write) {
      connection.cork();
      write();
      connection.uncork();
    },
    watch(onDrain, onClose) {
      connection.on('drain', onDrain);
      socket.on('close', onClose);
      return () => {
        connection.off('drain', onDrain);
        socket.off('close', onClose);
      };
    },
  };
}
