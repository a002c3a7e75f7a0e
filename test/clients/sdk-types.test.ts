/**
 * Every object and event that clients are sent is of the type that OpenAI's SDK declares for it. The types are generated from
 * OpenAI's description of its API, and JSON Schema is made of them here, so that nothing of it needs to be in this repository.
 */
// oxlint-disable unbound-method -- the functions of the test client know no `this`
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createClient } from '../support/client.ts';
import { frame } from '../support/fake-upstream.ts';
import { createSdkCheck } from '../support/sdk-schema.ts';
import { spawnGateway, temporaryFolder } from '../support/spawn-gateway.ts';
import { shareGateway } from './share-gateway.ts';
import { anthropic, type Backend, backends, openAi, openAiCompatible } from './weather-model.ts';

const check = createSdkCheck();
const model = 'weather-model';
const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const tools = [
  { type: 'function', name: 'get_weather', parameters },
  { type: 'custom', name: 'note', format: { type: 'text' } },
];
const reasoning = { effort: 'high', summary: 'auto' };

/**
 * What OpenAI sends itself and has not declared: a patch's text as it comes, and a search of which nothing is known yet but that
 * it has begun. Both are in what was recorded of it.
 */
function checkEvent(event: { type: string; item?: { type: string } }): string[] {
  if (event.type.startsWith('response.apply_patch_call_operation_diff.')) return [];
  const isSearch = event.type === 'response.output_item.added' && event.item?.type === 'web_search_call';
  const said = isSearch ? { ...event, item: { action: { type: 'search', query: '' }, ...event.item } } : event;
  return check('ResponseStreamEvent', said);
}

test('the check sees what is missing and what is of another type', () => {
  const delta = {
    type: 'response.output_text.delta',
    sequence_number: 1,
    item_id: 'msg_1',
    output_index: 0,
    content_index: 0,
    delta: 'a',
    logprobs: [],
  };
  expect(check('ResponseStreamEvent', delta)).toEqual([]);
  for (const field of Object.keys(delta)) {
    expect(check('ResponseStreamEvent', { ...delta, [field]: undefined }), field).not.toEqual([]);
    expect(check('ResponseStreamEvent', { ...delta, [field]: {} }), field).not.toEqual([]);
  }
});

describe.each(backends)('over $name', (backend) => {
  const { baseURL } = shareGateway(backend);
  const client = () => createClient(baseURL().replace(/\/v1$/, ''));

  test.each([false, true])('a conversation with tools, stream: %s', async (stream) => {
    const { request, create, get } = client();
    const made = await request('POST', '/v1/conversations', {
      metadata: { a: 'b' },
      items: [{ role: 'user', content: 'Hi.' }],
    });
    expect(check('Conversation', made.body)).toEqual([]);
    const conversation: string = made.body.id;
    const bodies: object[] = [
      { input: 'What is the weather in Paris and Rome?' },
      {},
      { input: 'And what did you find?', text: { format: { type: 'json_object' } }, metadata: { c: 'd' } },
    ];
    let calls: { call_id: string }[] = [];
    for (const body of bodies) {
      const input =
        calls.length === 0
          ? body
          : { input: calls.map(({ call_id }) => ({ type: 'function_call_output', call_id, output: 'Sun.' })) };
      // oxlint-disable-next-line no-await-in-loop -- a conversation
      const answer = await create({
        model,
        tools,
        reasoning,
        include: ['reasoning.encrypted_content'],
        conversation,
        stream,
        ...body,
        ...input,
      });
      expect(answer.status, answer.text).toBe(200);
      for (const { data } of answer.events) expect(checkEvent(data), JSON.stringify(data)).toEqual([]);
      expect(check('Response', answer.body), answer.text).toEqual([]);
      // oxlint-disable-next-line no-await-in-loop -- of this turn
      const stored = await get(answer.body.id);
      expect(check('Response', stored.body), stored.text).toEqual([]);
      // oxlint-disable-next-line no-await-in-loop -- of this turn
      const items = await request('GET', `/v1/responses/${answer.body.id}/input_items`);
      for (const item of items.body.data) expect(check('ResponseItem', item), JSON.stringify(item)).toEqual([]);
      calls = answer.body.output.filter(({ type }: { type: string }) => type === 'function_call');
    }
    const items = await request('GET', `/v1/conversations/${conversation}/items?order=asc`);
    expect(check('ConversationItemList', items.body), items.text).toEqual([]);
    expect(items.body.data.length).toBeGreaterThan(7);
    const [first] = items.body.data;
    const one = await request('GET', `/v1/conversations/${conversation}/items/${first.id}`);
    expect(check('ConversationItem', one.body)).toEqual([]);
    expect(check('Conversation', (await request('GET', `/v1/conversations/${conversation}`)).body)).toEqual([]);
    const gone = await request('DELETE', `/v1/conversations/${conversation}`);
    expect(check('ConversationDeletedResource', gone.body)).toEqual([]);
  });

  test('background, counting, compacting, models and errors', async () => {
    const { request, create } = client();
    const queued = await create({ model, input: 'Hello.', background: true });
    expect(check('Response', queued.body), queued.text).toEqual([]);
    const followed = await create({ model, input: 'Hello.', background: true, stream: true });
    for (const { data } of followed.events) expect(checkEvent(data), JSON.stringify(data)).toEqual([]);
    const counted = await request('POST', '/v1/responses/input_tokens', { model, input: 'Hello.' });
    // The models behind the other two do not count: what comes then is an error.
    const counts = backend.name === 'simulator' || backend.name === 'openai-compatible';
    const what = counts ? check('InputTokenCountResponse', counted.body) : check('ErrorObject', counted.body.error);
    expect(what, counted.text).toEqual([]);
    const compacted = await request('POST', '/v1/responses/compact', { model, input: 'Hello.' });
    // "A list of all user messages, followed by a single compaction item": of which the declared type has the item only.
    const output: object[] = compacted.body.output;
    expect(check('CompactedResponse', { ...compacted.body, output: output.slice(-1) }), compacted.text).toEqual([]);
    for (const item of output) expect(check('ResponseItem', item), JSON.stringify(item)).toEqual([]);
    const models = await request('GET', '/v1/models');
    for (const each of models.body.data) expect(check('Model', each)).toEqual([]);
    for (const wrong of [
      {},
      { model, input: 1 },
      { model: 'none', input: 'a' },
      { model, input: 'a', previous_response_id: 'resp_0' },
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one after another reads better where it fails
      const refused = await create(wrong);
      expect(refused.status).toBeGreaterThan(399);
      expect(check('ErrorObject', refused.body.error), refused.text).toEqual([]);
    }
  });
});

test('files', async () => {
  const gateway = await spawnGateway({ folder: temporaryFolder() });
  const { request } = createClient(gateway.url);
  const form = new FormData();
  form.set('purpose', 'user_data');
  form.set('file', new File(['text'], 'a.txt', { type: 'text/plain' }));
  const made = (await (await fetch(`${gateway.url}/v1/files`, { method: 'POST', body: form })).json()) as {
    id: string;
  };
  expect(check('FileObject', made)).toEqual([]);
  const found = await request('GET', `/v1/files/${made.id}`);
  expect(check('FileObject', found.body), found.text).toEqual([]);
  const listed = await request('GET', '/v1/files');
  expect(listed.body).toMatchObject({ object: 'list', has_more: false, first_id: made.id, last_id: made.id });
  for (const each of listed.body.data) expect(check('FileObject', each)).toEqual([]);
  const gone = await request('DELETE', `/v1/files/${made.id}`);
  expect(check('FileDeleted', gone.body), gone.text).toEqual([]);
});

/** Streams as providers sent them. */
const recorded: { backend: Backend; folder: string; ending: string; toSse: (text: string) => string }[] = [
  { backend: anthropic, folder: 'messages', ending: '.stream.jsonl', toSse: framed },
  { backend: openAiCompatible, folder: 'chat', ending: '.sse', toSse: (text) => text },
  { backend: openAi, folder: 'responses', ending: '.jsonl', toSse: framed },
];

function framed(lines: string): string {
  return lines
    .trimEnd()
    .split('\n')
    .map((line) => frame(JSON.parse(line) as { type: string }))
    .join('');
}

describe.each(recorded)('what was recorded of $backend.name', ({ backend, folder, ending, toSse }) => {
  const path = new URL(`../fixtures/${folder}`, import.meta.url).pathname;
  const names = readdirSync(path).filter((name) => name.endsWith(ending));
  const { baseURL } = shareGateway({
    ...backend,
    answer({ body }, response) {
      const name = /fixture (\S+)/.exec(JSON.stringify(body))?.[1] ?? '';
      response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .end(toSse(readFileSync(join(path, name), 'utf8')));
    },
  });

  test.each(names)('%s', async (name) => {
    const { create, get } = createClient(baseURL().replace(/\/v1$/, ''));
    const answer = await create({ model, stream: true, input: `fixture ${name} ` });
    expect(answer.status, answer.text).toBe(200);
    for (const { data } of answer.events) expect(checkEvent(data), JSON.stringify(data)).toEqual([]);
    expect(check('Response', (await get(answer.body.id)).body), answer.text).toEqual([]);
  });
});
