import { EventStreamCodec } from '@smithy/eventstream-codec';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createEventStreamParser, type EventMessage } from './event-stream.ts';

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

const framed = (payload: string): Buffer =>
  Buffer.from(
    codec.encode({
      headers: {
        ':event-type': { type: 'string', value: 'chunk' },
        flag: { type: 'boolean', value: true },
        bytes: { type: 'binary', value: Buffer.from('ab') },
        count: { type: 'integer', value: 7 },
        ':message-type': { type: 'string', value: 'event' },
      },
      body: Buffer.from(payload),
    }),
  );

function parse(pieces: Buffer[]): EventMessage[] {
  const messages: EventMessage[] = [];
  const parser = createEventStreamParser((message) => messages.push(message));
  for (const piece of pieces) parser.push(piece);
  return messages;
}

const bytes = Buffer.concat(['{"bytes":"Grüße"}', '', 'x'.repeat(300)].map(framed));
const whole = parse([bytes]).map(({ headers, payload }) => ({ headers, payload: payload.toString() }));

describe('messages that another implementation wrote', () => {
  test('are read', () => {
    const headers = { ':event-type': 'chunk', ':message-type': 'event' };
    expect(whole).toEqual([
      { headers, payload: '{"bytes":"Grüße"}' },
      { headers, payload: '' },
      { headers, payload: 'x'.repeat(300) },
    ]);
  });

  test('are the same cut at every byte', () => {
    for (let at = 0; at <= bytes.length; at++) {
      const messages = parse([bytes.subarray(0, at), bytes.subarray(at)]);
      expect(messages.map(({ headers, payload }) => ({ headers, payload: payload.toString() }))).toEqual(whole);
    }
    expect(parse([...bytes].map((byte) => Buffer.from([byte])))).toHaveLength(3);
  });

  test('are joined once, however many reads a large one takes', () => {
    const message = framed('x'.repeat(1024 * 1024));
    const reads = Array.from({ length: 4096 }, (_, at) => message.subarray(at * 300, (at + 1) * 300));
    const joined = vi.spyOn(Buffer, 'concat');
    onTestFinished(() => joined.mockRestore());
    expect(parse([bytes, ...reads, bytes])).toHaveLength(7);
    expect(joined.mock.calls.length).toBeLessThan(10);
  });

  test('are refused when any byte of them is another, or wait for what never comes', () => {
    const message = framed('{"bytes":"a"}');
    for (let at = 0; at < message.length; at++) {
      const damaged = Buffer.from(message);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 1, at);
      let read: EventMessage[] = [];
      try {
        read = parse([damaged]);
      } catch {
        // Said to be damaged.
      }
      expect(read, `byte ${at}`).toEqual([]);
    }
    expect(() => parse([Buffer.from('<html>no stream</html>')])).toThrow('a message of no size');
  });
});
