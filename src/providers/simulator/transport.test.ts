import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Transport, UpstreamListener } from '../provider.ts';
import { refusalTrigger } from './answer.ts';
import { createSimulatorTransport } from './transport.ts';

const timeouts = { connectMs: 1000, firstByteMs: 1000, idleMs: 1000 };
const weather = {
  name: 'get_weather',
  description: 'The weather in a city.',
  input_schema: {
    type: 'object' as const,
    properties: { city: { type: 'string' }, 'é😀': { type: 'number' } },
    required: ['city', 'é😀'],
  },
};
const ping = { name: 'ping', description: 'Says that somebody is there.', input_schema: { type: 'object' as const } };

type Log = [string, unknown?][];

function send(transport: Transport, body: unknown, listener: Partial<UpstreamListener> = {}) {
  const log: Log = [];
  const ended = Promise.withResolvers<Log>();
  const chunks: Buffer[] = [];
  const call = transport.send(
    {
      origin: 'http://simulator.invalid',
      path: '/v1/messages',
      headers: { 'X-Api-Key': 'k', 'Anthropic-Version': '2023-06-01' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      timeouts,
    },
    {
      onHeaders(status, headers) {
        log.push(['headers', status]);
        listener.onHeaders?.(status, headers);
      },
      onData(chunk) {
        log.push(['data', chunk.length]);
        chunks.push(chunk);
        listener.onData?.(chunk);
      },
      onEnd() {
        log.push(['end', Buffer.concat(chunks).toString()]);
        ended.resolve(log);
      },
      onError: ended.reject,
    },
  );
  log.push(['sent']);
  return { call, log, ended: ended.promise };
}

const body = (text: string, more: object = {}) => ({
  model: 'm',
  max_tokens: 1000,
  messages: [{ role: 'user' as const, content: text }],
  ...more,
});
/** A message without what the SDK's stream helper adds to it. */
const wire = (message: Anthropic.Message) => {
  const { parsed_output: _, ...rest }: Record<string, unknown> = JSON.parse(JSON.stringify(message));
  return rest;
};
const textOf = (log: Log) => String(log.at(-1)?.[1]);
const turnOfTheLoop = () => new Promise((resolve) => setImmediate(resolve));

describe('reads', () => {
  test('come after the call has returned, headers first, several of them, and one end', async () => {
    const log = await send(createSimulatorTransport(), body('Hello', { stream: true })).ended;
    const names = log.map(([name]) => name);
    expect(names.slice(0, 3)).toEqual(['sent', 'headers', 'data']);
    expect(names.slice(3, -1).every((name) => name === 'data')).toBe(true);
    expect(names.length).toBeGreaterThan(6);
  });

  test('end within frames, and within characters', async () => {
    const ends: boolean[] = [];
    const characters: boolean[] = [];
    await send(createSimulatorTransport(), body('é'.repeat(700), { stream: true }), {
      onData: (chunk) => {
        ends.push(chunk.toString().endsWith('\n\n'));
        characters.push(chunk.toString().includes('\ufffd'));
      },
    }).ended;
    expect(ends).toContain(false);
    expect(characters).toContain(true);
  });

  test('stop while the call is paused, and go on where they stopped', async () => {
    const transport = createSimulatorTransport();
    const whole = await send(transport, body('Hello', { stream: true })).ended;
    const { call, log, ended } = send(transport, body('Hello', { stream: true }), { onData: () => call.pause() });
    for (let read = 1; read < whole.filter(([name]) => name === 'data').length; read += 1) {
      for (let turn = 0; turn < 4; turn += 1) await turnOfTheLoop();
      expect(log.filter(([name]) => name === 'data').length).toBe(read);
      call.resume();
      call.resume();
    }
    for (let turn = 0; turn < 4; turn += 1) await turnOfTheLoop();
    call.resume();
    expect(textOf(await ended)).toBe(textOf(whole));
  });

  test.each(['at once', 'at the headers', 'at the first read'])('end with an abort %s', async (when) => {
    const { call, log } = send(createSimulatorTransport(), body('Hello'), {
      onHeaders: () => when === 'at the headers' && call.abort(),
      onData: () => call.abort(),
    });
    if (when === 'at once') call.abort();
    for (let turn = 0; turn < 20; turn += 1) await turnOfTheLoop();
    const heard: Record<string, string[]> = {
      'at once': ['sent'],
      'at the headers': ['sent', 'headers'],
      'at the first read': ['sent', 'headers', 'data'],
    };
    expect(log.map(([name]) => name)).toEqual(heard[when]);
  });
});

describe('an error', () => {
  test("has Anthropic's shape and the rule's status", async () => {
    const log = await send(createSimulatorTransport(), body('Hello', { max_tokens: undefined, stream: true })).ended;
    expect(log).toContainEqual(['headers', 400]);
    expect(JSON.parse(textOf(log))).toEqual({
      type: 'error',
      error: { type: 'invalid_request_error', message: 'max_tokens: Field required' },
      request_id: expect.stringMatching(/^req_/),
    });
  });

  test('of our own is the end of the call, not of the process', async () => {
    const deep = `${'{"items":'.repeat(50_000)}{}${'}'.repeat(50_000)}`;
    const sent = JSON.stringify(body('Hello')).replace(
      '{',
      `{"tools":[{"name":"a","strict":true,"input_schema":{"type":"object","additionalProperties":false,"items":${deep}}}],`,
    );
    await expect(send(createSimulatorTransport(), sent).ended).rejects.toMatchObject({ code: 'internal_error' });
  });
});

test('thinking of a simulator with another key is foreign', async () => {
  const think = { thinking: { type: 'adaptive' } };
  const first = JSON.parse(textOf(await send(createSimulatorTransport(), body('Hello', think)).ended));
  const messages = [...body('Hello').messages, { role: 'assistant', content: first.content }, ...body('And?').messages];
  const again = textOf(await send(createSimulatorTransport(), body('', { ...think, messages })).ended);
  const foreign = textOf(
    await send(createSimulatorTransport({ signingKey: 'other' }), body('', { ...think, messages })).ended,
  );
  expect(JSON.parse(again).type).toBe('message');
  expect(JSON.parse(foreign).error.message).toBe('messages.1.content.0: Invalid `signature` in `thinking` block');
});

describe('spoken to by @anthropic-ai/sdk over a socket', () => {
  const transport = createSimulatorTransport();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
      const sent = { origin: '', path: request.url ?? '', headers, body: Buffer.concat(chunks).toString(), timeouts };
      transport.send(sent, {
        onHeaders: (status, answered) => {
          for (const [name, value] of Object.entries(answered))
            if (value !== undefined) response.setHeader(name, value);
          response.writeHead(status);
        },
        onData: (chunk) => response.write(chunk),
        onEnd: () => response.end(),
        onError: (error) => response.destroy(error),
      });
    });
  });
  const client = () => {
    const { port } = server.address() as AddressInfo;
    return new Anthropic({ apiKey: 'k', baseURL: `http://127.0.0.1:${port}`, maxRetries: 0 });
  };
  beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => new Promise((resolve) => void server.close(resolve)));

  const cached = { cache_control: { type: 'ephemeral' as const } };
  test.each([
    ['text', body('Hello "you"\n😀 é')],
    ['calls', body('The weather in Paris and 東京 Rome, and ping', { tools: [weather, ping] })],
    ['a call without arguments', body('ping', { tools: [ping] })],
    ['thinking', body('What is the weather in Paris?', { tools: [weather], thinking: { type: 'adaptive' } })],
    [
      'hidden thinking',
      body('Hello', {
        thinking: { type: 'adaptive', display: 'omitted' },
        system: [{ type: 'text', text: 'Hi', ...cached }],
      }),
    ],
    ['a cut text', body('Hello', { max_tokens: 3 })],
    ['a stop sequence', body('Hello there', { stop_sequences: ['there'] })],
    ['nothing', body('Hello', { max_tokens: 0 })],
  ])('%s: its stream makes the message of its plain reply', async (_, params) => {
    const plain = await client().messages.create({ ...params, stream: false });
    const streamed = await client().messages.stream(params).finalMessage();
    expect(wire(streamed)).toEqual(wire(plain));
    expect(plain.usage.output_tokens).toBeLessThanOrEqual(params.max_tokens);
  });

  test('whatever is said, tools are called with what they require', async () => {
    const words = fc.constantFrom(
      'weather',
      'in',
      'Paris',
      'and',
      'Rome',
      'call',
      'get_weather',
      '{',
      '"',
      '7',
      '😀',
      '\u0000',
      'both',
      'ping',
      '<system>',
    );
    const texts = fc.array(words, { minLength: 1, maxLength: 8 }).map((all) => all.join(' '));
    await fc.assert(
      fc.asyncProperty(texts, fc.boolean(), async (text, thinks) => {
        const thinking = thinks ? { thinking: { type: 'adaptive' } } : {};
        const log = await send(transport, body(`. ${text}`, { tools: [weather, ping], ...thinking })).ended;
        const message: Anthropic.Message = JSON.parse(textOf(log));
        expect(message.type).toBe('message');
        const calls = message.content.flatMap((block) => (block.type === 'tool_use' ? [block] : []));
        expect(message.stop_reason).toBe(calls.length > 0 ? 'tool_use' : 'end_turn');
        for (const { name, input } of calls) {
          if (name === 'get_weather') expect(input).toEqual({ city: expect.any(String), 'é😀': expect.any(Number) });
        }
        const history = [...body(`. ${text}`).messages, { role: 'assistant', content: message.content }];
        const results = calls.map(({ id }) => ({ type: 'tool_result', tool_use_id: id, content: 'done' }));
        const messages = [...history, { role: 'user', content: results.length > 0 ? results : 'And?' }];
        const next = await send(transport, body('', { tools: [weather, ping], ...thinking, messages })).ended;
        expect(JSON.parse(textOf(next)).stop_reason).toBe('end_turn');
      }),
    );
  });

  test('a refusal has its details in both', async () => {
    const plain = await client().messages.create(body(refusalTrigger));
    const streamed = await client().messages.stream(body(refusalTrigger)).finalMessage();
    expect(plain).toMatchObject({ stop_reason: 'refusal', stop_details: { type: 'refusal' }, content: [] });
    expect(wire(streamed)).toEqual(wire(plain));
  });

  test('a refused request is the error class of its status', async () => {
    await expect(client().messages.create({ ...body('Hello'), messages: [] })).rejects.toThrow(
      Anthropic.BadRequestError,
    );
  });
});
