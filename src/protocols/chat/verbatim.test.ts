/** The verbatim lane: what is changed is a closed list, and all else is byte for byte as it was sent. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fixtures } from '../../../test/fixtures/chat/collect-reply.ts';
import type { Reply } from '../codec.ts';
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
    '{"seed": 18446744073709551617, "model" : "group","x":{"2":1.0,"1":-0},"messages":[ {"role":"user"} ]}',
    '{"seed":18446744073709551617,"model":"up","x":{"2":1.0,"1":-0},"messages":[ {"role":"user"} ]}',
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
  expect(chatVerbatim.patchRequest(body, 'up')).toBe(sent);
});

test('of a plain reply the id and the model', () => {
  const body = '{ "id": "chatcmpl-1", "x": 1.0, "model": "up-2026", "choices": [{"id": "kept", "model": "kept"}] }';
  expect(chatVerbatim.patchReply(body, replyTo())).toBe(
    '{ "id": "resp_1", "x": 1.0, "model": "group", "choices": [{"id": "kept", "model": "kept"}] }',
  );
});

const folder = process.env['TURNPIKE_RECORDINGS'];
const recorded = (folder === undefined || !folder.includes('chat') ? [] : readdirSync(folder))
  .filter((name) => name.endsWith('.chunks.txt'))
  .map((name) => ({
    name,
    frames: [
      ...readFileSync(join(folder ?? '', name), 'utf8')
        .trimEnd()
        .split('\n'),
      '[DONE]',
    ],
  }));

function forward(frames: string[], reply: Reply) {
  const forwarder = chatVerbatim.createForwarder(reply);
  const shown = frames.map((frame) => forwarder.frame('', frame));
  return { shown, rest: forwarder.rest() };
}

describe.each([...fixtures, ...recorded])('$name', ({ frames }) => {
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
  const forwarder = chatVerbatim.createForwarder(tellingUsage);
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
