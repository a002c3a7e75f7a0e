/**
 * Valid requests of every route, changed at random: each is answered, or refused in the shape of its protocol before anything is
 * spent; none ends in a 5xx or never, and the log tells of no fault of ours.
 */
import { once } from 'node:events';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { headOf, rawUpstream, sendBody } from './support/raw-upstream.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';
import { type Dialect, dialects, framesOf, plainOf, providerOf } from './support/upstream-replies.ts';

const cleanups: (() => void)[] = [];
let gateway: SpawnedGateway;
let upstreamCalls = 0;
const ids: Record<string, string> = {};
const headers = { authorization: 'Bearer sk-master', 'content-type': 'application/json' };

const dialectOf = (path: string): Dialect =>
  path.includes('enerateContent') ? 'gemini' : (dialects.find((name) => path.endsWith(`/${name}`)) ?? 'chat');

/** A vector for each input: texts, or one or several lists of tokens. */
function embeddingsFor(input: unknown): string {
  const count = Array.isArray(input) && typeof input[0] !== 'number' ? input.length : 1;
  const data = Array.from({ length: count }, (_, index) => ({ object: 'embedding', index, embedding: [0.5, 0.25] }));
  return JSON.stringify({ object: 'list', data, model: 'm', usage: { prompt_tokens: 5, total_tokens: 5 } });
}

beforeAll(async () => {
  const upstream = await rawUpstream((call) => {
    upstreamCalls += 1;
    if (/_tokens$|:countTokens$/.test(call.path)) return sendBody(call, '{"input_tokens":5,"totalTokens":5}');
    if (call.path.endsWith('/embeddings')) return sendBody(call, embeddingsFor(call.body.input));
    const dialect = dialectOf(call.path);
    if (call.body.stream !== true) return sendBody(call, plainOf(dialect));
    const head = headOf('200 OK', { 'content-type': 'text/event-stream', connection: 'close' });
    call.socket.end(head + framesOf(dialect).join(''));
  });
  cleanups.push(upstream.close);
  gateway = await spawnGateway({
    folder: temporaryFolder(),
    config: [
      'auth: { master_key: sk-master }',
      'background: { max_queued: 4 }',
      'models:',
      '  - { name: simulator, provider: simulator, model: simulator }',
      ...dialects.map(
        (name) =>
          `  - { name: ${name}, provider: ${providerOf[name]}, model: m, base_url: "${upstream.url}/v1", api_key: k }`,
      ),
    ].join('\n'),
    onCleanup: (end) => cleanups.push(end),
  });
  const made = async (path: string, body: object) =>
    JSON.parse((await send('POST', path, body)).text) as { id: string };
  ids['response'] = (await made('/v1/responses', { model: 'simulator', input: 'Hello.' })).id;
  ids['conversation'] = (await made('/v1/conversations', { items: [user] })).id;
  ids['team'] = (await made('/admin/v1/teams', { name: 'a' })).id;
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

async function send(method: string, path: string, body?: unknown, more: Record<string, string> = {}) {
  const reply = await fetch(`${gateway.url}${path}`, {
    method,
    headers: { ...headers, ...more },
    ...(method === 'GET' || method === 'DELETE' ? {} : { body: JSON.stringify(body) ?? '' }),
  });
  return { status: reply.status, text: await reply.text() };
}

const user = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hello.' }] };
const weather = {
  type: 'function',
  name: 'get_weather',
  description: 'The weather',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  strict: false,
};
const chatTools = [
  { type: 'function', function: { name: 'get_weather', parameters: weather.parameters } },
  {
    type: 'custom',
    custom: { name: 'note', format: { type: 'grammar', grammar: { syntax: 'regex', definition: 'x' } } },
  },
];
const chatHistory = [
  { role: 'system', content: 'Look things up.' },
  {
    role: 'user',
    name: 'ann',
    content: [
      { type: 'text', text: 'Hello.', cache_control: { type: 'ephemeral' } },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' } },
      { type: 'file', file: { file_data: 'data:text/plain,x', filename: 'a.txt' } },
    ],
  },
  {
    role: 'assistant',
    content: null,
    reasoning_content: 'Hm.',
    refusal: null,
    tool_calls: [
      { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } },
      { id: 'call_2', type: 'custom', custom: { name: 'note', input: 'x' } },
    ],
  },
  { role: 'tool', tool_call_id: 'call_1', content: '18 °C' },
  { role: 'tool', tool_call_id: 'call_2', content: [{ type: 'text', text: 'done' }] },
  { role: 'assistant', content: null, function_call: { name: 'get_weather', arguments: '{}' } },
  { role: 'function', name: 'get_weather', content: '18 °C' },
  { role: 'assistant', content: [{ type: 'text', text: 'Well.' }], annotations: [], audio: null },
  { role: 'user', content: 'Go on.' },
];
const history = [
  user,
  { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm.' }], encrypted_content: 'x' },
  { type: 'function_call', call_id: 'call_1', name: 'get_weather', arguments: '{"city":"Oslo"}' },
  { type: 'function_call_output', call_id: 'call_1', output: [{ type: 'input_text', text: '18 °C' }] },
  { role: 'assistant', content: [{ type: 'output_text', text: '18 °C', annotations: [] }], phase: 'final_answer' },
  { type: 'local_shell_call', call_id: 'call_2', action: { type: 'exec', command: ['ls'], env: {} } },
  { type: 'local_shell_call_output', call_id: 'call_2', output: 'a' },
  { type: 'custom_tool_call', call_id: 'call_3', name: 'note', input: 'x' },
  { type: 'custom_tool_call_output', call_id: 'call_3', output: 'done' },
  {
    role: 'user',
    content: [
      { type: 'input_image', image_url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' },
      { type: 'input_file', filename: 'a.txt', file_data: 'data:text/plain;base64,aGk=' },
    ],
  },
];
const messagesHistory = [
  {
    role: 'user',
    content: [
      { type: 'text', text: 'Hello.', cache_control: { type: 'ephemeral', ttl: '1h' } },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' } },
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'a' }, title: 'A', citations: {} },
      { type: 'search_result', source: 'a', title: 'b', content: [{ type: 'text', text: 'c' }] },
    ],
  },
  {
    role: 'assistant',
    content: [
      { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
      { type: 'redacted_thinking', data: 'AAAA' },
      { type: 'text', text: 'Let me see.', citations: null },
      { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'a' } },
      { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] },
      { type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Oslo' } },
    ],
  },
  {
    role: 'user',
    content: [
      { type: 'tool_result', tool_use_id: 'toolu_1', is_error: false, content: [{ type: 'text', text: '18 °C' }] },
      { type: 'text', text: 'Go on.' },
    ],
  },
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'And?' },
];
const messagesTools = [
  { name: 'get_weather', description: 'The weather', input_schema: weather.parameters, input_examples: [{}] },
  { type: 'bash_20250124', name: 'bash' },
];
const model = fc.constantFrom('simulator', ...dialects);

/** What is valid, by its route. `{…}` is the id of what was made before. */
const requests: { method: string; path: string; body?: object }[] = [
  {
    method: 'POST',
    path: '/v1/responses',
    body: {
      input: history,
      instructions: 'Be brief.',
      tools: [
        weather,
        { type: 'custom', name: 'note', format: { type: 'grammar', syntax: 'regex', definition: 'a+' } },
        { type: 'namespace', name: 'crm', description: 'x', tools: [weather] },
        { type: 'web_search', filters: {}, search_context_size: 'low' },
        { type: 'local_shell' },
      ],
      tool_choice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'get_weather' }] },
    },
  },
  {
    method: 'POST',
    path: '/v1/responses',
    body: {
      input: 'Hello.',
      stream: true,
      stream_options: { include_obfuscation: false },
      text: { format: { type: 'json_schema', name: 'a', schema: weather.parameters, strict: true }, verbosity: 'low' },
      reasoning: { effort: 'low', summary: 'auto' },
      include: ['reasoning.encrypted_content'],
      max_output_tokens: 100,
      max_tool_calls: 3,
      temperature: 1,
      top_p: 1,
      top_logprobs: 0,
      parallel_tool_calls: false,
      metadata: { a: 'b' },
      truncation: 'auto',
      context_management: [{ type: 'compaction', compact_threshold: 1000 }],
      user: 'u',
      safety_identifier: 's',
      prompt_cache_key: 'k',
      service_tier: 'auto',
      store: true,
    },
  },
  { method: 'POST', path: '/v1/responses', body: { input: [user], background: true, store: true } },
  { method: 'POST', path: '/v1/responses', body: { input: [user], previous_response_id: '{response}' } },
  { method: 'POST', path: '/v1/responses', body: { input: [user], conversation: { id: '{conversation}' } } },
  { method: 'POST', path: '/v1/chat/completions', body: { messages: chatHistory, tools: chatTools } },
  {
    method: 'POST',
    path: '/v1/chat/completions',
    body: {
      messages: [{ role: 'user', content: 'Hello.' }],
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 100,
      temperature: 1,
      top_p: 1,
      n: 1,
      stop: ['x'],
      seed: 1,
      presence_penalty: 0.5,
      logit_bias: { '1': 1 },
      logprobs: false,
      reasoning_effort: 'low',
      verbosity: 'low',
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema: weather.parameters, strict: true } },
      functions: [{ name: 'get_weather', parameters: weather.parameters }],
      function_call: { name: 'get_weather' },
      modalities: ['text'],
      prediction: { type: 'content', content: 'x' },
      web_search_options: { user_location: { type: 'approximate', approximate: { city: 'Oslo' } } },
      metadata: { a: 'b' },
      service_tier: 'auto',
      store: true,
    },
  },
  { method: 'POST', path: '/v1/messages', body: { max_tokens: 100, messages: messagesHistory, tools: messagesTools } },
  {
    method: 'POST',
    path: '/v1/messages',
    body: {
      max_tokens: 4000,
      messages: [{ role: 'user', content: 'Hello.' }],
      stream: true,
      system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
      thinking: { type: 'enabled', budget_tokens: 1024 },
      output_config: { effort: 'low', format: { type: 'json_schema', schema: weather.parameters } },
      context_management: { edits: [{ type: 'clear_tool_uses_20250919' }] },
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
      tools: messagesTools,
      stop_sequences: ['x'],
      temperature: 1,
      top_k: 4,
      metadata: { user_id: '{"session_id":"a"}' },
      service_tier: 'auto',
    },
  },
  { method: 'POST', path: '/v1/messages/count_tokens', body: { messages: messagesHistory, tools: messagesTools } },
  {
    method: 'POST',
    path: '/v1/embeddings',
    body: { input: ['a', 'b'], dimensions: 8, encoding_format: 'base64', user: 'u' },
  },
  { method: 'GET', path: '/v1/files?limit=2&order=asc&purpose=user_data&after=file_1' },
  { method: 'GET', path: '/v1/files/file_1' },
  { method: 'GET', path: '/v1/files/file_1/content' },
  { method: 'DELETE', path: '/v1/files/file_1' },
  { method: 'GET', path: '/v1/models/simulator' },
  { method: 'POST', path: '/v1/responses/compact', body: { input: history, instructions: 'Be brief.' } },
  { method: 'POST', path: '/v1/responses/input_tokens', body: { input: history, tools: [weather] } },
  { method: 'POST', path: '/v1/responses/{response}/cancel' },
  { method: 'GET', path: '/v1/responses/{response}?stream=true&starting_after=0&include_obfuscation=false' },
  { method: 'GET', path: '/v1/responses/{response}/input_items?limit=2&order=asc&after=msg_1&include[]=x' },
  { method: 'POST', path: '/v1/conversations', body: { items: history, metadata: { a: 'b' } } },
  { method: 'POST', path: '/v1/conversations/{conversation}', body: { metadata: { a: 'b' } } },
  { method: 'POST', path: '/v1/conversations/{conversation}/items', body: { items: [user] } },
  { method: 'GET', path: '/v1/conversations/{conversation}/items?limit=2&order=asc&after=msg_1' },
  { method: 'GET', path: '/v1/conversations/{conversation}/items/msg_1' },
  { method: 'DELETE', path: '/v1/conversations/{conversation}/items/msg_1' },
  { method: 'POST', path: '/admin/v1/teams', body: { name: 'b', budget_usd: 1 } },
  { method: 'PATCH', path: '/admin/v1/teams/{team}', body: { name: 'a', budget_usd: 1 } },
  { method: 'POST', path: '/admin/v1/keys', body: { name: 'b', team_id: '{team}', expires_at: 4_000_000_000 } },
  { method: 'GET', path: '/admin/v1/keys?limit=2&after=key_1' },
];

const strange = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    0,
    -1,
    1.5,
    1e300,
    true,
    [],
    {},
    [[]],
    [null],
    '\ud83d',
    '\u0000',
    '__proto__',
    'constructor',
    'x'.repeat(5000),
    '{response}',
    '{conversation}',
    'auto',
    'none',
    'required',
    user,
    history,
    weather,
  ),
  fc.jsonValue({ maxDepth: 3 }),
);

const change = fc.record({
  /** Which of all places in the body, as a part of their number. */
  at: fc.double({ min: 0, max: 0.999_999, noNaN: true }),
  how: fc.constantFrom('replace', 'replace', 'delete', 'double', 'swap', 'add'),
  value: strange,
  key: fc.oneof(fc.string({ maxLength: 10 }), fc.constantFrom('type', 'id', 'status', '__proto__', 'constructor')),
});
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

interface Place {
  holder: Record<string, unknown>;
  key: string;
}

function placesOf(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...placesOf(holder[key])]);
}

/** A list counts its keys, so that what is said of objects is true of it too. */
function apply(body: object, { at, how, value, key }: Change): void {
  const places = placesOf(body);
  const place = places[Math.floor(at * places.length)];
  const other = places[Math.floor(((at * 7919) % 1) * places.length)];
  if (place === undefined || other === undefined) return;
  const { holder } = place;
  if (how === 'replace') holder[place.key] = structuredClone(value);
  else if (how === 'double' && Array.isArray(holder)) holder.push(structuredClone(holder[Number(place.key)]));
  else if (how === 'swap') holder[place.key] = structuredClone(other.holder[other.key]);
  else if (how === 'add')
    Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });
  else if (Array.isArray(holder)) holder.splice(Number(place.key), 1);
  else delete holder[place.key];
}

/** Not every object can be made text of by itself. */
const wordOf = (value: unknown) => (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).toWellFormed();

const changed = fc
  .record({ at: fc.nat(requests.length - 1), model, changes: fc.array(change, { minLength: 1, maxLength: 3 }) })
  .map(({ at, model: name, changes }) => {
    const { method, path, body } = structuredClone(requests[at] as (typeof requests)[number]);
    const whole: { path: string; body?: object } = { path, ...(body && { body }) };
    if (/^\/v1\/(responses|chat|messages|embeddings)/.test(path) && body !== undefined)
      Object.assign(body, { model: name });
    if (body !== undefined) for (const each of changes) apply(body, each);
    // What has no body is changed in its address.
    else whole.path = path.replace(/[^/?=&]+$/, () => encodeURIComponent(wordOf(changes[0]?.value)));
    return { method, ...whole };
  });

const withIds = (text: string) =>
  text.replaceAll(/\{(response|conversation|team)\}/g, (_, name: string) => ids[name] ?? '');

/** That these models write no JSON, or none that fits a schema made at random, is their fault. */
const isModels = (text: string) => text.includes("The model's answer is not of the format that was asked for");

/** What is refused is refused in the shape of its protocol, and names the field where there is one. */
function expectNoFault(path: string, status: number, text: string): void {
  if (isModels(text)) return;
  expect(status, text.slice(0, 500)).toBeLessThan(500);
  if (status < 400) return;
  const { error, ...rest } = JSON.parse(text);
  expect(error.message).toMatch(/./);
  if (path.startsWith('/v1/messages')) {
    expect(Object.keys(rest).toSorted()).toEqual(['request_id', 'type']);
    expect(rest.type).toBe('error');
    expect(error.type).toMatch(/^(invalid_request|not_found|rate_limit|request_too_large)_error$/);
    // What an upstream says of a field without a name names none.
    if (status === 400 && error.details.code !== 'upstream_rejected')
      expect(error.details.param ?? '', text).toMatch(/./);
    return;
  }
  expect(rest).toEqual({});
  expect(Object.keys(error)).toEqual(['message', 'type', 'param', 'code']);
  expect(error.type).toMatch(/^(invalid_request|rate_limit|permission)_error$/);
  if (status === 400 && error.code !== 'upstream_rejected' && /^\/v1\/(?:chat|embeddings)/.test(path))
    expect(error.param ?? '', text).toMatch(/./);
}

// The first of the tests: turns in the background that another began would reach the upstream in between.
test('what is refused has reached no upstream', async () => {
  const property = fc.asyncProperty(
    changed.filter(({ body }) => body !== undefined && !('background' in body)),
    async ({ method, path, body }) => {
      const before = upstreamCalls;
      const { status, text } = await send(method, withIds(path), JSON.parse(withIds(JSON.stringify(body))));
      expectNoFault(path, status, text);
      if (status >= 400 && !isModels(text)) expect([upstreamCalls, text]).toEqual([before, text]);
    },
  );
  await fc.assert(property, { numRuns: 400 });
});

test('over HTTP', async () => {
  const one = fc.tuple(changed, fc.constantFrom({}, {}, { 'idempotency-key': 'k' }));
  // Several at once, so that the store commits them in groups.
  const property = fc.asyncProperty(fc.array(one, { minLength: 12, maxLength: 12 }), async (all) => {
    await Promise.all(
      all.map(async ([{ method, path, body }, more]) => {
        const sent = body === undefined ? undefined : (JSON.parse(withIds(JSON.stringify(body))) as unknown);
        const { status, text } = await send(method, withIds(path), sent, more);
        expectNoFault(path, status, text);
      }),
    );
  });
  await fc.assert(property, { numRuns: 150 });
});

test('an upload with bytes that are not its own', async () => {
  const boundary = 'between';
  const part = (name: string, value: string, more = '') =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
  const whole = Buffer.from(
    `${part('purpose', 'user_data')}${part('file', 'hello', '; filename="a.txt"\r\ncontent-type: text/plain')}--${boundary}--\r\n`,
  );
  const place = fc.nat(whole.length - 1);
  const property = fc.asyncProperty(place, place, fc.uint8Array({ maxLength: 12 }), async (from, length, bytes) => {
    const body = Buffer.concat([whole.subarray(0, from), bytes, whole.subarray(from + (length % 20))]);
    const reply = await fetch(`${gateway.url}/v1/files`, {
      method: 'POST',
      headers: { ...headers, 'content-type': `multipart/form-data; boundary=${boundary}` },
      // Node's fetch takes a Buffer; its type says a string.
      body: body as unknown as string,
    });
    expectNoFault('/v1/files', reply.status, await reply.text());
  });
  await fc.assert(property, { numRuns: 300 });
});

test('over one WebSocket, which goes on', async () => {
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/responses`, { headers });
  cleanups.push(() => socket.terminate());
  await once(socket, 'open');
  const ends = new Set(['response.completed', 'response.incomplete', 'response.failed', 'error']);
  const answer = () =>
    new Promise<{ type: string; status?: number }>((resolve, reject) => {
      socket.once('close', (code) => reject(new Error(`closed with ${code}`)));
      const listen = (data: Buffer) => {
        const event = JSON.parse(data.toString()) as { type: string };
        if (!ends.has(event.type)) return;
        socket.off('message', listen).removeAllListeners('close');
        resolve(event);
      };
      socket.on('message', listen);
    });
  const creates = changed.filter(({ path, body }) => path === '/v1/responses' && body !== undefined);
  const property = fc.asyncProperty(creates, async ({ body }) => {
    const ended = answer();
    socket.send(withIds(JSON.stringify({ ...body, type: 'response.create' })));
    const event = await ended;
    if (!isModels(JSON.stringify(event))) expect(event.status ?? 400, JSON.stringify(event)).toBeLessThan(500);
  });
  await fc.assert(property, { numRuns: 300 });
});

test('afterwards the gateway is ready, and its log knows of no error that nobody foresaw', async () => {
  expect((await send('GET', '/health/ready')).status).toBe(200);
  expect(await gateway.kill('SIGTERM')).toBe(0);
  const lines = gateway.output().split('\n');
  expect(lines.filter((line) => /uncaught|unhandled|unforeseen|"level":[56]0/i.test(line))).toEqual([]);
});
