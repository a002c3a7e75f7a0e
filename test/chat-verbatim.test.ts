/** Chat in, chat out: the words of both sides go through as they are, and what is stored is what was said. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { sendJson } from './support/fake-upstream.ts';
import { openStream } from './support/open-stream.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();
const path = '/v1/chat/completions';

async function post(body: object | string, headers = {}): Promise<{ status: number; text: string; headers: Headers }> {
  const reply = await fetch(`${rig.gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: reply.status, text: await reply.text(), headers: reply.headers };
}

const messages = [{ role: 'user', content: 'Hello.' }];
const asked = { model: 'qwen', messages };

test('what we have no word for reaches the upstream, number for number', async () => {
  const { status } = await post(
    '{"x":{"2":1.0,"1":18446744073709551617},"store":true,"metadata":{"a":"b"},"model":"qwen","n":3,"messages":[{"role":"user","content":"Hi","name":"ann","y":[]}]}',
  );
  expect(status).toBe(200);
  expect(rig.chat.requests.map(({ text }) => text)).toEqual([
    '{"x":{"2":1.0,"1":18446744073709551617},"model":"qwen3-32b","n":3,"messages":[{"role":"user","content":"Hi","name":"ann","y":[]}]}',
  ]);
});

test('a plain reply comes back as it was, by our id and name; what it says is stored', async () => {
  const reply =
    '{ "id":"chatcmpl-9", "object":"chat.completion","created":1,"model":"qwen3-32b","zeta":1.0,"choices":[' +
    '{"index":0,"message":{"role":"assistant","content":"One","extra":{"2":1,"1":2}},"finish_reason":"stop","logprobs":null},' +
    '{"index":1,"message":{"role":"assistant","content":"Two"},"finish_reason":"stop"}],' +
    '"usage":{"prompt_tokens":7,"completion_tokens":4,"total_tokens":11,"more":true}}';
  rig.chat.answer = (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(reply);
    return undefined;
  };
  const { text } = await post({ ...asked, n: 2 });
  const { id } = JSON.parse(text) as { id: string };
  expect(text).toBe(reply.replace('"chatcmpl-9"', `"${id}"`).replace('"qwen3-32b"', '"qwen"'));
  const { body } = await rig.client.get(id);
  expect(body).toMatchObject({ id, status: 'completed', model: 'qwen', usage: { input_tokens: 7, output_tokens: 4 } });
  expect(body.output[0].content[0].text).toBe('One');
  expect(
    rig.query('SELECT upstream_id, input_tokens, output_tokens, estimated FROM attempts WHERE turn_id = ?', id),
  ).toEqual([{ upstream_id: 'chatcmpl-9', input_tokens: 7, output_tokens: 4, estimated: 0 }]);
});

describe('every answer that was asked for is kept, and all are paid', () => {
  const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":"b"}' } };
  const others = [
    {
      index: 1,
      message: { role: 'assistant', content: 'Two', refusal: null },
      logprobs: { content: [{ token: 'Tw' }, { token: 'o' }], refusal: null },
      finish_reason: 'length',
    },
    {
      index: 2,
      message: { role: 'assistant', content: null, refusal: null, tool_calls: [call] },
      logprobs: null,
      finish_reason: 'tool_calls',
    },
  ];
  const one = {
    index: 0,
    message: { role: 'assistant', content: 'One', refusal: null },
    logprobs: null,
    finish_reason: 'stop',
  };
  const usage = { prompt_tokens: 7, completion_tokens: 12, total_tokens: 19 };
  const head = { id: 'chatcmpl-9', created: 1, model: 'qwen3-32b' };
  const delta = (index: number, said: object, rest: object = {}) => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index, delta: said, logprobs: null, finish_reason: null, ...rest }],
  });
  const piece = (more: object) => delta(2, { tool_calls: [{ index: 0, ...more }] });
  const chunks = [
    delta(0, { role: 'assistant', content: null, refusal: null }),
    delta(1, { role: 'assistant', content: null, refusal: null }),
    delta(2, { role: 'assistant', content: null, refusal: null }),
    delta(1, { content: 'Tw' }, { logprobs: { content: [{ token: 'Tw' }], refusal: null } }),
    delta(0, { content: 'One' }),
    piece({ id: 'call_1', type: 'function', function: { name: 'f', arguments: '' } }),
    delta(1, { content: 'o' }, { logprobs: { content: [{ token: 'o' }], refusal: null } }),
    piece({ function: { arguments: '{"a":' } }),
    delta(0, {}, { finish_reason: 'stop' }),
    piece({ function: { arguments: '"b"}' } }),
    delta(2, {}, { finish_reason: 'tool_calls' }),
    delta(1, {}, { finish_reason: 'length' }),
    { ...head, object: 'chat.completion.chunk', choices: [], usage },
  ];

  test.each([false, true])('streamed: %j', async (stream) => {
    rig.chat.answer = (_request, response) => {
      const plain = JSON.stringify({ ...head, object: 'chat.completion', choices: [one, ...others], usage });
      const streamed = [...chunks.map((chunk) => JSON.stringify(chunk)), '[DONE]'].map((data) => `data: ${data}\n\n`);
      response
        .writeHead(200, { 'content-type': stream ? 'text/event-stream' : 'application/json' })
        .end(stream ? streamed.join('') : plain);
      return undefined;
    };
    const once = { 'idempotency-key': `three-answers-${stream}` };
    const body = { ...asked, n: 3, stream, messages: [{ role: 'user', content: `Streamed: ${stream}.` }] };
    const { status, text } = await post(body, once);
    expect(status, text).toBe(200);
    const id = /resp_\w+/.exec(text)?.[0] ?? '';
    const { body: stored } = await rig.client.get(id);
    expect(stored.output.map(({ type }: { type: string }) => type)).toEqual(['message', 'chat:choice', 'chat:choice']);
    expect(stored.output.slice(1).map(({ block }: { block: object }) => block)).toEqual(others);
    expect(stored.usage.output_tokens).toBe(12);
    expect(rig.query('SELECT output_tokens FROM attempts WHERE turn_id = ?', id)).toEqual([{ output_tokens: 12 }]);

    // Asked once more by the same key, it is told again whole.
    const { text: again } = await post(body, once);
    expect(rig.chat.requests).toHaveLength(1);
    if (stream) {
      const told = again.split('\n\n').filter((frame) => frame.startsWith('data: {'));
      const last = told.flatMap((frame) => (JSON.parse(frame.slice('data: '.length)) as { choices: object[] }).choices);
      const [, calls] = others;
      expect(last.slice(-2)).toEqual([
        { index: 1, delta: others[0]?.message, logprobs: others[0]?.logprobs, finish_reason: 'length' },
        {
          index: 2,
          delta: { ...calls?.message, tool_calls: [{ index: 0, ...call }] },
          logprobs: null,
          finish_reason: 'tool_calls',
        },
      ]);
    } else expect((JSON.parse(again) as { choices: object[] }).choices).toEqual([one, ...others]);

    // Who goes on from the first is linked, and the model is sent the first alone.
    rig.chat.answer = () => ({ content: 'On.' });
    const history = [...body.messages, { role: 'assistant', content: 'One' }, { role: 'user', content: 'Go on.' }];
    const next = JSON.parse((await post({ ...asked, messages: history })).text) as { id: string };
    expect(rig.query('SELECT parent FROM turns WHERE id = ?', next.id)).toEqual([{ parent: id }]);
    const follow = await rig.client.create({ model: 'qwen', input: 'And on.', previous_response_id: id });
    expect(rig.chat.requests.at(-1)?.body.messages).toEqual([
      ...body.messages,
      { role: 'assistant', content: 'One' },
      { role: 'user', content: 'And on.' },
    ]);
    expect(follow.headers.get('x-turnpike-warnings')).toContain('chat:choice');
  });
});

const recorded = readFileSync(new URL('fixtures/chat/logprobs-and-citation.sse', import.meta.url), 'utf8');

describe('a stream', () => {
  test.each([true, false])('comes back byte for byte, its usage told: %j', async (include_usage) => {
    rig.chat.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(recorded);
      return undefined;
    };
    const { text } = await post({ ...asked, stream: true, stream_options: { include_usage } });
    const id = /resp_\w+/.exec(text)?.[0] ?? '';
    const { id: theirs, model } = JSON.parse(recorded.slice('data: '.length, recorded.indexOf('\n\n'))) as {
      id: string;
      model: string;
    };
    const expected = recorded.replaceAll(`"id":"${theirs}"`, `"id":"${id}"`).replaceAll(`"${model}"`, '"qwen"');
    const frames = expected.split('\n\n').filter((frame) => include_usage || !frame.includes('"choices":[]'));
    expect(text).toBe(frames.join('\n\n'));
    expect(rig.chat.requests.at(-1)?.body.stream_options).toEqual({ include_usage: true });
    expect((await rig.client.get(id)).body).toMatchObject({ status: 'completed' });
    expect(rig.query('SELECT status, estimated FROM attempts WHERE turn_id = ?', id)).toEqual([
      { status: 'completed', estimated: 0 },
    ]);
  });

  test('that is cut says so, and has no end', async () => {
    const half = recorded.slice(0, recorded.indexOf('\n\n', recorded.indexOf('"Yes"')) + 2);
    rig.chat.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).end(half);
      return undefined;
    };
    const { text } = await post({ ...asked, stream: true });
    expect(text).not.toMatch(/DONE|"finish_reason":"/);
    expect(text).toMatch(/"content":"Yes"[^]*data: \{"error":\{"message":"[^]+\}\}\n\n$/);
    const id = /resp_\w+/.exec(text)?.[0] ?? '';
    expect((await rig.client.get(id)).body).toMatchObject({ status: 'failed' });
  });

  test('whose upstream sends an error says that', async () => {
    rig.chat.answer = (_request, response) => {
      const first = recorded.slice(0, recorded.indexOf('\n\n', recorded.indexOf('"Yes"')) + 2);
      const error = { error: { message: 'x', type: 'server_error', code: null } };
      response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .end(`${first}data: ${JSON.stringify(error)}\n\ndata: [DONE]\n\n`);
      return undefined;
    };
    const { text } = await post({ ...asked, stream: true });
    expect(text).not.toMatch(/DONE|"finish_reason":"/);
    expect(text.match(/"error"/g)).toHaveLength(1);
  });

  test('does not end before it is stored', async () => {
    let finish = () => {};
    rig.chat.answer = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const ends = recorded.indexOf('data: [DONE]');
      response.write(recorded.slice(0, ends));
      finish = () => response.end(recorded.slice(ends));
      return undefined;
    };
    const stream = await openStream(rig.gateway.url, path, { ...asked, stream: true });
    const text = await stream.until('"content":"Yes"');
    expect(text).not.toContain('"finish_reason":"');
    finish();
    expect(await stream.rest()).toMatch(/"finish_reason":"stop"[^]*data: \[DONE\]\n\n$/);
  });
});

test('an error of the upstream is told in our words, once, and is billed as nothing', async () => {
  rig.chat.answer = (_request, response) => {
    sendJson(
      response,
      { error: { message: 'No such thing.', type: 'invalid_request_error', param: 'x', code: null } },
      400,
    );
    return undefined;
  };
  const { status, text } = await post({ ...asked, x: 1 });
  expect(status).toBe(400);
  expect(JSON.parse(text)).toMatchObject({ error: { type: 'invalid_request_error' } });
});

test('a file of ours goes through the neutral model, since the upstream does not know its id', async () => {
  const form = new FormData();
  form.set('purpose', 'user_data');
  form.set('file', new Blob(['kestrel'], { type: 'text/plain' }), 'a.txt');
  const upload = await fetch(`${rig.gateway.url}/v1/files`, { method: 'POST', body: form });
  const { id } = (await upload.json()) as { id: string };
  const content = [
    { type: 'text', text: 'What is this?' },
    { type: 'file', file: { file_id: id } },
  ];
  const { status } = await post({
    ...asked,
    messages: [{ role: 'user', content, name: 'ann' }],
    logit_bias: { '1': 1 },
  });
  expect(status).toBe(200);
  expect(rig.chat.requests[0]?.body).toMatchObject({
    messages: [
      {
        role: 'user',
        name: 'ann',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'text', text: 'kestrel' },
        ],
      },
    ],
    logit_bias: { '1': 1 },
  });
});
