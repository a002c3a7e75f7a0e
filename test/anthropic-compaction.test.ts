/** Compaction by Anthropic itself, over an upstream as strict as Anthropic: its block is carried sealed, stands first where it goes back, and is a text elsewhere. */
import type { ServerResponse } from 'node:http';
import { rmSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Client, createClient } from './support/client.ts';
import { chatEcho, fakeChatModel, type ChatAnswer, type FakeModel } from './support/fake-models.ts';
import { type FakeUpstream, fakeUpstream, sendJson, type UpstreamRequest } from './support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';
import { createMessagesAnswer } from './verify/order-model.ts';

let claude: FakeUpstream;
let qwen: FakeModel<ChatAnswer>;
let client: Client;
/** How the upstream falls short of Anthropic, by the model that is asked for. */
const lacks: Record<string, (request: UpstreamRequest, response: ServerResponse) => boolean> = {
  // An older API.
  'claude-opus-4-61'({ body }, response) {
    return body.compaction !== undefined && refuse(response, 'compaction: Extra inputs are not permitted');
  },
  'claude-opus-4-62'({ headers }, response) {
    const isAsked = headers['anthropic-beta']?.includes('compact-2026-09-04') === true;
    const message = 'Unexpected value(s) `compact-2026-09-04` for the `anthropic-beta` header.';
    return isAsked && refuse(response, message);
  },
  // What no summary came of.
  'claude-opus-4-63': ({ body }, response) =>
    body.compaction !== undefined && say(response, { type: 'compaction', content: null }),
  // It passes over the parameter.
  'claude-opus-4-64': ({ body }, response) =>
    body.compaction !== undefined && say(response, { type: 'text', text: 'Hello!' }),
  // It takes nothing back.
  'claude-opus-4-65'({ body }, response) {
    const isBack = body.compaction === undefined && body.messages[0].content[0].type === 'compaction';
    return isBack && refuse(response, 'messages.0.content.0: Invalid `signature` in `compaction` block');
  },
};
const folder = temporaryFolder();
const cleanups: (() => void)[] = [];

function refuse(response: ServerResponse, message: string): true {
  sendJson(response, { type: 'error', error: { type: 'invalid_request_error', message } }, 400);
  return true;
}

function say(response: ServerResponse, block: object): true {
  const usage = { input_tokens: 9, output_tokens: 3 };
  sendJson(response, { id: 'msg_1', type: 'message', model: 'm', content: [block], stop_reason: 'end_turn', usage });
  return true;
}

beforeAll(async () => {
  const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
  const strict = createMessagesAnswer();
  claude = await fakeUpstream((request, response) => {
    if (lacks[request.body.model]?.(request, response) !== true) strict(request, response);
  }, onCleanup);
  qwen = await fakeChatModel(onCleanup);
  const anthropic = (name: string, model: string) =>
    `  - { name: ${name}, provider: anthropic, model: ${model}, base_url: "${claude.url}", api_key: k, max_output_tokens: 64000 }`;
  const config = `
models:
${anthropic('opus', 'claude-opus-4-6')}
${anthropic('sonnet', 'claude-sonnet-4-6')}
${anthropic('haiku', 'claude-haiku-4-5')}
${Object.keys(lacks)
  .map((name) => anthropic(name, name))
  .join('\n')}
  - { name: qwen, provider: openai-compatible, model: qwen3-32b, base_url: "${qwen.url}/v1", api_key: k }
`;
  client = createClient((await spawnGateway({ config, folder, onCleanup })).url);
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
  rmSync(folder, { recursive: true, maxRetries: 10 });
});
beforeEach(() => {
  qwen.answer = chatEcho;
  claude.requests.length = 0;
  qwen.requests.length = 0;
});

const trigger = { type: 'compaction_trigger' };
const user = (content: string) => ({ type: 'message', role: 'user', content });
const tools = [{ type: 'function', name: 'add', parameters: { type: 'object', properties: {} }, strict: false }];
const context_management = [{ type: 'compaction', compact_threshold: 1000 }];
const long = 'lorem ipsum '.repeat(1000);

async function ok(body: object) {
  const answer = await client.create(body);
  expect(answer.status, answer.text).toBe(200);
  expect(answer.body.status, answer.text).toBe('completed');
  return answer;
}

// oxlint-disable-next-line no-explicit-any -- what was sent
const sent = (): any => claude.requests.at(-1)?.body;
/** Who said what, in short. */
const shortOf = (): string[] =>
  // oxlint-disable-next-line no-explicit-any -- what was sent
  sent().messages.flatMap(({ role, content }: any) => content.map((block: any) => `${role}: ${wordOf(block)}`));
// oxlint-disable-next-line no-explicit-any -- what was sent
function wordOf({ type, text, content }: any): string {
  if (type === 'compaction') return `<${content.split('\n')[0]}>`;
  return type === 'text' ? (/<summary>\n(.*)/.exec(text)?.[1] ?? text) : type;
}
const typesOf = ({ body }: { body: { output: { type: string }[] } }) => body.output.map(({ type }) => type);

test.each([false, true])(
  'a trigger is a request for a compaction, which a chain goes on from, stream: %s',
  async (stream) => {
    const input = [{ role: 'developer', content: 'Be brief.' }, user('one')];
    const first = await ok({ model: 'opus', stream, input, tools });
    const previous = { previous_response_id: first.body.id, tools };
    const compacted = await ok({ model: 'opus', stream, input: [trigger], ...previous });
    expect(sent().compaction).toEqual({ type: 'summarize' });
    expect(claude.requests.at(-1)?.headers['anthropic-beta']).toBe('compact-2026-09-04');
    // Nothing is asked for in words, and the model's last are no beginning of an answer.
    expect(shortOf()).toEqual(['user: one', expect.stringMatching(/^assistant: /)]);
    const [item] = compacted.body.output;
    expect(compacted.body.output).toEqual([
      { type: 'compaction', id: expect.stringMatching(/^cmp_/), encrypted_content: expect.stringMatching(/^tp1\./) },
    ]);
    // Anthropic says what it took in an entry of its own.
    expect(compacted.body.usage.input_tokens).toBeGreaterThan(5);
    expect(compacted.body.usage.output_tokens).toBeGreaterThan(5);
    expect((await client.get(compacted.body.id)).body).toEqual(compacted.body);

    const next = await ok({ model: 'opus', stream, input: 'two', previous_response_id: compacted.body.id });
    expect(shortOf()).toEqual(['assistant: <The user said: one>', 'user: two']);
    expect(sent().messages[0].content[0]).toEqual({
      type: 'compaction',
      content: expect.any(String),
      encrypted_content: null,
      signature: expect.any(String),
      tool_changes: [],
    });
    expect(JSON.stringify(sent().system)).toContain('Be brief.');
    expect(claude.requests.at(-1)?.headers['anthropic-beta']).toBe('compact-2026-09-04');
    await ok({ model: 'opus', stream, input: 'three', previous_response_id: next.body.id });
    expect(shortOf().slice(1)).toEqual(['user: two', expect.stringMatching(/^assistant: /), 'user: three']);

    // A client that carries the conversation itself, whether it keeps what stood before or not; and a compaction of the compacted.
    for (const before of [[], [user('one'), { role: 'assistant', content: 'Re: one' }]]) {
      await ok({ model: 'opus', store: false, input: [...before, item, user('four')] });
      expect(shortOf()).toEqual(['assistant: <The user said: one>', 'user: four']);
    }
    const again = await ok({ model: 'opus', stream, input: [trigger], previous_response_id: next.body.id });
    await ok({ model: 'opus', stream, input: 'five', previous_response_id: again.body.id });
    expect(shortOf()).toEqual(['assistant: <The user said: The user said: one>', 'user: five']);
  },
);

test('another model, and another vendor, read what was summed up; the first is given its block again', async () => {
  const first = await ok({ model: 'opus', input: 'one' });
  const compacted = await ok({ model: 'opus', input: [trigger], previous_response_id: first.body.id });
  await ok({ model: 'sonnet', input: 'two', previous_response_id: compacted.body.id });
  expect(shortOf()).toEqual(['user: one', 'user: The user said: one', 'user: two']);
  expect(claude.requests.at(-1)?.headers['anthropic-beta']).toBeUndefined();
  const chat = await ok({ model: 'qwen', input: 'two', previous_response_id: compacted.body.id });
  expect(JSON.stringify(qwen.requests.at(-1)?.body.messages)).toContain('The user said: one');
  expect(chat.body.input_transformations).toBeUndefined();
  await ok({ model: 'opus', input: 'three', previous_response_id: chat.body.id });
  expect(shortOf()).toEqual(['assistant: <The user said: one>', 'user: two', 'assistant: Re: two', 'user: three']);
});

test.each(['chain', 'client'])(
  'a call that waits for its output stays behind the block, its thoughts too: %s',
  async (how) => {
    const reasoning = { effort: 'high' };
    const start = await ok({ model: 'opus', input: 'Hello.', tools, reasoning });
    const previous = { previous_response_id: start.body.id };
    const called = await ok({ model: 'opus', input: 'Use add.', tools, reasoning, ...previous });
    const callId = called.body.output.find(({ type }: { type: string }) => type === 'function_call').call_id;
    const body = { model: 'opus', input: [trigger], tools, reasoning, previous_response_id: called.body.id };
    const compacted = await ok(body);
    const output = { type: 'function_call_output', call_id: callId, output: '2' };
    const rest =
      how === 'chain'
        ? { input: [output], previous_response_id: compacted.body.id }
        : { input: [...compacted.body.output, output] };
    await ok({ model: 'opus', tools, reasoning, ...rest });
    expect(shortOf()).toEqual([
      'assistant: <The user said: Hello.>',
      'assistant: thinking',
      'assistant: tool_use',
      'user: tool_result',
    ]);
    expect(sent().thinking).toMatchObject({ type: 'adaptive' });
  },
);

test('/v1/responses/compact gives a window of the same item', async () => {
  const first = await ok({ model: 'opus', input: 'one' });
  const body = { model: 'opus', previous_response_id: first.body.id };
  const answer = await client.request('POST', '/v1/responses/compact', body);
  expect(answer.status, answer.text).toBe(200);
  expect(sent().compaction).toEqual({ type: 'summarize' });
  const types = answer.body.output.map(({ type, role }: { type: string; role?: string }) => role ?? type);
  expect(types).toEqual(['user', 'compaction']);
  await ok({ model: 'opus', input: [...answer.body.output, user('two')] });
  expect(shortOf()).toEqual(['assistant: <The user said: one>', 'user: two']);
});

test.each([{}, { stream: true }, { background: true }])('a threshold is kept by it: %j', async (how) => {
  const first = await ok({ model: 'opus', input: long });
  const body = { model: 'opus', context_management, input: 'two', previous_response_id: first.body.id };
  let answer = await client.create({ ...body, ...how });
  while (answer.body.status === 'queued' || answer.body.status === 'in_progress') {
    answer = await client.get(answer.body.id);
  }
  expect(typesOf(answer)).toEqual(['compaction', 'message']);
  const asked = claude.requests.filter((request) => request.body.compaction !== undefined);
  expect(asked).toHaveLength(1);
  expect(shortOf()).toEqual([expect.stringMatching(/^assistant: <The user said: lorem/), 'user: two']);
  await ok({ model: 'opus', input: 'three', previous_response_id: answer.body.id });
  expect(shortOf().map((said) => said.slice(0, 20))).toEqual([
    'assistant: <The user',
    expect.stringMatching(/^user: two/),
    expect.stringMatching(/^assistant: /),
    'user: three',
  ]);
});

test.each(Object.keys(lacks).slice(0, -1))(
  '%s does not compact: a summary is written, now and the next time',
  async (model) => {
    const first = await ok({ model, input: 'one' });
    const previous = { previous_response_id: first.body.id };
    const compacted = await ok({ model, input: [trigger], ...previous });
    expect(typesOf(compacted)).toEqual(['compaction']);
    expect(claude.requests.filter(({ body }) => body.compaction !== undefined)).toHaveLength(1);
    await ok({ model, input: 'two', previous_response_id: compacted.body.id });
    expect(shortOf()).toEqual(['user: one', 'user: The user said: one', 'user: two']);
    await ok({ model, input: [trigger], ...previous });
    expect(claude.requests.filter(({ body }) => body.compaction !== undefined)).toHaveLength(1);
  },
);

test('a block that is not taken back goes as the text that it is', async () => {
  const model = 'claude-opus-4-65';
  const first = await ok({ model, input: 'one' });
  const compacted = await ok({ model, input: [trigger], previous_response_id: first.body.id });
  await ok({ model, input: 'two', previous_response_id: compacted.body.id });
  expect(shortOf()).toEqual(['user: one', 'user: The user said: one', 'user: two']);
  const { length } = claude.requests;
  await ok({ model, input: 'three', previous_response_id: compacted.body.id });
  expect(claude.requests).toHaveLength(length + 1);
});

test.each(['opus', 'haiku'])('a client of the Messages API gets its own compaction, called once: %s', async (model) => {
  const headers = { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'compact-2026-09-04' };
  const messages = [user('one'), { role: 'assistant', content: 'Re: one' }].map(({ role, content }) => ({
    role,
    content,
  }));
  // Haiku knows no such thinking, so that its request is written anew.
  const body = { model, max_tokens: 2048, messages, thinking: { type: 'adaptive' }, compaction: { type: 'summarize' } };
  const answer = await client.request('POST', '/v1/messages', body, headers);
  expect(answer.status, answer.text).toBe(200);
  expect(answer.body).toMatchObject({ stop_reason: 'compaction', content: [{ type: 'compaction' }] });
  expect(answer.body.content[0].content).toBe('The user said: one\nThe assistant said: Re: one');
  expect(claude.requests).toHaveLength(1);
  const next = [
    { role: 'assistant', content: answer.body.content },
    { role: 'user', content: 'two' },
  ];
  const again = await client.request('POST', '/v1/messages', { model, max_tokens: 9, messages: next }, headers);
  expect(again.status, again.text).toBe(200);
  expect(sent().messages).toEqual(next);
});

test('a compaction that a client of the Messages API sends wrongly teaches nothing', async () => {
  const headers = { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'compact-2026-09-04' };
  const messages = [
    { role: 'assistant', content: [{ type: 'compaction', content: 'Nothing.', signature: 'forged' }] },
    { role: 'user', content: 'two' },
  ];
  const answer = await client.request('POST', '/v1/messages', { model: 'opus', max_tokens: 9, messages }, headers);
  expect(answer.body.error.message).toContain('Invalid `signature` in `compaction` block');
  expect(claude.requests).toHaveLength(1);
  await ok({ model: 'opus', input: [user('one'), trigger] });
  expect(sent().compaction).toEqual({ type: 'summarize' });
});
