/** A client of the Responses API before an upstream that speaks it: what neither the gateway nor its model knows passes, both ways. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Client, createClient } from './support/client.ts';
import { fakeUpstream, type FakeUpstream, sendJson } from './support/fake-upstream.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

// oxlint-disable-next-line no-explicit-any -- JSON of either side
type Json = any;
const cleanups: (() => void)[] = [];
let openai: FakeUpstream;
let client: Client;
/** Texts of the events that the upstream streams, or the output of its plain answer. */
let frames: string[] = [];
let output: Json[] = [];

const response = (fields: object) => ({ id: 'resp_up', object: 'response', model: 'gpt-4o', ...fields });

beforeAll(async () => {
  const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
  openai = await fakeUpstream(({ body }, answer) => {
    const usage = { input_tokens: 3, output_tokens: 2, total_tokens: 5 };
    const end = response({ status: 'completed', output, usage, odd_end: 1 });
    if (body.stream !== true) return sendJson(answer, end);
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    const begin = JSON.stringify({
      type: 'response.created',
      response: response({ status: 'in_progress', output: [] }),
    });
    for (const text of [begin, ...frames, JSON.stringify({ type: 'response.completed', response: end })])
      answer.write(`data: ${text}\n\n`);
    answer.end();
  }, onCleanup);
  const config = `models:
  - { name: gpt-4o, provider: openai, model: gpt-4o, base_url: "${openai.url}/v1", api_key: k }
  - { name: claude, provider: anthropic, model: claude-haiku-4-5, base_url: "${openai.url}", api_key: k }
`;
  client = createClient((await spawnGateway({ config, folder: temporaryFolder(), onCleanup })).url);
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

const said = {
  type: 'message',
  id: 'msg_up',
  status: 'completed',
  role: 'assistant',
  content: [{ type: 'output_text', text: 'Hi', annotations: [] }],
};

async function ask(body: object): Promise<{ answer: Json; sent: Json; events: Json[]; text: string }> {
  openai.requests.length = 0;
  const { status, body: answer, events, text, headers } = await client.create({ model: 'gpt-4o', ...body });
  expect([status, headers.get('x-turnpike-warnings')], text).toEqual([200, null]);
  return { answer, sent: openai.requests[0]?.body, events: events.map(({ data }) => data), text };
}

test('what a request says goes up: fields at its top, in parts, in items, and items of a type that is new', async () => {
  output = [said];
  const message = {
    type: 'message',
    role: 'user',
    tone: 'dry',
    content: [{ type: 'input_text', text: 'x', emphasis: 2 }],
  };
  const newer = [
    { type: 'gesture', hand: 'left', path: [{ x: 1.5, y: 2 }] },
    { type: 'gesture_call', id: 'ges_1', status: 'completed', call_id: 'call_1' },
  ];
  const { sent, answer } = await ask({
    input: [message, ...newer],
    mood: { level: 0.5, tags: ['a'] },
    reasoning: { depth: 'low' },
  });
  expect(sent.input).toEqual([message, ...newer]);
  expect(sent).toMatchObject({ mood: { level: 0.5, tags: ['a'] }, reasoning: { depth: 'low' } });
  // And again from what is stored.
  const next = await ask({ input: 'Go on.', previous_response_id: answer.id });
  expect(next.sent.input.slice(0, 3)).toEqual([message, ...newer]);
  const { body: items } = await client.request('GET', `/v1/responses/${answer.id}/input_items?order=asc`);
  expect(items.data.map(({ type }: Json) => type)).toEqual(['message', 'gesture', 'gesture_call']);
});

test('an item of a type that no other upstream knows is refused there, or left out of a chain that goes there, which is said', async () => {
  output = [said];
  const refused = await client.create({
    model: 'claude',
    input: [{ role: 'user', content: 'x' }, { type: 'gesture' }],
  });
  expect(refused).toMatchObject({ status: 400, body: { error: { param: 'input[1].type' } } });
  const { answer } = await ask({ input: [{ role: 'user', content: 'x' }, { type: 'gesture' }] });
  // The fake is no Anthropic: what was sent, and the warning, are looked at.
  openai.requests.length = 0;
  await client.create({ model: 'claude', input: 'y', previous_response_id: answer.id });
  expect(openai.requests[0]?.text).not.toContain('gesture');
  const items = await client.request('POST', '/v1/conversations', { items: [{ type: 'gesture' }] });
  expect(items).toMatchObject({ status: 400, body: { error: { param: 'items[0].type' } } });
});

const added = (item: object, more = '') =>
  `{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":${JSON.stringify(item)}${more}}`;
const done = (item: object, more = '') =>
  `{"type":"response.output_item.done","sequence_number":9,"output_index":0,"item":${JSON.stringify(item)}${more}}`;

test('an item of a type that is new comes as it is, with its events, streamed and plain, and goes back as it was', async () => {
  const begun = { type: 'gesture_call', id: 'ges_up', status: 'in_progress', hand: 'left' };
  const ended = { ...begun, status: 'completed', path: [{ x: 1.5 }] };
  frames = [
    added(begun),
    '{"type":"response.gesture_call.moving","sequence_number":2,"output_index":0,"item_id":"ges_up","x":1.5}',
    done(ended),
  ];
  output = [ended];
  const { events, answer } = await ask({ input: 'Wave.', stream: true });
  const [item] = answer.output;
  expect(item).toEqual({ ...ended, id: item.id });
  const types = events.map(({ type }) => type);
  expect(types.slice(2, -1)).toEqual([
    'response.output_item.added',
    'response.gesture_call.moving',
    'response.output_item.done',
  ]);
  expect(events[2].item).toEqual({ ...begun, id: item.id });
  expect(events[3]).toEqual({
    type: 'response.gesture_call.moving',
    sequence_number: 3,
    item_id: item.id,
    output_index: 0,
    x: 1.5,
  });
  expect((await client.get(answer.id)).body.output).toEqual([item]);
  const plain = await ask({ input: 'Wave.' });
  expect(plain.answer.output).toEqual([{ ...ended, id: plain.answer.output[0].id }]);
  const next = await ask({ input: 'Again.', previous_response_id: answer.id });
  expect(next.sent.input[1]).toEqual(ended);
});

test('events that are new pass, and fields that are new in those that are known', async () => {
  const message = { ...said, tone: 'dry' };
  const part = { type: 'output_text', text: '', annotations: [], weight: 2 };
  const place = '"item_id":"msg_up","output_index":0,"content_index":0';
  const link = { type: 'url_citation', url: 'https://a.example', title: 'A', start_index: 0, end_index: 1, rank: 1 };
  frames = [
    '{"type":"response.weather","sequence_number":1,"wind":"north"}',
    '{"type":"agent.weather","sequence_number":1,"wind":"south"}',
    '{"type":"keepalive","sequence_number":1}',
    added({ ...message, status: 'in_progress', content: [] }, ',"shade":1'),
    `{"type":"response.content_part.added","sequence_number":2,${place},"part":${JSON.stringify(part)},"shade":2}`,
    `{"type":"response.output_text.delta","sequence_number":3,${place},"delta":"Hi","logprobs":[],"shade":{"of":[3]}}`,
    `{"type":"response.output_text.annotation.added","sequence_number":3,${place},"annotation_index":0,"annotation":${JSON.stringify(link)},"shade":4}`,
    `{"type":"response.output_text.done","sequence_number":4,${place},"text":"Hi","logprobs":[],"shade":5}`,
    `{"type":"response.content_part.done","sequence_number":5,${place},"part":${JSON.stringify({ ...part, text: 'Hi', annotations: [link] })},"shade":6}`,
    done({ ...message, content: [{ ...part, text: 'Hi', annotations: [link] }] }, ',"shade":7'),
    '{"type":"response.weather","sequence_number":1,"output_index":0,"wind":"late"}',
  ];
  output = [{ ...message, content: [{ ...part, text: 'Hi', annotations: [link] }] }];
  const { events, answer } = await ask({ input: 'x', stream: true });
  const told = events.slice(2, -1).map(({ type, shade, wind }) => [type, shade ?? wind]);
  expect(told).toEqual([
    ['response.weather', 'north'],
    ['agent.weather', 'south'],
    ['response.output_item.added', 1],
    ['response.content_part.added', 2],
    ['response.output_text.delta', { of: [3] }],
    ['response.output_text.annotation.added', 4],
    ['response.output_text.done', 5],
    ['response.content_part.done', 6],
    ['response.output_item.done', 7],
    ['response.weather', 'late'],
  ]);
  expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_, at) => at));
  expect([events[5].part, events[9].part]).toEqual([part, { ...part, text: 'Hi', annotations: [link] }]);
  expect(answer.output[0]).toMatchObject({ tone: 'dry', content: [{ weight: 2, annotations: [link] }] });
  expect(answer.odd_end).toBe(1);
});

test('deltas keep their bytes, whatever way they spell their text', async () => {
  const spellings = [
    '"\\u0041\\u00e9"',
    '"\\/\\u002f/"',
    '"\\ud83d\\ude00"',
    '"\\u2028\\b\\f"',
    '"plain é 😀"',
    '"\\""',
  ];
  const text = spellings.map((spelling) => JSON.parse(spelling)).join('');
  const place = '"item_id":"msg_up","output_index":0,"content_index":0';
  const message = { ...said, content: [{ type: 'output_text', text, annotations: [] }] };
  frames = [
    added({ ...said, status: 'in_progress', content: [] }),
    ...spellings.map(
      (delta) => `{"type":"response.output_text.delta","sequence_number":3,${place},"delta":${delta},"logprobs":[]}`,
    ),
    done(message),
  ];
  output = [message];
  const streamed = await ask({ input: 'x', stream: true });
  for (const spelling of spellings) expect(streamed.text).toContain(`"delta":${spelling},"logprobs":[]}\n\n`);
  expect(streamed.answer.output[0].content[0].text).toBe(text);
  const call = {
    type: 'function_call',
    id: 'fc_up',
    status: 'completed',
    call_id: 'call_9',
    name: 'f',
    arguments: '{"a":"A/"}',
  };
  const pieces = ['"{\\u0022a\\u0022:"', '"\\"\\u0041\\/\\"}"'];
  frames = [
    added({ ...call, status: 'in_progress', arguments: '' }),
    ...pieces.map(
      (delta) =>
        `{"type":"response.function_call_arguments.delta","item_id":"fc_up","output_index":0,"delta":${delta},"shade":1}`,
    ),
    done(call),
  ];
  output = [call];
  const called = await ask({ input: 'x', stream: true, tools: [{ type: 'function', name: 'f', parameters: {} }] });
  for (const piece of pieces) expect(called.text).toContain(`"delta":${piece},"shade":1}\n\n`);
  expect(called.answer.output[0].arguments).toBe(call.arguments);
});

test('what an upstream writes cannot become an event of its own', async () => {
  const place = '"item_id":"msg_up","output_index":0,"content_index":0';
  frames = [
    added({ ...said, status: 'in_progress', content: [] }),
    `{"type":"response.output_text.delta",${place},"delta":"Hi","a\\":1,\\"type":"x","shade":"a\\n\\ndata: {}\\n\\n"}`,
    '{"type":"response.x\\n\\ndata: y","sequence_number":1}',
    done(said),
  ];
  output = [said];
  const { events } = await client.create({ model: 'gpt-4o', input: 'x', stream: true });
  expect(events.at(-1)?.data.type).toBe('response.completed');
  expect(events.find(({ data }) => data.shade !== undefined)?.data).toMatchObject({
    type: 'response.output_text.delta',
    shade: 'a\n\ndata: {}\n\n',
  });
});
