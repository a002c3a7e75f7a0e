import type { TurnSink } from './turn.ts';

export interface BegunSink extends TurnSink {
  /** Whoever answers here takes its stream for begun. */
  readonly started: boolean;
}

/** The sink of a client whose headers have left while it waited: what others would have told it is told in comments. */
export function begunSink(client: TurnSink): BegunSink {
  let started = false;
  const sink: BegunSink = {
    get closed() {
      return client.closed;
    },
    get started() {
      return started;
    },
    start(headers) {
      started = true;
      const told = Object.entries(headers).filter(([name]) => name.startsWith('x-turnpike-'));
      client.write(told.map(([name, value]) => `: ${name}: ${value}\n\n`).join(''));
    },
    write: (text) => client.write(text),
    end: (text) => client.end(text),
    onClose: () => {},
    onDrain: () => {},
  };
  client.onClose = () => sink.onClose();
  client.onDrain = () => sink.onDrain();
  return sink;
}
