/** A group of two vendors: while a tool loop is open, the one that opened it goes on with it, unless it is down. */
import { beforeAll, afterAll, beforeEach, describe, expect, test } from 'vitest';
import { type Client, createClient } from './support/client.ts';
import type { Block } from './support/fake-upstream.ts';
import {
  type ChatAnswer,
  fakeChatModel,
  type FakeModel,
  fakeMessagesModel,
  type MessagesAnswer,
} from './support/fake-models.ts';
import { connect } from './support/socket-client.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const tools = [{ type: 'function', name: 'look_up', parameters: { type: 'object', properties: {} } }];
const reasoning = { effort: 'low', summary: 'auto' };

/** How many calls each model makes before it answers. */
let length = 1;
let claude: FakeModel<MessagesAnswer>;
let qwen: FakeModel<ChatAnswer>;
let client: Client;
let url: string;
const cleanups: (() => void)[] = [];
let serial = 0;

const callsSince = (messages: { role: string; content: unknown; tool_calls?: unknown[] }[]) => {
  const isUser = ({ role, content }: (typeof messages)[number]) =>
    role === 'user' && !JSON.stringify(content).includes('tool_result');
  const last = messages.findLastIndex(isUser);
  return messages.slice(last).filter(({ role }) => role === 'assistant').length;
};

beforeAll(async () => {
  const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
  claude = await fakeMessagesModel(onCleanup);
  qwen = await fakeChatModel(onCleanup);
  const deployments = [
    `provider: anthropic, model: claude-haiku-4-5, base_url: "${claude.url}", api_key: k`,
    `provider: openai-compatible, model: qwen3-32b, base_url: "${qwen.url}/v1", api_key: k`,
  ];
  const entries = deployments.map((each, at) => `  - { name: pair, ${each}, weight: ${3 - at} }\n`);
  const config = `models:
${entries.join('')}  - { name: main, ${deployments[0]} }
  - { name: spare, ${deployments[1]} }
routing: { retries: 1, fallbacks: { main: [spare] } }
`;
  ({ url } = await spawnGateway({ config, folder: temporaryFolder(), onCleanup }));
  client = createClient(url);
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});
beforeEach(() => {
  length = 1;
  claude.answer = ({ body }) => {
    const id = `toolu_${(serial += 1)}`;
    const thinking: Block = { type: 'thinking', thinking: 'Hm.', signature: `c2ln${serial}` };
    if (callsSince(body.messages) >= length) return { blocks: [thinking, { type: 'text', text: 'Done.' }] };
    return { blocks: [thinking, { type: 'tool_use', id, name: 'look_up', input: {} }], stopReason: 'tool_use' };
  };
  qwen.answer = ({ body }) => {
    const id = `call_${(serial += 1)}`;
    if (callsSince(body.messages) >= length) return { content: 'Done.' };
    return {
      reasoning_content: 'Hm.',
      tool_calls: [{ id, type: 'function', function: { name: 'look_up', arguments: '{}' } }],
    };
  };
  for (const { requests } of [claude, qwen]) requests.length = 0;
});

type Vendor = 'claude' | 'qwen';
interface Item {
  type: string;
  call_id: string;
}
const outputsOf = (output: Item[]) =>
  output.flatMap(({ type, call_id }) =>
    type === 'function_call' ? [{ type: 'function_call_output', call_id, output: 'x' }] : [],
  );
/** By the id of the call that it made. */
const vendorOf = (output: Item[]): Vendor | undefined => {
  const call = output.find(({ type }) => type === 'function_call');
  return call && (call.call_id.startsWith('toolu') ? 'claude' : 'qwen');
};

/** One loop from its question to its answer. @returns who made each of its calls, and what was told of withheld reasoning. */
async function loop(
  model: string,
  fields: object = {},
): Promise<{ vendors: Set<Vendor>; withheld: unknown[]; last: string }> {
  const vendors = new Set<Vendor>();
  const withheld: unknown[] = [];
  let answer = await client.create({ model, input: 'Look it up.', tools, reasoning, ...fields });
  for (;;) {
    expect(answer.status, answer.text).toBe(200);
    withheld.push(...(answer.body.input_transformations ?? []));
    const vendor = vendorOf(answer.body.output);
    if (vendor === undefined) return { vendors, withheld, last: answer.body.id };
    vendors.add(vendor);
    const previous_response_id = answer.body.id;
    answer = await client.create({
      model,
      previous_response_id,
      input: outputsOf(answer.body.output),
      tools,
      reasoning,
      ...fields,
    });
  }
}

test('1,000 loops: never a switch inside of one while both are well, and each vendor has its share', async () => {
  const seen = { claude: 0, qwen: 0 };
  const one = async (at: number) => {
    const { vendors, withheld } = await loop('pair', { stream: at % 2 === 0 });
    expect([...vendors]).toHaveLength(1);
    expect(withheld).toEqual([]);
    for (const vendor of vendors) seen[vendor] += 1;
  };
  for (let at = 0; at < 1000; at += 20) await Promise.all(Array.from({ length: 20 }, (_, place) => one(at + place)));
  // Two requests a loop, to one vendor.
  expect(claude.requests).toHaveLength(2 * seen.claude);
  expect(qwen.requests).toHaveLength(2 * seen.qwen);
  // Three to two: six standard deviations are 93.
  expect(seen.claude).toBeGreaterThan(500);
  expect(seen.qwen).toBeGreaterThan(300);
}, 300_000);

describe('a loop of many calls', () => {
  test('stays where it is; the next question is anybody’s', async () => {
    length = 4;
    const vendors = new Set<Vendor>();
    let previous_response_id: string | undefined;
    while (vendors.size < 2) {
      const fields = previous_response_id === undefined ? {} : { previous_response_id };
      let answer = await client.create({ model: 'pair', input: 'Look it up.', tools, reasoning, ...fields });
      const own = new Set<Vendor>();
      for (let vendor = vendorOf(answer.body.output); vendor !== undefined; vendor = vendorOf(answer.body.output)) {
        own.add(vendor);
        previous_response_id = answer.body.id;
        const input = outputsOf(answer.body.output);
        answer = await client.create({ model: 'pair', previous_response_id, input, tools, reasoning });
      }
      expect([...own]).toHaveLength(1);
      for (const vendor of own) vendors.add(vendor);
      previous_response_id = answer.body.id;
    }
  });

  test.each(['conversation', 'background', 'socket'])('in a %s', async (kind) => {
    length = 2;
    for (let at = 0; at < 12; at += 1) {
      const vendors: (Vendor | undefined)[] = [];
      let output: Item[] = [];
      if (kind === 'socket') {
        const socket = await connect(url);
        let previous_response_id: string | undefined;
        while (vendors.length < 3) {
          const input = previous_response_id === undefined ? 'Look it up.' : outputsOf(output);
          const chained = previous_response_id === undefined ? {} : { previous_response_id };
          const events = await socket.create({ model: 'pair', store: false, input, tools, reasoning, ...chained });
          const { response } = events.at(-1)?.data ?? {};
          output = response.output;
          previous_response_id = response.id;
          vendors.push(vendorOf(output));
        }
        socket.socket.close();
      } else {
        const conversation =
          kind === 'conversation' ? (await client.request('POST', '/v1/conversations', {})).body.id : undefined;
        let previous_response_id: string | undefined;
        while (vendors.length < 3) {
          const input = vendors.length === 0 ? 'Look it up.' : outputsOf(output);
          const place =
            conversation === undefined
              ? { previous_response_id: previous_response_id ?? null, background: true }
              : { conversation };
          let answer = await client.create({ model: 'pair', input, tools, reasoning, ...place });
          while (['queued', 'in_progress'].includes(answer.body.status)) answer = await client.get(answer.body.id);
          expect(answer.body.status, answer.text).toBe('completed');
          ({ output, id: previous_response_id } = answer.body);
          vendors.push(vendorOf(output));
        }
      }
      expect([...new Set(vendors.slice(0, 2))]).toHaveLength(1);
    }
  });
});

test.each<[how: string, system: (turn: number) => string]>([
  ['as it was', () => 'Be brief.'],
  ['with a new time in its instructions', (turn: number) => `Be brief. It is ${turn} o'clock.`],
])(
  'a client of Chat Completions that sends its whole history, %s, whom nobody has told of chains',
  async (_, system) => {
    length = 2;
    const functions = [
      { type: 'function', function: { name: 'look_up', parameters: { type: 'object', properties: {} } } },
    ];
    for (let at = 0; at < 30; at += 1) {
      const messages: object[] = [{ role: 'user', content: `Look up number ${at}. ${system(0)}` }];
      const vendors: string[] = [];
      for (;;) {
        const said = [{ role: 'system', content: system(vendors.length) }, ...messages];
        const body = { model: 'pair', messages: said, tools: functions };
        const answer = await client.request('POST', '/v1/chat/completions', body);
        expect(answer.status, answer.text).toBe(200);
        const [{ message }] = answer.body.choices;
        messages.push(message);
        if (message.tool_calls === undefined) break;
        for (const { id } of message.tool_calls) {
          vendors.push(id.split('_')[0]);
          messages.push({ role: 'tool', tool_call_id: id, content: 'x' });
        }
      }
      expect(vendors).toHaveLength(2);
      expect(new Set(vendors).size).toBe(1);
    }
  },
);

test('a fallback that opened a loop goes on with it, though the group is well again', async () => {
  claude.answer = (_, response) =>
    void response.writeHead(400).end('{"type":"error","error":{"type":"api_error","message":"m"}}');
  const first = await client.create({ model: 'spare', input: 'Look it up.', tools });
  expect(vendorOf(first.body.output)).toBe('qwen');
  const input = outputsOf(first.body.output);
  const second = await client.create({ model: 'main', previous_response_id: first.body.id, input, tools });
  expect(second.body.output[0].content[0].text, second.text).toBe('Done.');
  expect(claude.requests).toHaveLength(0);
});

test('a client that names another model gets it', async () => {
  const first = await client.create({ model: 'main', input: 'Look it up.', tools, reasoning });
  const input = outputsOf(first.body.output);
  const second = await client.create({ model: 'spare', previous_response_id: first.body.id, input, tools });
  expect(second.status, second.text).toBe(200);
  expect(qwen.requests).toHaveLength(1);
  expect(second.body.input_transformations).toMatchObject([{ reason: 'model_mismatch' }]);
});

// Last: what fails here is put last for some seconds.
test('the one that opened the loop is down: the other goes on, without its reasoning, which is said', async () => {
  let first = await client.create({ model: 'pair', input: 'Look it up.', tools, reasoning });
  while (vendorOf(first.body.output) !== 'claude') {
    first = await client.create({ model: 'pair', input: 'Look it up.', tools, reasoning });
  }
  claude.answer = (_, response) => {
    response.writeHead(529, { 'content-type': 'application/json' });
    response.end('{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}');
    return undefined;
  };
  claude.requests.length = 0;
  const send = (previous_response_id: string, input: object[]) =>
    client.create({ model: 'pair', previous_response_id, input, tools, reasoning });
  const second = await send(first.body.id, outputsOf(first.body.output));
  expect(second.body.output[0].content[0].text, second.text).toBe('Done.');
  expect(claude.requests).toHaveLength(1);
  const [{ id }] = first.body.output;
  const removed = [{ id, type: 'reasoning', action: 'removed', reason: 'model_mismatch' }];
  expect(second.body.input_transformations).toEqual(removed);
  // It has failed lately: the same answer to the same calls is not asked of it at all.
  const again = await send(first.body.id, outputsOf(first.body.output));
  expect(again.body.input_transformations, again.text).toEqual(removed);
  expect(claude.requests).toHaveLength(1);
});
