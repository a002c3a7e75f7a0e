import { EventStreamCodec } from '@smithy/eventstream-codec';

/** One message of AWS' binary framing. */
export interface EventMessage {
  /** String headers by their names; the others say nothing that we need. */
  headers: Record<string, string>;
  payload: Buffer;
}

/** Lengths and their checksum, and the checksum of all. */
const leastBytes = 16;
const maxMessageBytes = 24 * 1024 * 1024;

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

/**
 * Takes a stream of messages apart, wherever its reads end.
 * @see https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html
 */
export function createEventStreamParser(onMessage: (message: EventMessage) => void): { push(chunk: Buffer): void } {
  let rest: Buffer = Buffer.alloc(0);
  return {
    /** @throws Error for what is no event stream. */
    push(chunk) {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      while (rest.length >= leastBytes) {
        const total = rest.readUInt32BE(0);
        if (total < leastBytes || total > maxMessageBytes) throw new Error('a message of no size');
        if (rest.length < total) return;
        const { headers, body } = codec.decode(rest.subarray(0, total));
        rest = rest.subarray(total);
        const strings = Object.entries(headers).flatMap(([name, { type, value }]) =>
          type === 'string' ? [[name, value] as const] : [],
        );
        onMessage({ headers: Object.fromEntries(strings), payload: Buffer.from(body) });
      }
    },
  };
}
