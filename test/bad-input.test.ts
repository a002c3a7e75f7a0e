/**
 * Requests that are wrong. Each is a 4xx in OpenAI's shape, costs nothing, reaches no upstream and leaves no row, and the
 * gateway goes on. What looks wrong and is not, is at the end.
 */
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RawCall, rawUpstream, sendBody } from './support/raw-upstream.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';
import { type Dialect, dialects, plainOf, providerOf } from './support/upstream-replies.ts';

const cleanups: (() => void)[] = [];
const calls: RawCall[] = [];
const folder = temporaryFolder();
let gateway: SpawnedGateway;
let port: number;

beforeAll(async () => {
  const upstream = await rawUpstream((call) => {
    calls.push(call);
    const isGemini = call.path.endsWith(':generateContent');
    sendBody(call, plainOf(isGemini ? 'gemini' : (dialects.find((name) => call.path.endsWith(`/${name}`)) ?? 'chat')));
  });
  cleanups.push(upstream.close);
  const model = (name: Dialect) =>
    `  - { name: ${name}, provider: ${providerOf[name]}, model: m, base_url: "${upstream.url}/v1", api_key: k }`;
  gateway = await spawnGateway({
    folder,
    config: ['auth: { master_key: sk-master }', 'models:', ...dialects.map(model)].join('\n'),
    onCleanup: (end) => cleanups.push(end),
  });
  port = Number(new URL(gateway.url).port);
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

interface Answer {
  status: number;
  headers: Headers;
  text: string;
}

/** @param body an object is sent as its JSON, all else as it is. */
async function post(body: object | string | Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
  const reply = await fetch(`${gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-master', 'content-type': 'application/json', ...headers },
    // Node's fetch takes a Buffer; its type says a string.
    body: isRaw ? (body as string) : JSON.stringify(body),
  });
  return { status: reply.status, headers: reply.headers, text: await reply.text() };
}

async function request(method: string, path: string): Promise<Answer> {
  const reply = await fetch(`${gateway.url}${path}`, { method, headers: { authorization: 'Bearer sk-master' } });
  return { status: reply.status, headers: reply.headers, text: await reply.text() };
}

const auth = 'host: localhost\r\nauthorization: Bearer sk-master\r\n';
const json = `${auth}content-type: application/json\r\n`;

function open(): Socket {
  return connect(port, '127.0.0.1').on('error', () => undefined);
}

/** Everything that the gateway sends until it closes, or until `enough`. */
function read(socket: Socket, enough: (text: string) => boolean = () => false): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (enough(text)) socket.destroy();
    });
    socket.on('close', () => resolve(text));
  });
}

interface ErrorFields {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
}

/** A 4xx in the one shape that OpenAI's clients read. */
function expectError({ status, text }: Pick<Answer, 'status' | 'text'>, expectedStatus: number): ErrorFields {
  expect(status, text.slice(0, 500)).toBe(expectedStatus);
  const { error, ...rest } = JSON.parse(text);
  expect(rest).toEqual({});
  expect(Object.keys(error)).toEqual(['message', 'type', 'param', 'code']);
  expect(error.message).toMatch(/./);
  expect(error.message.length).toBeLessThan(2000);
  expect(error.type).toMatch(/^(invalid_request|authentication)_error$/);
  return error;
}

function rows(): unknown {
  const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
  try {
    return database
      .prepare('SELECT (SELECT count(*) FROM attempts) AS attempts, (SELECT count(*) FROM turns) AS turns')
      .get();
  } finally {
    database.close();
  }
}

async function expectNothingDone<T>(act: () => Promise<T>): Promise<T> {
  const before = { rows: rows(), calls: calls.length };
  const result = await act();
  expect({ rows: rows(), calls: calls.length }).toEqual(before);
  expect((await request('GET', '/health/ready')).status).toBe(200);
  return result;
}

async function expectRefused(body: object | string | Buffer, status: number, headers = {}): Promise<ErrorFields> {
  return expectNothingDone(async () => expectError(await post(body, headers), status));
}

const good = { model: 'messages', input: 'hi' };
const tool = { type: 'function', name: 'f', parameters: {} };
const message = { role: 'user', content: 'hi' };
const call = { type: 'function_call', call_id: 'c1', name: 'f', arguments: '{}' };
const output = { type: 'function_call_output', call_id: 'c1', output: 'x' };

const strings = [7, true, [], {}];
const flags = ['true', 1, [], {}];
const integers = ['7', 1.5, true, [], {}, -1, 1e300];
const decimals = ['1', true, [], {}, -0.1, 2.1];
const objects = ['x', 7, true, [[]]];

const wrongValues: Record<string, unknown[]> = {
  model: [...strings, null, ''],
  input: [
    7,
    true,
    {},
    null,
    [],
    [7],
    [null],
    [[]],
    [{}],
    [{ type: 'nope' }],
    [{ type: 7 }],
    [{ type: 'web_search_call' }],
  ],
  instructions: strings,
  previous_response_id: strings,
  store: flags,
  stream: flags,
  background: flags,
  generate: [...flags, false],
  stream_options: [...objects, { include_obfuscation: 'x' }, {}],
  parallel_tool_calls: flags,
  max_output_tokens: [...integers, 0],
  max_tool_calls: [...integers, 0],
  temperature: decimals,
  top_p: [...decimals, 1.1],
  top_logprobs: [...integers, 21],
  text: [
    ...objects,
    { format: 'json' },
    { format: {} },
    { format: { type: 'nope' } },
    { format: { type: 'json_schema' } },
    { format: { type: 'json_schema', name: 'a b', schema: {} } },
    { format: { type: 'json_schema', name: 'a', schema: 7 } },
    { verbosity: 'loud' },
  ],
  reasoning: [...objects, { effort: 'nope' }, { effort: 7 }, { summary: 'nope' }, { generate_summary: 7 }],
  include: ['x', {}, 7, ['nope'], [7]],
  truncation: ['nope', 7, {}],
  user: strings,
  safety_identifier: [...strings, 'x'.repeat(129)],
  prompt_cache_key: strings,
  service_tier: ['nope', 7, {}],
  metadata: [
    'x',
    7,
    [],
    { a: 1 },
    { a: null },
    { a: {} },
    { ['k'.repeat(65)]: 'x' },
    { a: 'v'.repeat(513) },
    Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`k${at}`, 'v'])),
  ],
  tools: [
    'x',
    {},
    7,
    [7],
    [null],
    [{}],
    [{ type: 'nope' }],
    [{ type: 7 }],
    [{ type: 'function' }],
    [{ type: 'function', name: '' }],
    [{ type: 'function', name: 'a b' }],
    [{ type: 'function', name: 7 }],
    [{ ...tool, parameters: 7 }],
    [{ ...tool, parameters: [] }],
    [{ ...tool, strict: 'x' }],
    [{ ...tool, description: 7 }],
    [tool, tool],
    [{ type: 'custom', name: 'a', format: { type: 'nope' } }],
    [{ type: 'custom', name: 'a', format: { type: 'grammar' } }],
    ...['file_search', 'code_interpreter', 'mcp', 'image_generation', 'computer_use_preview'].map((type) => [{ type }]),
  ],
  tool_choice: [
    7,
    [],
    true,
    'nope',
    'required',
    {},
    { type: 'nope' },
    { type: 'function' },
    { type: 'function', name: 'f' },
  ],
  conversation: [7, true, [], {}, '', 'resp_1', { id: 7 }, { id: 'x' }, ['conv_1']],
  prompt: [{ id: 'pmpt_1' }, 'x'],
  context_management: [
    {},
    'auto',
    [{}],
    [{ type: 'nope' }],
    [{ type: 'compaction', compact_threshold: 999 }],
    [{ type: 'compaction', compact_threshold: '2000' }],
  ],
};

const tested = Object.entries(wrongValues).flatMap(([param, values]) => values.map((value) => ({ param, value })));

test.each(tested)('$param: $value', async ({ param, value }) => {
  const error = await expectRefused({ ...good, [param]: value }, 400);
  expect(error.param).toMatch(new RegExp(`^${param}($|[.[])`));
  expect(error.code).toMatch(/./);
});

const wrongItems: [name: string, input: unknown[], param: string][] = [
  ['an unknown role', [{ role: 'nope', content: 'x' }], 'input[0].role'],
  ['a message without content', [{ role: 'user' }], 'input[0].content'],
  ['content that is a number', [{ role: 'user', content: 7 }], 'input[0].content'],
  ['a part that is a text', [{ role: 'user', content: ['x'] }], 'input[0].content[0]'],
  ['a part without a type', [{ role: 'user', content: [{}] }], 'input[0].content[0].type'],
  ['a part of an unknown type', [{ role: 'user', content: [{ type: 'nope' }] }], 'input[0].content[0]'],
  [
    'a part of the other side',
    [{ role: 'user', content: [{ type: 'output_text', text: 'x' }] }],
    'input[0].content[0]',
  ],
  [
    'an image without an address',
    [{ role: 'user', content: [{ type: 'input_image' }] }],
    'input[0].content[0].image_url',
  ],
  [
    'an image on this machine',
    [{ role: 'user', content: [{ type: 'input_image', image_url: 'file:///etc/passwd' }] }],
    'input[0].content[0].image_url',
  ],
  [
    'a file of the provider’s account',
    [{ role: 'user', content: [{ type: 'input_file', file_id: 'file-1' }] }],
    'input[0].content[0].file_id',
  ],
  ['a call without a name', [{ ...call, name: undefined }, output], 'input[0].name'],
  ['arguments that are an object', [{ ...call, arguments: {} }, output], 'input[0].arguments'],
  ['an output without an output', [call, { ...output, output: undefined }], 'input[1].output'],
  ['an empty call id', [{ ...call, call_id: '' }], 'input[0].call_id'],
  ['an output without its call', [message, output], 'input'],
  ['a call without its output', [call, message], 'input'],
  ['an output before its call', [output, call], 'input'],
  ['two outputs of one call', [call, output, output], 'input'],
  ['two calls with one id', [call, call, output], 'input'],
  ['the output of another kind', [call, { ...output, type: 'custom_tool_call_output' }], 'input'],
  [
    'one id twice',
    [
      { ...message, id: 'msg_1' },
      { ...message, id: 'msg_1' },
    ],
    'input',
  ],
  ['an id with a slash', [{ ...message, id: '../a' }], 'input[0].id'],
  ['an id of 65 characters', [{ ...message, id: 'a'.repeat(65) }], 'input[0].id'],
  ['an upstream’s raw block', [{ type: 'messages:tool_use', id: 'ext_1', block: {} }], 'input[0].type'],
];

test.each(wrongItems)('an item: %s', async (_, input, param) => {
  expect((await expectRefused({ ...good, input }, 400)).param).toBe(param);
});

test('a reference to an item that is not there', async () => {
  const error = await expectRefused({ ...good, input: [{ type: 'item_reference', id: 'msg_nope' }] }, 404);
  expect(error).toMatchObject({
    param: 'input',
    message: expect.stringMatching(
      /^Item with id 'msg_nope' not found\. Items are not persisted when `store` is set to false\./,
    ),
  });
});

test.each(['nope', '', 'messages/x', '__proto__', 'constructor', '*', 'a\u0000b', 'x'.repeat(100_000)])(
  'a model that is not there: %#',
  async (model) => {
    const error = await expectRefused({ ...good, model }, model === '' ? 400 : 404);
    expect(error.param).toBe('model');
  },
);

const deep = (depth: number) => `{"model":"messages","input":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
const bytes = (...parts: (string | number[])[]) => Buffer.concat(parts.map((part) => Buffer.from(part as string)));

describe('a body that is no request', () => {
  test.each<[name: string, body: string | Buffer, code: string, param: string | null]>([
    ['nothing', '', 'invalid_json', null],
    ['a blank', ' ', 'invalid_json', null],
    ['not JSON', 'model=messages', 'invalid_json', null],
    ['half a JSON', '{"model":"messages","input":"h', 'invalid_json', null],
    ['JSON and more', '{"model":"messages","input":"hi"}{}', 'invalid_json', null],
    ['a comment', '{"model":"messages",/**/"input":"hi"}', 'invalid_json', null],
    ['NaN', '{"model":"messages","input":"hi","temperature":NaN}', 'invalid_json', null],
    ['null', 'null', 'invalid_type', null],
    ['a text', '"hi"', 'invalid_type', null],
    ['a list', '[]', 'invalid_type', null],
    ['a number', '7', 'invalid_type', null],
    ['an empty object', '{}', 'missing_required_parameter', 'model'],
    ['no input', '{"model":"messages"}', 'missing_required_parameter', 'input'],
    ['a key twice', '{"model":"messages","input":"hi","input":"ho"}', 'invalid_json', 'input'],
    ['a key twice, once escaped', '{"model":"messages","input":"hi","\\u0069nput":"ho"}', 'invalid_json', 'input'],
    ['__proto__', '{"model":"messages","input":"hi","__proto__":{"store":false}}', 'unknown_parameter', '__proto__'],
    ['constructor', '{"model":"messages","input":"hi","constructor":{}}', 'unknown_parameter', 'constructor'],
    ['prototype', '{"model":"messages","input":"hi","prototype":{}}', 'unknown_parameter', 'prototype'],
    ['depth 101', deep(101), 'invalid_value', null],
    ['depth 1,000,000', deep(1_000_000), 'invalid_value', null],
    ['200,001 values', `{"model":"messages","input":[${'7,'.repeat(200_000)}7]}`, 'invalid_value', null],
    ['a BOM', bytes([0xef, 0xbb, 0xbf], '{"model":"messages","input":"hi"}'), 'invalid_json', null],
    ['a byte that is no UTF-8', bytes('{"model":"messages","input":"', [0xff], '"}'), 'invalid_json', null],
    ['an overlong byte sequence', bytes('{"model":"messages","input":"', [0xc0, 0xaf], '"}'), 'invalid_json', null],
    ['a surrogate as bytes', bytes('{"model":"messages","input":"', [0xed, 0xa0, 0xbd], '"}'), 'invalid_json', null],
    ['UTF-16', Buffer.from('{"model":"messages","input":"hi"}', 'utf16le'), 'invalid_json', null],
  ])('%s', async (_, body, code, param) => {
    expect(await expectRefused(body, 400)).toMatchObject({ code, param });
  });

  test.each([
    ['text/plain', { 'content-type': 'text/plain' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['another charset', { 'content-type': 'application/json; charset=utf-16' }],
    ['no type', { 'content-type': '' }],
    ['something longer', { 'content-type': 'application/jsonx' }],
    ['an encoding that it does not have', { 'content-encoding': 'gzip' }],
  ])('of the wrong type: %s', async (_, headers) => {
    expect(await expectRefused(JSON.stringify(good), 415, headers)).toMatchObject({ code: 'unsupported_media_type' });
  });

  test('gzip', async () => {
    const error = await expectRefused(gzipSync(JSON.stringify(good)), 415, { 'content-encoding': 'gzip' });
    expect(error.code).toBe('unsupported_media_type');
  });

  test('33 MB, with its length said', async () => {
    const error = await expectRefused(`{"model":"messages","input":"${'x'.repeat(33 * 1024 * 1024)}"}`, 413);
    expect(error.code).toBe('request_too_large');
  });

  test('33 MB in chunks', async () => {
    await expectNothingDone(async () => {
      const socket = open();
      const answer = read(socket, (text) => text.includes('"code"'));
      socket.write(`POST /v1/responses HTTP/1.1\r\n${json}transfer-encoding: chunked\r\n\r\n`);
      const megabyte = `100000\r\n${'x'.repeat(1024 * 1024)}\r\n`;
      for (let sent = 0; sent < 33; sent += 1) socket.write(megabyte);
      const [head = '', text = ''] = (await answer).split('\r\n\r\n');
      expect(expectError({ status: Number(head.split(' ')[1]), text }, 413).code).toBe('request_too_large');
    });
  });
});

const strangeIds = [
  '%00',
  '..',
  '..%2f..%2fmodels',
  '%2e%2e',
  'x'.repeat(10_000),
  'msg_0192',
  'conv_1',
  'resp_',
  'resp_%27%20OR%201=1--',
  '%F0%9F%91%8B',
  '%ED%A0%BD',
  '%zz',
  '%',
  '*',
  '{id}',
  'null',
  'input_items',
];

describe.each(strangeIds.map((id) => ({ id, name: id.slice(0, 40) })))('the id $name', ({ id }) => {
  test.each([
    ['GET', '/v1/responses/', ''],
    ['DELETE', '/v1/responses/', ''],
    ['GET', '/v1/responses/', '/input_items'],
    ['GET', '/responses/', ''],
  ])('%s %s…%s', async (method, before, after) => {
    const path = before + id + after;
    await expectNothingDone(async () => {
      const socket = open();
      socket.write(`${method} ${path} HTTP/1.1\r\n${auth}connection: close\r\n\r\n`);
      const [head = '', text = ''] = (await read(socket)).split('\r\n\r\n');
      expectError({ status: Number(head.split(' ')[1]), text }, 404);
    });
  });

  test('as previous_response_id', async () => {
    const error = await expectRefused({ ...good, previous_response_id: id }, 400);
    expect(error).toMatchObject({ code: 'previous_response_not_found', param: 'previous_response_id' });
  });
});

test.each([
  ['empty', ''],
  ['a NUL', '\u0000'],
  ['half a character', '\ud83d'],
  ['not ASCII', 'é'],
  ['of 1 MB', 'x'.repeat(1_000_000)],
])('a previous_response_id that is %s', async (_, id) => {
  const error = await expectRefused({ ...good, previous_response_id: id }, 400);
  expect(error.param).toBe('previous_response_id');
});

test.each([
  ['PUT', '/v1/responses'],
  ['PATCH', '/v1/responses'],
  ['GET', '/v1/responses'],
  ['GET', '/v1/responses/'],
  ['DELETE', '/responses'],
  ['OPTIONS', '/v1/responses'],
  ['POST', '/v1/responses/resp_1'],
  ['POST', '/v1/responses/resp_1/input_items'],
  ['DELETE', '/v1/models'],
  ['POST', '/health/ready'],
])('%s is not allowed on %s', async (method, path) => {
  const answer = await expectNothingDone(() => request(method, path));
  expect(expectError(answer, 405).code).toBe('method_not_supported');
  expect(answer.headers.get('allow')).toMatch(/^[A-Z, ]+$/);
});

test.each([
  ['GET', '/'],
  ['POST', '/v1'],
  ['POST', '/v1/Responses'],
  ['POST', '/v2/responses'],
  ['POST', '/v1/responses/resp_1/nope'],
  ['POST', '/v1/responses%2f'],
  ['POST', '/v1/responses;x=1'],
  ['GET', '/v1/models/x/y'],
  ['GET', '/__proto__'],
  ['GET', '/v1/v1/models'],
])('%s %s is unknown', async (method, path) => {
  expect(expectError(await expectNothingDone(() => request(method, path)), 404).code).toBe('unknown_url');
});

test.each(['limit=0', 'limit=101', 'limit=x', 'limit=1.5', 'order=up', 'after=nope'])(
  'a page of input items with %s',
  async (query) => {
    const { id } = JSON.parse((await post(good)).text);
    const answer = await expectNothingDone(() => request('GET', `/v1/responses/${id}/input_items?${query}`));
    expect(expectError(answer, 400).param).toBe(query.split('=')[0]);
  },
);

test('a response that was not made in the background with a stream has none to follow', async () => {
  const { id } = JSON.parse((await post(good)).text);
  const answer = await expectNothingDone(() => request('GET', `/v1/responses/${id}?stream=true`));
  expect(expectError(answer, 400)).toMatchObject({ code: null, param: 'stream' });
});

test.each([
  ['with a blank', { 'x-session-id': 'a b' }],
  ['of 257 characters', { 'x-session-id': 'a'.repeat(257) }],
  ['that is empty', { 'x-litellm-session-id': '' }],
])('a session %s', async (_, headers) => {
  expect((await expectRefused(good, 400, headers)).param).toBe(Object.keys(headers)[0]);
});

describe('what is hardly HTTP', () => {
  const body = JSON.stringify(good);
  const length = `content-length: ${body.length}\r\n`;
  const start = 'POST /v1/responses HTTP/1.1\r\n';

  test.each<[name: string, raw: string, status: number]>([
    ['a header of 20 KB', `${start}${json}x: ${'a'.repeat(20_000)}\r\n${length}\r\n${body}`, 431],
    ['two Host headers', `${start}host: other\r\n${json}${length}\r\n${body}`, 400],
    ['no Host header', `${start}${json.replace('host: localhost\r\n', '')}${length}\r\n${body}`, 400],
    ['two keys', `${start}authorization: Bearer other\r\n${json}${length}\r\n${body}`, 401],
    ['two lengths', `${start}${json}content-length: 5\r\n${length}\r\n${body}`, 400],
    ['length and chunks', `${start}${json}${length}transfer-encoding: chunked\r\n\r\n${body}`, 400],
    ['a length that is no number', `${start}${json}content-length: x\r\n\r\n${body}`, 400],
    ['a negative length', `${start}${json}content-length: -1\r\n\r\n${body}`, 400],
    ['a chunk size that is no number', `${start}${json}transfer-encoding: chunked\r\n\r\nxyz\r\n`, 400],
    ['another transfer coding', `${start}${json}transfer-encoding: gzip\r\n\r\n${body}`, 400],
    ['a proxy’s target', `POST http://localhost/v1/responses HTTP/1.1\r\n${json}${length}\r\n${body}`, 400],
    ['a control character in a header', `${start}x: a\u0001b\r\n${json}${length}\r\n${body}`, 400],
    ['a method that is none', `NOPE /v1/responses HTTP/1.1\r\n${json}${length}\r\n${body}`, 400],
    ['another expectation', `${start}${json}expect: a-miracle\r\n${length}\r\n${body}`, 417],
    ['a body that ends early', `${start}${json}content-length: 5000\r\n\r\n${body}`, 400],
    ['chunks that end early', `${start}${json}transfer-encoding: chunked\r\n\r\n500\r\n${body}`, 400],
  ])('%s', async (_, raw, status) => {
    await expectNothingDone(async () => {
      const socket = open();
      socket.end(raw, 'latin1');
      const [head = '', text = ''] = (await read(socket)).split('\r\n\r\n');
      expectError({ status: Number(head.split(' ')[1]), text }, status);
    });
  });

  test.each([
    ['a body', `${start}${json}content-length: 5000\r\n\r\n${body}`],
    ['chunks', `${start}${json}transfer-encoding: chunked\r\n\r\n500\r\n${body}`],
    ['headers', `${start}authorization: Bea`],
  ])('a client that resets in the middle of %s', async (_, raw) => {
    await expectNothingDone(async () => {
      const socket = open();
      await new Promise((resolve) => socket.write(raw, resolve));
      socket.resetAndDestroy();
    });
  });

  test('a body that is too long is refused before it is sent', async () => {
    await expectNothingDone(async () => {
      const socket = open();
      const answer = read(socket, (text) => text.includes('"code"'));
      socket.write(`${start}${json}expect: 100-continue\r\ncontent-length: 99999999\r\n\r\n`);
      const [head = '', text = ''] = (await answer).split('\r\n\r\n');
      expectError({ status: Number(head.split(' ')[1]), text }, 413);
    });
  });

  test('a client that waits for 100 Continue gets it, then its answer', async () => {
    const socket = open();
    const answer = read(socket, (text) => text.endsWith('}') && text.includes('HTTP/1.1 200'));
    socket.once('data', () => socket.write(body));
    socket.write(`${start}${json}expect: 100-continue\r\n${length}\r\n`);
    expect(await answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
  });

  test('pipelined requests are answered in their order, the bad ones too', async () => {
    const before = calls.length;
    const socket = open();
    const post = (text: string) => `${start}${json}content-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
    socket.write(
      [
        `GET /v1/models HTTP/1.1\r\n${auth}\r\n`,
        post('{"model":'),
        post(body),
        `GET /nope HTTP/1.1\r\n${auth}\r\n`,
        `GET /health/live HTTP/1.1\r\n${auth}connection: close\r\n\r\n`,
      ].join(''),
    );
    const statuses = (await read(socket)).match(/HTTP\/1\.1 \d+/g);
    expect(statuses).toEqual(['200', '400', '200', '404', '200'].map((status) => `HTTP/1.1 ${status}`));
    expect(calls.length - before).toBe(1);
  });
});

describe('what is unusual and right', () => {
  const conversationOf = ({ body }: RawCall) => body.messages ?? body.input ?? body.contents;
  const lastCall = (): RawCall => calls.at(-1) as RawCall;
  const seen = (): string => JSON.stringify(conversationOf(lastCall()));

  test.each(dialects)(
    'half characters arrive at %s as U+FFFD, with a warning, and are kept as they were',
    async (model) => {
      const texts = ['\ud83d', 'a\udc4bb', '\udc4b\ud83d'];
      const content = texts.map((text) => ({ type: 'input_text', text }));
      const answer = await post({ model, input: [{ role: 'user', content }] });
      expect(answer.status, answer.text).toBe(200);
      expect(answer.headers.get('x-turnpike-warnings')).toContain('U+FFFD');
      expect(calls.at(-1)?.text.isWellFormed()).toBe(true);
      expect(calls.at(-1)?.text).not.toMatch(/\\ud[89a-f]/i);
      for (const text of texts) expect(seen()).toContain(text.toWellFormed());
      const { id } = JSON.parse(answer.text);
      const items = JSON.parse((await request('GET', `/v1/responses/${id}/input_items`)).text);
      expect(items.data[0].content.map(({ text }: { text: string }) => text)).toEqual(texts);
    },
  );

  test.each(dialects)('a NUL, line separators and 10 MB of text arrive at %s as they are', async (model) => {
    const input = `\u0000\u2028\u2029\r\n${'é'.repeat(5 * 1024 * 1024)}`;
    const answer = await post({ model, input });
    expect(answer.status, answer.text.slice(0, 500)).toBe(200);
    expect(answer.headers.has('x-turnpike-warnings')).toBe(false);
    const [first] = conversationOf(lastCall());
    const content = first.content ?? first.parts;
    expect((typeof content === 'string' ? content : content[0].text) === input).toBe(true);
  });

  test.each(dialects)('__proto__ and constructor deep inside a schema arrive at %s as they are', async (model) => {
    const schema = '{"type":"object","properties":{"__proto__":{"type":"string"},"constructor":{"type":"number"}}}';
    const body = `{"model":"${model}","input":"hi","tools":[{"type":"function","name":"f","parameters":${schema}}],"metadata":{"__proto__":"x"}}`;
    const answer = await post(body);
    expect(answer.status, answer.text).toBe(200);
    expect(calls.at(-1)?.text).toContain('"__proto__":{"type":"string"},"constructor":{"type":"number"}');
    expect(answer.text).toContain('"metadata":{"__proto__":"x"}');
  });

  test.each([
    [
      'depth 100',
      `{"model":"messages","input":"hi","tools":[{"type":"function","name":"f","parameters":{"a":${'['.repeat(96)}${']'.repeat(96)}}}]}`,
    ],
    [
      'nulls for all that is optional',
      JSON.stringify({
        ...good,
        ...Object.fromEntries(
          Object.keys(wrongValues)
            .filter((key) => !['model', 'input'].includes(key))
            .map((key) => [key, null]),
        ),
      }),
    ],
    ['blanks around', ` \r\n\t${JSON.stringify(good)}\n `],
    ['a field that nobody knows', JSON.stringify({ ...good, shoe_size: 43 })],
    ['a threshold left to us', JSON.stringify({ ...good, context_management: [{ type: 'compaction' }] })],
  ])('%s', async (_, body) => {
    const answer = await post(body);
    expect(answer.status, answer.text).toBe(200);
  });

  test('a field that nobody knows is not dropped in silence', async () => {
    const answer = await post({ ...good, shoe_size: 43 });
    expect(answer.headers.get('x-turnpike-warnings')).toContain('shoe_size');
  });
});

test('afterwards the log knows of no error that nobody foresaw', async () => {
  expect(await gateway.kill('SIGTERM')).toBe(0);
  const lines = gateway.output().split('\n');
  expect(lines.filter((line) => /uncaught|unhandled|unforeseen|"level":[56]0/i.test(line))).toEqual([]);
});
