import { describe, expect, test } from 'vitest';
import type { UpstreamEvent } from '../../core/events.ts';
import type { DecodeOptions } from '../codec.ts';
import { aiSdkCodec } from './index.ts';

const options: DecodeOptions = {
  tools: new Map([
    ['f', { kind: 'function', name: 'f' }],
    ['c', { kind: 'custom', name: 'c' }],
  ]),
};

function stream(parts: object[]): UpstreamEvent[] {
  const events: UpstreamEvent[] = [];
  const decoder = aiSdkCodec.createStreamDecoder(options);
  for (const part of parts) decoder.frame('', JSON.stringify(part), (event) => events.push(event));
  decoder.end((event) => events.push(event));
  return events;
}

function plain(result: object): UpstreamEvent[] {
  const events: UpstreamEvent[] = [];
  aiSdkCodec.decodeResponse(JSON.stringify(result), options, (event) => events.push(event));
  return events;
}

/** The items that the events make, in short. */
function itemsOf(events: UpstreamEvent[]): object[] {
  const items: { start: unknown; text: string; source: string; annotations: unknown[] }[] = [];
  for (const event of events) {
    if (event.type === 'item-start') items.push({ start: event.start, text: '', source: '', annotations: [] });
    const last = items.at(-1);
    if (last === undefined) continue;
    if (event.type === 'item-delta') last.text += event.delta;
    if (event.type === 'annotation') last.annotations.push(event.annotation);
    if (event.type === 'item-end') last.source = event.source;
  }
  return items;
}

const endOf = (events: UpstreamEvent[]) => events.findLast(({ type }) => type === 'response-end' || type === 'error');
const usage = {
  inputTokens: { total: 9, noCache: 4, cacheRead: 3, cacheWrite: 2 },
  outputTokens: { total: 5, text: 2, reasoning: 3 },
};
const finish = (unified: string, raw: string | undefined = unified) => ({
  type: 'finish',
  finishReason: { unified, raw },
  usage,
});
const text = (id: string, ...deltas: string[]) => [
  { type: 'text-start', id },
  ...deltas.map((delta) => ({ type: 'text-delta', id, delta })),
  { type: 'text-end', id },
];
const input = (id: string, toolName: string, ...deltas: string[]) => [
  { type: 'tool-input-start', id, toolName },
  ...deltas.map((delta) => ({ type: 'tool-input-delta', id, delta })),
  { type: 'tool-input-end', id },
];

const metadata = { anthropic: { signature: 'c2ln' } };

test('a stream and a plain reply make the same items, with what the package said of them', () => {
  const streamed = stream([
    { type: 'stream-start', warnings: [{ type: 'unsupported', feature: 'topK' }] },
    { type: 'response-metadata', id: 'r1', modelId: 'm-1' },
    { type: 'reasoning-start', id: '0' },
    { type: 'reasoning-delta', id: '0', delta: 'Because' },
    { type: 'reasoning-delta', id: '0', delta: '', providerMetadata: metadata },
    { type: 'reasoning-end', id: '0' },
    ...text('1', 'It is', ' so.'),
    { type: 'source', sourceType: 'url', id: 's', url: 'https://a.example', title: 'A' },
    ...input('call_1', 'f', '{"a":', '1}'),
    {
      type: 'tool-call',
      toolCallId: 'call_1',
      toolName: 'f',
      input: '{"a":1}',
      providerMetadata: { google: { s: 1 } },
    },
    { type: 'tool-call', toolCallId: 'call_2', toolName: 'c', input: '{"input":"ls"}' },
    finish('tool-calls'),
  ]);
  const whole = plain({
    warnings: [{ type: 'unsupported', feature: 'topK' }],
    response: { id: 'r1', modelId: 'm-1' },
    content: [
      { type: 'reasoning', text: 'Because', providerMetadata: metadata },
      { type: 'text', text: 'It is so.' },
      { type: 'source', sourceType: 'url', id: 's', url: 'https://a.example', title: 'A' },
      {
        type: 'tool-call',
        toolCallId: 'call_1',
        toolName: 'f',
        input: '{"a":1}',
        providerMetadata: { google: { s: 1 } },
      },
      { type: 'tool-call', toolCallId: 'call_2', toolName: 'c', input: '{"input":"ls"}' },
    ],
    finishReason: { unified: 'tool-calls', raw: 'x' },
    usage,
  });
  expect(itemsOf(streamed)).toEqual(itemsOf(whole));
  expect(itemsOf(streamed)).toEqual([
    {
      start: { kind: 'reasoning' },
      text: 'Because',
      source: JSON.stringify({ providerMetadata: metadata }),
      annotations: [],
    },
    {
      start: { kind: 'message' },
      text: 'It is so.',
      source: '',
      annotations: [{ type: 'url_citation', url: 'https://a.example', title: 'A', start_index: 0, end_index: 0 }],
    },
    {
      start: { kind: 'function_call', callId: 'call_1', name: 'f' },
      text: '{"a":1}',
      source: '{"providerMetadata":{"google":{"s":1}}}',
      annotations: [],
    },
    {
      start: { kind: 'custom_tool_call', callId: 'call_2', name: 'c' },
      text: 'ls',
      source: '{"input":"{\\"input\\":\\"ls\\"}"}',
      annotations: [],
    },
  ]);
  expect(streamed[0]).toEqual({
    type: 'warning',
    warning: { param: 'top_k', message: 'The upstream has no such parameter.' },
  });
  expect(endOf(streamed)).toEqual(endOf(whole));
  expect(endOf(streamed)).toMatchObject({
    finish: 'completed',
    usage: {
      inputTokens: 9,
      cachedTokens: 3,
      cacheWriteTokens: 2,
      outputTokens: 5,
      reasoningTokens: 3,
      estimated: false,
    },
  });
});

test('calls that are written side by side are told one after the other', () => {
  const [a, b] = [input('a', 'f', '{"n":', '1}'), input('b', 'f', '{"n":', '2}')];
  const events = stream([
    ...a.slice(0, 2),
    ...b.slice(0, 2),
    ...text('0', 'Meanwhile.'),
    ...a.slice(2),
    { type: 'tool-call', toolCallId: 'a', toolName: 'f', input: '{"n":1}' },
    ...b.slice(2),
    { type: 'tool-call', toolCallId: 'b', toolName: 'f', input: '{"n":2}' },
    finish('tool-calls'),
  ]);
  expect(itemsOf(events)).toMatchObject([
    { start: { callId: 'a' }, text: '{"n":1}' },
    { start: { callId: 'b' }, text: '{"n":2}' },
    { start: { kind: 'message' }, text: 'Meanwhile.' },
  ]);
});

describe('the end', () => {
  test('a part that could not be read does not end a reply that goes on', () => {
    const events = stream([{ type: 'error', error: { message: 'odd' } }, ...text('0', 'Hi.'), finish('stop')]);
    expect(endOf(events)).toMatchObject({ type: 'response-end', finish: 'completed' });
    expect(events.filter(({ type }) => type === 'warning')).toHaveLength(1);
  });

  test.each([
    ['length', 'length', 'max_tokens'],
    ['content-filter', 'x', 'content_filter'],
    ['other', 'brand-new', 'completed'],
  ])('%s is %s is %s', (unified, raw, finished) => {
    expect(endOf(stream([...text('0', 'Hi.'), finish(unified, raw)]))).toMatchObject({ finish: finished });
  });

  test.each<[what: string, parts: object[], code: string]>([
    ['no finish', [], 'upstream_stream_broken'],
    [
      'a finish without a reason',
      [{ ...finish('other'), finishReason: { unified: 'other' } }],
      'upstream_stream_broken',
    ],
    ['interrupted', [finish('interrupted')], 'upstream_stream_broken'],
    ['an error', [{ type: 'error', error: { message: 'x', code: 429 } }, finish('error')], 'upstream_rate_limited'],
    ['an error and no finish', [{ type: 'error', error: 'x' }], 'upstream_error'],
  ])('%s fails, once', (_what, parts, code) => {
    const events = stream([...text('0', 'Hi.'), ...parts]);
    expect(events.filter(({ type }) => type === 'error')).toMatchObject([{ error: { code } }]);
    expect(endOf(events)?.type).toBe('error');
  });
});

test.each(['', 'null', '[]', '{}', '<html>', '{"error":{"message":"x"}}'])('a result %j is no answer', (body) => {
  const events: UpstreamEvent[] = [];
  aiSdkCodec.decodeResponse(body, options, (event) => events.push(event));
  expect(events).toMatchObject([{ type: 'error', error: { code: 'upstream_invalid_response' } }]);
});

test('a source that is a document is a citation of a file, which is the word that the API has for it', () => {
  const source = { type: 'source', sourceType: 'document', id: 's', mediaType: 'application/pdf', title: 'A' };
  const files = [source, { ...source, filename: 'a.pdf' }];
  const told = stream([...text('1', 'It is so.'), ...files, finish('stop')]);
  const cited = { type: 'file_citation', file_id: '', index: 0, mediaType: 'application/pdf' };
  const annotations = [
    { ...cited, filename: 'A' },
    { ...cited, filename: 'a.pdf' },
  ];
  expect(itemsOf(told)).toMatchObject([{ text: 'It is so.', annotations }]);
});
