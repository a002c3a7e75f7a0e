import { describe, expect, test } from 'vitest';
import {
  blocksOf,
  collect,
  eventsOfPlain,
  eventsOfStream,
  fixtureNames,
  plainFixture,
  streamFixture,
  type FixtureName,
} from '../../../test/fixtures/messages/collect.ts';
import { sliceJson } from '../../core/json-slice.ts';
import { messagesCodec } from './index.ts';

const streamed = (frames: readonly string[]) => collect(eventsOfStream(messagesCodec, frames));
const plain = (body: string) => collect(eventsOfPlain(messagesCodec, body));

const start =
  '{"type":"message_start","message":{"id":"msg_1","model":"m","content":[],"usage":{"input_tokens":9,"output_tokens":1}}}';
const stop = '{"type":"message_stop"}';
const ended = (reason: string | null, more = {}) =>
  JSON.stringify({ type: 'message_delta', delta: { stop_reason: reason, ...more }, usage: { output_tokens: 7 } });
const started = (index: number, block: object) =>
  JSON.stringify({ type: 'content_block_start', index, content_block: block });
const delta = (index: number, value: object) => JSON.stringify({ type: 'content_block_delta', index, delta: value });
const stopped = (index: number) => JSON.stringify({ type: 'content_block_stop', index });
const said = (index: number, text: string) => [
  started(index, { type: 'text', text: '' }),
  delta(index, { type: 'text_delta', text }),
  stopped(index),
];
const tool = { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} };

describe.each(fixtureNames)('%s', (name: FixtureName) => {
  test('a plain reply makes the items and the end that its stream makes', () => {
    const body = plainFixture(name);
    const fromStream = streamed(streamFixture(name));
    const fromPlain = plain(body);
    expect(fromStream.errors).toEqual([]);
    expect(fromStream.context.map(({ item }) => item)).toEqual(fromPlain.context.map(({ item }) => item));
    expect({ ...fromStream, context: [] }).toEqual({ ...fromPlain, context: [] });
  });

  test('the sources are runs of the blocks that the upstream sent, value for value', () => {
    const content = sliceJson(plainFixture(name), ['content']);
    for (const { origin } of streamed(streamFixture(name)).context) expect(content).toContain(origin?.source);
  });

  test('cut after any frame, the reply is never complete before its stop reason and usage', () => {
    const frames = streamFixture(name);
    for (let count = 0; count < frames.length - 2; count++) {
      const cut = streamed(frames.slice(0, count));
      expect(cut.errors).toEqual(['upstream_stream_broken']);
      expect(cut.finish).toBeUndefined();
    }
    expect(streamed(frames.slice(0, -1))).toEqual(streamed(frames));
  });
});

describe('a source is kept where the item does not say it all', () => {
  const plainText = '{"type":"text","text":"b"}';
  const patch = (input: string) => `{"type":"tool_use","id":"toolu_1","name":"apply_patch","input":${input}}`;
  test.each<[what: string, blocks: string, kept: boolean]>([
    ['a text', plainText, false],
    ['a text with null for citations', '{"type":"text","text":"a","citations":null}', false],
    ['a text without citations', '{"citations":[],"type":"text","text":"a"}', false],
    ['two texts', `${plainText},${plainText}`, false],
    ['a call', '{"type":"tool_use","id":"toolu_1","name":"f","input":{"2":1.0,"1":[]}}', false],
    ['a call without arguments', '{"type":"tool_use","id":"toolu_1","name":"f","input":{}}', false],
    ["a custom tool's call", patch('{"input":"x"}'), false],
    ['a text with citations', '{"type":"text","text":"a","citations":[{"type":"x"}]}', true],
    ['its neighbour', `${plainText},{"type":"text","text":"a","citations":[{"type":"x"}]}`, true],
    ['a text with a field to come', '{"type":"text","text":"a","mood":"x"}', true],
    ['a call with a field to come', '{"type":"tool_use","id":"toolu_1","name":"f","input":{},"caller":{}}', true],
    ["a custom tool's call with other arguments", patch('{"command":"x"}'), true],
    ['thinking', '{"type":"thinking","thinking":"a","signature":"s"}', true],
    ['thinking that is not shown', '{"type":"redacted_thinking","data":"a"}', true],
    ['a block of a kind to come', '{"type":"x"}', true],
  ])('%s: %s, %s', (_, blocks, kept) => {
    const { context } = plain(`{"content":[${blocks}],"stop_reason":"end_turn"}`);
    expect(context.map(({ origin }) => origin?.source)).toEqual([kept ? blocks : '']);
  });
});

describe('what a reply becomes', () => {
  test('text', () => {
    const { context, finish, usage, serviceTier } = streamed(streamFixture('text'));
    const text = 'Hi the\u0000re, 👋\u2028 you:\n\ndata: [DONE]\n\n';
    expect(context.map(({ item }) => item)).toMatchObject([
      { type: 'message', status: 'completed', content: [{ text }] },
    ]);
    expect(finish).toBe('completed');
    expect(serviceTier).toBe('default');
    expect(usage).toEqual({
      inputTokens: 1160,
      cachedTokens: 1000,
      cacheWriteTokens: 40,
      cacheWriteHourTokens: 10,
      outputTokens: 30,
      reasoningTokens: 0,
      estimated: false,
    });
  });

  test('the input side of the usage is known from the start', () => {
    const first = eventsOfStream(messagesCodec, streamFixture('text')).find((event) => event.type === 'usage');
    expect(first).toMatchObject({ usage: { inputTokens: 1160 } });
  });

  test('thinking and a call, whose arguments are the text that the model wrote', () => {
    const { context, usage } = streamed(streamFixture('thinking-tool'));
    expect(context.map(({ item }) => item)).toMatchObject([
      { type: 'reasoning', summary: [{ text: 'I should look.' }] },
      { type: 'reasoning', summary: [] },
      { type: 'message' },
      {
        type: 'function_call',
        call_id: 'toolu_01',
        arguments: '{"path": "/etc/hosts", "2":1,"1":2,"big":18446744073709551616,"e":1.0}',
      },
    ]);
    expect(usage?.reasoningTokens).toBe(25);
  });

  test('thinking that is not shown has no summary', () => {
    const { context } = streamed(streamFixture('thinking-omitted'));
    expect(context[0]?.item).toMatchObject({ type: 'reasoning', summary: [] });
    expect(context[0]?.origin?.source).toBe('{"type":"thinking","thinking":"","signature":"EqoBomitted"}');
  });

  test('a call without arguments has the arguments {}', () => {
    expect(streamed(streamFixture('no-arguments-tool')).context[1]?.item).toMatchObject({
      name: 'update_list',
      arguments: '{}',
    });
  });

  test('a custom tool gets the text, not the JSON around it', () => {
    const item = streamed(streamFixture('custom-tool')).context[0]?.item;
    expect(item).toMatchObject({ type: 'custom_tool_call', input: '*** Begin\nPatch é' });
  });

  test.each(['{"input":1}', '{"input":"a","more":1}', '{"text":"a"}', '["a"]', '{"input":'])(
    'a custom tool gets %s as it is',
    (json) => {
      const call = [
        started(0, { ...tool, name: 'apply_patch' }),
        delta(0, { type: 'input_json_delta', partial_json: json }),
        stopped(0),
      ];
      expect(streamed([start, ...call, ended('tool_use'), stop]).context[0]?.item).toMatchObject({ input: json });
    },
  );

  test('a refusal is shown', () => {
    const { context, finish } = streamed(streamFixture('refusal'));
    expect(finish).toBe('content_filter');
    expect(context[0]?.item).toMatchObject({ content: [{ type: 'refusal', refusal: 'This request was blocked.' }] });
    const unexplained = streamed([start, ...said(0, 'Well'), ended('refusal'), stop]);
    expect(unexplained.context.map(({ item }) => item)).toMatchObject([
      { status: 'incomplete', content: [{ text: 'Well' }, { refusal: 'The model refused to answer this request.' }] },
    ]);
    const afterCall = streamed([start, started(0, tool), stopped(0), ended('refusal'), stop]);
    expect(afterCall.incomplete).toEqual([0]);
    expect(afterCall.context[1]?.item).toMatchObject({ status: 'completed', content: [{ type: 'refusal' }] });
  });

  test('texts that follow one another are parts of one message; citations become annotations', () => {
    const { context } = streamed(streamFixture('citations'));
    expect(context.map(({ item }) => item.type)).toEqual(['message', 'web_search_call', 'message']);
    expect(context[1]?.item).toMatchObject({ status: 'completed', action: { type: 'search', query: 'open' } });
    const citation = { type: 'url_citation', start_index: 0, end_index: 12, title: 'A', url: 'https://example.com/a' };
    expect(context[2]?.item).toMatchObject({
      content: [
        { text: 'It ' },
        {
          text: 'opened today',
          annotations: [citation, { type: 'file_citation', location: 'char_location', index: 12 }],
        },
        { text: '.' },
      ],
    });
  });

  test('a paused turn', () => {
    expect(streamed(streamFixture('paused')).finish).toBe('paused');
  });

  test('ids are passed on as they are: empty, twice, long', () => {
    const calls = ['', '', 'x'.repeat(200)].flatMap((id, at) => [started(at, { ...tool, id }), stopped(at)]);
    const { context } = streamed([start, ...calls, ended('tool_use'), stop]);
    expect(context.map(({ item }) => (item.type === 'function_call' ? item.call_id : ''))).toEqual([
      '',
      '',
      'x'.repeat(200),
    ]);
  });

  test('a block of a kind to come is kept with all that its deltas bring', () => {
    const frames = [
      start,
      started(0, { type: 'mood', content: 'a', n: 1 }),
      delta(0, { type: 'mood_delta', content: 'b\n', encrypted_content: 'e', n: 2 }),
      delta(0, { type: 'mood_delta', content: 'c' }),
      stopped(0),
      ended('end_turn'),
      stop,
    ];
    expect(streamed(frames).context[0]?.item).toMatchObject({
      type: 'messages:mood',
      block: { type: 'mood', content: 'ab\nc', n: 2, encrypted_content: 'e' },
    });
  });

  test('a compaction comes whole in its last delta', () => {
    const frames = [
      start,
      started(0, { type: 'compaction', content: '' }),
      delta(0, { type: 'compaction_delta', content: 'All.', encrypted_content: null }),
      delta(0, { type: 'compaction_delta', content: 'All that was said.', encrypted_content: 'e' }),
      stopped(0),
    ];
    const block = { type: 'compaction', content: 'All that was said.', encrypted_content: 'e' };
    const { context } = streamed([...frames, ended('end_turn'), stop]);
    expect(context[0]?.item).toMatchObject({ type: 'messages:compaction', block });
  });

  test('an unknown delta of a known block goes into the source, with a warning', () => {
    const frames = [
      start,
      started(0, { type: 'text', text: 'a' }),
      delta(0, { type: 'mood_delta', mood: 'x' }),
      stopped(0),
    ];
    const { context, warnings } = streamed([...frames, ended('end_turn'), stop]);
    expect(context[0]?.origin?.source).toBe('{"type":"text","text":"a","mood":"x"}');
    expect(warnings).toHaveLength(1);
  });
});

describe('ends', () => {
  const call = [started(1, tool), delta(1, { type: 'input_json_delta', partial_json: '{"a":' }), stopped(1)];

  test('max_tokens inside a call: the call is incomplete, what came before is complete', () => {
    const { incomplete, finish, context } = streamed([start, ...said(0, 'x'), ...call, ended('max_tokens'), stop]);
    expect({ incomplete, finish }).toEqual({ incomplete: [1], finish: 'max_tokens' });
    expect(context[1]?.item).toMatchObject({ arguments: '{"a":' });
  });

  test('arguments that never became JSON, all ends seen: passed on as they are', () => {
    const { incomplete, context } = streamed([start, ...said(0, 'x'), ...call, ended('tool_use'), stop]);
    expect(incomplete).toEqual([]);
    expect(context[1]?.item).toMatchObject({ arguments: '{"a":' });
    expect(context[1]?.origin?.source).toBe('');
  });

  test('and with a source that can be sent, where one is kept', () => {
    const signed = { ...tool, caller: { type: 'direct' } };
    const frames = [start, started(1, signed), ...call.slice(1), ended('tool_use'), stop];
    const { context } = streamed(frames);
    expect(JSON.parse(context[0]?.origin?.source ?? '')).toEqual({ ...signed, input: { arguments: '{"a":' } });
  });

  test('a block that was never stopped makes its item incomplete', () => {
    expect(streamed([start, started(0, tool), ended('tool_use'), stop]).incomplete).toEqual([0]);
  });

  test.each(['new_reason', null, 5])('stop reason %j is completed, with a warning', (reason) => {
    const end = JSON.stringify({ type: 'message_delta', delta: { stop_reason: reason }, usage: { output_tokens: 7 } });
    const { finish, warnings } = streamed([start, ...said(0, 'x'), end, stop]);
    expect(finish).toBe('completed');
    expect(warnings).toHaveLength(1);
  });

  test('the model’s context is full', () => {
    expect(streamed([start, ...said(0, 'x'), ended('model_context_window_exceeded'), stop]).finish).toBe('max_tokens');
  });

  test('without message_stop, an end needs a stop reason, a usage and closed blocks', () => {
    const noUsage = '{"type":"message_delta","delta":{"stop_reason":"end_turn"}}';
    const noReason = '{"type":"message_delta","delta":{},"usage":{"output_tokens":7}}';
    const broken = [
      [...said(0, 'x'), noUsage],
      [...said(0, 'x'), noReason],
      [...said(0, 'x').slice(0, 2), ended('end_turn')],
    ];
    for (const frames of broken) expect(streamed([start, ...frames]).errors).toEqual(['upstream_stream_broken']);
    expect(streamed([start, ...said(0, 'x'), noUsage, noReason]).finish).toBe('completed');
  });

  test('citations of the start and of deltas are kept, in order', () => {
    const block = { type: 'text', text: 'a', citations: [{ type: 'x', n: 1 }] };
    const cited = delta(0, { type: 'citations_delta', citation: { type: 'x', n: 2 } });
    const { context } = streamed([start, started(0, block), cited, stopped(0), ended('end_turn'), stop]);
    const citations = [...block.citations, { type: 'x', n: 2 }];
    expect(JSON.parse(context[0]?.origin?.source ?? '')).toEqual({ ...block, citations });
    const said = { type: 'file_citation', location: 'x', file_id: '', filename: '', index: 1 };
    expect(context[0]?.item).toMatchObject({
      content: [
        {
          annotations: [
            { ...said, n: 1 },
            { ...said, n: 2 },
          ],
        },
      ],
    });
  });

  test('what comes after the end is ignored', () => {
    const frames = [start, ...said(0, 'x'), ended('end_turn'), stop];
    const more = [...frames, stop, delta(0, { type: 'text_delta', text: 'y' }), '[DONE]', '{"type":"error"}'];
    expect(eventsOfStream(messagesCodec, more)).toEqual(eventsOfStream(messagesCodec, frames));
  });
});

describe('usage', () => {
  const usageOf = (first: unknown, last: unknown) => {
    const begin = JSON.stringify({ type: 'message_start', message: { usage: first } });
    const end = JSON.stringify({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: last });
    const { usage } = streamed([begin, end, stop]);
    return usage && { input: usage.inputTokens, output: usage.outputTokens };
  };
  test.each<[unknown, unknown, object | undefined]>([
    [
      { input_tokens: 43, output_tokens: 1 },
      { input_tokens: 61, output_tokens: 2 },
      { input: 61, output: 2 },
    ],
    [
      { input_tokens: 43, output_tokens: 5 },
      { input_tokens: 0, output_tokens: 2 },
      { input: 43, output: 5 },
    ],
    [{}, { input_tokens: 61, output_tokens: 2 }, { input: 61, output: 2 }],
    [{ input_tokens: 43 }, null, undefined],
    [{ input_tokens: 43, output_tokens: 1 }, {}, undefined],
    [{ input_tokens: '43' }, { output_tokens: 2 }, undefined],
    [{ input_tokens: -1 }, { output_tokens: 2 }, undefined],
    [{ input_tokens: 1e18 }, { output_tokens: 2 }, undefined],
    [{ input_tokens: 4 }, { output_tokens: -2 }, undefined],
    [null, undefined, undefined],
    // Of a compaction, whose tokens are in no other field; of a message, whose are.
    [
      { input_tokens: 0, output_tokens: 0 },
      {
        output_tokens: 2,
        iterations: [
          { type: 'compaction', input_tokens: 40, cache_read_input_tokens: 2, output_tokens: 5 },
          { type: 'message', input_tokens: 9, output_tokens: 2 },
          { type: 'compaction', input_tokens: 100, output_tokens: 10 },
        ],
      },
      { input: 142, output: 17 },
    ],
  ])('%j then %j', (first, last, expected) => {
    expect(usageOf(first, last)).toEqual(expected);
  });
});

describe('broken streams end with one error', () => {
  const text = started(0, { type: 'text', text: '' });
  test.each<[string, string[]]>([
    ['no JSON', [start, 'not json']],
    ['half an event', [start, '{"type":"content_block_del']],
    ['null', [start, 'null']],
    ['an array', ['[]']],
    ['a string', ['"ok"']],
    ['no message_start', [text]],
    ['a stop first', [stop]],
    ['a message_delta first', ['{"type":"message_delta","usage":{"input_tokens":1,"output_tokens":1}}']],
    ['two message_starts', [start, start]],
    ['message_start without a message', ['{"type":"message_start"}']],
    ['a delta to a block that is not open', [start, delta(0, { type: 'text_delta', text: 'x' })]],
    ['a delta to another block', [start, text, delta(1, { type: 'text_delta', text: 'x' })]],
    ['a delta after the stop', [start, ...said(0, 'x'), delta(0, { type: 'text_delta', text: 'x' })]],
    ['a block within a block', [start, text, started(1, { type: 'text', text: '' })]],
    ['a block twice', [start, ...said(0, 'x'), text]],
    ['falling indexes', [start, ...said(2, 'x'), ...said(1, 'y')]],
    ['a stop twice', [start, ...said(0, 'x'), stopped(0)]],
    ['a stop of another block', [start, text, stopped(3)]],
    ['a block that is no object', [start, '{"type":"content_block_start","index":0,"content_block":"x"}']],
    ['a block without a type', [start, started(0, {})]],
    ['a call without a name', [start, started(0, { type: 'tool_use', id: 'x' })]],
    [
      'an index that is no number',
      [start, '{"type":"content_block_start","index":"0","content_block":{"type":"text"}}'],
    ],
    ['a delta that is no object', [start, text, '{"type":"content_block_delta","index":0,"delta":7}']],
    ['a text that is no string', [start, text, delta(0, { type: 'text_delta', text: null })]],
  ])('%s', (_, frames) => {
    expect(streamed([...frames, ended('end_turn'), stop]).errors).toEqual(['upstream_invalid_response']);
  });

  test.each([
    [
      '{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"}}',
      'upstream_overloaded',
      true,
    ],
    ['{"type":"error","error":{"type":"api_error","message":"x"}}', 'upstream_error', true],
    ['{"type":"error","error":{"type":"rate_limit_error","message":"x"}}', 'upstream_rate_limited', 'elsewhere'],
    ['{"type":"error","error":{"type":"invalid_request_error","message":"bad field"}}', 'upstream_rejected', false],
    [
      '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long"}}',
      'context_length_exceeded',
      false,
    ],
    ['{"type":"error","error":{"type":"authentication_error","message":"key"}}', 'upstream_auth', 'elsewhere'],
    ['{"type":"error","error":{"type":"toString","message":"x"}}', 'upstream_error', true],
    ['{"error":"boom"}', 'upstream_error', true],
    ['{"type":"error"}', 'upstream_error', true],
    ['{"error":{"message":"x"}}', 'upstream_error', true],
  ])('%s', (frame, code, retryable) => {
    const frames = [start, ...said(0, 'x'), frame, frame, ended('end_turn'), stop];
    const last = eventsOfStream(messagesCodec, frames).at(-1);
    expect(last).toMatchObject({ type: 'error', error: { code, retryable } });
    expect(streamed(frames).errors).toEqual([code]);
  });

  test('events of unknown kinds and empty data are no errors', () => {
    const frames = [
      '',
      '{"type":"ping"}',
      start,
      '{"type":"news","index":0}',
      ...said(0, 'x'),
      '{}',
      ended('end_turn'),
      stop,
    ];
    expect(streamed(frames).finish).toBe('completed');
  });
});

describe('plain replies', () => {
  test.each([
    '',
    'null',
    '[]',
    '{}',
    '"ok"',
    '<html>',
    'event: message_start\ndata: {}',
    '{"error":{"message":"x"}}',
    '{"type":"error","error":{"type":"overloaded_error","message":"x"}}',
    '{"type":"error","content":[]}',
    '{"content":null}',
    '{"content":["x"]}',
    '{"content":[{"type":"text","text":"x"},{"text":"y"}]}',
    '{"content":[{"type":"tool_use","id":"x","input":{}}]}',
  ])('%s is no reply', (body) => {
    const events = eventsOfPlain(messagesCodec, body);
    expect(events.at(-1)).toMatchObject({
      type: 'error',
      error: { code: 'upstream_invalid_response', retryable: true },
    });
    expect(collect(events).errors).toHaveLength(1);
  });

  test('printed with spaces, an input is passed on as it is written', () => {
    const body = '{ "content": [ { "type": "tool_use", "id": "a", "name": "f", "input": { "2": 1.0,\n "1": 2 } } ] }';
    expect(plain(body).context[0]?.item).toMatchObject({ arguments: '{ "2": 1.0,\n "1": 2 }' });
    expect(blocksOf(body)).toHaveLength(1);
  });

  test('cut by max_tokens, the last item is incomplete', () => {
    const body =
      '{"content":[{"type":"text","text":"x"},{"type":"tool_use","id":"a","name":"f","input":{}}],"stop_reason":"max_tokens"}';
    expect(plain(body).incomplete).toEqual([1]);
  });
});
