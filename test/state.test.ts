/**
 * The state of the Responses API, end to end: what a chain, a fork, a deleted or broken parent mean, and what the upstream
 * is sent of them. What the upstreams' own grammars make of it is in state-upstreams.test.ts.
 */
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { Answer } from './support/client.ts';
import { frame, messageEvents, type UpstreamRequest } from './support/fake-upstream.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();
const create = (body: object, headers?: Record<string, string>) => rig.client.create(body, headers);
const get = (id: string) => rig.client.get(id);

/** A turn that has to end well. */
const turn = async (body: object, headers?: Record<string, string>): Promise<Answer> => {
  const answer = await create(body, headers);
  expect(answer.status, answer.text).toBe(200);
  expect(answer.body.status, answer.text).toBe('completed');
  return answer;
};
const textOf = ({ body }: Answer): string => body.output.at(-1).content[0].text;
const sessionOf = ({ headers }: Answer) => headers.get('x-turnpike-session-id');
const sentTo = (model: string) => (model === 'qwen' ? rig.chat.requests : rig.messages.requests);

/** Who said what, of a request in either protocol. */
const saidIn = ({ body }: UpstreamRequest): string[] =>
  body.messages.map(({ role, content }: { role: string; content: string | { text: string }[] }) => {
    return `${role}: ${typeof content === 'string' ? content : content.map(({ text }) => text).join('|')}`;
  });
const lastSaid = (model: string): string[] => {
  const sent = sentTo(model).at(-1);
  return sent === undefined ? [] : saidIn(sent);
};
const user = (text: string) => ({ role: 'user', content: text });

const tool = {
  type: 'function',
  name: 'get_weather',
  description: 'Get the current weather',
  parameters: { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] },
  strict: false,
};
const patch = { type: 'custom', name: 'apply', description: 'Apply a patch' };
/** The model calls `name` with each of the ids, once for each. */
const messagesCalls = (name: string, input: object, ...ids: string[]) =>
  ids.map((id) => ({ type: 'tool_use', id, name, input }));
const answerOnce = (model: string, name: string, input: object, ...ids: string[]) => {
  if (model === 'qwen') {
    const { answer } = rig.chat;
    rig.chat.answer = () => {
      rig.chat.answer = answer;
      const spec = { name, arguments: JSON.stringify(input) };
      return { tool_calls: ids.map((id) => ({ id, type: 'function', function: spec })) };
    };
  } else {
    const { answer } = rig.messages;
    rig.messages.answer = () => {
      rig.messages.answer = answer;
      return { blocks: messagesCalls(name, input, ...ids), stopReason: 'tool_use' };
    };
  }
};
const output = (call_id: string, output = '18 °C') => ({ type: 'function_call_output', call_id, output });

const unknownParent = (id: string) => ({
  error: {
    message: `Previous response with id '${id}' not found.`,
    type: 'invalid_request_error',
    param: 'previous_response_id',
    code: 'previous_response_not_found',
  },
});
const unknownResponse = (id: string) => ({
  error: {
    message: `Response with id '${id}' not found.`,
    type: 'invalid_request_error',
    param: 'response_id',
    code: null,
  },
});

const wires = [
  { model: 'claude', stream: false },
  { model: 'claude', stream: true },
  { model: 'qwen', stream: false },
  { model: 'qwen', stream: true },
];

describe.each(wires)('$model, stream: $stream', ({ model, stream }) => {
  test('a chain of five turns, each sent at once after the one before, is seen whole', async () => {
    const expected: string[] = [];
    let previous_response_id: string | null = null;
    for (const text of ['one', 'two', 'three', 'four', 'five']) {
      const answer = await turn({ model, stream, previous_response_id, input: text });
      expected.push(`user: ${text}`);
      expect(lastSaid(model)).toEqual(expected);
      expected.push(`assistant: Re: ${text}`);
      expect(answer.body).toMatchObject({ previous_response_id, model });
      expect(textOf(answer)).toBe(`Re: ${text}`);
      previous_response_id = answer.body.id;
    }
    expect(sentTo(model)).toHaveLength(5);
  });

  test('a fork sees its ancestors, and neither its sibling nor what came of it', async () => {
    const root = await turn({ model, stream, input: 'root' });
    const left = await turn({ model, stream, previous_response_id: root.body.id, input: 'left' });
    await turn({ model, stream, previous_response_id: left.body.id, input: 'further left' });
    const right = await turn({ model, stream, previous_response_id: root.body.id, input: 'right' });
    expect(lastSaid(model)).toEqual(['user: root', 'assistant: Re: root', 'user: right']);
    await turn({ model, stream, previous_response_id: right.body.id, input: 'further right' });
    expect(lastSaid(model)).toEqual([
      'user: root',
      'assistant: Re: root',
      'user: right',
      'assistant: Re: right',
      'user: further right',
    ]);
  });

  test('ten children of one parent at a time are ten forks', async () => {
    const root = await turn({ model, stream, input: 'root' });
    const names = Array.from({ length: 10 }, (_, index) => `child ${index}`);
    const children = await Promise.all(
      names.map((input) => turn({ model, stream, previous_response_id: root.body.id, input })),
    );
    expect(children.map(textOf)).toEqual(names.map((name) => `Re: ${name}`));
    expect(new Set(children.map(({ body }) => body.id)).size).toBe(10);
    const sent = sentTo(model)
      .slice(1)
      .map((request) => saidIn(request).join(', '));
    expect(sent.toSorted()).toEqual(names.map((name) => `user: root, assistant: Re: root, user: ${name}`));
    for (const [index, child] of children.entries()) {
      await turn({ model, stream, previous_response_id: child.body.id, input: 'and then' });
      expect(lastSaid(model).slice(2)).toEqual([
        `user: child ${index}`,
        `assistant: Re: child ${index}`,
        'user: and then',
      ]);
    }
  });

  test('only items are carried over: no instructions, tools, settings or metadata', async () => {
    const first = await turn({
      model,
      stream,
      input: 'first',
      instructions: 'Speak like a pirate.',
      tools: [tool],
      tool_choice: 'auto',
      temperature: 0.5,
      max_output_tokens: 99,
      metadata: { trace: 'one' },
      text: { format: { type: 'json_object' } },
      truncation: 'disabled',
      user: 'somebody',
    });
    expect(first.body).toMatchObject({ instructions: 'Speak like a pirate.', metadata: { trace: 'one' } });
    expect(sentTo(model)[0]?.text).toContain('pirate');

    const second = await turn({ model, stream, previous_response_id: first.body.id, input: 'second' });
    expect(second.body).toMatchObject({
      instructions: null,
      tools: [],
      tool_choice: 'auto',
      temperature: 1,
      max_output_tokens: null,
      metadata: {},
      text: { format: { type: 'text' } },
      user: null,
    });
    const fresh = await turn({ model, stream, input: 'fresh' });
    const [, { body: chained } = { body: {} }, { body: unchained } = { body: {} }] = sentTo(model);
    expect(fresh.body.instructions).toBeNull();
    expect({ ...chained, messages: [] }).toEqual({ ...unchained, messages: [] });
  });

  test('a message of the role system in the input is an item, and is carried over', async () => {
    const first = await turn({ model, stream, input: [{ role: 'system', content: 'Be brief.' }, user('one')] });
    await turn({ model, stream, previous_response_id: first.body.id, input: 'two' });
    const [, second] = sentTo(model);
    const { system, messages } = second?.body ?? {};
    expect(system ?? messages[0]).toEqual(
      model === 'qwen' ? { role: 'system', content: 'Be brief.' } : [{ type: 'text', text: 'Be brief.' }],
    );
  });

  test('tools left out in the middle of a tool loop reach the upstream, which may not call them', async () => {
    answerOnce(model, 'get_weather', { location: 'Paris' }, 'call_a');
    const first = await turn({ model, stream, input: 'weather?', tools: [tool] });
    const second = await turn({ model, stream, previous_response_id: first.body.id, input: [output('call_a')] });
    expect(second.body.tools).toEqual([]);
    const sent = sentTo(model)[1]?.body;
    const { name, description, parameters } = tool;
    if (model === 'qwen') {
      const definition = { name, description, parameters, strict: false };
      expect(sent).toMatchObject({ tools: [{ type: 'function', function: definition }], tool_choice: 'none' });
    } else {
      const definition = { name, description, input_schema: parameters };
      expect(sent).toMatchObject({ tools: [definition], tool_choice: { type: 'none' } });
    }

    // Two turns on, they are still those of the ancestor that made the call.
    await turn({ model, stream, previous_response_id: second.body.id, input: 'thanks' });
    expect(sentTo(model)[2]?.body.tools).toEqual(sent.tools);
  });

  test('what was created is what GET gives', async () => {
    answerOnce(model, 'get_weather', { location: 'Paris' }, 'call_a', 'call_b');
    const first = await turn({
      model,
      stream,
      input: 'weather?',
      instructions: 'Use the tool.',
      tools: [tool, patch],
      metadata: { trace: 'one', empty: '' },
      temperature: 0.2,
      max_output_tokens: 200,
      parallel_tool_calls: true,
      reasoning: { effort: 'low' },
      safety_identifier: 'u1',
    });
    const found = await get(first.body.id);
    expect(found.status).toBe(200);
    expect(found.body).toEqual(first.body);
    expect(sessionOf(found)).toBe(sessionOf(first));
    const outputs = [output('call_b', '19'), output('call_a', '18')];
    const second = await turn({ model, stream, previous_response_id: first.body.id, input: outputs });
    expect((await get(second.body.id)).body).toEqual(second.body);
    expect((await get(first.body.id)).body).toEqual(first.body);
    if (stream) {
      const ids = second.events.flatMap(({ data }) => data.response?.id ?? []);
      expect(new Set(ids)).toEqual(new Set([second.body.id]));
    }
  });

  test.each([
    ['a call without its output', [user('never mind')], 'No tool output found for function call call_a.'],
    ['one of two calls without its output', [output('call_a')], 'No tool output found for function call call_b.'],
    ['no output at all', [], 'No tool output found for function call call_a.'],
    [
      'an output without a call',
      [output('call_a'), output('call_b'), output('call_x')],
      'No tool call found for function call output with call_id call_x.',
    ],
    [
      'an output twice',
      [output('call_a'), output('call_b'), output('call_a')],
      'Duplicate tool output found for call_id call_a. A tool call takes one output.',
    ],
    [
      'an output of the wrong kind',
      [output('call_a'), { ...output('call_b'), type: 'custom_tool_call_output' }],
      'No tool call found for custom tool call output with call_id call_b.',
    ],
    [
      'a call that is made twice',
      [{ type: 'function_call', call_id: 'call_a', name: 'get_weather', arguments: '{}' }, output('call_a')],
      'Duplicate tool call found with call_id call_a.',
    ],
  ])('%s is a 400, and nothing is sent or spent', async (_, input, message) => {
    answerOnce(model, 'get_weather', { location: 'Paris' }, 'call_a', 'call_b');
    const first = await turn({ model, stream, input: 'weather?', tools: [tool] });
    const attempts = rig.query('SELECT COUNT(*) AS count FROM attempts');
    const refused = await create({ model, stream, previous_response_id: first.body.id, input, tools: [tool] });
    expect(refused.status).toBe(400);
    expect(refused.body).toEqual({ error: { message, type: 'invalid_request_error', param: 'input', code: null } });
    expect(sentTo(model)).toHaveLength(1);
    expect(rig.query('SELECT COUNT(*) AS count FROM attempts')).toEqual(attempts);

    // The parent is none the worse for it.
    await turn({ model, stream, previous_response_id: first.body.id, input: [output('call_b'), output('call_a')] });
  });

  test.each([
    ['60,000 characters', 'x'.repeat(60_000)],
    ['just above what LiteLLM keeps', 'y'.repeat(2049)],
  ])('long texts chain whole: %s', async (_, long) => {
    answerOnce(model, 'get_weather', { location: long }, 'call_a');
    const first = await turn({ model, stream, input: `question ${long}`, tools: [tool] });
    const input = [output('call_a', `output ${long}`)];
    const second = await turn({ model, stream, previous_response_id: first.body.id, input, tools: [tool] });
    await turn({ model, stream, previous_response_id: second.body.id, input: 'go on' });
    for (const sent of sentTo(model).slice(1)) {
      expect(sent.text).toContain(`question ${long}"`);
      expect(sent.text).toContain(`output ${long}"`);
      expect(sent.text.split(long)).toHaveLength(sent === sentTo(model)[1] ? 4 : 5);
    }
  });
});

describe('the simulator', () => {
  test.each([{ stream: false }, { stream: true }])('remembers over five turns, stream: $stream', async ({ stream }) => {
    const say = (input: unknown, parent?: Answer, fields: object = {}) =>
      turn({ model: 'simulator', stream, input, previous_response_id: parent?.body.id ?? null, ...fields });
    const first = await say('My name is Ada.');
    const second = await say('What is the weather in Paris?', first, { tools: [tool], reasoning: { effort: 'low' } });
    const call = second.body.output.at(-1);
    expect(call).toMatchObject({ type: 'function_call', name: 'get_weather' });
    const third = await say([output(call.call_id, '18 °C and sunny')], second, { reasoning: { effort: 'low' } });
    expect(textOf(third)).toContain('18 °C and sunny');
    const fourth = await say('What is my name?', third);
    expect(textOf(fourth)).toBe('Your name is Ada.');
    const fork = await say('What is my name?', await say('My name is Bob.', third));
    expect(textOf(fork)).toBe('Your name is Bob.');
    expect(textOf(await say('What did I say first?', fourth))).toBe('First you said: "My name is Ada.".');
  });
});

describe('store: false', () => {
  test.each([{ stream: false }, { stream: true }])(
    'leaves nothing to resolve, and no byte of content in the store, stream: $stream',
    async ({ stream }) => {
      const canary = `canary-${stream}-7f3a9`;
      const schema = { type: 'object', description: canary, properties: {}, additionalProperties: false };
      const parent = await turn({ model: 'simulator', input: 'I am stored.' });
      const answer = await turn({
        model: 'simulator',
        stream,
        store: false,
        previous_response_id: parent.body.id,
        input: [user(`Say ${canary}`)],
        instructions: `Think of ${canary}.`,
        tools: [{ ...tool, description: canary }],
        metadata: { canary },
        text: { format: { type: 'json_schema', name: 'a', schema } },
        reasoning: { effort: 'low', summary: 'auto' },
      });
      expect(answer.body.store).toBe(false);
      expect(JSON.stringify(answer.body.output)).toContain(canary);
      const { id } = answer.body;
      for (const [method, path] of [
        ['GET', ''],
        ['GET', '/input_items'],
        ['DELETE', ''],
      ]) {
        const found = await rig.client.request(method ?? '', `/v1/responses/${id}${path}`);
        expect([found.status, found.body]).toEqual([404, unknownResponse(id)]);
      }
      const child = await create({ model: 'simulator', previous_response_id: id, input: 'go on' });
      expect([child.status, child.body]).toEqual([400, unknownParent(id)]);
      const item = answer.body.output[0].id;
      const reference = await create({ model: 'simulator', input: [{ type: 'item_reference', id: item }] });
      expect(reference.status).toBe(404);

      expect(rig.filesWith(canary)).toEqual([]);
      expect(rig.gateway.output()).not.toContain(canary);
      expect(rig.filesWith('I am stored.')).not.toEqual([]);
      expect(rig.query('SELECT status FROM attempts WHERE turn_id = ?', id)).toEqual([{ status: 'completed' }]);
    },
  );

  test.each([{ stream: false }, { stream: true }])(
    'keeps no content of a turn that failed either, stream: $stream',
    async ({ stream }) => {
      const canary = `canary-failed-${stream}-51c`;
      rig.messages.answer = (_, response) => {
        const error = { type: 'invalid_request_error', message: `messages.0: "${canary}" is not allowed` };
        response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ type: 'error', error }));
        return undefined;
      };
      const refused = await create({ model: 'claude', stream, store: false, input: canary });
      expect(refused.status).toBe(400);
      expect(refused.body.error.message).toContain(canary);
      rig.messages.answer = (_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const events = messageEvents([{ type: 'text', text: `${canary} and so on` }]);
        for (const event of events.slice(0, -3)) response.write(frame(event));
        response.end();
        return undefined;
      };
      const cut = await create({ model: 'claude', stream, store: false, input: canary });
      expect(stream ? cut.body.status : cut.body.error.type).toBe(stream ? 'failed' : 'server_error');
      expect(rig.filesWith(canary)).toEqual([]);
      expect(rig.gateway.output()).not.toContain(canary);
    },
  );
});

describe('delete', () => {
  test('a turn deleted in mid-chain is gone; its child stands and goes on', async () => {
    const first = await turn({ model: 'claude', input: 'one' });
    const second = await turn({ model: 'claude', previous_response_id: first.body.id, input: 'two' });
    const third = await turn({ model: 'claude', previous_response_id: second.body.id, input: 'three' });
    const path = `/v1/responses/${second.body.id}`;
    const deleted = await rig.client.request('DELETE', path);
    expect([deleted.status, deleted.body]).toEqual([200, { id: second.body.id, object: 'response', deleted: true }]);

    for (const [method, end] of [
      ['GET', ''],
      ['GET', '/input_items'],
      ['DELETE', ''],
    ]) {
      const found = await rig.client.request(method ?? '', `${path}${end}`);
      expect([found.status, found.body]).toEqual([404, unknownResponse(second.body.id)]);
    }
    const refused = await create({ model: 'claude', previous_response_id: second.body.id, input: 'x' });
    expect([refused.status, refused.body]).toEqual([400, unknownParent(second.body.id)]);

    expect((await get(third.body.id)).body).toEqual(third.body);
    expect((await get(first.body.id)).body).toEqual(first.body);
    await turn({ model: 'claude', previous_response_id: third.body.id, input: 'four' });
    expect(lastSaid('claude')).toEqual([
      'user: one',
      'assistant: Re: one',
      'user: two',
      'assistant: Re: two',
      'user: three',
      'assistant: Re: three',
      'user: four',
    ]);
  });

  test('of a turn that is still running hides it at once; its end is kept from everybody but the ledger', async () => {
    let finish = () => {};
    rig.messages.answer = (_, response) => {
      const events = messageEvents([{ type: 'text', text: 'half and half-5d0e' }]);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of events.slice(0, 4)) response.write(frame(event));
      finish = () => response.end(events.slice(4).map(frame).join(''));
      return undefined;
    };
    const running = await fetch(`${rig.gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'claude', stream: true, input: 'tell me' }),
    });
    const reader = running.body?.pipeThrough(new TextDecoderStream()).getReader();
    let seen = '';
    while (!seen.includes('response.output_text.delta')) seen += (await reader?.read())?.value ?? '';
    const id = /"id":"(resp_\w+)"/.exec(seen)?.[1] ?? '';
    expect((await rig.client.request('DELETE', `/v1/responses/${id}`)).status).toBe(200);
    expect((await get(id)).status).toBe(404);
    finish();
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) seen += part.value;
    expect(seen).toContain('event: response.completed');
    expect((await get(id)).status).toBe(404);
    expect((await create({ model: 'claude', previous_response_id: id, input: 'x' })).body).toEqual(unknownParent(id));
    expect(rig.query('SELECT status FROM attempts WHERE turn_id = ?', id)).toEqual([{ status: 'completed' }]);
    const kept = rig.query(
      'SELECT (SELECT COUNT(*) FROM items WHERE turn_id = t.id) AS items, head FROM turns t WHERE id = ?',
      id,
    );
    expect(kept).toEqual([{ items: 0, head: '' }]);
  });

  test('leaves no word of what the upstream said when it refused', async () => {
    rig.messages.answer = (_, response) => {
      const error = { type: 'invalid_request_error', message: '"canary-e41" is not allowed' };
      response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ type: 'error', error }));
      return undefined;
    };
    expect((await create({ model: 'claude', input: 'canary-e41' })).status).toBe(400);
    const attempts = "SELECT turn_id, error_message, raw_reply FROM attempts WHERE error_message LIKE '%canary-e41%'";
    const [failed] = rig.query(attempts);
    const deleted = await rig.client.request('DELETE', `/v1/responses/${String(failed?.['turn_id'])}`);
    expect(deleted.status).toBe(200);
    expect(rig.query(attempts)).toEqual([]);
  });

  test('an item of a deleted turn cannot be referred to any more', async () => {
    const { body } = await turn({ model: 'claude', input: 'one' });
    const input = [{ type: 'item_reference', id: body.output[0].id }, user('go on')];
    await turn({ model: 'claude', store: false, input });
    await rig.client.request('DELETE', `/v1/responses/${body.id}`);
    expect((await create({ model: 'claude', input })).status).toBe(404);
    expect(sentTo('claude')).toHaveLength(2);
  });
});

describe('a parent that', () => {
  const refusedFor = (id: string, status: string) => ({
    error: {
      ...unknownParent(id).error,
      message: `Previous response with id '${id}' cannot be continued: its status is '${status}'.`,
    },
  });

  test.each(['resp_unknown', `resp_${'0'.repeat(44)}`, 'x', 'chatcmpl-1', '💥', '\u0000'])(
    'was never made (%j) is a 400, also where outputs come along, and nothing is sent',
    async (id) => {
      const input = [output('call_a')];
      const tools = await create({ model: 'claude', previous_response_id: id, input });
      const plain = await create({ model: 'claude', previous_response_id: id, input: 'go on', stream: true });
      expect([tools.status, tools.body]).toEqual([400, unknownParent(id)]);
      expect([plain.status, plain.body]).toEqual([400, unknownParent(id)]);
      expect(sentTo('claude')).toEqual([]);
    },
  );

  test('failed is refused, and its own parent is none the worse', async () => {
    const root = await turn({ model: 'claude', input: 'root' });
    rig.messages.answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const events = messageEvents([{ type: 'text', text: 'half a' }]);
      for (const event of events.slice(0, 4)) response.write(frame(event));
      const error = { type: 'overloaded_error', message: 'Overloaded' };
      response.end(frame({ type: 'error', error } as { type: string }));
      return undefined;
    };
    const failed = await create({ model: 'claude', stream: true, previous_response_id: root.body.id, input: 'x' });
    expect(failed.events.at(-1)?.event).toBe('response.failed');
    expect(failed.body).toMatchObject({ status: 'failed', output: [{ status: 'incomplete' }] });
    const { id } = failed.body;
    expect((await get(id)).body).toEqual(failed.body);
    const refused = await create({ model: 'claude', previous_response_id: id, input: 'go on' });
    expect([refused.status, refused.body]).toEqual([400, refusedFor(id, 'failed')]);
    rig.messages.answer = () => ({ blocks: [{ type: 'text', text: 'well' }] });
    await turn({ model: 'claude', previous_response_id: root.body.id, input: 'again' });
    expect(lastSaid('claude')).toEqual(['user: root', 'assistant: Re: root', 'user: again']);
  });

  test('is still running is refused, and so is one that its client has left', async () => {
    let hungUp: Promise<unknown> | undefined;
    rig.messages.answer = (_, response) => {
      hungUp = once(response, 'close');
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      for (const event of messageEvents([{ type: 'text', text: 'half a word' }]).slice(0, 4)) {
        response.write(frame(event));
      }
      return undefined;
    };
    const leave = new AbortController();
    const running = await fetch(`${rig.gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'claude', stream: true, input: 'tell me' }),
      signal: leave.signal,
    });
    const reader = running.body?.pipeThrough(new TextDecoderStream()).getReader();
    let seen = '';
    while (!seen.includes('response.output_text.delta')) seen += (await reader?.read())?.value ?? '';
    const id = /"id":"(resp_\w+)"/.exec(seen)?.[1] ?? '';
    expect((await get(id)).body.status).toBe('in_progress');
    const early = await create({ model: 'claude', previous_response_id: id, input: 'go on' });
    expect([early.status, early.body]).toEqual([400, refusedFor(id, 'in_progress')]);

    leave.abort();
    await hungUp;
    let left = await get(id);
    while (left.body.status === 'in_progress') left = await get(id);
    expect(left.body).toMatchObject({ status: 'cancelled', output: [{ content: [{ text: 'half ' }] }] });
    const late = await create({ model: 'claude', previous_response_id: id, input: 'go on' });
    expect([late.status, late.body]).toEqual([400, refusedFor(id, 'cancelled')]);
    const [attempt] = rig.query('SELECT status, estimated FROM attempts WHERE turn_id = ?', id);
    expect(attempt).toEqual({ status: 'cancelled', estimated: 1 });
    expect(sentTo('claude')).toHaveLength(1);
  });
});

describe('item_reference', () => {
  test('to an item of the chain adds nothing: it is there already', async () => {
    const first = await turn({ model: 'claude', input: 'one' });
    const [said] = first.body.output;
    const reference = { type: 'item_reference', id: said.id };
    const input = [reference, user('two')];
    const second = await turn({ model: 'claude', previous_response_id: first.body.id, input });
    expect(lastSaid('claude')).toEqual(['user: one', 'assistant: Re: one', 'user: two']);
    const list = await rig.client.request('GET', `/v1/responses/${second.body.id}/input_items?order=asc`);
    expect(list.body.data.map(({ type }: { type: string }) => type)).toEqual(['message', 'message', 'message']);
  });

  test('across chains brings the item along, in the place where it stands, with or without a type', async () => {
    answerOnce('claude', 'get_weather', { location: 'Paris' }, 'call_a');
    const other = await turn({ model: 'claude', input: 'weather?', tools: [tool] });
    const [call] = other.body.output;
    const listed = await rig.client.request('GET', `/v1/responses/${other.body.id}/input_items`);
    const question = listed.body.data[0];
    const input = [{ id: question.id }, { type: 'item_reference', id: call.id }, output('call_a'), user('well?')];
    const answer = await turn({ model: 'qwen', input });
    expect(rig.chat.requests[0]?.body.messages).toEqual([
      { role: 'user', content: 'weather?' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'call_a', type: 'function', function: { name: 'get_weather', arguments: call.arguments } }],
      },
      { role: 'tool', tool_call_id: 'call_a', content: '18 °C' },
      { role: 'user', content: 'well?' },
    ]);
    await turn({ model: 'qwen', previous_response_id: answer.body.id, input: 'and?' });
    expect(rig.chat.requests[1]?.body.messages.slice(0, 4)).toEqual(rig.chat.requests[0]?.body.messages);
  });

  test('to nothing is a 404 that names it, and nothing is sent', async () => {
    const refused = await create({ model: 'claude', input: [{ type: 'item_reference', id: 'msg_unknown' }] });
    const message =
      "Item with id 'msg_unknown' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.";
    const error = { message, type: 'invalid_request_error', param: 'input' };
    expect([refused.status, refused.body]).toEqual([404, { error: { ...error, code: null } }]);
    expect(sentTo('claude')).toEqual([]);
  });
});

describe('an item that is sent twice', () => {
  const duplicate = (id: string) => ({
    error: {
      message: `Duplicate item found with id ${id}. Remove duplicate items from your input and try again.`,
      type: 'invalid_request_error',
      param: 'input',
      code: null,
    },
  });

  test('is a 400 where the chain holds it', async () => {
    const first = await turn({ model: 'claude', input: 'one' });
    const [said] = first.body.output;
    const input = [said, user('two')];
    const refused = await create({ model: 'claude', previous_response_id: first.body.id, input });
    expect([refused.status, refused.body]).toEqual([400, duplicate(said.id)]);
    expect(sentTo('claude')).toHaveLength(1);
  });

  test('is a 400 within one input, whether as an item or as a reference to it', async () => {
    const item = { type: 'message', id: 'msg_mine', role: 'user', content: 'one' };
    for (const again of [item, { type: 'item_reference', id: 'msg_mine' }]) {
      const refused = await create({ model: 'claude', input: [item, again] });
      expect([refused.status, refused.body]).toEqual([400, duplicate('msg_mine')]);
    }
    expect(sentTo('claude')).toEqual([]);
  });

  test('is none where a client without chains sends its history back', async () => {
    const first = await turn({ model: 'claude', input: 'one' });
    const second = await turn({ model: 'claude', input: [user('one'), ...first.body.output, user('two')] });
    const third = [user('one'), ...first.body.output, user('two'), ...second.body.output, user('three')];
    await turn({ model: 'claude', input: third });
    expect(lastSaid('claude')).toEqual([
      'user: one',
      'assistant: Re: one',
      'user: two',
      'assistant: Re: two',
      'user: three',
    ]);
  });
});

describe('input_items', () => {
  test('lists the whole input, normalised, ancestors first, newest first unless asked otherwise', async () => {
    const first = await turn({ model: 'claude', input: 'one' });
    const second = await turn({ model: 'claude', previous_response_id: first.body.id, input: [user('two')] });
    const path = `/v1/responses/${second.body.id}/input_items`;
    const listed = await rig.client.request('GET', `${path}?order=asc`);
    const message = (text: string) => ({
      id: expect.stringMatching(/^msg_/),
      type: 'message',
      status: 'completed',
      role: 'user',
      content: [{ type: 'input_text', text }],
    });
    expect(listed.body).toEqual({
      object: 'list',
      data: [message('one'), ...first.body.output, message('two')],
      first_id: listed.body.data[0].id,
      last_id: listed.body.data[2].id,
      has_more: false,
    });
    const backwards = await rig.client.request('GET', path);
    expect(backwards.body.data).toEqual(listed.body.data.toReversed());
    const own = await rig.client.request('GET', `/v1/responses/${first.body.id}/input_items`);
    expect(own.body.data).toEqual([listed.body.data[0]]);
  });

  test.each(['asc', 'desc'])('is read in pages, %s', async (order) => {
    const texts = Array.from({ length: 7 }, (_, index) => `text ${index}`);
    const { body } = await turn({ model: 'claude', input: texts.map(user) });
    const path = `/v1/responses/${body.id}/input_items?limit=3&order=${order}`;
    const pages = [];
    for (let after = ''; ;) {
      const page = (await rig.client.request('GET', `${path}${after}`)).body;
      pages.push(page.data.map((item: { content: { text: string }[] }) => item.content[0]?.text));
      expect([page.first_id, page.last_id]).toEqual([page.data[0].id, page.data.at(-1).id]);
      if (page.has_more !== true) break;
      after = `&after=${page.last_id}`;
    }
    const expected = order === 'asc' ? texts : texts.toReversed();
    expect(pages).toEqual([expected.slice(0, 3), expected.slice(3, 6), expected.slice(6)]);
  });
});

describe('sessions', () => {
  test('a chain has one, made where it begins; another chain has another', async () => {
    const first = await turn({ model: 'claude', input: 'one' });
    const second = await turn({ model: 'qwen', previous_response_id: first.body.id, input: 'two', stream: true });
    const fork = await turn({ model: 'simulator', previous_response_id: first.body.id, input: 'also two' });
    const other = await turn({ model: 'claude', input: 'one' });
    expect(sessionOf(first)).toMatch(/^sess_[0-9a-f]{44}$/);
    expect([sessionOf(second), sessionOf(fork)]).toEqual([sessionOf(first), sessionOf(first)]);
    expect(sessionOf(other)).not.toBe(sessionOf(first));
    const rows = rig.query(
      'SELECT request_id FROM "LiteLLM_SpendLogs" WHERE session_id = ? ORDER BY request_id',
      sessionOf(first) ?? '',
    );
    const ids = [first, second, fork].map(({ body }) => String(body.id)).toSorted();
    expect(rows).toEqual(ids.map((request_id) => ({ request_id })));
  });

  test('a turn that is not stored belongs to its parent’s', async () => {
    const first = await turn({ model: 'claude', input: 'one' });
    const second = await turn({ model: 'claude', store: false, previous_response_id: first.body.id, input: 'two' });
    expect(sessionOf(second)).toBe(sessionOf(first));
  });
});

describe('what this gateway does not do yet, or nobody can', () => {
  test.each([
    ['no input', { model: 'claude' }, 400, 'missing_required_parameter', 'input'],
    ['an unknown model', { model: 'nobody', input: 'x' }, 404, 'model_not_found', 'model'],
    [
      'a conversation that is not there',
      { model: 'claude', input: 'x', conversation: 'conv_1' },
      404,
      null,
      'conversation',
    ],
    [
      'background, unkept',
      { model: 'claude', input: 'x', background: true, store: false },
      400,
      'invalid_value',
      'background',
    ],
  ])('%s is an error that says so', async (_, body, status, code, param) => {
    const refused = await create(body);
    expect([refused.status, refused.body.error]).toEqual([
      status,
      { message: expect.any(String), type: 'invalid_request_error', param, code },
    ]);
    expect(sentTo('claude')).toEqual([]);
  });

  test('max_tool_calls is taken, and said to have no effect', async () => {
    const answer = await turn({ model: 'claude', input: 'x', max_tool_calls: 3 });
    expect(answer.body.max_tool_calls).toBe(3);
    expect(JSON.parse(answer.headers.get('x-turnpike-warnings') ?? '[]')).toEqual([
      { param: 'max_tool_calls', message: expect.any(String) },
    ]);
  });

  test('an unknown id is a 404 on every route', async () => {
    for (const [method, path] of [
      ['GET', 'resp_unknown'],
      ['DELETE', 'resp_unknown'],
      ['GET', 'resp_unknown/input_items'],
    ]) {
      const found = await rig.client.request(method ?? '', `/v1/responses/${path}`);
      expect([found.status, found.body]).toEqual([404, unknownResponse('resp_unknown')]);
    }
  });
});
