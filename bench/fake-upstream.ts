/**
 * An Anthropic that answers at once: one plain message, or a stream of 100 text deltas of 8 bytes. Run as a process of its
 * own, so that its CPU time is not the gateway's. Prints its port.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const usage = { input_tokens: 25, output_tokens: 100, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
const message = {
  id: 'msg_bench',
  type: 'message',
  role: 'assistant',
  model: 'claude-bench',
  stop_sequence: null,
  usage,
};
const chunks = Array.from({ length: 100 }, (_, index) => `w${String(index).padStart(6, '0')} `);

const frame = (event: { type: string }) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
const plain = JSON.stringify({
  ...message,
  content: [{ type: 'text', text: chunks.join('') }],
  stop_reason: 'end_turn',
});
const frames = [
  frame({ type: 'message_start', message: { ...message, content: [], stop_reason: null } } as { type: string }),
  frame({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } } as { type: string }),
  ...chunks.map((text) =>
    frame({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } } as { type: string }),
  ),
  frame({ type: 'content_block_stop', index: 0 } as { type: string }),
  frame({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage } as { type: string }),
  frame({ type: 'message_stop' }),
];

const server = createServer((request, response) => {
  const body: Buffer[] = [];
  request.on('data', (chunk: Buffer) => body.push(chunk));
  request.on('end', () => {
    if (Buffer.concat(body).includes('"stream":true')) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const text of frames) response.write(text);
      response.end();
    } else {
      response.writeHead(200, { 'content-type': 'application/json' }).end(plain);
    }
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
