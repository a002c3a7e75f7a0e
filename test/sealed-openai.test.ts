/**
 * What a client carries itself, over an upstream that is as strict as OpenAI: its encrypted reasoning in our envelope,
 * compaction, also over a WebSocket as Codex does it, and its counter of tokens.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createClient } from './support/client.ts';
import { fakeUpstream, sendJson } from './support/fake-upstream.ts';
import { call, compaction, openAiUpstream, type OpenAiUpstream, text, thought } from './support/openai-upstream.ts';
import { connect } from './support/socket-client.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const tool = { type: 'function', name: 'add', parameters: { type: 'object', properties: {} }, strict: false };
const user = (content: string) => ({ type: 'message', role: 'user', content });
const include = ['reasoning.encrypted_content'];

async function start(url: string) {
  const entry = (name: string) =>
    `  - { name: ${name}, provider: openai, model: ${name}, base_url: "${url}/v1", api_key: k }`;
  const config = `models:\n${entry('gpt-5')}\n${entry('o3')}\n`;
  const gateway = await spawnGateway({ config, folder: temporaryFolder() });
  return { gateway, client: createClient(gateway.url) };
}

/** Thinks and calls on odd turns, answers on even ones; compacts where it is asked to. */
function answers(upstream: OpenAiUpstream): void {
  upstream.answer = (request) => {
    const { input, model } = request.body;
    const said = input.at(-1);
    if (said.type === 'compaction_trigger') return { output: [compaction(model)] };
    if (said.type === 'function_call_output') return { output: [thought(model, 'Done.'), text('Seven.')] };
    if (said.content?.[0]?.text !== 'Add.') return { output: [text('Hello.')] };
    return { output: [thought(model, 'Add them.'), call('add', '{"a":1.0}', 'call_1')] };
  };
}

interface Item {
  type: string;
  id: string;
  status?: string;
  encrypted_content?: string;
}

test.each([false, true])('a client that carries all itself is a chain to OpenAI, stream: %s', async (stream) => {
  const upstream = await openAiUpstream();
  const { client } = await start(upstream.url);
  answers(upstream);
  const converse = async (carries: boolean) => {
    upstream.requests.length = 0;
    const carried: unknown[] = [];
    let parent = {};
    for (const news of [user('Add.'), { type: 'function_call_output', call_id: 'call_1', output: '7' }, user('Bye.')]) {
      carried.push(news);
      const state = carries ? { input: carried, store: false, include } : { input: [news], ...parent };
      const answer = await client.create({ model: 'gpt-5', stream, tools: [tool], ...state });
      expect(answer.body.status, answer.text).toBe('completed');
      expect(answer.body.input_transformations).toBeUndefined();
      carried.push(...answer.body.output);
      parent = { previous_response_id: answer.body.id };
      for (const item of answer.body.output as Item[]) {
        if (carries && item.type === 'reasoning') expect(item.encrypted_content).toMatch(/^tp1\./);
        // OpenAI's own never leaves us.
        else expect(item.encrypted_content).toBeUndefined();
      }
    }
    return upstream.requests.map(({ body }) => body.input as Item[]);
  };
  const chain = await converse(false);
  const carried = await converse(true);
  expect(chain).toHaveLength(3);
  expect(JSON.stringify(chain.at(-1)).match(/gAAAAA/g)).toHaveLength(2);
  // Ids and states of calls and messages are no part of what OpenAI needs back.
  const shape = (inputs: Item[][]) => inputs.map((input) => input.map(({ id: _id, status: _status, ...item }) => item));
  expect(shape(carried)).toEqual(shape(chain));
  expect(upstream.refusals).toEqual([]);
});

test("another model's envelope, and what OpenAI sealed for another account, are left out before they are sent", async () => {
  const upstream = await openAiUpstream();
  const { client } = await start(upstream.url);
  upstream.answer = ({ body }) => ({ output: [thought(body.model, 'Hm.'), text('Hello.')] });
  const first = await client.create({ model: 'gpt-5', store: false, input: 'Hi' });
  const [reasoning, message] = first.body.output as Item[];
  const ask = async (model: string, item: object) => {
    const answer = await client.create({ model, input: [user('Hi'), item, message, user('And?')] });
    expect(answer.status, answer.text).toBe(200);
    return answer.body.input_transformations;
  };
  const removed = (reason: string) => [{ id: reasoning?.id, type: 'reasoning', action: 'removed', reason }];
  expect(await ask('gpt-5', { ...reasoning })).toBeUndefined();
  expect(await ask('o3', { ...reasoning })).toEqual(removed('model_mismatch'));
  expect(await ask('gpt-5', { ...reasoning, encrypted_content: 'gAAAAABm' })).toEqual(removed('organization_mismatch'));
  expect(upstream.refusals).toEqual([]);
});

test("Codex's remote compaction over a WebSocket: warm-up, trigger, and the next turn with the item", async () => {
  const upstream = await openAiUpstream();
  const { gateway } = await start(upstream.url);
  answers(upstream);
  const file = new URL('fixtures/codex/compact-remote.json', import.meta.url);
  const { compact, next } = JSON.parse(readFileSync(file, 'utf8'));
  const socket = await connect(gateway.url);
  const send = async (body: object) => {
    const events = await socket.create({ ...body, type: 'response.create', model: 'gpt-5' });
    const last = events.at(-1)?.data;
    expect(last?.type, JSON.stringify(last)).toBe('response.completed');
    return last?.response;
  };
  const base = { ...compact, input: [{ type: 'message', role: 'developer', content: 'You are a coding agent.' }] };
  const { previous_response_id: _none, ...warmup } = base;
  const { id } = await send({ ...warmup, generate: false });
  const compacted = await send({ ...compact, previous_response_id: id });
  expect(compacted.output.map(({ type }: Item) => type)).toEqual(['compaction']);
  expect(upstream.requests.at(-1)?.text).toContain('You are a coding agent.');
  const [item] = compacted.output;
  await send({ ...next, input: next.input.map((sent: Item) => (sent.type === 'compaction' ? item : sent)) });
  const sent = upstream.requests.at(-1)?.text ?? '';
  expect(sent).toContain('gAAAAA');
  expect(sent).toContain('Say hello.');
  expect(sent).not.toContain('SAW:NONE');
  // On the same connection the chain goes on from the item too.
  const again = await send({ ...warmup, input: [user('One more.'), { type: 'compaction_trigger' }] });
  await send({ ...next, previous_response_id: again.id, input: [user('Go on.')] });
  expect(upstream.requests.at(-1)?.body.input.map(({ type }: Item) => type)).toEqual([
    'message',
    'compaction',
    'message',
  ]);
  expect(upstream.refusals).toEqual([]);
});

test("OpenAI's own counter is asked with those fields that it takes", async () => {
  const upstream = await fakeUpstream((_, response) =>
    sendJson(response, { object: 'response.input_tokens', input_tokens: 77 }),
  );
  const { client } = await start(upstream.url);
  const body = { model: 'gpt-5', input: 'Hi', tools: [tool], max_output_tokens: 99, include };
  const answer = await client.request('POST', '/v1/responses/input_tokens', body);
  expect(answer.body, answer.text).toEqual({ object: 'response.input_tokens', input_tokens: 77 });
  const [asked] = upstream.requests;
  expect(asked?.path).toBe('/v1/responses/input_tokens');
  expect(asked?.headers.authorization).toBe('Bearer k');
  expect(Object.keys(asked?.body).toSorted()).toEqual(['input', 'model', 'tools']);
});
