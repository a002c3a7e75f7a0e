/**
 * Reasoning that a client carries itself: what is sealed into `encrypted_content`, and what becomes of an envelope that
 * comes back whole, changed, or to a place that it was not made for.
 */
import { describe, expect, test } from 'vitest';
import { createClient } from './support/client.ts';
import type { Block } from './support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();
const reasoning = { effort: 'high', summary: 'auto' };
const tool = { type: 'function', name: 'add', parameters: { type: 'object', properties: {} }, strict: false };
const include = ['reasoning.encrypted_content'];
const user = (text: string) => ({ type: 'message', role: 'user', content: text });

/** What Claude says, answer by answer: signed and redacted thinking before texts, single and parallel calls. */
const script: Block[][] = [
  [
    { type: 'thinking', thinking: 'Two sums, "quoted" — at once.', signature: 'c2lnLTE=' },
    { type: 'redacted_thinking', data: 'cmVkYWN0ZWQ=' },
    { type: 'text', text: 'I will add.' },
    { type: 'tool_use', id: 'toolu_1', name: 'add', input: '{"b":1.0,"a":9007199254740993}' },
    { type: 'tool_use', id: 'toolu_2', name: 'add', input: '{}' },
  ],
  [
    { type: 'thinking', thinking: '', signature: 'c2lnLTI=' },
    { type: 'tool_use', id: 'toolu_3', name: 'add', input: '{"2":1,"1":2}' },
  ],
  [
    { type: 'thinking', thinking: 'Done.', signature: 'c2lnLTM=' },
    { type: 'text', text: 'Seven.' },
  ],
  [{ type: 'text', text: 'You are welcome.' }],
  [
    { type: 'redacted_thinking', data: 'bW9yZQ==' },
    { type: 'tool_use', id: 'toolu_4', name: 'add', input: '{"a":1}' },
  ],
  [
    { type: 'thinking', thinking: 'All said.', signature: 'c2lnLTQ=' },
    { type: 'text', text: 'Eight.' },
  ],
];
const words = ['Add these.', 'Thank you.', 'Once more.'];

interface Item {
  id: string;
  type: string;
  call_id: string;
  encrypted_content?: string;
}

/** Runs the whole script. @returns the messages of every request that Claude got. */
async function converse(stream: boolean, carries: boolean): Promise<unknown[]> {
  rig.messages.requests.length = 0;
  rig.messages.answer = () => {
    const blocks = script[rig.messages.requests.length - 1] ?? [];
    return { blocks, stopReason: blocks.at(-1)?.type === 'tool_use' ? 'tool_use' : 'end_turn' };
  };
  const said = words.map(user);
  const carried: unknown[] = [];
  let previous_response_id: string | undefined;
  let news: unknown[] = [said.shift()];
  for (let turn = 0; turn < script.length; turn++) {
    carried.push(...news);
    const state = carries
      ? { input: carried, store: false, include }
      : { input: news, ...(previous_response_id === undefined ? {} : { previous_response_id }) };
    const answer = await rig.client.create({ model: 'claude', stream, reasoning, tools: [tool], ...state });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.body.input_transformations).toBeUndefined();
    const output = answer.body.output as Item[];
    for (const item of output) {
      const sealed = item.type === 'reasoning' && carries;
      expect(item.encrypted_content !== undefined, answer.text).toBe(sealed);
    }
    carried.push(...output);
    previous_response_id = answer.body.id;
    const calls = output.filter(({ type }) => type === 'function_call');
    news = calls.map(({ call_id }) => ({ type: 'function_call_output', call_id, output: `of ${call_id}` }));
    if (news.length === 0) news = [said.shift()];
  }
  return rig.messages.requests.map(({ text }) => text.slice(text.indexOf('"thinking"')));
}

test.each([false, true])('a client that carries all itself is a chain to Claude, stream: %s', async (stream) => {
  const chain = await converse(stream, false);
  const carried = await converse(stream, true);
  expect(chain).toHaveLength(script.length);
  expect(chain.at(-1)).toContain('cmVkYWN0ZWQ=');
  expect(chain.at(-1)).toContain('c2lnLTM=');
  expect(carried).toEqual(chain);
});

test.each([false, true])(
  'reasoning of a chat vendor is carried through an open tool loop, stream: %s',
  async (stream) => {
    const call = { id: 'call_1', type: 'function' as const, function: { name: 'add', arguments: '{"a":1.0}' } };
    const sent: unknown[] = [];
    for (const carries of [false, true]) {
      rig.chat.answer = ({ body }) =>
        body.messages.at(-1).role === 'tool'
          ? { content: 'Two.' }
          : { reasoning_content: 'Add them.', tool_calls: [call] };
      const first = { model: 'qwen', stream, tools: [tool], store: !carries, input: [user('Add.')] };
      const called = await rig.client.create(first);
      expect(called.status, called.text).toBe(200);
      const output = { type: 'function_call_output', call_id: 'call_1', output: '2' };
      const state = carries
        ? { store: false, input: [...first.input, ...called.body.output, output] }
        : { previous_response_id: called.body.id, input: [output] };
      const done = await rig.client.create({ model: 'qwen', stream, tools: [tool], ...state });
      expect(done.body.input_transformations, done.text).toBeUndefined();
      sent.push(rig.chat.requests.at(-1)?.text);
    }
    expect(sent[0]).toContain('Add them.');
    expect(sent[1]).toBe(sent[0]);
  },
);

const thought = [
  { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
  { type: 'text', text: 'Hello.' },
];

async function sealedOutput(client = rig.client, headers = {}): Promise<Item[]> {
  rig.messages.answer = () => ({ blocks: thought });
  const answer = await client.create({ model: 'claude', store: false, reasoning, input: 'Hi' }, headers);
  expect(answer.status, answer.text).toBe(200);
  return answer.body.output;
}

const changed = (text: string) => text.slice(0, 40) + (text[40] === 'A' ? 'B' : 'A') + text.slice(41);
const removed = (id: string, reason: string) => [{ id, type: 'reasoning', action: 'removed', reason }];

describe('an envelope that is not for here', () => {
  test.each<[what: string, forge: (envelope: string) => string]>([
    ['changed', changed],
    ['cut', (envelope) => envelope.slice(0, -4)],
    ["OpenAI's own", () => 'gAAAAABm'],
    ['longer than any', () => 'tp1.'.padEnd(9_000_000, 'A')],
  ])('%s: is left out, and the session goes on', async (_what, forge) => {
    const output = await sealedOutput();
    const [first] = output;
    const input = [
      user('Hi'),
      ...output.map((item) =>
        item === first ? { ...item, encrypted_content: forge(item.encrypted_content ?? '') } : item,
      ),
      user('And now?'),
    ];
    for (const stream of [false, true]) {
      const answer = await rig.client.create({ model: 'claude', stream, reasoning, input });
      expect(answer.body.status, answer.text.slice(0, 500)).toBe('completed');
      expect(answer.body.input_transformations).toEqual(removed(first?.id ?? '', 'organization_mismatch'));
      expect(rig.messages.requests.at(-1)?.text).not.toContain('c2ln');
      // What a chain keeps of it is left out again, for the same reason.
      const next = await rig.client.create({ model: 'claude', previous_response_id: answer.body.id, input: 'More' });
      expect(next.body.input_transformations[0]).toEqual(removed(first?.id ?? '', 'organization_mismatch')[0]);
    }
  });

  test.each(['sonnet', 'qwen'])('whole, but of another model than %s', async (model) => {
    const output = await sealedOutput();
    const answer = await rig.client.create({ model, input: [user('Hi'), ...output, user('And now?')] });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.body.input_transformations).toEqual(removed(output[0]?.id ?? '', 'model_mismatch'));
  });
});

test("another tenant's and another installation's envelopes are left out alike", async () => {
  const config = `
auth: { keys: [{ name: a, key: tp-sealed-key-a, team: alpha }, { name: b, key: tp-sealed-key-b, team: beta }] }
models: [{ name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${rig.messages.url}", api_key: k }]
`;
  const gateway = await spawnGateway({ config, folder: temporaryFolder() });
  const client = createClient(gateway.url);
  const alpha = { authorization: 'Bearer tp-sealed-key-a' };
  const beta = { authorization: 'Bearer tp-sealed-key-b' };
  const ask = async (output: Item[], headers: Record<string, string>) => {
    const input = [user('Hi'), ...output, user('And now?')];
    const answer = await client.create({ model: 'claude', reasoning, input }, headers);
    expect(answer.status, answer.text).toBe(200);
    return answer.body.input_transformations;
  };
  const own = await sealedOutput(client, alpha);
  expect(await ask(own, alpha)).toBeUndefined();
  expect(rig.messages.requests.at(-1)?.text).toContain('c2ln');
  expect(await ask(own, beta)).toEqual(removed(own[0]?.id ?? '', 'organization_mismatch'));
  const foreign = await sealedOutput();
  expect(await ask(foreign, alpha)).toEqual(removed(foreign[0]?.id ?? '', 'organization_mismatch'));
});

test('a stored turn gives an envelope where it is asked for, which GET gives again', async () => {
  rig.messages.answer = () => ({ blocks: thought });
  const plain = await rig.client.create({ model: 'claude', reasoning, input: 'Hi' });
  expect(plain.body.output[0].encrypted_content).toBeUndefined();
  const asked = await rig.client.create({ model: 'claude', reasoning, include, stream: true, input: 'Hi' });
  const envelope = asked.body.output[0].encrypted_content;
  expect(envelope).toMatch(/^tp1\./);
  const added = asked.events.find(({ data }) => data.type === 'response.output_item.added');
  const done = asked.events.find(({ data }) => data.type === 'response.output_item.done');
  expect(added?.data.item.encrypted_content).toBeUndefined();
  expect(done?.data.item.encrypted_content).toBe(envelope);
  expect((await rig.client.get(asked.body.id)).body.output[0].encrypted_content).toBe(envelope);
  expect(asked.headers.get('x-turnpike-warnings')).toBeNull();
});

test('who did not ask for the envelope when the response was made asks for it when it is read', async () => {
  rig.messages.requests.length = 0;
  rig.messages.answer = () => ({ blocks: script[0]?.slice(0, 3) ?? [] });
  const ask = { model: 'claude', reasoning, input: [user('Add these.')] };
  const made = await rig.client.create(ask);
  const path = `/v1/responses/${made.body.id}`;
  const sealed = ({ body }: { body: { output: Item[] } }) => body.output.map(({ encrypted_content: text }) => text);
  expect(sealed(made)).toEqual([undefined, undefined, undefined]);
  const read = await rig.client.request('GET', `${path}?include[]=reasoning.encrypted_content`);
  expect((await rig.client.get(made.body.id)).body).toEqual(made.body);
  expect(sealed(read)).toEqual([expect.any(String), expect.any(String), undefined]);
  // It is what the model takes back.
  const { output } = read.body;
  await rig.client.create({ ...ask, store: false, input: [user('Add these.'), ...output, user('On.')] });
  expect(rig.messages.requests.at(-1)?.body.messages[1].content).toEqual(script[0]?.slice(0, 3));
  const next = await rig.client.create({ ...ask, input: 'On.', previous_response_id: made.body.id });
  const items = (query: string) => rig.client.request('GET', `/v1/responses/${next.body.id}/input_items${query}`);
  expect((await items('')).body.data.at(-2)).not.toHaveProperty('encrypted_content');
  const listed = await items('?include=reasoning.encrypted_content');
  expect(listed.body.data.at(-2)).toHaveProperty('encrypted_content');
});

test('what cannot be read any more is said, and what is no part of an item is refused', async () => {
  rig.messages.answer = () => ({
    blocks: [
      { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'a' } },
      { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] },
      { type: 'text', text: 'Yes.' },
    ],
  });
  const made = await rig.client.create({ model: 'claude', input: 'x', tools: [{ type: 'web_search' }] });
  const next = await rig.client.create({ model: 'claude', input: 'on', previous_response_id: made.body.id });
  for (const path of [`/v1/responses/${made.body.id}?`, `/v1/responses/${next.body.id}/input_items?`]) {
    const read = await rig.client.request('GET', `${path}include[]=web_search_call.action.sources`);
    expect(read.status).toBe(200);
    expect(read.headers.get('x-turnpike-warnings')).toContain('web_search_call.action.sources');
    const refused = await rig.client.request('GET', `${path}include=everything`);
    expect([refused.status, refused.body.error.param]).toEqual([400, 'include']);
    expect((await rig.client.request('GET', path)).headers.get('x-turnpike-warnings')).toBeNull();
  }
});
