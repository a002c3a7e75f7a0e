import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { TurnSink } from '../turn/turn.ts';

/** A client that has read nothing for this long is taken for gone. */
const stalledMs = 30_000;

const statusOfType: Readonly<Record<string, number>> = { invalid_request_error: 400, rate_limit_error: 429 };

export interface SocketSink extends TurnSink {
  /** Something of the answer has been sent. */
  readonly started: boolean;
  /** Lets go of the socket, which goes on to serve others. */
  release(): void;
}

/**
 * The WebSocket side of an answer: each event of the stream is one message, without the framing of event streams.
 * @param streamId what the client named its lane, to be repeated in every event.
 */
export function createSocketSink(socket: WebSocket, connection: Duplex, streamId: string | undefined): SocketSink {
  let started = false;
  let ended = false;
  let stalled: NodeJS.Timeout | undefined;
  /** To be said in the first event, since there are no headers. */
  let warnings: string | undefined;

  function send(frame: string): void {
    const at = frame.indexOf('data: ');
    if (at === -1) {
      // A comment, which keeps the line alive.
      socket.ping();
      return;
    }
    let data = frame.slice(at + 'data: '.length);
    if (data === '[DONE]') return;
    if (data.startsWith('{"type":"error"')) data = withStatus(data);
    if (warnings !== undefined) data = `${data.slice(0, -1)},"turnpike_warnings":${warnings}}`;
    warnings = undefined;
    socket.send(streamId === undefined ? data : `{"stream_id":${JSON.stringify(streamId)},${data.slice(1)}`);
  }

  function write(text: string): void {
    connection.cork();
    for (const frame of text.split('\n\n')) if (frame !== '') send(frame);
    connection.uncork();
  }

  const onDrain = () => {
    clearTimeout(stalled);
    stalled = undefined;
    sink.onDrain();
  };
  const onClose = () => {
    clearTimeout(stalled);
    sink.onClose();
  };

  const sink: SocketSink = {
    get closed() {
      return ended || socket.readyState !== socket.OPEN;
    },
    get started() {
      return started;
    },
    start(headers) {
      started = true;
      warnings = headers['x-turnpike-warnings'];
    },
    write(text) {
      if (sink.closed) return true;
      write(text);
      if (!connection.writableNeedDrain) return true;
      stalled ??= setTimeout(() => socket.terminate(), stalledMs).unref();
      return false;
    },
    end(text) {
      if (sink.closed) return;
      write(text);
      ended = true;
    },
    release() {
      clearTimeout(stalled);
      connection.off('drain', onDrain);
      socket.off('close', onClose);
    },
    onClose: () => {},
    onDrain: () => {},
  };
  connection.on('drain', onDrain);
  socket.on('close', onClose);
  return sink;
}

/** On this transport an error says its status in itself. */
function withStatus(data: string): string {
  const { error } = JSON.parse(data) as { error?: { type?: string } };
  return `{"type":"error","status":${statusOfType[error?.type ?? ''] ?? 500}${data.slice('{"type":"error"'.length)}`;
}
