import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface UpstreamRequest {
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  // oxlint-disable-next-line no-explicit-any -- a test reads whatever was sent
  body: any;
}

export interface FakeUpstream {
  url: string;
  requests: UpstreamRequest[];
}

/** A provider on 127.0.0.1 that keeps what it was sent and answers as the test says. */
export async function fakeUpstream(
  answer: (request: UpstreamRequest, response: ServerResponse, count: number) => void | Promise<void>,
  onCleanup: (cleanup: () => void) => void = onTestFinished,
): Promise<FakeUpstream> {
  const requests: UpstreamRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString('utf8');
      const received = { path: request.url ?? '', headers: request.headers, text, body: JSON.parse(text) as unknown };
      requests.push(received);
      void answer(received, response, requests.length);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onCleanup(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

export function sendJson(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** Anthropic's framing: `event:` from each event's type. */
export function sendEvents(response: ServerResponse, events: { type: string }[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events) response.write(frame(event));
  response.end();
}

export function frame(event: { type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

export type Block = { type: string; [field: string]: unknown };

interface MessageOptions {
  model?: string;
  stopReason?: string;
  inputTokens?: number;
  outputTokens?: number;
  id?: string;
  /** Of the input, as the stream's begin says it. */
  usage?: object;
  /** Of the output, as the stream's end says it. */
  endUsage?: object;
}

/** The stream of an Anthropic message with these blocks: each text, thinking and input in two deltas. */
export function messageEvents(
  blocks: Block[],
  {
    model = 'claude-test-1',
    stopReason = 'end_turn',
    inputTokens = 25,
    outputTokens = 7,
    id = 'msg_upstream',
    usage = { input_tokens: inputTokens, cache_creation_input_tokens: 3, cache_read_input_tokens: 2 },
    endUsage = { output_tokens: outputTokens },
  }: MessageOptions = {},
): { type: string }[] {
  const events: { type: string; [field: string]: unknown }[] = [
    {
      type: 'message_start',
      message: {
        id,
        type: 'message',
        role: 'assistant',
        model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { ...usage, output_tokens: 1 },
      },
    },
    { type: 'ping' },
  ];
  blocks.forEach((block, index) => {
    const delta = (fields: object) => events.push({ type: 'content_block_delta', index, delta: fields });
    const halves = (text: string) => [text.slice(0, text.length >> 1), text.slice(text.length >> 1)];
    if (block.type === 'text') {
      events.push({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } });
      for (const text of halves(String(block['text']))) delta({ type: 'text_delta', text });
    } else if (block.type === 'thinking') {
      events.push({
        type: 'content_block_start',
        index,
        content_block: { type: 'thinking', thinking: '', signature: '' },
      });
      for (const thinking of halves(String(block['thinking']))) delta({ type: 'thinking_delta', thinking });
      delta({ type: 'signature_delta', signature: block['signature'] });
    } else if (!('input' in block)) {
      events.push({ type: 'content_block_start', index, content_block: block });
    } else {
      const { input, ...rest } = block;
      events.push({ type: 'content_block_start', index, content_block: { ...rest, input: {} } });
      delta({ type: 'input_json_delta', partial_json: '' });
      for (const partial_json of halves(typeof input === 'string' ? input : JSON.stringify(input))) {
        delta({ type: 'input_json_delta', partial_json });
      }
    }
    events.push({ type: 'content_block_stop', index });
  });
  events.push(
    {
      type: 'message_delta',
      delta: { stop_reason: stopReason, stop_sequence: null },
      usage: endUsage,
    },
    { type: 'message_stop' },
  );
  return events;
}
