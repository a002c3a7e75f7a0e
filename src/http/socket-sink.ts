import type { TurnSink } from '../turn/turn.ts';
import type { SocketLine } from './socket-line.ts';

const statusOfType: Readonly<Record<string, number>> = { invalid_request_error: 400, rate_limit_error: 429 };

export interface SocketSink extends TurnSink {
  /** Something of the answer has been sent. */
  readonly started: boolean;
  /** Lets go of the line, which goes on to serve others. */
  release(): void;
}

/**
 * The WebSocket side of an answer: each event of the stream is one message, without the framing of event streams.
 * @param streamId what the client named its lane, to be repeated in every event.
 */
export function createSocketSink(line: SocketLine, streamId: string | undefined): SocketSink {
  let started = false;
  let ended = false;
  /** To be said in the first event, since there are no headers. */
  let warnings: string | undefined;

  function send(frame: string): void {
    const at = frame.indexOf('data: ');
    if (at === -1) {
      // A comment, which keeps the line alive.
      line.ping();
      return;
    }
    let data = frame.slice(at + 'data: '.length);
    if (data === '[DONE]') return;
    if (data.startsWith('{"type":"error"')) data = withStatus(data);
    if (warnings !== undefined) data = `${data.slice(0, -1)},"turnpike_warnings":${warnings}}`;
    warnings = undefined;
    line.send(streamId === undefined ? data : `{"stream_id":${JSON.stringify(streamId)},${data.slice(1)}`);
  }

  function write(text: string): void {
    line.together(() => {
      for (const frame of text.split('\n\n')) if (frame !== '') send(frame);
    });
  }

  const sink: SocketSink = {
    get closed() {
      return ended || line.closed;
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
      return !line.full;
    },
    end(text) {
      if (sink.closed) return;
      write(text);
      ended = true;
    },
    release: line.watch(
      () => sink.onDrain(),
      () => sink.onClose(),
    ),
    onClose: () => {},
    onDrain: () => {},
  };
  return sink;
}

/** On this transport an error says its status in itself. */
function withStatus(data: string): string {
  const { error } = JSON.parse(data) as { error?: { type?: string } };
  return `{"type":"error","status":${statusOfType[error?.type ?? ''] ?? 500}${data.slice('{"type":"error"'.length)}`;
}
