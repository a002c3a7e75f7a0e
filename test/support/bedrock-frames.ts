import { EventStreamCodec } from '@smithy/eventstream-codec';

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes).toString('utf8'),
  (text) => Buffer.from(text, 'utf8'),
);

/** A message of AWS' binary framing, as its own library writes it. */
export function awsMessage(names: Record<string, string>, body: string): Buffer {
  const headers = Object.fromEntries(
    Object.entries(names).map(([name, value]) => [name, { type: 'string' as const, value }]),
  );
  return Buffer.from(codec.encode({ headers, body: Buffer.from(body) }));
}

/** An event of InvokeModelWithResponseStream. */
export function invokeChunk(event: unknown): Buffer {
  const bytes = Buffer.from(JSON.stringify(event)).toString('base64');
  const names = { ':event-type': 'chunk', ':content-type': 'application/json', ':message-type': 'event' };
  return awsMessage(names, JSON.stringify({ bytes, p: 'abcdefgh' }));
}

export function exception(name: string, message: string): Buffer {
  const names = { ':exception-type': name, ':content-type': 'application/json', ':message-type': 'exception' };
  return awsMessage(names, JSON.stringify({ message }));
}
