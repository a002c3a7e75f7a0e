/** OpenAI's models at Azure, Anthropic's at Amazon and Google: addresses, credentials and framing, over sockets. */
import { writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { AwsV4Signer } from 'aws4fetch';
import { describe, expect, test } from 'vitest';
import { exception, invokeChunk } from './support/bedrock-frames.ts';
import {
  type Block,
  fakeUpstream,
  messageEvents,
  sendEvents,
  sendJson,
  type UpstreamRequest,
} from './support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

interface Answer {
  status: number;
  body: {
    id: string;
    status: string;
    output: { type: string; call_id?: string; content?: { text: string }[] }[];
    error: { code: string; message: string; param: string | null } | null;
  };
  text: string;
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
  return { status: response.status, body: parsed.response ?? parsed, text };
}

const weather = {
  type: 'function',
  name: 'get_weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
};

const blocks: Block[] = [
  { type: 'thinking', thinking: 'The weather is asked for.', signature: 'c2ln' },
  { type: 'tool_use', id: 'toolu_01A', name: 'get_weather', input: '{"city": "Oslo", "n": 1.0}' },
];
const messages = { model: 'claude-sonnet-4-5-20250929', stopReason: 'tool_use' };

function sendFrames(response: ServerResponse, frames: Buffer[]): void {
  response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' });
  const bytes = Buffer.concat(frames);
  // In reads that end anywhere.
  for (let at = 0; at < bytes.length; at += 97) response.write(bytes.subarray(at, at + 97));
  response.end();
}

const aws = 'aws: { access_key_id: AKIDEXAMPLE, secret_access_key: hunter2/secret, session_token: hunter2-session }';
const model = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';

/** The signature as another implementation makes it from what arrived. */
async function signatureOf({ path, headers, text }: UpstreamRequest): Promise<string | null> {
  const signer = new AwsV4Signer({
    url: `http://${headers.host}${path}`,
    method: 'POST',
    headers: { 'content-type': String(headers['content-type']) },
    body: text,
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'hunter2/secret',
    sessionToken: 'hunter2-session',
    service: 'bedrock',
    region: 'eu-west-1',
    datetime: String(headers['x-amz-date']),
    allHeaders: true,
  });
  return (await signer.sign()).headers.get('authorization');
}

describe('Anthropic on Bedrock', () => {
  test('a chain with thinking and tools, streamed in AWS’ framing, each request signed', async () => {
    const upstream = await fakeUpstream((_request, response, count) => {
      const said = count === 1 ? blocks : [{ type: 'text', text: 'It is cold.' }];
      sendFrames(
        response,
        messageEvents(said, count === 1 ? messages : { ...messages, stopReason: 'end_turn' }).map(invokeChunk),
      );
    });
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      config: `models: [{ name: m, provider: bedrock, model: "${model}", region: eu-west-1, base_url: "${upstream.url}", ${aws}, headers: { Anthropic-Beta: "a-1, b-2" } }]`,
      env: { TURNPIKE_LOG_LEVEL: 'debug' },
    });
    const fields = { tools: [weather], stream: true, reasoning: { effort: 'low', summary: null } };
    const first = await ask(gateway.url, fields);
    expect(first.body.output.map(({ type }) => type)).toEqual(['reasoning', 'function_call']);
    const second = await ask(gateway.url, {
      ...fields,
      previous_response_id: first.body.id,
      input: [{ type: 'function_call_output', call_id: first.body.output[1]?.call_id, output: '-3 °C' }],
    });
    expect(second.body.output[0]?.content?.[0]?.text).toBe('It is cold.');

    for (const request of upstream.requests) {
      expect(request.path).toBe(`/model/${encodeURIComponent(model)}/invoke-with-response-stream`);
      expect(request.headers['authorization']).toBe(await signatureOf(request));
      expect(request.headers['x-amz-security-token']).toBe('hunter2-session');
      expect(request.headers).not.toHaveProperty('anthropic-beta');
      expect(request.body).toMatchObject({ anthropic_version: 'bedrock-2023-05-31', anthropic_beta: ['a-1', 'b-2'] });
      expect(request.body).not.toHaveProperty('model');
      expect(request.body).not.toHaveProperty('stream');
    }
    // What the model said goes back as it said it, byte for byte.
    expect(upstream.requests[1]?.text).toContain('"input":{"city": "Oslo", "n": 1.0}');
    expect(upstream.requests[1]?.body.messages[1].content[0]).toEqual(blocks[0]);
    expect(gateway.output()).not.toContain('hunter2');
    expect(first.text + second.text).not.toContain('hunter2');
  });

  test('a plain reply, a bearer token, and errors as AWS writes them', async () => {
    const upstream = await fakeUpstream((request, response, count) => {
      if (count === 1) sendJson(response, plainMessage);
      else if (count === 2) sendJson(response, { message: 'messages: at least one message is required' }, 400);
      else if (count === 3) sendJson(response, { message: 'not authorized' }, 403);
      else sendJson(response, { Message: 'Too many requests' }, request.body === undefined ? 500 : 429);
    });
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      config: `models: [{ name: m, provider: bedrock, model: "${model}", region: eu-west-1, base_url: "${upstream.url}", api_key: hunter2 }]\nrouting: { retries: 0 }`,
    });
    const plain = await ask(gateway.url, {});
    expect(plain.body.output[0]?.content?.[0]?.text).toBe('Cold.');
    expect(upstream.requests[0]).toMatchObject({
      path: `/model/${encodeURIComponent(model)}/invoke`,
      headers: { authorization: 'Bearer hunter2', accept: 'application/json' },
    });
    const rejected = await ask(gateway.url, {});
    expect([rejected.status, rejected.body.error?.message]).toEqual([
      400,
      'messages: at least one message is required',
    ]);
    const refused = await ask(gateway.url, {});
    expect([refused.status, refused.body.error?.code]).toEqual([502, 'upstream_auth']);
    const limited = await ask(gateway.url, {});
    expect([limited.status, limited.body.error?.code]).toEqual([429, 'rate_limit_exceeded']);
    expect(gateway.output() + refused.text).not.toContain('hunter2');
  });

  test.each<[what: string, tail: Buffer[], code: string]>([
    ['an exception', [exception('throttlingException', 'Slow down.')], 'rate_limit_exceeded'],
    ['a server’s exception', [exception('internalServerException', 'x')], 'server_error'],
    ['a damaged message', [Buffer.from(invokeChunk({ type: 'ping' }).map((byte) => byte ^ 1))], 'server_error'],
    ['half a message', [invokeChunk({ type: 'message_stop' }).subarray(0, 40)], 'server_error'],
  ])('%s in the stream ends the response as failed', async (_what, tail, code) => {
    const upstream = await fakeUpstream((_request, response) => {
      const begun = messageEvents([{ type: 'text', text: 'It is' }]).slice(0, 5);
      sendFrames(response, [...begun.map(invokeChunk), ...tail]);
    });
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      config: `models: [{ name: m, provider: bedrock, model: "${model}", region: eu-west-1, base_url: "${upstream.url}", api_key: k }]`,
    });
    const { body } = await ask(gateway.url, { stream: true });
    expect([body.status, body.error?.code]).toEqual(['failed', code]);
  });

  test('the token and the region in the environment give its models; tools that AWS does not run are not offered', async () => {
    const upstream = await fakeUpstream((_request, response) => sendJson(response, plainMessage));
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      env: {
        AWS_BEARER_TOKEN_BEDROCK: 'b',
        AWS_REGION: 'us-east-1',
        AWS_ENDPOINT_URL_BEDROCK_RUNTIME: upstream.url,
      },
    });
    const answer = await ask(gateway.url, { model: `bedrock/${model}`, tools: [{ type: 'web_search' }] });
    expect(answer.status, answer.text).toBe(200);
    expect(upstream.requests[0]?.body).not.toHaveProperty('tools');
  });
});

describe('what Bedrock takes otherwise than Anthropic', () => {
  const image = { type: 'image', source: { type: 'url', url: 'https://files.example/a.png' } };
  const result = { type: 'tool_result', tool_use_id: 'toolu_1', content: [image] };
  const use = { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} };

  test('URLs are refused, system messages told by the user, and a user begins; else the words are the client’s', async () => {
    const upstream = await fakeUpstream((_request, response) => sendJson(response, plainMessage));
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      config: `models: [{ name: m, provider: bedrock, model: "${model}", region: eu-west-1, base_url: "${upstream.url}", api_key: k }]`,
    });
    const say = async (...said: object[]) => {
      const response = await fetch(`${gateway.url}/v1/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'm', max_tokens: 10, messages: said, x: 1 }),
      });
      return { status: response.status, text: await response.text(), headers: response.headers };
    };
    const hello = { role: 'user', content: 'Hello.' };
    for (const [said, param] of [
      [[{ role: 'user', content: [image] }], 'messages[0].content[0].image_url'],
      [[hello, { role: 'assistant', content: [use] }, { role: 'user', content: [result] }], 'messages[2].content[0]'],
      [[{ role: 'user', content: [{ ...image, type: 'document' }] }], 'messages[0].content[0].file_url'],
    ] as const) {
      const { status, text } = await say(...said);
      expect([status, text]).toEqual([400, expect.stringContaining(`"param":"${param}`)]);
    }
    const answer = await ask(gateway.url, {
      input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'https://files.example/a.png' }] }],
    });
    expect([answer.status, answer.body.error?.param]).toEqual([400, 'input[0].content[0].image_url']);
    expect(upstream.requests).toHaveLength(0);

    const begun = await say({ role: 'assistant', content: 'Hm.' }, hello);
    expect(begun.headers.get('x-turnpike-warnings')).toContain('does not begin with a user message');
    const told = await say(
      hello,
      { role: 'assistant', content: 'Hm.' },
      { role: 'system', content: 'Be brief.' },
      hello,
    );
    expect(told.headers.get('x-turnpike-warnings')).toContain('<system> tags');
    const own = await say(hello);
    expect(own.headers.get('x-turnpike-warnings')).toBeNull();
    expect(upstream.requests.map(({ body }) => body.messages.map(({ role }: { role: string }) => role))).toEqual([
      ['user', 'assistant', 'user'],
      ['user', 'assistant', 'user'],
      ['user'],
    ]);
    // The client's own words, whatever they are.
    expect(upstream.requests[2]?.body).toMatchObject({ messages: [hello], x: 1 });
  });
});

const plainMessage = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: messages.model,
  content: [{ type: 'text', text: 'Cold.' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 5, output_tokens: 2 },
};

describe('Anthropic on Vertex', () => {
  const vertexPath = (method: string) =>
    `/v1/projects/acme/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-5%4020250929:${method}`;
  const entry = (url: string, more = '') =>
    `models: [{ name: m, provider: vertex, model: claude-sonnet-4-5@20250929, project: acme, region: us-east5, base_url: "${url}"${more} }]`;

  test('plain and streamed, with the token that is given', async () => {
    const upstream = await fakeUpstream((request, response) => {
      if (request.body.stream === true) sendEvents(response, messageEvents([{ type: 'text', text: 'Cold.' }]));
      else sendJson(response, plainMessage);
    });
    const gateway = await spawnGateway({ folder: temporaryFolder(), config: entry(upstream.url, ', api_key: token') });
    for (const stream of [false, true]) {
      const { body } = await ask(gateway.url, { stream });
      expect(body.output[0]?.content?.[0]?.text).toBe('Cold.');
    }
    expect(upstream.requests.map(({ path }) => path)).toEqual([
      vertexPath('rawPredict'),
      vertexPath('streamRawPredict'),
    ]);
    for (const { headers, body } of upstream.requests) {
      expect(headers.authorization).toBe('Bearer token');
      expect(body.anthropic_version).toBe('vertex-2023-10-16');
      expect(body).not.toHaveProperty('model');
    }
  });

  test('Gemini’s models are there in Google’s own words', async () => {
    const upstream = await fakeUpstream((request, response) => {
      const reply = {
        candidates: [{ content: { role: 'model', parts: [{ text: 'Cold.' }] }, finishReason: 'STOP', index: 0 }],
        usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 2, totalTokenCount: 7 },
        modelVersion: 'gemini-3-pro',
      };
      if (!request.path.includes('stream')) return sendJson(response, reply);
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(`data: ${JSON.stringify(reply)}\r\n\r\n`);
    });
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      config: entry(upstream.url, ', api_key: token').replace(
        'provider: vertex, model: claude-sonnet-4-5@20250929',
        'provider: vertex-gemini, model: gemini-3-pro',
      ),
    });
    for (const stream of [false, true]) {
      const { body } = await ask(gateway.url, { stream });
      expect(body.output[0]?.content?.[0]?.text).toBe('Cold.');
    }
    const path = '/v1/projects/acme/locations/us-east5/publishers/google/models/gemini-3-pro';
    expect(upstream.requests.map((request) => [request.path, request.headers.authorization])).toEqual([
      [`${path}:generateContent`, 'Bearer token'],
      [`${path}:streamGenerateContent?alt=sse`, 'Bearer token'],
    ]);
  });

  test('the default credentials of the machine give a token where none is given', async () => {
    const upstream = await fakeUpstream((_request, response) => sendJson(response, plainMessage));
    const folder = temporaryFolder();
    const exchange = await tokenServer();
    writeFileSync(join(folder, 'subject'), 'subject-token');
    const file = join(folder, 'credentials.json');
    writeFileSync(
      file,
      JSON.stringify({
        type: 'external_account',
        audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        token_url: exchange.url,
        credential_source: { file: join(folder, 'subject') },
      }),
    );
    const gateway = await spawnGateway({
      folder,
      config: entry(upstream.url),
      env: { GOOGLE_APPLICATION_CREDENTIALS: file },
    });
    const { status, text } = await ask(gateway.url, {});
    expect(status, text + gateway.output()).toBe(200);
    expect(upstream.requests[0]?.headers.authorization).toBe('Bearer exchanged');
  });

  test('a machine without credentials is told of, and the client is not told what is missing', async () => {
    const upstream = await fakeUpstream((_request, response) => sendJson(response, plainMessage));
    const folder = temporaryFolder();
    const gateway = await spawnGateway({
      folder,
      config: entry(upstream.url),
      env: { GOOGLE_APPLICATION_CREDENTIALS: join(folder, 'none.json') },
    });
    const { status, body } = await ask(gateway.url, {});
    expect([status, body.error?.code]).toEqual([502, 'upstream_auth']);
    expect(upstream.requests).toEqual([]);
  });
});

async function tokenServer() {
  const { createServer } = await import('node:http');
  const { onTestFinished } = await import('vitest');
  const server = createServer((_request, response) =>
    sendJson(response, {
      access_token: 'exchanged',
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 3600,
    }),
  );
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}/token` };
}

describe('Azure', () => {
  /** Azure begins with a chunk about its content filter. */
  const chunks = [
    { choices: [], created: 0, id: '', model: '', object: '', prompt_filter_results: [{ prompt_index: 0 }] },
    {
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      model: 'gpt-5.1-2025-11-13',
      choices: [
        { index: 0, delta: { role: 'assistant', content: 'Cold.' }, content_filter_results: {}, finish_reason: null },
      ],
    },
    {
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      model: 'gpt-5.1-2025-11-13',
      choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
    },
    {
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      choices: [],
      usage: { prompt_tokens: 5, completion_tokens: 2 },
    },
  ];
  const sendChunks = (response: ServerResponse) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const chunk of chunks) response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    response.end('data: [DONE]\n\n');
  };
  const response = {
    id: 'resp_1',
    object: 'response',
    created_at: 1,
    status: 'completed',
    model: 'gpt-5.1',
    output: [
      {
        type: 'reasoning',
        id: 'rs_1',
        summary: [],
        encrypted_content: 'sealed',
      },
      {
        type: 'message',
        id: 'msg_1',
        role: 'assistant',
        status: 'completed',
        content: [{ type: 'output_text', text: 'Cold.', annotations: [] }],
      },
    ],
    usage: { input_tokens: 5, output_tokens: 2, total_tokens: 7 },
  };

  test('a deployment of any name is asked in the Responses API, and gets its reasoning back', async () => {
    const upstream = await fakeUpstream((_request, reply) => sendJson(reply, response));
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      config: `models: [{ name: m, provider: azure, model: my-deployment, base_url: "${upstream.url}", api_key: hunter2 }]`,
    });
    const first = await ask(gateway.url, {});
    await ask(gateway.url, { previous_response_id: first.body.id, input: 'And Rome?' });
    for (const { path, headers, body } of upstream.requests) {
      expect([path, headers['api-key'], headers.authorization]).toEqual(['/openai/v1/responses', 'hunter2', undefined]);
      expect(body).toMatchObject({ model: 'my-deployment', store: false });
    }
    expect(upstream.requests[1]?.body.input[1]).toMatchObject({ type: 'reasoning', encrypted_content: 'sealed' });
  });

  test.each([
    ['', '/openai/v1/chat/completions'],
    [', api_version: 2024-10-21', '/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21'],
  ])('its Chat Completions%s are at %s, with Entra’s token', async (more, path) => {
    const upstream = await fakeUpstream((_request, reply) => sendChunks(reply));
    const gateway = await spawnGateway({
      folder: temporaryFolder(),
      config: `models: [{ name: m, provider: azure-chat, model: my-deployment, base_url: "${upstream.url}", headers: { Authorization: "Bearer entra" }${more} }]`,
    });
    const { body } = await ask(gateway.url, { stream: true });
    expect(body.output[0]?.content?.[0]?.text).toBe('Cold.');
    expect(upstream.requests[0]).toMatchObject({ path, headers: { authorization: 'Bearer entra' } });
    expect(upstream.requests[0]?.headers).not.toHaveProperty('api-key');
  });
});
