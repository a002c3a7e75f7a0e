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
    if (isGood) sendJson(response, reply);
    else if ('echo' in refusal.error) sendJson(response, { error: { message: JSON.stringify(request.headers) } }, 400);
    else sendJson(response, { error: refusal.error }, refusal.status);
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

const ask = (model: string, store = false) =>
  createClient(gateway.url).request('POST', '/v1/responses', { model, input: 'Hello', store });

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

test.each([
  // What names a key is taken for a refusal of ours, and not shown at all.
  ['azure', 502],
  ['google', 502],
  ['header', 400],
])('what lets us in is not told or kept, not even where the upstream repeats it: %s', async (model, expected) => {
  refusal = { status: 400, error: { echo: true } };
  const { status, text } = await ask(model, true);
  expect(status).toBe(expected);
  expect(JSON.stringify(upstream.requests[0]?.headers)).toContain('canary');
  expect(text).not.toContain('canary');
  const kept = readdirSync(folder).filter((name) => name.startsWith('turnpike.db'));
  const bytes = Buffer.concat(kept.map((name) => readFileSync(join(folder, name)))).toString('latin1');
  expect(bytes).toContain('content-type');
  expect(bytes).not.toContain('canary');
});
