import { EventStreamCodec } from '@smithy/eventstream-codec';
import { createPieces } from '../core/pieces.ts';

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
  let waiting = createPieces();
  let bytes = 0;
  /** What the next message takes, as far as is known. */
  let needed = leastBytes;
  return {
    /** @throws Error for what is no event stream. */
    push(chunk) {
      waiting.push(chunk);
      bytes += chunk.length;
      // Joined once it is whole: a message may be megabytes, and its reads some thousands of bytes.
      if (bytes < needed) return;
      let rest = waiting.whole();
      needed = leastBytes;
      while (rest.length >= leastBytes) {
        const total = rest.readUInt32BE(0);
        if (total < leastBytes || total > maxMessageBytes) throw new Error('a message of no size');
        needed = total;
        if (rest.length < total) break;
        const { headers, body } = codec.decode(rest.subarray(0, total));
        rest = rest.subarray(total);
        const strings = Object.entries(headers).flatMap(([name, { type, value }]) =>
          type === 'string' ? [[name, value] as const] : [],
        );
        onMessage({ headers: Object.fromEntries(strings), payload: Buffer.from(body) });
        needed = leastBytes;
      }
      waiting = createPieces();
      waiting.push(rest);
      bytes = rest.length;
    },
  };
}
