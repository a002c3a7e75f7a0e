/** A caller's own credential: where it goes, and that it goes nowhere else. Tried as whoever would like to have it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createClient } from './support/client.ts';
import { fakeMessagesModel, type FakeModel, type MessagesAnswer, messagesEcho } from './support/fake-models.ts';
import { sendJson, type UpstreamRequest } from './support/fake-upstream.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const cleanups: (() => void)[] = [];
const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
const folders = { closed: temporaryFolder(), open: temporaryFolder() };
/** What a subscription of Claude Code sends; without what any key begins with, so that only care keeps it out of logs. */
const token = 'oauth-token-of-alice-0123456789';
const bobs = 'oauth-token-of-bob-9876543210';

let lender: FakeModel<MessagesAnswer>;
let other: FakeModel<MessagesAnswer>;
let closed: SpawnedGateway;
let open: SpawnedGateway;

beforeAll(async () => {
  lender = await fakeMessagesModel(onCleanup);
  other = await fakeMessagesModel(onCleanup);
  const models = `
models:
  - { name: "claude-*", provider: anthropic, model: "*", base_url: "${lender.url}", credential: client }
  - { name: ours, provider: anthropic, model: claude-haiku-4-5, base_url: "${other.url}", api_key: sk-ours }
routing: { retries: 0, fallbacks: { "claude-*": [ours] } }
`;
  const auth = `
auth:
  keys:
    - { name: alice, key: sk-turnpike-alice, team: alpha }
    - { name: bob, key: sk-turnpike-bob, team: beta }
`;
  const start = (config: string, folder: string) =>
    spawnGateway({ config, folder, onCleanup, env: { TURNPIKE_LOG_LEVEL: 'trace' } });
  closed = await start(auth + models, folders.closed);
  open = await start(models, folders.open);
});
beforeEach(() => {
  lender.answer = messagesEcho;
  other.answer = messagesEcho;
  lender.requests.length = 0;
  other.requests.length = 0;
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

const body = { model: 'claude-haiku-4-5', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };
const own = { 'x-turnpike-key': 'sk-turnpike-alice' };
const oauth = { authorization: `Bearer ${token}` };
const ask = (headers: Record<string, string>, { url } = closed, more: object = {}, path = '/v1/messages') =>
  createClient(url).request('POST', path, { ...body, ...more }, { 'anthropic-version': '2023-06-01', ...headers });

/** What tells who asks, of a request that an upstream got. */
const credentialsOf = ({ headers }: UpstreamRequest) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => /auth|key|cookie|token|turnpike/.test(name)));
/** Files and output of either gateway that hold the text. */
function placesWith(text: string): string[] {
  const stored = Object.values(folders).flatMap((folder) =>
    readdirSync(folder).filter(
      (name) => name.startsWith('turnpike.db') && readFileSync(join(folder, name)).includes(text),
    ),
  );
  const logged = [closed, open].filter((gateway) => gateway.output().includes(text)).map(() => 'a log');
  return [...stored, ...logged];
}

describe('with a key of the gateway in a header of its own', () => {
  test.each<[string, Record<string, string>]>([
    ['an OAuth token', oauth],
    ['an API key', { 'x-api-key': token }],
  ])('%s goes up as it came, alone', async (_, credential) => {
    const { status, text } = await ask({ ...own, ...credential });
    expect(status, text).toBe(200);
    expect(lender.requests.map(credentialsOf)).toEqual([credential]);
    const streamed = await fetch(`${closed.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', ...own, ...credential },
      body: JSON.stringify({ ...body, stream: true }),
    });
    expect(await streamed.text()).toContain('message_stop');
    expect(lender.requests.map(credentialsOf)).toEqual([credential, credential]);
  });

  test('each caller lends its own', async () => {
    const bob = { 'x-turnpike-key': 'sk-turnpike-bob', authorization: `Bearer ${bobs}` };
    const asked = Array.from({ length: 10 }, (_, at) => {
      const alice = at % 2 === 0;
      const content = alice ? 'alice' : 'bob';
      return ask(alice ? { ...own, ...oauth } : bob, closed, { messages: [{ role: 'user', content }] });
    });
    for (const { status } of await Promise.all(asked)) expect(status).toBe(200);
    expect(lender.requests).toHaveLength(10);
    for (const { headers, text } of lender.requests) {
      expect(headers.authorization).toBe(`Bearer ${text.includes('alice') ? token : bobs}`);
    }
  });

  test('tokens are counted with it', async () => {
    lender.answer = (request, response) => {
      expect(request.path).toContain('count_tokens');
      sendJson(response, { input_tokens: 5 });
      return undefined;
    };
    const { max_tokens: _, ...counted } = body;
    const client = createClient(closed.url);
    const headers = { ...own, ...oauth, 'anthropic-version': '2023-06-01' };
    const answer = await client.request('POST', '/v1/messages/count_tokens', counted, headers);
    expect(answer.body).toEqual({ input_tokens: 5 });
    expect(lender.requests.map(credentialsOf)).toEqual([oauth]);
  });
});

describe('a key of the gateway is lent to nobody', () => {
  test.each<[string, Record<string, string>, number]>([
    ['where it lets in', { authorization: 'Bearer sk-turnpike-alice' }, 401],
    ["where it lets in as Anthropic's clients send it", { 'x-api-key': 'sk-turnpike-alice' }, 401],
    ['where it is sent twice', { ...own, authorization: 'Bearer sk-turnpike-alice' }, 401],
    ["where another's is sent", { ...own, 'x-api-key': 'sk-turnpike-bob' }, 401],
    ['where the header of its own holds another', { 'x-turnpike-key': 'sk-other', ...oauth }, 401],
    ['where the header of its own is empty', { 'x-turnpike-key': '', ...oauth }, 401],
    ['where it is alone', own, 401],
    ['where what is lent lets nobody in', oauth, 401],
    ['where it is no bearer token', { ...own, authorization: 'Basic YTpi' }, 401],
  ])('%s', async (_, headers, status) => {
    const answer = await ask(headers);
    expect([answer.status, answer.body.type], answer.text).toEqual([status, 'error']);
    expect(answer.text).not.toContain(token);
    expect([...lender.requests, ...other.requests]).toEqual([]);
  });

  test("nor is a caller's own to other models", async () => {
    expect((await ask({ ...own, ...oauth }, closed, { model: 'ours' })).status).toBe(200);
    expect(other.requests.map(credentialsOf)).toEqual([{ 'x-api-key': 'sk-ours' }]);
    expect(lender.requests).toEqual([]);
  });

  test('nor to a fallback elsewhere, which has its own', async () => {
    lender.answer = (_, response) => {
      sendJson(response, { type: 'error', error: { type: 'overloaded_error', message: 'busy' } }, 529);
      return undefined;
    };
    expect((await ask({ ...own, ...oauth })).status).toBe(200);
    expect(lender.requests.map(credentialsOf)).toEqual([oauth]);
    expect(other.requests.map(credentialsOf)).toEqual([{ 'x-api-key': 'sk-ours' }]);
    expect(other.requests[0]?.text).not.toContain(token);
  });

  test('nor to where the upstream would send it', async () => {
    lender.answer = (_, response) => {
      response.writeHead(307, { location: `${other.url}/v1/messages` }).end();
      return undefined;
    };
    // Its fallback answers, with its own.
    expect((await ask({ ...own, ...oauth })).status).toBe(200);
    expect(other.requests).toHaveLength(1);
    expect(other.requests.map(credentialsOf).filter(({ authorization }) => authorization !== undefined)).toEqual([]);
  });
});

describe('without any key of the gateway, on this machine', () => {
  test.each<[string, Record<string, string>]>([
    ['an OAuth token', oauth],
    ['an API key', { 'x-api-key': token }],
  ])('%s goes up as it came', async (_, credential) => {
    expect((await ask(credential, open)).status).toBe(200);
    expect(lender.requests.map(credentialsOf)).toEqual([credential]);
  });

  test('nothing is a 401', async () => {
    expect((await ask({}, open)).status).toBe(401);
    expect(lender.requests).toEqual([]);
  });
});

test('it is nowhere afterwards, not even where the upstream repeats it in what it refuses', async () => {
  for (const status of [400, 401, 403, 429, 500]) {
    lender.answer = ({ headers }, response) => {
      const said = `${String(headers.authorization)} was refused`;
      sendJson(response, { type: 'error', error: { type: 'invalid_request_error', message: said } }, status);
      return undefined;
    };
    other.answer = lender.answer;
    const { text } = await ask({ ...own, ...oauth });
    expect(text).not.toContain(token);
  }
  expect(placesWith(token)).toEqual([]);
  expect(placesWith(bobs)).toEqual([]);
  // What can be found that way is found.
  expect(placesWith('claude-haiku-4-5')).not.toEqual([]);
});

test('one that the upstream refuses is a 401, so that the client renews it', async () => {
  lender.answer = (_, response) => {
    sendJson(response, { type: 'error', error: { type: 'authentication_error', message: 'expired' } }, 401);
    return undefined;
  };
  const { status, body: said } = await ask({ ...own, ...oauth });
  expect([status, said.error.type]).toEqual([401, 'authentication_error']);
});

test('a background response has nobody who could lend one, and is not begun', async () => {
  const answer = await createClient(closed.url).create(
    { model: 'claude-haiku-4-5', input: 'hi', background: true },
    { ...own, ...oauth },
  );
  expect([answer.status, answer.body.error.code]).toEqual([401, 'invalid_api_key']);
  expect(lender.requests).toEqual([]);
});

test.each([
  ['api_key: k, credential: client', 'there can be no api_key'],
  ['credential: mine', 'credential'],
])('a model with %s is refused', async (fields, message) => {
  const config = `models: [{ name: m, provider: anthropic, model: m, ${fields} }]`;
  await expect(spawnGateway({ config, folder: temporaryFolder() })).rejects.toThrow(message);
});

test('a credential is for one origin, and for providers that know what to do with it', async () => {
  const entry = (name: string, rest: string) => `  - { name: ${name}, model: m, credential: client, ${rest} }`;
  const config = `models:\n${entry('a', 'provider: anthropic')}\n${entry('b', `provider: anthropic, base_url: "http://b"`)}`;
  await expect(spawnGateway({ config, folder: temporaryFolder() })).rejects.toThrow('goes to one origin only');
  const wrong = `models:\n${entry('a', 'provider: openai')}`;
  await expect(spawnGateway({ config: wrong, folder: temporaryFolder() })).rejects.toThrow('means nothing to openai');
});
