/** The verbatim lane: what is changed is a closed list, and all else is byte for byte as it was sent. */
import { describe, expect, test } from 'vitest';
import { plainProfile } from '../../../test/fixtures/chat/encode-input.ts';
import { streamsOf } from '../../../test/support/recordings.ts';
import type { ModelProfile, Reply } from '../codec.ts';
import { decodeRequest } from './decode-request.ts';
import { chatVerbatim } from './verbatim.ts';

function replyTo(body: object = {}): Reply {
  const request = decodeRequest({ model: 'group', messages: [{ role: 'user', content: 'Hi' }], ...body });
  // Only the id and the request are read.
  return { state: { id: 'resp_1', request } as Reply['state'], head: '', envelope: '', output: [] };
}

const tellingUsage = replyTo({ stream: true, stream_options: { include_usage: true } });

test.each<[what: string, body: string, sent: string]>([
  [
    'the model, and nothing else of a plain request; numbers and the order of keys stay',
    '{"big": 18446744073709551617, "model" : "group","x":{"2":1.0,"1":-0},"messages":[ {"role":"user","content":"\\u0048i"} ]}',
    '{"big":18446744073709551617,"model":"up","x":{"2":1.0,"1":-0},"messages":[ {"role":"user","content":"\\u0048i"} ]}',
  ],
  ['what is ours', '{"model":"group","store":true,"metadata":{"a":"b"},"n":2}', '{"model":"up","n":2}'],
  [
    'a stream is asked for its usage',
    '{"model":"group","stream":true}',
    '{"model":"up","stream":true,"stream_options":{"include_usage":true}}',
  ],
  [
    'also where it was not to tell it, and whatever else it is asked for',
    '{"stream_options":{"include_usage":false,"include_obfuscation": false},"stream":true,"model":"group"}',
    '{"stream_options":{"include_usage":true,"include_obfuscation":false},"stream":true,"model":"up"}',
  ],
  [
    'null options are none',
    '{"model":"group","stream":true,"stream_options":null}',
    '{"model":"up","stream":true,"stream_options":{"include_usage":true}}',
  ],
])('%s', (_, body, sent) => {
  expect(patch(body)).toBe(sent);
});

/** What is sent; undefined: it goes through the neutral model. */
function patch(body: string, profile: Partial<ModelProfile> = {}): string | undefined {
  const whole = { messages: [{ role: 'user', content: 'Hi' }], ...(JSON.parse(body) as object) };
  const request = decodeRequest(whole);
  return chatVerbatim.patchRequest(body, 'up', request, { ...plainProfile, customTools: true, ...profile });
}

test.each<[profile: Partial<ModelProfile>, body: object, sent: object]>([
  [{ maxTokensField: 'max_tokens' }, { max_completion_tokens: 5 }, { max_tokens: 5 }],
  [{}, { max_tokens: 5, max_completion_tokens: null }, { max_completion_tokens: 5 }],
  [
    { quirks: { refuses: ['stream_options'] } },
    { stream: true, stream_options: { include_usage: true } },
    { stream: true },
  ],
])('%j: %j is said in the words of the upstream', (profile, body, sent) => {
  const patched = patch(JSON.stringify({ model: 'group', ...body }), profile) ?? '';
  expect(Object.entries(JSON.parse(patched)).filter(([, value]) => value !== null)).toEqual(
    Object.entries({ model: 'up', ...sent }),
  );
});

const user = { role: 'user', content: 'Hi' };
const thinking = (fields: object = {}) => ({
  messages: [
    user,
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } }],
      ...fields,
    },
    { role: 'tool', tool_call_id: 'call_1', content: 'x' },
  ],
});
const tools = [{ type: 'function', function: { name: 'f' } }];
const format = (type: string) => ({ response_format: { type, json_schema: { name: 'n' } } });

test.each<[profile: Partial<ModelProfile>, body: object, fits: boolean]>([
  [{ quirks: { refuses: ['seed', 'user'] } }, { seed: 1 }, false],
  [{ quirks: { refuses: ['seed', 'user'] } }, { seed: null, stop: 'x' }, true],
  [{ quirks: { renames: { seed: 'random_seed' } } }, { seed: 1 }, false],
  [{ samplingParameters: false }, { temperature: 1 }, false],
  [{ samplingParameters: false }, {}, true],
  [{ quirks: { effortField: 'reasoning' } }, { reasoning_effort: 'low' }, false],
  [{ quirks: { efforts: { max: 'high' } } }, { reasoning_effort: 'max' }, false],
  [{ quirks: { efforts: { max: 'high' } } }, { reasoning_effort: 'low' }, true],
  [{ quirks: { thinkingSwitch: true } }, { reasoning_effort: 'none' }, false],
  [{ quirks: { tools: false } }, { tools }, false],
  [{ customTools: false }, { tools: [{ type: 'custom', custom: { name: 'f' } }] }, false],
  [{ customTools: false }, { tools }, true],
  [{ quirks: { shortCallIds: true } }, thinking(), false],
  [{ jsonSchemaOutput: false }, format('json_schema'), false],
  [{ jsonSchemaOutput: false }, format('json_object'), true],
  [{ quirks: { jsonObjectOutput: false } }, format('json_object'), false],
  [{ quirks: { alternates: true } }, {}, false],
  [{ customTools: false }, { messages: [{ role: 'developer', content: 'a' }, user] }, false],
  [{ customTools: false }, { messages: [{ role: 'system', content: 'a' }, user] }, true],
  [{ reasoningField: 'none' }, thinking({ reasoning_content: 'Hm.' }), false],
  [{ reasoningField: 'reasoning_content' }, thinking({ reasoning_content: 'Hm.' }), true],
  [{ reasoningField: 'reasoning_content', quirks: { replays: 'calls' } }, thinking({ reasoning_content: 'Hm.' }), true],
  [{ reasoningField: 'reasoning_content', quirks: { replays: 'calls' } }, thinking(), false],
  [{}, thinking({ output_items: [] }), false],
  [{}, { ...thinking({ annotations: [] }), n: 2, some_field: 1 }, true],
])('%j: %j fits: %j', (profile, body, fits) => {
  expect(patch(JSON.stringify({ model: 'group', ...body }), profile) !== undefined).toBe(fits);
});

test('of a plain reply the id and the model', () => {
  const body = '{ "id": "chatcmpl-1", "x": 1.0, "model": "up-2026", "choices": [{"id": "kept", "model": "kept"}] }';
  expect(chatVerbatim.patchReply(body, replyTo())).toBe(
    '{ "id": "resp_1", "x": 1.0, "model": "group", "choices": [{"id": "kept", "model": "kept"}] }',
  );
});

// oxlint-disable-next-line no-explicit-any -- whatever was recorded
type Json = any;

const callsOf = (frame: string): Json[] =>
  frame.startsWith('{') ? (JSON.parse(frame).choices ?? []).flatMap(({ delta }: Json) => delta?.tool_calls ?? []) : [];
const isWhole = (call: Json) => call.index !== undefined && (call.id === undefined || call.type !== undefined);
const recorded = streamsOf('chat').map(({ name, lines, body }) => ({ name, body, frames: [...lines, '[DONE]'] }));
const whole = recorded.filter(({ frames }) => frames.flatMap(callsOf).every(isWhole));
const lacking = recorded.filter((each) => !whole.includes(each));

function forward(frames: string[], reply: Reply) {
  const forwarder = chatVerbatim.createForwarder(reply, { tools: new Map() });
  const shown = frames.map((frame) => forwarder.frame('', frame));
  return { shown, rest: forwarder.rest() };
}

describe.each(lacking)('$name, whose calls lack what clients need,', ({ frames, body }) => {
  const { id, model } = JSON.parse(frames[0] ?? '') as { id: string; model: string };
  const names = { id: 'resp_1', model: 'group' };
  /** With what is missing, and nothing else. */
  const completed = (calls: Json[] | undefined, first: number) =>
    calls?.map((call, at) => ({ index: first + at, type: 'function', ...call }));

  test('is given that in a stream', () => {
    const { shown, rest } = forward(frames, tellingUsage);
    const read = (text: string): Json[] =>
      [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data = '']): Json => JSON.parse(data));
    let begun = 0;
    const expected = frames.slice(0, -1).map((frame): Json => {
      const chunk = JSON.parse(frame);
      for (const { delta } of chunk.choices) {
        if (delta?.tool_calls === undefined) continue;
        delta.tool_calls = completed(delta.tool_calls, begun);
        begun += delta.tool_calls.length;
      }
      return { ...chunk, ...names };
    });
    expect(read(shown.join('') + rest)).toEqual(expected);
    expect([id, model]).not.toContain('resp_1');
  });

  test('and in plain', () => {
    const given: Json = JSON.parse(body);
    for (const { message } of given.choices) message.tool_calls = completed(message.tool_calls, 0);
    expect(JSON.parse(chatVerbatim.patchReply(body, replyTo()))).toEqual({ ...given, ...names });
  });
});

test('calls in pieces, of several choices, keep apart', () => {
  const of = (index: number, call: object) => chunk({ choices: [{ index, delta: { tool_calls: [call] } }] });
  const named = (callId: string) => ({ id: callId, function: { name: 'f', arguments: '{' } });
  const more = { function: { arguments: '}' } };
  const frames = [of(0, named('a')), of(1, named('b')), of(0, more), of(0, named('c')), of(0, more), of(1, more)];
  const { shown, rest } = forward(frames, tellingUsage);
  const calls = [...(shown.join('') + rest).matchAll(/^data: (\{.*)$/gm)].flatMap(([, data = '']) => callsOf(data));
  expect(calls.map(({ index, type }) => [index, type])).toEqual([
    [0, 'function'],
    [0, 'function'],
    [0, undefined],
    [1, 'function'],
    [1, undefined],
    [0, undefined],
  ]);
});

describe.each(whole)('$name', ({ frames }) => {
  const { id, model } = JSON.parse(frames[0] ?? '') as { id: string; model: string };
  const renamed = (frame: string) =>
    `data: ${frame.replace(JSON.stringify(id), '"resp_1"').replace(JSON.stringify(model), '"group"')}\n\n`;

  test('goes on byte for byte, but for its names', () => {
    const { shown, rest } = forward(frames, tellingUsage);
    expect(shown.join('') + rest).toBe(frames.map(renamed).join(''));
  });

  test('its usage is not told to who did not ask', () => {
    const { shown, rest } = forward(frames, replyTo({ stream: true }));
    const asked = frames.filter((frame) => !/"choices":\[\]/.test(frame));
    expect(shown.join('') + rest).toBe(asked.map(renamed).join(''));
  });

  test('nothing of its end is shown before it is stored, and nothing at all before it says something', () => {
    const { shown, rest } = forward(frames, tellingUsage);
    expect(shown.join('')).not.toMatch(/"finish_reason":"|DONE|"usage":\{/);
    expect(rest).toMatch(/"finish_reason":"[^]*data: \[DONE\]\n\n$/);
    const first = shown.findIndex((text) => text !== '');
    for (const frame of frames.slice(0, Math.max(first, 0))) {
      expect(frame).not.toMatch(/"(content|reasoning_content|reasoning|refusal|arguments)":"[^"]/);
    }
  });
});

const chunk = (fields: object) => JSON.stringify({ id: 'c', model: 'm', ...fields });
const says = (index: number, content: string, finish_reason: string | null = null) =>
  chunk({ choices: [{ index, delta: { content }, finish_reason }] });

test('of several choices each ends for itself', () => {
  const frames = [says(0, 'a'), says(1, 'b'), says(0, '', 'stop'), says(1, 'c'), says(1, '', 'stop'), '[DONE]'];
  const { shown, rest } = forward(frames, tellingUsage);
  expect(shown.map((text) => text !== '')).toEqual([true, true, false, true, false, false]);
  expect(rest.match(/"finish_reason":"stop"/g)).toHaveLength(2);
});

test('an end marker is written where the upstream wrote none, and the rest once', () => {
  const forwarder = chatVerbatim.createForwarder(tellingUsage, { tools: new Map() });
  forwarder.frame('', says(0, 'a', 'stop'));
  const rest = forwarder.rest();
  expect(rest).toMatch(/"finish_reason":"stop"[^]*\n\ndata: \[DONE\]\n\n$/);
  expect(forwarder.rest()).toBe('data: [DONE]\n\n');
});

test('a frame of several lines stays a frame', () => {
  const { rest } = forward(['{"id":"c","model":"m",\n"choices":[{"delta":{},"finish_reason":"stop"}]}'], tellingUsage);
  expect(rest).toBe(
    'data: {"id":"resp_1","model":"group",\ndata: "choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
  );
});
