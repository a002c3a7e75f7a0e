/**
 * A model that answers at once, in each protocol that an upstream may speak: one plain message, or a stream of text deltas of
 * 8 bytes. The model's name says how it streams: `bench-c100` in 100 chunks, `bench-c50-d200` with 200 ms between them. Run
 * as a process of its own, so that its CPU time is not the gateway's. Prints its port.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Answer {
  plain: string;
  /** What comes before the chunks, each chunk, and what comes after them, framing included. */
  head: string;
  chunks: string[];
  tail: string;
}

const words = (count: number) => Array.from({ length: count }, (_, index) => `w${String(index).padStart(6, '0')} `);
const event = (body: { type: string; [field: string]: unknown }) =>
  `event: ${body.type}\ndata: ${JSON.stringify(body)}\n\n`;
const data = (body: unknown) => `data: ${JSON.stringify(body)}\n\n`;

function messages(texts: string[]): Answer {
  const usage = { input_tokens: 25, output_tokens: 100, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
  const message = { id: 'msg_bench', type: 'message', role: 'assistant', model: 'bench', stop_sequence: null, usage };
  const text = { type: 'text', text: texts.join('') };
  return {
    plain: JSON.stringify({ ...message, content: [text], stop_reason: 'end_turn' }),
    head:
      event({ type: 'message_start', message: { ...message, content: [], stop_reason: null } }) +
      event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
    chunks: texts.map((piece) =>
      event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: piece } }),
    ),
    tail:
      event({ type: 'content_block_stop', index: 0 }) +
      event({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage }) +
      event({ type: 'message_stop' }),
  };
}

function chat(texts: string[]): Answer {
  const usage = { prompt_tokens: 25, completion_tokens: 100, total_tokens: 125 };
  const head = { id: 'chatcmpl-bench', created: 1, model: 'bench' };
  const chunk = (choices: unknown[], more: object = {}) =>
    data({ ...head, object: 'chat.completion.chunk', choices, ...more });
  const delta = (fields: object, finish_reason: string | null = null) =>
    chunk([{ index: 0, delta: fields, finish_reason }]);
  const message = { role: 'assistant', content: texts.join('') };
  return {
    plain: JSON.stringify({
      ...head,
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage,
    }),
    head: delta({ role: 'assistant', content: '' }),
    chunks: texts.map((content) => delta({ content })),
    tail: `${delta({}, 'stop')}${chunk([], { usage })}data: [DONE]\n\n`,
  };
}

const protocols: Record<string, (texts: string[]) => Answer> = {
  '/v1/messages': messages,
  '/v1/chat/completions': chat,
};

/** Made once for each protocol and length. */
const made = new Map<string, Answer>();

function answerOf(path: string, chunks: number): Answer | undefined {
  const key = `${path} ${chunks}`;
  const known = made.get(key) ?? protocols[path]?.(words(chunks));
  if (known !== undefined) made.set(key, known);
  return known;
}

function stream(response: ServerResponse, { head, chunks, tail }: Answer, delayMs: number): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(head);
  if (delayMs === 0) {
    for (const chunk of chunks) response.write(chunk);
    response.end(tail);
    return;
  }
  let sent = 0;
  const timer = setInterval(() => {
    const chunk = chunks[sent++];
    if (chunk !== undefined) return void response.write(chunk);
    clearInterval(timer);
    response.end(tail);
  }, delayMs);
  response.once('close', () => clearInterval(timer));
}

const server = createServer((request, response) => {
  const received: Buffer[] = [];
  request.on('data', (chunk: Buffer) => received.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(received);
    const hints = /"model":"[^"]*?-c(\d+)(?:-d(\d+))?"/.exec(body.subarray(0, 200).toString('latin1'));
    const answer = answerOf(request.url?.split('?')[0] ?? '', Number(hints?.[1] ?? 100));
    if (answer === undefined) response.writeHead(404).end();
    else if (body.includes('"stream":true')) stream(response, answer, Number(hints?.[2] ?? 0));
    else response.writeHead(200, { 'content-type': 'application/json' }).end(answer.plain);
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
