import type { ServerResponse } from 'node:http';
import { crashPoint } from '../crash-point.ts';
import type { TurnSink } from '../turn/turn.ts';

/** A client that has read nothing for this long is taken for gone. */
const stalledMs = 30_000;

/** The HTTP side of an answer. */
export function createTurnSink(response: ServerResponse): TurnSink {
  let stalled: NodeJS.Timeout | undefined;
  const sink: TurnSink = {
    get closed() {
      return response.destroyed || response.writableEnded;
    },
    start(headers) {
      if (!sink.closed) response.writeHead(200, headers);
    },
    write(text) {
      if (sink.closed || response.write(text)) return true;
      stalled ??= setTimeout(() => response.destroy(), stalledMs).unref();
      return false;
    },
    end(text) {
      if (!sink.closed) response.end(text);
    },
    onClose: () => {},
    onDrain: () => {},
  };
  response.on('drain', () => {
    clearTimeout(stalled);
    stalled = undefined;
    sink.onDrain();
  });
  response.on('close', () => {
    clearTimeout(stalled);
    sink.onClose();
    crashPoint('stream-ended');
  });
  return sink;
}
