/** Deployments that an upstream refuses for what is theirs: others serve the client, and nobody is told what they were sent. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createClient } from './support/client.ts';
import { fakeUpstream, type FakeUpstream, sendJson } from './support/fake-upstream.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const refusals: [status: number, error: object, code: string][] = [
  [401, { message: 'Incorrect API key provided.', code: 'invalid_api_key' }, 'upstream_auth'],
  [402, { message: 'Insufficient Balance' }, 'upstream_auth'],
  [403, { message: 'Not in your country.' }, 'upstream_auth'],
  [404, { message: 'The model does not exist.', code: 'model_not_found' }, 'upstream_error'],
  [429, { message: 'You exceeded your current quota.', code: 'insufficient_quota' }, 'rate_limit_exceeded'],
];

const folder = temporaryFolder();
let upstream: FakeUpstream;
let gateway: SpawnedGateway;
let refusal: { status: number; error: object };
const cleanups: (() => void)[] = [];
const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);

const reply = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
};

beforeAll(async () => {
  upstream = await fakeUpstream((request, response) => {
    const isGood = JSON.stringify(request.headers).includes('good');
    const echoed = { error: { message: JSON.stringify(request.headers), type: 'invalid_request_error' } };
    if (isGood) sendJson(response, reply);
    else if (!('echo' in refusal.error)) sendJson(response, { error: refusal.error }, refusal.status);
    else if (request.body.stream !== true) sendJson(response, echoed, refusal.status);
    else {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(`data: ${JSON.stringify(echoed)}\n\n`);
    }
  }, onCleanup);
  const url = `${upstream.url}/v1`;
  const entry = (name: string, rest: string) => `  - { name: ${name}, base_url: "${url}", ${rest} }`;
  const chat = (name: string, key: string, rest = '') =>
    entry(name, `provider: openai-compatible, model: m, api_key: ${key}-key${rest}`);
  gateway = await spawnGateway({
    config: `
models:
${chat('alone', 'bad')}
${chat('fallen', 'bad')}
${chat('last', 'good')}
${refusals.map(([status]) => `${chat(`group-${status}`, 'bad')}\n${chat(`group-${status}`, 'good', ', weight: 0.0001')}`).join('\n')}
${entry('headers', 'provider: openai-compatible, model: m, headers: { x-portal: bad-portal }')}
${entry('headers', 'provider: openai-compatible, model: m, headers: { x-portal: good-portal }, weight: 0.0001')}
${chat('many', 'bad-1')}
${chat('many', 'bad-2')}
${entry('scheme', 'provider: openai-compatible, model: m, headers: { authorization: "Token canary-scheme" }')}
${entry('azure', 'provider: azure-chat, model: m, api_key: canary-azure')}
${entry('google', 'provider: gemini, model: gemini-3-pro, api_key: canary-google')}
${entry('header', 'provider: openai-compatible, model: m, headers: { x-portal: canary-header }')}
routing: { retries: 2, fallbacks: { fallen: [last] } }
`,
    folder,
    onCleanup,
  });
});
beforeEach(() => {
  upstream.requests.length = 0;
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

const ask = (model: string, fields: object = { store: false }) =>
  createClient(gateway.url).request('POST', '/v1/responses', { model, input: 'Hello', ...fields });

describe.each(refusals)('%i', (status, error, code) => {
  beforeEach(() => {
    refusal = { status, error };
  });

  test('from the only deployment is told, and it is asked once', async () => {
    expect((await ask('alone')).body.error.code).toBe(code);
    expect(upstream.requests).toHaveLength(1);
  });

  test.each(['fallen', `group-${status}`])('is answered by another: %s', async (model) => {
    const { status: told, body } = await ask(model);
    expect([told, body.output?.[0].content[0].text]).toEqual([200, 'Hello.']);
    expect(upstream.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer bad-key',
      'Bearer good-key',
    ]);
  });
});

test('a group is asked once for each credential, whatever it is', async () => {
  refusal = { status: 401, error: { message: 'No.' } };
  expect((await ask('many')).body.error.code).toBe('upstream_auth');
  expect(upstream.requests.map(({ headers }) => String(headers.authorization)).toSorted()).toEqual([
    'Bearer bad-1-key',
    'Bearer bad-2-key',
  ]);
  expect((await ask('headers')).status).toBe(200);
});

describe.each([
  ['plain', { store: true }],
  ['streamed', { store: true, stream: true }],
])('%s: what lets us in is not told or kept, not even where the upstream repeats it', (_, fields) => {
  test.each(['azure', 'google', 'header', 'scheme'])('%s', async (model) => {
    for (const status of [400, 200, 500]) {
      refusal = { status, error: { echo: true } };
      expect((await ask(model, fields)).text).not.toContain('canary');
    }
    expect(JSON.stringify(upstream.requests[0]?.headers)).toContain('canary');
    const kept = readdirSync(folder).filter((name) => name.startsWith('turnpike.db'));
    const bytes = Buffer.concat(kept.map((name) => readFileSync(join(folder, name)))).toString('latin1');
    expect(bytes).toContain('content-type');
    expect(bytes).not.toContain('canary');
    expect(gateway.output()).not.toContain('canary');
  });
});
