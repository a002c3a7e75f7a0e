import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { crashPoint } from '../crash-point.ts';
import type { TurnSink } from '../turn/turn.ts';

/** A client that has read nothing for this long is taken for gone. */
const stalledMs = 30_000;

/** The HTTP side of an answer. */
export function createTurnSink(response: ServerResponse): TurnSink {
  let stalled: NodeJS.Timeout | undefined;
  /** Of a stream whose headers have left: the connection, which is this response's own until it ends. */
  let line: Socket | undefined;
  const onDrain = () => {
    clearTimeout(stalled);
    stalled = undefined;
    sink.onDrain();
  };

  /**
   * Node writes a chunk in four pieces, and looks after each; half of what a small chunk costs. Behind the headers one
   * piece does.
   */
  function writeChunk(text: string): boolean {
    if (line !== undefined) return line.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`, 'utf8');
    const hasRoom = response.write(text);
    // Node tells a client of HTTP/1.0 the end by closing; a response that waits for the one before it has no line yet.
    if (response.chunkedEncoding && response.socket !== null) {
      line = response.socket;
      line.on('drain', onDrain);
    }
    return hasRoom;
  }

  const sink: TurnSink = {
    get closed() {
      return response.destroyed || response.writableEnded;
    },
    start(headers) {
      if (!sink.closed) response.writeHead(200, headers);
    },
    write(text) {
      if (sink.closed || text === '' || writeChunk(text)) return true;
      stalled ??= setTimeout(() => response.destroy(), stalledMs).unref();
      return false;
    },
    end(text) {
      if (!sink.closed) response.end(text);
    },
    onClose: () => {},
    onDrain: () => {},
  };
  response.on('drain', onDrain);
  response.on('close', () => {
    clearTimeout(stalled);
    line?.off('drain', onDrain);
    sink.onClose();
    crashPoint('stream-ended');
  });
  return sink;
}
