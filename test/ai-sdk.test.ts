/** Vendors behind packages of the AI SDK: the packages themselves, in the gateway's process, over servers that speak as the vendors do. */
import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { awsMessage, exception } from './support/bedrock-frames.ts';
import { fakeUpstream, sendJson } from './support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

interface Item {
  type: string;
  call_id: string;
  arguments: string;
  content?: { text: string; annotations: unknown[] }[];
}
interface Answer {
  status: number;
  warnings: { param: string; message: string }[];
  body: {
    id: string;
    status: string;
    output: Item[];
    usage: Record<string, unknown>;
    error: { code: string; message: string; param: string | null } | null;
  };
}

async function ask(url: string, body: object): Promise<Answer> {
  const response = await fetch(`${url}/v1/responses`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', input: 'Oslo?', ...body }),
  });
  const text = await response.text();
  const [, last = text] = /event: response\.(?:completed|failed|incomplete)\ndata: (.*)\n/.exec(text) ?? [];
  const parsed = JSON.parse(last) as { response?: Answer['body'] } & Answer['body'];
  const warnings = JSON.parse(response.headers.get('x-turnpike-warnings') ?? '[]') as Answer['warnings'];
  return { status: response.status, warnings, body: parsed.response ?? parsed };
}

const weather = {
  type: 'function',
  name: 'get_weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
};
const outputOf = ({ body: { id, output } }: Answer) => ({
  previous_response_id: id,
  input: output.flatMap(({ type, call_id }) =>
    type === 'function_call' ? [{ type: 'function_call_output', call_id, output: '-3 °C' }] : [],
  ),
});

describe('Bedrock’s Converse through @ai-sdk/amazon-bedrock', () => {
  const entry = (url: string) =>
    `models: [{ name: m, provider: ai-sdk, package: "@ai-sdk/amazon-bedrock", model: "us.amazon.nova-pro-v1:0", base_url: "${url}", settings: { factory: none, region: us-east-1, accessKeyId: AKIDEXAMPLE, secretAccessKey: hunter2 } }]`.replace(
      'factory: none, ',
      '',
    );
  const frames = (events: Record<string, object>[]): Buffer[] =>
    events.map((event) => {
      const [[name, body] = ['', {}]] = Object.entries(event);
      const names = { ':event-type': name, ':content-type': 'application/json', ':message-type': 'event' };
      return awsMessage(names, JSON.stringify(body));
    });
  const send = (response: ServerResponse, messages: Buffer[]): void => {
    response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
    const bytes = Buffer.concat(messages);
    for (let at = 0; at < bytes.length; at += 61) response.write(bytes.subarray(at, at + 61));
    response.end();
  };
  const block = (contentBlockIndex: number, delta: object) => ({ contentBlockDelta: { contentBlockIndex, delta } });
  const calling = [
    { messageStart: { role: 'assistant' } },
    block(0, { reasoningContent: { text: 'The weather' } }),
    block(0, { reasoningContent: { text: ' is asked for.' } }),
    block(0, { reasoningContent: { signature: 'c2ln' } }),
    { contentBlockStop: { contentBlockIndex: 0 } },
    {
      contentBlockStart: { contentBlockIndex: 1, start: { toolUse: { toolUseId: 'tooluse_A', name: 'get_weather' } } },
    },
    block(1, { toolUse: { input: '{"city":"Oslo",' } }),
    block(1, { toolUse: { input: '"big":18446744073709551616}' } }),
    { contentBlockStop: { contentBlockIndex: 1 } },
    { messageStop: { stopReason: 'tool_use' } },
    { metadata: { usage: { inputTokens: 20, outputTokens: 10, totalTokens: 30, cacheReadInputTokens: 4 } } },
  ];
  const saying = [
    { messageStart: { role: 'assistant' } },
    block(0, { text: 'It is' }),
    block(0, { text: ' cold.' }),
    { contentBlockStop: { contentBlockIndex: 0 } },
    { messageStop: { stopReason: 'end_turn' } },
    { metadata: { usage: { inputTokens: 30, outputTokens: 4, totalTokens: 34 } } },
  ];

  test('a chain with reasoning and tools: signatures, ids and numbers go back as they came', async () => {
    const upstream = await fakeUpstream((_request, response, count) =>
      send(response, frames(count === 1 ? calling : saying)),
    );
    const gateway = await spawnGateway({ folder: temporaryFolder(), config: entry(upstream.url) });
    const first = await ask(gateway.url, { stream: true, tools: [weather], instructions: 'Be brief.' });
    expect(first.body.output.map(({ type }) => type)).toEqual(['reasoning', 'function_call']);
    expect(first.body.output[1]).toMatchObject({
      call_id: 'tooluse_A',
      arguments: '{"city":"Oslo","big":18446744073709551616}',
    });
    expect(first.body.usage).toMatchObject({
      input_tokens: 24,
      output_tokens: 10,
      input_tokens_details: { cached_tokens: 4 },
    });
    const second = await ask(gateway.url, { stream: true, tools: [weather], ...outputOf(first) });
    expect(second.body.output[0]?.content?.[0]?.text).toBe('It is cold.');

    const [begun, gone] = upstream.requests;
    expect(begun?.path).toBe('/model/us.amazon.nova-pro-v1%3A0/converse-stream');
    expect(begun?.headers.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\//);
    expect(begun?.body.system).toEqual([{ text: 'Be brief.' }]);
    expect(gone?.text).toContain('"input":{"city":"Oslo","big":18446744073709551616}');
    expect(
      gone?.body.messages.map(({ role, content }: { role: string; content: object[] }) => [
        role,
        content.flatMap(Object.keys),
      ]),
    ).toEqual([
      ['user', ['text']],
      ['assistant', ['reasoningContent', 'toolUse']],
      ['user', ['toolResult']],
    ]);
    expect(gone?.body.messages[1].content[0]).toEqual({
      reasoningContent: { reasoningText: { text: 'The weather is asked for.', signature: 'c2ln' } },
    });
    expect(gateway.output()).not.toContain('hunter2');
  });

  test('a plain reply makes the same items', async () => {
    const upstream = await fakeUpstream((_request, response) =>
      sendJson(response, {
        metrics: { latencyMs: 1 },
        output: {
          message: {
            role: 'assistant',
            content: [
              { reasoningContent: { reasoningText: { text: 'The weather is asked for.', signature: 'c2ln' } } },
              { toolUse: { toolUseId: 'tooluse_A', name: 'get_weather', input: { city: 'Oslo' } } },
            ],
          },
        },
        stopReason: 'tool_use',
        usage: { inputTokens: 20, outputTokens: 10, totalTokens: 30 },
      }),
    );
    const gateway = await spawnGateway({ folder: temporaryFolder(), config: entry(upstream.url) });
    const { body } = await ask(gateway.url, { tools: [weather] });
    expect(body.output.map(({ type }) => type)).toEqual(['reasoning', 'function_call']);
    expect(body.output[1]).toMatchObject({ call_id: 'tooluse_A', arguments: '{"city":"Oslo"}' });
    expect(upstream.requests[0]?.path).toBe('/model/us.amazon.nova-pro-v1%3A0/converse');
  });

  test.each<[what: string, messages: () => Buffer[]]>([
    ['cut', () => frames(saying.slice(0, 3))],
    ['broken off by an exception', () => [...frames(saying.slice(0, 3)), exception('internalServerException', 'x')]],
  ])('a stream that is %s ends as failed', async (_what, messages) => {
    const upstream = await fakeUpstream((_request, response) => send(response, messages()));
    const gateway = await spawnGateway({ folder: temporaryFolder(), config: entry(upstream.url) });
    expect((await ask(gateway.url, { stream: true })).body.status).toBe('failed');
  });

  test('what the vendor refuses with is what the client is told, without a second try in between', async () => {
    const upstream = await fakeUpstream((_request, response, count) => {
      if (count === 1) sendJson(response, { message: 'The model does not take this.' }, 400);
      else if (count === 2) sendJson(response, { message: 'no' }, 403);
      else sendJson(response, { message: 'Too many requests' }, 429);
    });
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      config: `${entry(upstream.url)}\nrouting: { retries: 0 }`,
    });
    const rejected = await ask(gateway.url, {});
    expect([rejected.status, rejected.body.error?.message]).toEqual([400, 'The model does not take this.']);
    expect((await ask(gateway.url, {})).body.error?.code).toBe('upstream_auth');
    expect((await ask(gateway.url, { stream: true })).status).toBe(429);
    expect(upstream.requests).toHaveLength(3);
  });
});

describe('Cohere through @ai-sdk/cohere', () => {
  const entry = (url: string) =>
    `models: [{ name: m, provider: ai-sdk, package: "@ai-sdk/cohere", model: command-a-03-2025, base_url: "${url}/v2", api_key: hunter2 }]`;
  const send = (response: ServerResponse, events: object[]) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of events) response.write(`data: ${JSON.stringify(event)}\n\n`);
    response.end('data: [DONE]\n\n');
  };
  const end = (finish_reason: string) => ({
    type: 'message-end',
    delta: {
      finish_reason,
      usage: { billed_units: { input_tokens: 12, output_tokens: 5 }, tokens: { input_tokens: 12, output_tokens: 5 } },
    },
  });
  const call = (verb: string, fields: object) => ({
    type: `tool-call-${verb}`,
    index: 0,
    delta: { message: { tool_calls: fields } },
  });
  const calling = [
    {
      type: 'message-start',
      id: 'm1',
      delta: { message: { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] } },
    },
    call('start', { id: 'get_weather_a1', type: 'function', function: { name: 'get_weather', arguments: '' } }),
    call('delta', { function: { arguments: '{"city":' } }),
    call('delta', { function: { arguments: '"Oslo"}' } }),
    { type: 'tool-call-end', index: 0 },
    end('TOOL_CALL'),
  ];
  const saying = [
    { type: 'message-start', id: 'm2', delta: { message: { role: 'assistant' } } },
    { type: 'content-start', index: 0, delta: { message: { content: { type: 'text', text: '' } } } },
    { type: 'content-delta', index: 0, delta: { message: { content: { text: 'Cold.' } } } },
    { type: 'content-end', index: 0 },
    end('COMPLETE'),
  ];

  test('a chain with tools; what Cohere has no word for is a warning', async () => {
    const upstream = await fakeUpstream((_request, response, count) => send(response, count === 1 ? calling : saying));
    const gateway = await spawnGateway({ folder: temporaryFolder(), config: entry(upstream.url) });
    const first = await ask(gateway.url, { stream: true, tools: [weather], parallel_tool_calls: false, user: 'u' });
    expect(first.body.output[0]).toMatchObject({
      type: 'function_call',
      call_id: 'get_weather_a1',
      arguments: '{"city":"Oslo"}',
    });
    expect(first.warnings.map(({ param }) => param)).toEqual(['user', 'parallel_tool_calls']);
    const second = await ask(gateway.url, { stream: true, tools: [weather], ...outputOf(first) });
    expect(second.body.output[0]?.content?.[0]?.text).toBe('Cold.');
    expect(second.body.usage).toMatchObject({ input_tokens: 12, output_tokens: 5 });
    expect(upstream.requests[0]).toMatchObject({ path: '/v2/chat', headers: { authorization: 'Bearer hunter2' } });
    expect(upstream.requests[1]?.body.messages).toMatchObject([
      { role: 'user', content: 'Oslo?' },
      {
        role: 'assistant',
        tool_calls: [{ id: 'get_weather_a1', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } }],
      },
      { role: 'tool', tool_call_id: 'get_weather_a1', content: '-3 °C' },
    ]);
    expect(gateway.output()).not.toContain('hunter2');
  });

  test('the client’s leaving ends the call', async () => {
    let closed: ((path: string) => void) | undefined;
    const left = new Promise<string>((resolve) => (closed = resolve));
    const upstream = await fakeUpstream((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of saying.slice(0, 3)) response.write(`data: ${JSON.stringify(event)}\n\n`);
      response.on('close', () => closed?.(request.path));
    });
    const gateway = await spawnGateway({ folder: temporaryFolder(), config: entry(upstream.url) });
    const controller = new AbortController();
    const response = await fetch(`${gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', input: 'Oslo?', stream: true }),
      signal: controller.signal,
    });
    const reader = response.body?.getReader();
    await reader?.read();
    controller.abort();
    expect(await left).toBe('/v2/chat');
  });
});

test('a package that is not there is named, with what installs it', async () => {
  const gateway = await spawnGateway({
    folder: temporaryFolder(),
    config: 'models: [{ name: m, provider: ai-sdk, package: "@ai-sdk/not-there", model: x, api_key: k }]',
  });
  const { status, body } = await ask(gateway.url, {});
  expect([status, body.error?.message]).toEqual([
    500,
    'The package @ai-sdk/not-there is not installed where the gateway runs: npm install @ai-sdk/not-there. It speaks to the model of this deployment.',
  ]);
});
