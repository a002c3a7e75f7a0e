import { crc32 } from 'node:zlib';

/** One message of AWS' binary framing. */
export interface EventMessage {
  /** String headers by their names; the others say nothing that we need. */
  headers: Record<string, string>;
  payload: Buffer;
}

/** Total length, length of the headers, checksum of both. */
const preludeBytes = 12;
const checksumBytes = 4;
const maxMessageBytes = 24 * 1024 * 1024;

/** How long the value of each type is that is not itself preceded by its length. */
const fixedBytes: Readonly<Record<number, number>> = { 0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16 };
const bytesType = 6;
const stringType = 7;

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
      while (rest.length >= preludeBytes) {
        const total = rest.readUInt32BE(0);
        if (rest.readUInt32BE(8) !== crc32(rest.subarray(0, 8))) throw new Error('the prelude of a message is damaged');
        if (total < preludeBytes + checksumBytes || total > maxMessageBytes) throw new Error('a message of no size');
        if (rest.length < total) return;
        const message = rest.subarray(0, total);
        rest = rest.subarray(total);
        onMessage(readMessage(message));
      }
    },
  };
}

function readMessage(message: Buffer): EventMessage {
  const end = message.length - checksumBytes;
  if (message.readUInt32BE(end) !== crc32(message.subarray(0, end))) throw new Error('a message is damaged');
  const headersEnd = preludeBytes + message.readUInt32BE(4);
  if (headersEnd > end) throw new Error('a message is shorter than its headers');
  return {
    headers: readHeaders(message.subarray(preludeBytes, headersEnd)),
    payload: message.subarray(headersEnd, end),
  };
}

function readHeaders(bytes: Buffer): Record<string, string> {
  const headers: Record<string, string> = {};
  let at = 0;
  while (at < bytes.length) {
    const nameEnd = at + 1 + bytes.readUInt8(at);
    const name = bytes.toString('utf8', at + 1, nameEnd);
    const type = bytes.readUInt8(nameEnd);
    at = nameEnd + 1;
    if (type === stringType || type === bytesType) {
      const valueEnd = at + 2 + bytes.readUInt16BE(at);
      if (type === stringType) headers[name] = bytes.toString('utf8', at + 2, valueEnd);
      at = valueEnd;
    } else {
      const length = fixedBytes[type];
      if (length === undefined) throw new Error('a header of an unknown type');
      at += length;
    }
  }
  return headers;
}
