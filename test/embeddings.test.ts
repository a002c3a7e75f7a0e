/** Embeddings over real sockets: turns like others, of which nothing is kept but what they cost. */
import { DatabaseSync } from 'node:sqlite';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createClient } from './support/client.ts';
import { type FakeUpstream, fakeUpstream, sendJson, type UpstreamRequest } from './support/fake-upstream.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const cleanups: (() => void)[] = [];
const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
const folder = temporaryFolder();
let gateway: SpawnedGateway;
let upstream: FakeUpstream;
let answer: Parameters<typeof fakeUpstream>[0];

const vector = (seed: number) => [seed, seed + 0.5, -seed];
const base64 = (numbers: number[]) => Buffer.from(new Float32Array(numbers).buffer).toString('base64');

/** As OpenAI answers: as many vectors as texts, written as was asked. */
function vectorsOf({ body }: UpstreamRequest, format: 'asked' | 'float' | 'base64' = 'asked', usage?: object): object {
  const { input, encoding_format: asked } = body;
  const texts = Array.isArray(input) && typeof input[0] !== 'number' ? input : [input];
  const isText = (format === 'asked' ? asked : format) === 'base64';
  const data = texts.map((_: unknown, index: number) => ({
    object: 'embedding',
    index,
    embedding: isText ? base64(vector(index + 1)) : vector(index + 1),
  }));
  return { object: 'list', data, model: `${body.model}-v1`, usage: usage ?? { prompt_tokens: 8, total_tokens: 8 } };
}

beforeAll(async () => {
  upstream = await fakeUpstream((request, response, count) => answer(request, response, count), onCleanup);
  const url = `${upstream.url}/v1`;
  const embedder = (name: string, model: string, rest = '') =>
    `  - { name: ${name}, provider: openai, model: ${model}, base_url: "${url}", api_key: sk-upstream${rest} }`;
  const config = `
auth:
  keys:
    - { name: one, key: sk-one, team: alpha }
    - { name: cheap, key: sk-cheap, budget_usd: 0.05 }
models:
${embedder('small', 'text-embedding-3-small')}
${embedder('priced', 'e', ', price: { input: 1000, output: 0 }')}
${embedder('text-embedding-*', "'*'")}
  - { name: local, provider: openai-compatible, model: nomic, base_url: "${url}" }
  - { name: google, provider: gemini, model: gemini-embedding-001, base_url: "${upstream.url}", api_key: g }
  - { name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${upstream.url}", api_key: k }
  - { name: simulator, provider: simulator, model: simulator }
aliases: { embed: small }
routing: { retries: 1, fallbacks: { claude: [local] } }
`;
  gateway = await spawnGateway({ config, folder, onCleanup });
});
beforeEach(() => {
  upstream.requests.length = 0;
  answer = (request, response) => sendJson(response, vectorsOf(request));
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

const embed = (body: object, key = 'sk-one', headers: Record<string, string> = {}) =>
  createClient(gateway.url).request('POST', '/v1/embeddings', body, { authorization: `Bearer ${key}`, ...headers });
const sdk = () => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'sk-one', maxRetries: 0 });

function query(sql: string) {
  const db = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
  const rows = db.prepare(sql).all();
  db.close();
  return rows;
}
const attemptCount = () => query('SELECT 1 FROM attempts').length;

describe("OpenAI's client", () => {
  test.each(['asked', 'float', 'base64'] as const)(
    'gets its vectors from an upstream that writes them as %s',
    async (format) => {
      answer = (request, response) => sendJson(response, vectorsOf(request, format));
      const input = ['first', 'second'];
      const expected = [vector(1), vector(2)];
      const byItself = await sdk().embeddings.create({ model: 'small', input });
      expect(byItself.data.map(({ embedding }) => embedding)).toEqual(expected);
      const asFloats = await sdk().embeddings.create({ model: 'small', input, encoding_format: 'float' });
      expect(asFloats.data.map(({ embedding }) => embedding)).toEqual(expected);
      expect(asFloats).toMatchObject({ object: 'list', model: 'small', usage: { prompt_tokens: 8, total_tokens: 8 } });
      const raw = await embed({ model: 'small', input, encoding_format: 'base64' });
      expect(raw.body.data.map(({ embedding }: { embedding: string }) => embedding)).toEqual(expected.map(base64));
    },
  );

  test("is answered by Google, in OpenAI's words and without a word of what it took", async () => {
    answer = (request, response) => {
      const { object, data } = vectorsOf(request, 'float') as { object: string; data: object[] };
      sendJson(response, { object, data, model: request.body.model });
    };
    const made = await sdk().embeddings.create({ model: 'google', input: ['first', 'second'], dimensions: 3 });
    expect(made.data.map(({ embedding }) => embedding)).toEqual([vector(1), vector(2)]);
    expect(upstream.requests).toMatchObject([
      {
        path: '/v1beta/openai/embeddings',
        headers: { authorization: 'Bearer g' },
        body: { model: 'gemini-embedding-001', input: ['first', 'second'], dimensions: 3 },
      },
    ]);
    expect(query('SELECT provider, estimated FROM attempts ORDER BY started_at_ms DESC, id DESC LIMIT 1')).toEqual([
      { provider: 'gemini', estimated: 1 },
    ]);
  });

  test.each<[string, object]>([
    ['a text', { input: 'one' }],
    ['tokens', { input: [1, 2, 3] }],
    ['texts', { input: ['one', 'two', 'three'] }],
    ['tokens of texts', { input: [[1], [2, 3]] }],
  ])('sends %s', async (_, { input }: { input?: unknown }) => {
    const { status, text, body } = await embed({
      model: 'embed',
      input,
      dimensions: 3,
      user: 'u',
      input_type: 'query',
    });
    expect(status, text).toBe(200);
    const expected = { model: 'text-embedding-3-small', input, dimensions: 3, user: 'u', input_type: 'query' };
    expect(upstream.requests).toMatchObject([{ path: '/v1/embeddings', body: expected }]);
    expect(Object.keys(upstream.requests[0]?.body)).toEqual(Object.keys(expected));
    expect(upstream.requests[0]?.headers.authorization).toBe('Bearer sk-upstream');
    expect(body.model).toBe('embed');
  });
});

test('numbers are handed on as the upstream spells them, and so is what it says beside', async () => {
  const said =
    '{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,-0.10e-2]}],"extra":1e3,"model":"m"';
  answer = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(`${said},"usage":{"prompt_tokens":1,"total_tokens":1}}`);
  };
  const { text } = await embed({ model: 'small', input: 'a' });
  expect(text).toBe(`${said.replace('"m"', '"small"')},"usage":{"prompt_tokens":1,"total_tokens":1}}`);
});

test('a name that a pattern serves is sent as it is', async () => {
  expect((await embed({ model: 'text-embedding-ada-002', input: 'a' })).status).toBe(200);
  expect(upstream.requests[0]?.body.model).toBe('text-embedding-ada-002');
});

test('one row of spend for each attempt, and nothing of the content', async () => {
  const before = attemptCount();
  answer = (request, response, count) => {
    if (upstream.requests.length === 1) sendJson(response, { error: { message: 'busy' } }, 503);
    else sendJson(response, vectorsOf(request, 'asked', { prompt_tokens: 1000, total_tokens: 1000 }));
    expect(count).toBeGreaterThan(0);
  };
  const canary = 'a text that nobody keeps';
  const headers = { 'x-session-id': 'my-session' };
  const { status, headers: sent } = await embed({ model: 'small', input: canary, user: 'somebody' }, 'sk-one', headers);
  expect(status).toBe(200);
  expect(sent.get('x-turnpike-session-id')).toBe('my-session');
  expect(attemptCount()).toBe(before + 2);
  const [row] = query(
    `SELECT call_type, model, model_group, prompt_tokens, completion_tokens, spend, session_id, status, messages, response,
      end_user, team_id, request_id, metadata FROM "LiteLLM_SpendLogs" ORDER BY "startTime" DESC, request_id DESC LIMIT 1`,
  );
  const withheld = '{"content":"withheld","reason":"store_false"}';
  expect(row).toMatchObject({
    call_type: 'aembedding',
    model: 'openai/text-embedding-3-small',
    model_group: 'small',
    prompt_tokens: 1000,
    completion_tokens: 0,
    // 0.02 USD for a million tokens.
    spend: 0.00002,
    session_id: 'my-session',
    status: 'success',
    messages: withheld,
    response: withheld,
    end_user: 'somebody',
    team_id: 'alpha',
  });
  expect(JSON.parse(String(row?.['metadata']))).toMatchObject({ attempts: 2, estimated: false });
  const statuses = query(
    `SELECT status, error_code FROM attempts WHERE turn_id = '${String(row?.['request_id'])}' ORDER BY number`,
  );
  expect(statuses).toMatchObject([
    { status: 'failed', error_code: 'upstream_overloaded' },
    { status: 'completed', error_code: null },
  ]);
  const files = readdirSync(folder).filter((name) => name.startsWith('turnpike.db'));
  expect(files.filter((name) => readFileSync(join(folder, name)).includes(canary))).toEqual([]);
  const asked = await createClient(gateway.url).request(
    'GET',
    `/v1/responses/${String(row?.['request_id'])}`,
    undefined,
    {
      authorization: 'Bearer sk-one',
    },
  );
  expect(asked.status).toBe(404);
});

test('a reply with too few vectors is an error, and has been paid for', async () => {
  answer = (request, response) => sendJson(response, { ...vectorsOf(request), data: [] });
  const { status, body } = await embed({ model: 'small', input: 'a' });
  expect([status, body.error.code]).toEqual([502, 'upstream_invalid_response']);
  const row = { status: 'failed', input_tokens: 8, output_tokens: 0, cost_nano_usd: 160, estimated: 0 };
  expect(
    query(
      `SELECT status, input_tokens, output_tokens, cost_nano_usd, estimated FROM attempts ORDER BY started_at_ms DESC, id DESC LIMIT 2`,
    ),
  ).toEqual([row, row]);
});

test('a budget is reserved in before the call, and settled at what it has cost', async () => {
  answer = (request, response) =>
    sendJson(response, vectorsOf(request, 'asked', { prompt_tokens: 60, total_tokens: 60 }));
  expect((await embed({ model: 'priced', input: 'a' }, 'sk-cheap')).status).toBe(200);
  const refused = await embed({ model: 'priced', input: 'a' }, 'sk-cheap');
  expect([refused.status, refused.body.error.code]).toEqual([429, 'budget_exceeded']);
  expect(upstream.requests).toHaveLength(1);
});

describe('a model without embeddings', () => {
  test('is passed over for its fallback', async () => {
    expect((await embed({ model: 'claude', input: 'a' })).status).toBe(200);
    expect(upstream.requests).toMatchObject([{ path: '/v1/embeddings', body: { model: 'nomic' } }]);
  });

  test('is refused where there is no other', async () => {
    const before = attemptCount();
    const { status, body } = await embed({ model: 'simulator', input: 'a' });
    expect([status, body.error.param, body.error.code]).toEqual([400, 'model', 'unsupported_value']);
    expect(attemptCount()).toBe(before);
  });
});

describe('what is wrong', () => {
  const tooMany = Array.from({ length: 2049 }, () => 'a');
  test.each<[object, string | null, string]>([
    [{}, 'model', 'missing_required_parameter'],
    [{ input: 'a' }, 'model', 'missing_required_parameter'],
    [{ model: '', input: 'a' }, 'model', 'invalid_value'],
    [{ model: 7, input: 'a' }, 'model', 'invalid_type'],
    [{ model: 'small' }, 'input', 'missing_required_parameter'],
    [{ model: 'small', input: null }, 'input', 'invalid_type'],
    [{ model: 'small', input: '' }, 'input', 'invalid_value'],
    [{ model: 'small', input: [] }, 'input', 'invalid_value'],
    [{ model: 'small', input: 5 }, 'input', 'invalid_type'],
    [{ model: 'small', input: { text: 'a' } }, 'input', 'invalid_type'],
    [{ model: 'small', input: ['a', ''] }, 'input[1]', 'invalid_value'],
    [{ model: 'small', input: ['a', 5] }, 'input[1]', 'invalid_type'],
    [{ model: 'small', input: ['a', null] }, 'input[1]', 'invalid_type'],
    [{ model: 'small', input: [1, 'a'] }, 'input[1]', 'invalid_type'],
    [{ model: 'small', input: [1, -1] }, 'input[1]', 'integer_out_of_range'],
    [{ model: 'small', input: [1.5] }, 'input[0]', 'invalid_type'],
    [{ model: 'small', input: [[]] }, 'input[0]', 'invalid_value'],
    [{ model: 'small', input: [[1], 'a'] }, 'input[1]', 'invalid_type'],
    [{ model: 'small', input: [[1], [2, 'a']] }, 'input[1][1]', 'invalid_type'],
    [{ model: 'small', input: tooMany }, 'input', 'array_above_max_length'],
    [{ model: 'small', input: 'a', encoding_format: 'hex' }, 'encoding_format', 'invalid_value'],
    [{ model: 'small', input: 'a', encoding_format: 1 }, 'encoding_format', 'invalid_type'],
    [{ model: 'small', input: 'a', dimensions: 0 }, 'dimensions', 'integer_out_of_range'],
    [{ model: 'small', input: 'a', dimensions: 'x' }, 'dimensions', 'invalid_type'],
    [{ model: 'small', input: 'a', user: 5 }, 'user', 'invalid_type'],
    [{ model: 'small', input: 'a', stream: true }, 'stream', 'unsupported_parameter'],
    [['small', 'a'], null, 'invalid_type'],
  ])('%j is a 400 about %s, and costs nothing', async (body, param, code) => {
    const before = attemptCount();
    const { status, body: said } = await embed(body);
    expect([status, said.error.param, said.error.code], said.error.message).toEqual([400, param, code]);
    expect(Object.keys(said.error)).toEqual(['message', 'type', 'param', 'code']);
    expect(upstream.requests).toEqual([]);
    expect(attemptCount()).toBe(before);
  });

  test('an unknown model is a 404, and nulls are nothing', async () => {
    expect((await embed({ model: 'none', input: 'a' })).body.error.code).toBe('model_not_found');
    const nulls = { encoding_format: null, dimensions: null, user: null, stream: null };
    expect((await embed({ model: 'small', input: 'a', ...nulls })).status).toBe(200);
    expect(Object.keys(upstream.requests[0]?.body)).toEqual(['model', 'input']);
  });

  test("what the upstream says of the request is passed on in OpenAI's shape", async () => {
    const error = { message: 'This model takes 8192 tokens.', type: 'invalid_request_error', param: null, code: null };
    answer = (_, response) => sendJson(response, { error }, 400);
    const { status, body } = await embed({ model: 'small', input: 'a' });
    expect([status, body.error.message, body.error.code]).toEqual([400, error.message, 'upstream_rejected']);
    expect(upstream.requests).toHaveLength(1);
  });

  test.each<[string, (request: UpstreamRequest) => object]>([
    ['no vectors', () => ({ object: 'list' })],
    ['fewer vectors than texts', () => ({ data: [] })],
    ['vectors of nothing', () => ({ data: [{ index: 0, embedding: [] }] })],
    ['vectors of texts', () => ({ data: [{ index: 0, embedding: ['a'] }] })],
    ['an answer of a model', () => ({ choices: [{ message: { content: 'a' } }] })],
  ])('a reply of %s is tried again elsewhere and then a 502', async (_, reply) => {
    const before = attemptCount();
    answer = (request, response) => sendJson(response, reply(request));
    const { status, body } = await embed({ model: 'small', input: 'a' });
    expect([status, body.error.code]).toEqual([502, 'upstream_invalid_response']);
    expect(attemptCount()).toBe(before + 2);
  });

  test('a stream in place of an answer is a 502', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end('data: {"object":"list"}\n\n');
    };
    expect((await embed({ model: 'small', input: 'a' })).status).toBe(502);
  });
});

test('a client that leaves hangs up on the upstream, and leaves a row', async () => {
  const left = Promise.withResolvers<void>();
  const gone = new AbortController();
  answer = (_, response) => {
    response.on('close', () => left.resolve());
    gone.abort();
  };
  const sent = fetch(`${gateway.url}/v1/embeddings`, {
    method: 'POST',
    headers: { authorization: 'Bearer sk-one', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'local', input: 'a' }),
    signal: gone.signal,
  });
  await expect(sent).rejects.toThrow('aborted');
  await left.promise;
  const last = () => query('SELECT status, estimated FROM attempts ORDER BY started_at_ms DESC, id DESC LIMIT 1');
  await expect.poll(last).toMatchObject([{ status: 'cancelled', estimated: 1 }]);
});
