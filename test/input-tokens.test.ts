/** `POST /v1/responses/input_tokens`: by the upstream's own counter, or by an estimate that says so. */
import { describe, expect, test } from 'vitest';
import { createClient } from './support/client.ts';
import { fakeUpstream, sendJson, type UpstreamRequest } from './support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();
const count = (body: object, headers?: Record<string, string>) =>
  rig.client.request('POST', '/v1/responses/input_tokens', body, headers);
function answerCount(body: object, status = 200): void {
  rig.messages.answer = (_, response) => {
    sendJson(response, body, status);
    return undefined;
  };
}
const rows = () => rig.query('SELECT (SELECT count(*) FROM turns) turns, (SELECT count(*) FROM attempts) attempts')[0];
const tool = { type: 'function', name: 'add', parameters: { type: 'object', properties: {} }, strict: false };

test('Anthropic is asked with what a turn would send and its counter takes, and nothing is written', async () => {
  const first = await rig.client.create({ model: 'claude', input: 'one' });
  const before = rows();
  answerCount({ input_tokens: 4321 });
  const body = {
    model: 'claude',
    previous_response_id: first.body.id,
    input: 'two',
    instructions: 'Be brief.',
    tools: [tool],
    tool_choice: 'required',
    max_output_tokens: 100,
    temperature: 0.5,
    personality: 'friendly',
  };
  const answer = await count(body);
  expect(answer.status, answer.text).toBe(200);
  expect(answer.body).toEqual({ object: 'response.input_tokens', input_tokens: 4321 });
  // What a create would warn of.
  expect(answer.headers.get('x-turnpike-warnings')).toContain('personality');
  expect(answer.headers.get('x-turnpike-warnings')).not.toContain('estimate');
  const asked = rig.messages.requests.at(-1) as UpstreamRequest;
  expect(asked.path).toBe('/v1/messages/count_tokens');
  expect(asked.headers['x-api-key']).toBe('k');
  expect(Object.keys(asked.body)).toEqual(['model', 'tool_choice', 'tools', 'system', 'messages']);
  expect(asked.body.messages.map(({ content }: { content: { text: string }[] }) => content[0]?.text)).toEqual([
    'one',
    'Re: one',
    'two',
  ]);
  // A turn without anything new would be refused, and so is its count.
  expect((await count({ model: 'claude', previous_response_id: first.body.id, input: null })).status).toBe(400);
  expect(rows()).toEqual(before);
});

describe('an estimate', () => {
  test('is made where there is no counter, and says so', async () => {
    const before = rows();
    const answer = await count({ model: 'qwen', input: 'The quick brown fox jumps over the lazy dog.' });
    expect(answer.body).toEqual({ object: 'response.input_tokens', input_tokens: 20 });
    expect(answer.headers.get('x-turnpike-warnings')).toContain('"param":"input_tokens"');
    expect(answer.headers.get('x-turnpike-warnings')).toContain('estimate');
    expect(rig.chat.requests).toEqual([]);
    expect(rows()).toEqual(before);
    expect((await count({ model: 'simulator', input: 'Hello' })).headers.get('x-turnpike-warnings')).toContain(
      'estimate',
    );
  });

  test('is made where the server has no such address', async () => {
    answerCount({ type: 'error' }, 404);
    const answer = await count({ model: 'claude', input: 'Hello' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-turnpike-warnings')).toContain('estimate');
  });
});

test.each<[status: number, body: object, code: string, answered: number]>([
  [400, { type: 'error', error: { type: 'invalid_request_error', message: 'bad tool' } }, 'upstream_rejected', 400],
  [401, { type: 'error', error: { type: 'authentication_error', message: 'sk-secret' } }, 'upstream_auth', 502],
  [429, { type: 'error', error: { type: 'rate_limit_error', message: 'slow' } }, 'rate_limit_exceeded', 429],
  [200, { tokens: 3 }, 'upstream_invalid_response', 502],
])('what the counter fails with is told: %i', async (status, body, code, answered) => {
  answerCount(body, status);
  const answer = await count({ model: 'claude', input: 'Hello' });
  expect(answer.status, answer.text).toBe(answered);
  expect(answer.body.error.code).toBe(code);
  expect(answer.text).not.toContain('secret');
});

test('the next deployment is asked where one is away', async () => {
  answerCount({ input_tokens: 5 });
  const answer = await count({ model: 'shaky-closed', input: 'Hello' });
  expect(answer.body, answer.text).toEqual({ object: 'response.input_tokens', input_tokens: 5 });
});

test('state is behind the same wall as in a create, and what a create refuses is refused', async () => {
  const counter = await fakeUpstream((_, response) => sendJson(response, { input_tokens: 1 }));
  const config = `
auth: { keys: [{ name: a, key: tp-count-key-a, team: alpha }, { name: b, key: tp-count-key-b, team: beta }] }
models: [{ name: claude, provider: simulator, model: s }, { name: c, provider: anthropic, model: claude-haiku-4-5, base_url: "${counter.url}" }]
`;
  const gateway = await spawnGateway({ config, folder: temporaryFolder() });
  const client = createClient(gateway.url);
  const as = (key: string) => ({ authorization: `Bearer tp-count-key-${key}` });
  const made = await client.create({ model: 'claude', input: 'one' }, as('a'));
  const ask = (body: object, key: string) => client.request('POST', '/v1/responses/input_tokens', body, as(key));
  const id: string = made.body.id;
  expect((await ask({ model: 'c', previous_response_id: id, input: 'x' }, 'a')).status).toBe(200);
  const foreign = await ask({ model: 'c', previous_response_id: id, input: 'x' }, 'b');
  const unknown = await ask({ model: 'c', previous_response_id: 'resp_unknown', input: 'x' }, 'b');
  expect(foreign.status).toBe(400);
  expect(foreign.text.replace(id, 'ID')).toBe(unknown.text.replace('resp_unknown', 'ID'));
  expect((await ask({ model: 'none', input: 'x' }, 'a')).status).toBe(404);
  expect((await ask({ input: 'x' }, 'a')).body.error.param).toBe('model');
  const call = { type: 'function_call', call_id: 'call_1', name: 'f', arguments: '{}' };
  expect((await ask({ model: 'c', input: [call] }, 'a')).body.error.message).toContain('No tool output found');
  expect(counter.requests).toHaveLength(1);
});
