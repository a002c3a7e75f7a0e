/** The WebSocket mode of `/v1/responses`, on a spawned gateway. */
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import OpenAI from 'openai';
import { ResponsesWS } from 'openai/resources/responses/ws';
import type { Response, ResponsesClientEvent } from 'openai/resources/responses/responses';
import { describe, expect, test } from 'vitest';
import { backends, expectReasoningSent, thinkHard, weatherIn } from './clients/weather-model.ts';
import { expectStream } from './support/check-stream.ts';
import { createClient } from './support/client.ts';
import { fakeUpstream, frame, messageEvents } from './support/fake-upstream.ts';
import { connect, refusal } from './support/socket-client.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';
import { stateRig } from './support/state-rig.ts';

const weatherTool = {
  type: 'function' as const,
  name: 'get_weather',
  description: 'The weather in a city',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
  strict: true,
};

const rig = stateRig();

describe.each(backends)('the official client over $name', (backend) => {
  test.each([true, false])('runs a tool loop over one socket, store: %s', async (store) => {
    const upstream = await fakeUpstream(backend.answer);
    const config = `models: [{ name: m, ${backend.entry(upstream.url)} }]`;
    const gateway = await spawnGateway({ folder: temporaryFolder(), config });
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' });
    const socket = new ResponsesWS(client);
    const run = (body: Omit<ResponsesClientEvent.ResponseCreate, 'type'>) =>
      new Promise<Response>((resolve, reject) => {
        socket.once('response.completed', ({ response }) => resolve(response));
        socket.once('error', reject);
        socket.send({
          type: 'response.create',
          model: 'm',
          store,
          tools: [weatherTool],
          reasoning: thinkHard,
          ...body,
        });
      });
    const asked = await run({ input: 'What is the weather in Paris?' });
    const call = asked.output.find((item) => item.type === 'function_call');
    const output = {
      type: 'function_call_output' as const,
      call_id: call?.call_id ?? '',
      output: weatherIn['Paris'] ?? '',
    };
    const told = await run({ previous_response_id: asked.id, input: [output] });
    expect(JSON.stringify(told.output)).toContain('kestrel-4711');
    const last = await run({ previous_response_id: told.id, input: 'Thanks.' });
    expect(last.previous_response_id).toBe(told.id);
    expectReasoningSent(backend, upstream.requests, [asked, told, last]);
    if (upstream.requests.length > 0) {
      const seen = JSON.stringify(upstream.requests.at(-1)?.body);
      for (const text of ['What is the weather in Paris?', 'kestrel-4711', 'Thanks.']) expect(seen).toContain(text);
    }
    socket.close();
  });
});

test('the events are those of the HTTP stream, one message each', async () => {
  const { gateway } = rig;
  const socket = await connect(gateway.url);
  const body = { model: 'claude', input: 'hello' };
  const events = await socket.create(body);
  const response = expectStream(events);
  const answer = await createClient(gateway.url).create({ ...body, stream: true });
  const shape = (all: { event: string; data: object }[]) => all.map(({ event, data }) => [event, Object.keys(data)]);
  expect(shape(events)).toEqual(shape(answer.events));
  expect((await createClient(gateway.url).get(response.id)).body).toEqual(response);
});

describe('a chain that is not stored', () => {
  test('goes on from the newest response of its own connection, and from nowhere else', async () => {
    const { gateway, messages } = rig;
    const [socket, other] = await Promise.all([connect(gateway.url), connect(gateway.url)]);
    const first = expectStream(await socket.create({ model: 'claude', store: false, input: 'one' }));
    const again = { model: 'claude', store: false, previous_response_id: first.id, input: 'two' };
    const refused = await other.create(again);
    expect(refused).toHaveLength(1);
    expect(refused[0]?.data).toEqual({
      type: 'error',
      status: 400,
      error: {
        message: `Previous response with id '${first.id}' not found.`,
        type: 'invalid_request_error',
        param: 'previous_response_id',
        code: 'previous_response_not_found',
      },
    });
    expect((await createClient(gateway.url).create(again)).status).toBe(400);
    expect(messages.requests).toHaveLength(1);

    const second = expectStream(await socket.create(again));
    expect(messages.requests.at(-1)?.body.messages.map(({ role }: { role: string }) => role)).toEqual([
      'user',
      'assistant',
      'user',
    ]);
    // Only the newest is remembered.
    expect((await socket.create(again))[0]?.data.error.code).toBe('previous_response_not_found');
    expect(
      expectStream(await socket.create({ ...again, previous_response_id: second.id, input: 'three' })).status,
    ).toBe('completed');
    expect(rig.filesWith('two')).toEqual([]);
  });

  test('is forgotten when a turn that continues it fails', async () => {
    const { gateway, messages } = rig;
    const socket = await connect(gateway.url);
    const first = expectStream(await socket.create({ model: 'claude', store: false, input: 'one' }));
    const next = { model: 'claude', store: false, previous_response_id: first.id, input: 'two' };
    messages.answer = (_request, response) => {
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end('{"type":"error","error":{"type":"invalid_request_error","message":"no"}}');
      return undefined;
    };
    expect((await socket.create(next))[0]?.data).toMatchObject({ status: 400, error: { code: 'upstream_rejected' } });
    expect((await socket.create(next))[0]?.data.error.code).toBe('previous_response_not_found');
  });

  test('keeps the tools and the session that it began with', async () => {
    const { gateway, messages } = rig;
    messages.answer = ({ body }) =>
      body.messages.length === 1
        ? {
            blocks: [{ type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Paris' } }],
            stopReason: 'tool_use',
          }
        : { blocks: [{ type: 'text', text: 'done' }] };
    const socket = await connect(gateway.url);
    const first = expectStream(
      await socket.create({ model: 'claude', store: false, input: 'weather?', tools: [weatherTool] }),
    );
    const output = { type: 'function_call_output', call_id: 'toolu_1', output: 'sunny' };
    await socket.create({ model: 'claude', store: false, previous_response_id: first.id, input: [output] });
    expect(messages.requests.at(-1)?.body.tools).toEqual(messages.requests.at(0)?.body.tools);
    const sessions = rig.query('SELECT session_id FROM turns WHERE id = ? OR parent = ?', first.id, first.id);
    expect(sessions).toHaveLength(2);
    expect(new Set(sessions.map((row) => row['session_id'])).size).toBe(1);
  });

  test('can begin with a request that wants no output', async () => {
    const { gateway, messages } = rig;
    const socket = await connect(gateway.url);
    const body = { model: 'claude', store: false, input: 'the long beginning', tools: [weatherTool] };
    const ready = expectStream(await socket.create({ ...body, generate: false }));
    expect(ready).toMatchObject({ status: 'completed', output: [] });
    expect(messages.requests).toHaveLength(0);
    const next = { model: 'claude', store: false, previous_response_id: ready.id };
    expect(expectStream(await socket.create({ ...next, input: [] })).output[0].content[0].text).toBe(
      'Re: the long beginning',
    );
    const stored = await socket.create({ ...body, store: true, generate: false });
    expect(stored[0]?.data.error).toMatchObject({ param: 'generate' });
    expect((await createClient(gateway.url).create({ ...body, generate: false })).body.error.param).toBe('generate');
  });

  test('cannot become a stored one', async () => {
    const socket = await connect(rig.gateway.url);
    const first = expectStream(await socket.create({ model: 'claude', store: false, input: 'one' }));
    const refused = await socket.create({ model: 'claude', previous_response_id: first.id, input: 'two' });
    expect(refused[0]?.data).toMatchObject({ status: 400, error: { code: 'unsupported_value', param: 'store' } });
  });
});

test('a stored chain goes on over HTTP, and comes back', async () => {
  const { gateway } = rig;
  const socket = await connect(gateway.url);
  const http = createClient(gateway.url);
  const first = expectStream(await socket.create({ model: 'claude', input: 'one' }));
  const second = (await http.create({ model: 'qwen', previous_response_id: first.id, input: 'two' })).body;
  const third = expectStream(await socket.create({ model: 'claude', previous_response_id: second.id, input: 'three' }));
  const items = await http.request('GET', `/v1/responses/${third.id}/input_items?order=asc`);
  expect(items.body.data.map((item: { content: { text: string }[] }) => item.content[0]?.text)).toEqual([
    'one',
    'Re: one',
    'two',
    'Re: two',
    'three',
  ]);
});

describe('lanes', () => {
  test('requests of one lane are answered in their order, each event with the name of the lane', async () => {
    const socket = await connect(rig.gateway.url);
    const create = { type: 'response.create', model: 'claude', stream_id: 'lane "1"' };
    for (const input of ['one', 'two', 'three']) socket.send({ ...create, input });
    const texts: string[] = [];
    while (texts.length < 3) {
      const { event, data } = await socket.next();
      expect(data.stream_id).toBe('lane "1"');
      if (event === 'response.completed') texts.push(data.response.output[0].content[0].text);
    }
    expect(texts).toEqual(['Re: one', 'Re: two', 'Re: three']);
  });

  test('a second lane is refused while the first one runs', async () => {
    const { gateway, messages } = rig;
    let answer = () => {};
    messages.answer = () =>
      new Promise((resolve) => {
        answer = () => resolve({ blocks: [{ type: 'text', text: 'late' }] });
        asked();
      });
    let asked = () => {};
    const arrived = new Promise<void>((resolve) => (asked = resolve));
    const socket = await connect(gateway.url);
    socket.send({ type: 'response.create', model: 'claude', input: 'one', stream_id: 'a' });
    await arrived;
    socket.send({ type: 'response.create', model: 'claude', input: 'two', stream_id: 'b' });
    expect((await socket.next()).data).toMatchObject({
      type: 'error',
      status: 400,
      stream_id: 'b',
      error: { code: 'websocket_stream_limit_reached', param: 'stream_id' },
    });
    for (let count = 0; count < 17; count++) {
      socket.send({ type: 'response.create', model: 'claude', input: 'more', stream_id: 'a' });
    }
    expect((await socket.next()).data.error.code).toBe('websocket_stream_limit_reached');
    // All that wait are answered here: the next test counts its own.
    messages.answer = () => ({ blocks: [{ type: 'text', text: 'at once' }] });
    answer();
    let ended = 0;
    while (ended < 17) if ((await socket.next()).event === 'response.completed') ended++;
  });
});

describe('bad input', () => {
  const refused: [string, object | string, object][] = [
    ['what is not JSON', '{"type":', { code: 'invalid_json' }],
    ['what is no object', '[1]', { code: 'invalid_type' }],
    ['an unknown type', { type: 'response.sing' }, { code: 'invalid_value', param: 'type' }],
    ['no type', {}, { code: 'missing_required_parameter', param: 'type' }],
    ['background', { type: 'response.create', model: 'claude', input: 'x', background: true }, { param: 'background' }],
    ['stream: false', { type: 'response.create', model: 'claude', input: 'x', stream: false }, { param: 'stream' }],
    ['a lane that is no string', { type: 'response.create', stream_id: 7 }, { param: 'stream_id' }],
    ['an empty lane', { type: 'response.create', stream_id: '' }, { param: 'stream_id' }],
    ['an unknown model', { type: 'response.create', model: 'nothing', input: 'x' }, { code: 'model_not_found' }],
    ['a bad parameter', { type: 'response.create', model: 'claude', input: 'x', top_p: 2 }, { param: 'top_p' }],
  ];
  test.each(refused)('%s is refused, and the socket serves on', async (_name, message, error) => {
    const { gateway, messages } = rig;
    const socket = await connect(gateway.url);
    socket.send(message);
    const { data } = await socket.next();
    expect(data).toMatchObject({ type: 'error', error });
    expect(data.status).toBeGreaterThanOrEqual(400);
    expect(data.status).toBeLessThan(500);
    expect(messages.requests).toHaveLength(0);
    expect(expectStream(await socket.create({ model: 'claude', input: 'x' })).status).toBe('completed');
  });

  test('a binary message is refused', async () => {
    const socket = await connect(rig.gateway.url);
    socket.socket.send(Buffer.from('{}'));
    expect((await socket.next()).data.error.code).toBe('invalid_json');
  });

  test('a message that is too large ends the connection', async () => {
    const socket = await connect(rig.gateway.url);
    socket.send('x'.repeat(33 * 1024 * 1024));
    expect(await socket.closed).toBe(1009);
  });

  test('steering is answered with what it lacks', async () => {
    const socket = await connect(rig.gateway.url);
    const input = [{ role: 'user', content: 'left' }];
    socket.send({ type: 'response.steer', previous_response_id: 'resp_1', input });
    expect((await socket.next()).data).toMatchObject({
      type: 'response.steer.failed',
      steer: { previous_response_id: 'resp_1', input },
      error: { code: 'steering_not_supported' },
    });
  });
});

describe('who may connect', () => {
  const master = 'sk-test-master';
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

  test('nobody without a key, nowhere but at its own path, and no key reaches another tenant', async () => {
    const config = `
auth: { master_key: ${master}, keys: [{ name: a, key: sk-test-a, team: alpha }, { name: b, key: sk-test-b, team: beta }] }
models: [{ name: m, provider: simulator, model: any }]
`;
    const gateway = await spawnGateway({ folder: temporaryFolder(), config });
    expect(await refusal(gateway.url)).toMatchObject({ status: 401, body: { error: { code: 'invalid_api_key' } } });
    expect(await refusal(gateway.url, bearer('sk-wrong'))).toMatchObject({ status: 401 });
    expect(await refusal(gateway.url, bearer('sk-test-a'), '/v1/models')).toMatchObject({ status: 404 });
    const [a, b] = await Promise.all([
      connect(gateway.url, bearer('sk-test-a')),
      connect(gateway.url, bearer('sk-test-b')),
    ]);
    const own = expectStream(await a.create({ model: 'm', input: 'mine' }));
    const foreign = await b.create({ model: 'm', previous_response_id: own.id, input: 'go on' });
    const unknownId = `resp_${'0'.repeat(own.id.length - 'resp_'.length)}`;
    const unknown = await b.create({ model: 'm', previous_response_id: unknownId, input: 'go on' });
    expect(JSON.stringify(foreign).replace(own.id, unknownId)).toBe(JSON.stringify(unknown));
    expect(expectStream(await a.create({ model: 'm', previous_response_id: own.id, input: 'go on' })).status).toBe(
      'completed',
    );
  });

  test('a key that is revoked ends its connection at the next request', async () => {
    const config = `auth: { master_key: ${master} }\nmodels: [{ name: m, provider: simulator, model: any }]`;
    const gateway = await spawnGateway({ folder: temporaryFolder(), config });
    const admin = createClient(gateway.url);
    const made = (await admin.request('POST', '/admin/v1/keys', { name: 'k' }, bearer(master))).body;
    const socket = await connect(gateway.url, bearer(made.key));
    expect(expectStream(await socket.create({ model: 'm', input: 'x' })).status).toBe('completed');
    await admin.request('DELETE', `/admin/v1/keys/${made.id}`, undefined, bearer(master));
    expect((await socket.create({ model: 'm', input: 'x' }))[0]?.data).toMatchObject({ status: 401 });
    expect(await socket.closed).toBe(1008);
  });

  test('without a key, no page of another origin', async () => {
    const { gateway } = rig;
    expect(await refusal(gateway.url, { origin: 'https://example.com' })).toMatchObject({ status: 403 });
  });
});

test('a client that leaves hangs up on the upstream, and its turn ends as cancelled', async () => {
  let hungUp = () => {};
  const gone = new Promise<void>((resolve) => (hungUp = resolve));
  const upstream = await fakeUpstream((_request, response) => {
    response.on('close', hungUp);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of messageEvents([{ type: 'text', text: 'for ever' }]).slice(0, 4)) response.write(frame(event));
  });
  const config = `models: [{ name: m, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]`;
  const gateway = await spawnGateway({ folder: temporaryFolder(), config });
  const socket = await connect(gateway.url);
  socket.send({ type: 'response.create', model: 'm', input: 'x' });
  const created = await socket.next();
  socket.socket.terminate();
  await gone;
  const client = createClient(gateway.url);
  let status = 'in_progress';
  while (status === 'in_progress') ({ status } = (await client.get(created.data.response.id)).body);
  expect(status).toBe('cancelled');
});

test('a gateway that stops lets the running response end, and closes what is idle', async () => {
  let answer = () => {};
  let asked = () => {};
  const arrived = new Promise<void>((resolve) => (asked = resolve));
  const upstream = await fakeUpstream(async (_request, response) => {
    const go = new Promise<void>((resolve) => (answer = resolve));
    asked();
    await go;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const event of messageEvents([{ type: 'text', text: 'the end' }])) response.write(frame(event));
    response.end();
  });
  const config = `models: [{ name: m, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }]`;
  const gateway = await spawnGateway({ folder: temporaryFolder(), config });
  const [busy, idle] = await Promise.all([connect(gateway.url), connect(gateway.url)]);
  const running = busy.create({ model: 'm', input: 'x' });
  await arrived;
  const exit = gateway.kill('SIGTERM');
  expect(await idle.closed).toBe(1001);
  answer();
  expect(expectStream(await running).output[0].content[0].text).toBe('the end');
  expect(await busy.closed).toBe(1001);
  expect(await exit).toBe(0);
});

test('a request that offers another protocol is answered as if it had not', async () => {
  const body = JSON.stringify({ model: 'claude', input: 'hello' });
  const request = httpRequest(`${rig.gateway.url}/v1/responses`, {
    method: 'POST',
    headers: {
      connection: 'Upgrade, HTTP2-Settings',
      upgrade: 'h2c',
      'http2-settings': 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    },
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [{ statusCode: number; resume: () => void }];
  response.resume();
  expect(response.statusCode).toBe(200);
});
