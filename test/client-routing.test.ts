/**
 * What would make an upstream call another model, or pay with another credential, than the gateway has chosen, counted and
 * limited: a 400 that names the parameter, whichever protocol it is said in, and also where the client's words go up as they are.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Client, createClient } from './support/client.ts';
import { type FakeUpstream, fakeUpstream, sendJson } from './support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';
import { plainOf } from './support/upstream-replies.ts';

const cleanups: (() => void)[] = [];
const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
let upstream: FakeUpstream;
let client: Client;

beforeAll(async () => {
  upstream = await fakeUpstream(({ path }, response) => {
    if (path.endsWith('/embeddings')) {
      const data = [{ object: 'embedding', index: 0, embedding: [1] }];
      sendJson(response, { object: 'list', data, model: 'm', usage: { prompt_tokens: 1, total_tokens: 1 } });
    } else if (path.endsWith('/messages')) sendJson(response, JSON.parse(plainOf('messages')));
    else if (path.endsWith('/chat/completions')) sendJson(response, JSON.parse(plainOf('chat')));
    else sendJson(response, JSON.parse(plainOf('responses')));
  }, onCleanup);
  const model = (name: string, provider: string, path = '/v1') =>
    `  - { name: ${name}, provider: ${provider}, model: m, base_url: "${upstream.url}${path}", api_key: k }`;
  const models = [model('openai', 'openai'), model('openrouter', 'openrouter'), model('anthropic', 'anthropic', '')];
  const gateway = await spawnGateway({
    config: ['models:', ...models].join('\n'),
    folder: temporaryFolder(),
    onCleanup,
  });
  client = createClient(gateway.url);
});
beforeEach(() => {
  upstream.requests.length = 0;
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

const messages = [{ role: 'user', content: 'Hello.' }];

/** Each over an upstream of its own protocol. */
const requests: [path: string, body: object][] = [
  ['/v1/responses', { model: 'openai', input: 'Hello.' }],
  ['/v1/responses/input_tokens', { model: 'openai', input: 'Hello.' }],
  ['/v1/responses/compact', { model: 'openai', input: 'Hello.' }],
  ['/v1/chat/completions', { model: 'openrouter', messages }],
  ['/v1/messages', { model: 'anthropic', max_tokens: 16, messages }],
  ['/v1/messages/count_tokens', { model: 'anthropic', messages }],
  ['/v1/embeddings', { model: 'openai', input: 'Hello.' }],
];

const routing: Record<string, unknown> = {
  api_base: 'https://other.example/v1',
  api_key: 'sk-other',
  aws_role_name: 'arn:aws:iam::1:role/other',
  aws_sts_endpoint: 'https://other.example',
  aws_web_identity_token: 'other',
  base_url: 'https://other.example/v1',
  billing_policy: { on_limit: 'charge' },
  content_policy_fallbacks: [{ m: ['dear'] }],
  context_window_fallbacks: [{ m: ['dear'] }],
  custom_llm_provider: 'dear',
  fallback_credit_token: 'x',
  fallbacks: ['dear'],
  litellm_params: { api_base: 'https://other.example/v1' },
  model_list: [{ model_name: 'm', litellm_params: { model: 'dear' } }],
  models: ['m', 'dear'],
  plugins: [{ id: 'fusion', analysis_models: ['dear'] }],
  provider: { order: ['dear'] },
  providerOptions: { gateway: { models: ['dear'] } },
  route: 'fallback',
  user_config: { model_list: [] },
  vertex_credentials: '{"type":"service_account"}',
};

/** What says the same further within, and where. */
const nested: [param: string, fields: object][] = [
  ['extra_body.models', { extra_body: { models: ['dear'] } }],
  ['extra_body.model', { extra_body: { model: 'dear' } }],
  ['tools[0].model', { tools: [{ type: 'advisor_20260301', name: 'advisor', model: 'dear' }] }],
  ['tools[1].parameters.model', { tools: [{}, { type: 'openrouter:subagent', parameters: { model: 'dear' } }] }],
  ['extra_body.tools[0].model', { extra_body: { tools: [{ type: 'advisor', model: 'dear' }] } }],
];

describe.each(requests)('%s', (path, body) => {
  test.each(Object.entries(routing))('%s is for the gateway to decide', async (name, value) => {
    const { status, body: answer, text } = await client.request('POST', path, { ...body, [name]: value });
    expect(status, text).toBe(400);
    expect(answer.error.message).toBe(`Unsupported parameter: '${name}' is for the gateway to decide.`);
    expect(answer.error.param ?? answer.error.details.param).toBe(name);
    expect(upstream.requests).toEqual([]);
  });

  test.each(nested)('%s is too', async (param, fields) => {
    const { status, body: answer, text } = await client.request('POST', path, { ...body, ...fields });
    expect(status, text).toBe(400);
    expect(answer.error.message).toBe(`Unsupported parameter: '${param}' is for the gateway to decide.`);
    expect(answer.error.param ?? answer.error.details.param).toBe(param);
    expect(upstream.requests).toEqual([]);
  });
});

test.each(requests.filter(([path]) => !/tokens|compact/.test(path)))('%s: nulls say nothing', async (path, body) => {
  const nulls = Object.fromEntries(Object.keys(routing).map((name) => [name, null]));
  const { status, text } = await client.request('POST', path, { ...body, ...nulls });
  expect(status, text).toBe(200);
  expect(upstream.requests).toHaveLength(1);
});

/** The image's model is OpenAI's, and a function's parameters are the client's: neither names who answers. */
test.each<[path: string, fields: object]>([
  ['/v1/responses', { tools: [{ type: 'image_generation', model: 'gpt-image-1' }] }],
  ['/v1/responses', { tools: [{ type: 'function', name: 'f', parameters: { model: 'a word' } }] }],
  ['/v1/chat/completions', { extra_body: { google: { thinking_config: { include_thoughts: true } } } }],
])('%s with %j goes up', async (path, fields) => {
  const [, body] = requests.find(([each]) => each === path)!;
  const { status, text } = await client.request('POST', path, { ...body, ...fields });
  expect(status, text).toBe(200);
  expect(JSON.parse(upstream.requests[0]!.text)).toMatchObject(fields);
});
