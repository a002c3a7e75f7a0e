/** Compaction by an upstream that has its own: its item is carried sealed, goes back value for value, and nobody else is sent it. */
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Client, createClient } from './support/client.ts';
import { chatEcho, fakeChatModel, type ChatAnswer, type FakeModel, lastText } from './support/fake-models.ts';
import { call, openAiEcho, type OpenAiUpstream, openAiUpstream, text, thought } from './support/openai-upstream.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

let gpt: OpenAiUpstream;
let old: OpenAiUpstream;
let qwen: FakeModel<ChatAnswer>;
let client: Client;
const folder = temporaryFolder();
const cleanups: (() => void)[] = [];

beforeAll(async () => {
  const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
  gpt = await openAiUpstream(onCleanup);
  old = await openAiUpstream(onCleanup);
  qwen = await fakeChatModel(onCleanup);
  const config = `
auth:
  keys: [{ name: a, key: tp-native-key-a, team: alpha }, { name: b, key: tp-native-key-b, team: beta }]
models:
  - { name: gpt, provider: openai, model: gpt-5.1, base_url: "${gpt.url}/v1", api_key: k }
  - { name: gpt-other, provider: openai, model: o4-mini, base_url: "${gpt.url}/v1", api_key: k }
  - { name: old, provider: openai, model: gpt-5.1, base_url: "${old.url}/v1", api_key: k }
  - { name: overlooks-false, provider: openai, model: gpt-5.2, base_url: "${gpt.url}/v1", api_key: k }
  - { name: overlooks-true, provider: openai, model: gpt-5.3, base_url: "${gpt.url}/v1", api_key: k }
  - { name: qwen, provider: openai-compatible, model: qwen3-32b, base_url: "${qwen.url}/v1", api_key: k }
  - { name: mixed, provider: openai, model: gpt-5.1, base_url: "${gpt.url}/v1", api_key: k, weight: 1.0e+12 }
  - { name: mixed, provider: openai-compatible, model: qwen3-32b, base_url: "${qwen.url}/v1", api_key: k, weight: 1.0e-12 }
`;
  const plain = createClient((await spawnGateway({ config, folder, onCleanup })).url);
  const request: Client['request'] = (method, path, body, headers = asTenant('a')) =>
    plain.request(method, path, body, headers);
  client = {
    request,
    create: (body, headers) => request('POST', '/v1/responses', body, headers),
    get: (id) => request('GET', `/v1/responses/${id}`),
  };
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
  rmSync(folder, { recursive: true, maxRetries: 10 });
});
beforeEach(() => {
  gpt.answer = openAiEcho;
  qwen.answer = chatEcho;
  for (const { requests } of [gpt, old, qwen]) requests.length = 0;
});

const asTenant = (key: string) => ({ authorization: `Bearer tp-native-key-${key}` });
const trigger = { type: 'compaction_trigger' };
const user = (content: string) => ({ type: 'message', role: 'user', content });
const tools = [{ type: 'function', name: 'add', parameters: { type: 'object', properties: {} }, strict: false }];

async function ok(body: object) {
  const answer = await client.create(body);
  expect(answer.status, answer.text).toBe(200);
  expect(answer.body.status, answer.text).toBe('completed');
  return answer;
}

/** What the upstream was sent last, in short. */
// oxlint-disable-next-line no-explicit-any -- what was sent
const sent = (): any[] => gpt.requests.at(-1)?.body.input;
const shortOf = () =>
  // oxlint-disable-next-line no-explicit-any -- what was sent
  sent().map(({ type = 'message', role, content }: any) =>
    type === 'message' ? `${role}: ${typeof content === 'string' ? content : content[0].text}` : type,
  );

/** The item that OpenAI made last. */
let made: unknown;
const keepingMade: OpenAiUpstream['answer'] = (request, response) => {
  const answer = openAiEcho(request, response);
  made = answer?.output.find(({ type }) => type === 'compaction') ?? made;
  return answer;
};

test.each([false, true])('a trigger goes to OpenAI, whose item a chain goes on from, stream: %s', async (stream) => {
  gpt.answer = keepingMade;
  const first = await ok({ model: 'gpt', stream, input: [{ role: 'developer', content: 'Be brief.' }, user('one')] });
  const compacted = await ok({ model: 'gpt', stream, input: [trigger], previous_response_id: first.body.id });
  expect(shortOf()).toEqual(['developer: Be brief.', 'user: one', 'assistant: Re: one', 'compaction_trigger']);
  const [item, ...rest] = compacted.body.output;
  expect(rest).toEqual([]);
  expect(item).toEqual({
    type: 'compaction',
    id: expect.stringMatching(/^cmp_/),
    encrypted_content: expect.stringMatching(/^tp1\./),
  });
  expect((await client.get(compacted.body.id)).body).toEqual(compacted.body);
  expect(compacted.text).not.toContain('gAAAAA');

  const next = await ok({ model: 'gpt', stream, input: 'two', previous_response_id: compacted.body.id });
  const window = ['developer: Be brief.', 'user: one', 'compaction'];
  expect(shortOf()).toEqual([...window, 'user: two']);
  expect(sent()[2]).toEqual(made);
  await ok({ model: 'gpt', stream, input: 'three', previous_response_id: next.body.id });
  expect(shortOf()).toEqual([...window, 'user: two', 'assistant: Re: two', 'user: three']);

  // A client that carries the conversation itself, whether it keeps what stood before or not.
  for (const before of [[], [user('one'), { role: 'assistant', content: 'Re: one' }]]) {
    await ok({ model: 'gpt', store: false, input: [...before, item, user('four')] });
    const kept = before.length > 0 ? ['user: one'] : [];
    // The developer's message is in the envelope, for a client that drops it.
    expect(shortOf()).toEqual(['developer: Be brief.', ...kept, 'compaction', 'user: four']);
    expect(sent().at(-2)).toEqual(made);
  }
  expect(gpt.refusals).toEqual([]);
});

test('another vendor, and another model of the same, are sent all that the item stands for', async () => {
  const first = await ok({ model: 'gpt', input: 'one' });
  const compacted = await ok({ model: 'gpt', input: [trigger], previous_response_id: first.body.id });
  const [item] = compacted.body.output;
  const removed = { id: item.id, type: 'reasoning', action: 'removed', reason: 'model_mismatch' };
  const chat = await ok({ model: 'qwen', input: 'two', previous_response_id: compacted.body.id });
  expect(qwen.requests.at(-1)?.body.messages.map(({ content }: { content: string }) => content)).toEqual([
    'one',
    'Re: one',
    'two',
  ]);
  expect(chat.body.input_transformations).toEqual([removed]);
  expect(chat.headers.get('x-turnpike-warnings')).toContain('compaction');
  const other = await ok({ model: 'gpt-other', input: 'two', previous_response_id: compacted.body.id });
  expect(shortOf()).toEqual(['user: one', 'assistant: Re: one', 'user: two']);
  expect(other.body.input_transformations).toEqual([removed]);
  // Back at the model that made it, from the turn of the other vendor.
  await ok({ model: 'gpt', input: 'three', previous_response_id: chat.body.id });
  expect(shortOf()).toEqual(['user: one', 'compaction', 'user: two', 'assistant: Re: two', 'user: three']);
});

test('nobody else can have it read', async () => {
  const { body } = await ok({ model: 'gpt', input: [user('one'), trigger] });
  const [item] = body.output;
  const input = [user('one'), item, user('two')];
  const answer = await client.create({ model: 'gpt', input }, asTenant('b'));
  expect(answer.status, answer.text).toBe(200);
  expect(shortOf()).toEqual(['user: one', 'user: two']);
  expect(answer.body.input_transformations[0].reason).toBe('organization_mismatch');
});

test.each(['chain', 'client'])('a call that waits for its output is behind the item: %s', async (how) => {
  gpt.answer = ({ body }) => ({ output: [thought(body.model, 'Add.'), call('add', '{}', 'call_open')] });
  const called = await ok({ model: 'gpt', input: 'Call.', tools });
  gpt.answer = openAiEcho;
  const compacted = await ok({ model: 'gpt', input: [trigger], tools, previous_response_id: called.body.id });
  expect(shortOf()).toEqual(['user: Call.', 'compaction_trigger']);
  const output = { type: 'function_call_output', call_id: 'call_open', output: '2' };
  const rest =
    how === 'chain'
      ? { input: [output], previous_response_id: compacted.body.id }
      : { input: [...compacted.body.output, output] };
  await ok({ model: 'gpt', tools, ...rest });
  const kept = how === 'chain' ? ['user: Call.'] : [];
  expect(shortOf()).toEqual([...kept, 'compaction', 'reasoning', 'function_call', 'function_call_output']);
  await ok({ model: 'qwen', tools, ...rest });
  const roles = qwen.requests.at(-1)?.body.messages.map(({ role }: { role: string }) => role);
  expect(roles).toEqual(how === 'chain' ? ['user', 'assistant', 'tool'] : ['assistant', 'tool']);
  expect(gpt.refusals).toEqual([]);
});

test('/v1/responses/compact gives a window of the same item', async () => {
  gpt.answer = keepingMade;
  const first = await ok({ model: 'gpt', input: 'one' });
  const body = { model: 'gpt', previous_response_id: first.body.id };
  const answer = await client.request('POST', '/v1/responses/compact', body);
  expect(answer.status, answer.text).toBe(200);
  const types = answer.body.output.map(({ type, role }: { type: string; role?: string }) => role ?? type);
  expect(types).toEqual(['user', 'compaction']);
  await ok({ model: 'gpt', input: [...answer.body.output, user('two')] });
  expect(sent()[1]).toEqual(made);
  expect(shortOf()).toEqual(['user: one', 'compaction', 'user: two']);
});

const context_management = [{ type: 'compaction', compact_threshold: 1000 }];
const long = 'lorem ipsum '.repeat(1000);

test.each([{}, { stream: true }, { background: true }])('a threshold is OpenAI’s to watch: %j', async (how) => {
  const first = await ok({ model: 'gpt', input: long });
  const asked = gpt.requests.length;
  const body = { model: 'gpt', context_management, input: 'two', previous_response_id: first.body.id };
  let answer = await client.create({ ...body, ...how });
  while (answer.body.status === 'queued' || answer.body.status === 'in_progress') {
    answer = await client.get(answer.body.id);
  }
  expect(answer.body.output.map(({ type }: { type: string }) => type)).toEqual(['compaction', 'message']);
  expect(gpt.requests.length).toBe(asked + 1);
  expect(gpt.requests.at(-1)?.body.context_management).toEqual(context_management);
  await ok({ model: 'gpt', input: 'three', previous_response_id: answer.body.id });
  expect(shortOf()).toEqual(['compaction', 'assistant: Re: two', 'user: three']);
});

/** Sums up where it is asked to. */
const summing: FakeModel<ChatAnswer>['answer'] = (request) => {
  const said = lastText(request);
  return { content: said.includes('about to be compacted') ? 'THE SUMMARY' : `Re: ${said}` };
};

test('a background response over another vendor is compacted by a summary', async () => {
  qwen.answer = summing;
  const first = await ok({ model: 'qwen', input: long });
  const body = { model: 'qwen', context_management, input: 'two', previous_response_id: first.body.id };
  let answer = await client.create({ ...body, background: true });
  expect(answer.body.status, answer.text).toBe('queued');
  while (answer.body.status === 'queued' || answer.body.status === 'in_progress') {
    answer = await client.get(answer.body.id);
  }
  expect(answer.body.output.map(({ type }: { type: string }) => type)).toEqual(['compaction', 'message']);
  expect(qwen.requests.at(-1)?.body.messages.at(-2).content).toContain('THE SUMMARY');
  await ok({ model: 'qwen', input: 'three', previous_response_id: answer.body.id });
  expect(JSON.stringify(qwen.requests.at(-1)?.body.messages)).not.toContain('lorem');
});

test('where not all deployments of a model compact, the summary is one that each can read', async () => {
  gpt.answer = (request, response) => {
    const said = JSON.stringify(request.body.input.at(-1));
    if (said.includes('about to be compacted')) return { output: [text('THE SUMMARY')] };
    return openAiEcho(request, response);
  };
  const first = await ok({ model: 'mixed', input: long });
  const body = { model: 'mixed', context_management, input: 'two', previous_response_id: first.body.id };
  const answer = await ok(body);
  expect(answer.body.output.map(({ type }: { type: string }) => type)).toEqual(['compaction', 'message']);
  expect(gpt.requests.at(-1)?.body.context_management).toBeUndefined();
  await ok({ model: 'qwen', input: 'three', previous_response_id: answer.body.id });
  expect(JSON.stringify(qwen.requests.at(-1)?.body.messages)).toContain('THE SUMMARY');
});

test('a server that does not know the trigger is asked for a summary, and not for the other again', async () => {
  old.answer = (request, response) => {
    if (request.text.includes('compaction_trigger')) {
      const message = "Invalid value: 'compaction_trigger'.";
      response.writeHead(400, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: { message, type: 'invalid_request_error', param: 'input', code: null } }));
      return undefined;
    }
    return { output: [text('THE SUMMARY')] };
  };
  for (const requests of [2, 1]) {
    old.requests.length = 0;
    const answer = await ok({ model: 'old', input: [user('one'), trigger] });
    expect(answer.body.output[0].type).toBe('compaction');
    expect(old.requests).toHaveLength(requests);
  }
});

test.each([false, true])('so is one that passes over it: stream %s', async (stream) => {
  const model = `overlooks-${stream}`;
  gpt.answer = () => ({ output: [text('No.')] });
  const ask = () => client.create({ model, input: [user('one'), trigger], stream });
  const first = await ask();
  expect(first.body.output.map(({ type }: { type: string }) => type)).toEqual(['compaction']);
  gpt.requests.length = 0;
  const second = await ask();
  expect(second.text).toContain('"type":"compaction"');
  expect(gpt.requests).toHaveLength(1);
  expect(gpt.requests[0]?.text).not.toContain('compaction_trigger');
});
