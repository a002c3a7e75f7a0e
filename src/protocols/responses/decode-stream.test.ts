import { describe, expect, test } from 'vitest';
import type { Retryable } from '../../core/errors.ts';
import type { UpstreamEvent } from '../../core/events.ts';
import { responsesUpstreamCodec as codec } from './upstream.ts';

interface Frame {
  type: string;
  [field: string]: unknown;
}

function decode(frames: (Frame | string)[], closes = true): UpstreamEvent[] {
  const events: UpstreamEvent[] = [];
  const decoder = codec.createStreamDecoder();
  const emit = (event: UpstreamEvent) => void events.push(event);
  for (const frame of frames) {
    if (typeof frame === 'string') decoder.frame('', frame, emit);
    else decoder.frame(frame.type, JSON.stringify(frame), emit);
  }
  if (closes) decoder.end(emit);
  return events;
}

function plain(body: unknown): UpstreamEvent[] {
  const events: UpstreamEvent[] = [];
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  codec.decodeResponse(text, { tools: new Map() }, (event) => events.push(event));
  return events;
}

const created: Frame = { type: 'response.created', response: { id: 'resp_u', model: 'gpt-5-2025-08-07' } };
const completed = (fields: object = {}): Frame => ({
  type: 'response.completed',
  response: { id: 'resp_u', model: 'gpt-5-2025-08-07', status: 'completed', output: [], ...fields },
});
const added = (item: object, output_index = 0): Frame => ({ type: 'response.output_item.added', output_index, item });
const done = (item: object, output_index = 0): Frame => ({ type: 'response.output_item.done', output_index, item });
const delta = (text: string, at: object = {}): Frame => ({
  type: 'response.output_text.delta',
  output_index: 0,
  content_index: 0,
  delta: text,
  ...at,
});
const message = (...content: object[]) => ({
  id: 'msg_u',
  type: 'message',
  status: 'completed',
  role: 'assistant',
  content,
});
const said = (text: string, fields: object = {}) => ({ type: 'output_text', text, annotations: [], ...fields });
const call = {
  id: 'fc_u',
  type: 'function_call',
  status: 'completed',
  call_id: 'call_u',
  name: 'f',
  arguments: '{"a":1}',
};

const kinds = (events: UpstreamEvent[]) => events.map(({ type }) => type);
const errorOf = (events: UpstreamEvent[]) => events.flatMap((event) => (event.type === 'error' ? event.error : []))[0];
const endOf = (events: UpstreamEvent[]) => events.find((event) => event.type === 'response-end');
const warnings = (events: UpstreamEvent[]) =>
  events.flatMap((event) => (event.type === 'warning' ? event.warning.message : []));
const texts = (events: UpstreamEvent[]) => events.flatMap((event) => (event.type === 'item-delta' ? event.delta : []));

describe('what was not streamed is said at the end', () => {
  test.each<[what: string, frames: Frame[], deltas: string[]]>([
    ['an item without events', [done(message(said('All.'))), completed()], ['All.']],
    ['an item that is at the end only', [completed({ output: [message(said('All.'))] })], ['All.']],
    [
      'an item that never ended',
      [added(message()), delta('A'), completed({ output: [message(said('All.'))] })],
      ['A', 'll.'],
    ],
    ['the rest of a text', [added(message()), delta('A'), done(message(said('All.'))), completed()], ['A', 'll.']],
    ['arguments', [added({ ...call, arguments: '' }), done(call), completed()], ['{"a":1}']],
    [
      'the end of a part',
      [
        added(message()),
        { type: 'response.content_part.added', output_index: 0, content_index: 0, part: said('') },
        { type: 'response.content_part.done', output_index: 0, content_index: 0, part: said('All.') },
        done(message(said('All.'))),
        completed(),
      ],
      ['All.'],
    ],
  ])('%s', (_what, frames, deltas) => {
    const events = decode([created, ...frames]);
    expect(texts(events)).toEqual(deltas);
    expect(errorOf(events)).toBeUndefined();
    expect(warnings(events)).toEqual([]);
    expect(events.filter(({ type }) => type === 'item-end')).toMatchObject([{ index: 0, complete: true }]);
    expect(kinds(events).at(-1)).toBe('response-end');
  });

  test('annotations and log probabilities too', () => {
    const part = said('Hi', { annotations: [{ type: 'x' }], logprobs: [{ token: 'Hi', logprob: -0.5 }] });
    expect(plain({ status: 'completed', output: [message(part)] })).toMatchObject([
      { type: 'response-start' },
      { type: 'item-start', start: { kind: 'message' } },
      { type: 'part-start', part: 0, kind: 'output_text' },
      { type: 'item-delta', delta: 'Hi', logprobs: [{ token: 'Hi', logprob: -0.5 }] },
      { type: 'annotation', annotation: { type: 'x' } },
      { type: 'part-end', part: 0 },
      { type: 'item-end', fields: { content: [part] }, source: '{"id":"msg_u"}' },
      { type: 'response-end' },
    ]);
  });

  test('log probabilities of a delta without text, once', () => {
    const logprobs = [{ token: 'half', logprob: -0.5 }];
    const part = said('', { logprobs });
    const events = decode([created, added(message()), delta('', { logprobs }), done(message(part)), completed()]);
    expect(events.filter(({ type }) => type === 'item-delta')).toMatchObject([{ delta: '', logprobs }]);
  });

  test('where it contradicts what was streamed, that holds, and it is said', () => {
    const events = decode([created, added(message()), delta('One.'), done(message(said('Two.'))), completed()]);
    expect(texts(events)).toEqual(['One.']);
    expect(warnings(events)).toHaveLength(1);
    expect(events.find(({ type }) => type === 'item-end')).not.toHaveProperty('fields');
  });
});

describe('kinds of items', () => {
  test('a reasoning item goes back whole, and its seal is not the client’s', () => {
    const item = {
      id: 'rs_u',
      type: 'reasoning',
      summary: [{ type: 'summary_text', text: 'Hm.' }],
      encrypted_content: 'gAAA',
    };
    const end = decode([created, done(item), completed()]).find(({ type }) => type === 'item-end');
    expect(end).toMatchObject({ source: JSON.stringify(item), fields: { summary: item.summary } });
    expect(JSON.stringify(end)).not.toContain('"fields":{"encrypted_content"');
  });

  test('a native item keeps its JSON where printing it again would change it', () => {
    const raw =
      '{"id":"tsc_u","type":"tool_search_call","status":"completed","arguments":{"2":18446744073709551616,"1":0}}';
    const item = JSON.parse(raw) as object;
    const events = decode([
      created,
      added(item),
      `{"type":"response.output_item.done","output_index":0,"item":${raw}}`,
      completed(),
    ]);
    expect(events.find(({ type }) => type === 'item-end')).toMatchObject({ source: raw });
    const short = { id: 'ws_u', type: 'web_search_call', status: 'completed' };
    const end = decode([created, done(short), completed()]).find(({ type }) => type === 'item-end');
    expect(end).toMatchObject({ source: '{"id":"ws_u"}', native: { ...short, id: '' } });
  });

  test('an item of a type that is new to us travels with its JSON', () => {
    const item = { id: 'x', type: 'hologram_call', depth: 3 };
    expect(decode([created, added(item), done(item), completed()])).toMatchObject([
      {},
      { start: { kind: 'native', item: { ...item, id: '' } } },
      { type: 'item-end', native: { ...item, id: '' }, source: '{"id":"x"}' },
      {},
    ]);
    const odd = { ...item, type: 'Hologram!' };
    expect(decode([created, added(odd), done(odd), completed()])).toMatchObject([
      {},
      { start: { kind: 'extension', blockType: 'unknown' } },
      { type: 'item-end', source: JSON.stringify(odd) },
      {},
    ]);
  });

  test('fields that are new to us are there from the beginning', () => {
    const events = decode([
      created,
      added({ ...call, namespace: 'crm', arguments: '' }),
      done({ ...call, caller: 1 }),
      completed(),
    ]);
    expect(events[1]).toMatchObject({ start: { kind: 'function_call', fields: { namespace: 'crm' } } });
    expect(events.find(({ type }) => type === 'item-end')).toMatchObject({ fields: { caller: 1 } });
  });

  test('events that are new to us pass, of an item or of the response; padding and places do not', () => {
    const events = decode([
      created,
      { type: 'response.moderation.scored', sequence_number: 9, obfuscation: 'x', score: 1 },
      added(message()),
      { type: 'response.output_text.stamp', item_id: 'msg_u', output_index: 0, content_index: 0, at: 2 },
      { type: 'keepalive', sequence_number: 3 },
      done(message()),
      completed(),
    ]);
    expect(events.filter(({ type }) => type.endsWith('-event'))).toEqual([
      { type: 'response-event', name: 'response.moderation.scored', fields: { score: 1 } },
      { type: 'item-event', index: 0, name: 'output_text.stamp', fields: { content_index: 0, at: 2 } },
    ]);
  });

  test('an event that is new to us and holds a response is left out: the ids in it are not the client’s', () => {
    const events = decode([created, { type: 'response.forked', response: { id: 'resp_u' } }, completed()]);
    expect(kinds(events)).toEqual(['response-start', 'warning', 'response-end']);
  });

  test('an item that has another place at the end is the same item', () => {
    const second = { ...message(said('B')), id: 'msg_v' };
    const events = decode([
      created,
      done(message(said('A')), 0),
      done(second, 2),
      completed({ output: [message(said('A')), second] }),
    ]);
    expect(texts(events)).toEqual(['A', 'B']);
  });

  test('items may be open side by side', () => {
    const events = decode([
      created,
      added(message(), 0),
      added({ ...call, arguments: '' }, 2),
      delta('A'),
      { type: 'response.function_call_arguments.delta', output_index: 2, delta: '{"a"' },
      delta('B'),
      done(message(said('AB')), 0),
      done(call, 2),
      completed(),
    ]);
    expect(events.filter(({ type }) => type === 'item-delta')).toMatchObject([
      { index: 0, delta: 'A' },
      { index: 1, delta: '{"a"' },
      { index: 0, delta: 'B' },
      { index: 1, delta: ':1}' },
    ]);
  });
});

describe('ends', () => {
  test.each([
    ['completed', {}, 'completed', 0],
    ['incomplete', { incomplete_details: { reason: 'max_output_tokens' } }, 'max_tokens', 0],
    ['incomplete', { incomplete_details: { reason: 'content_filter' } }, 'content_filter', 0],
    ['incomplete', { incomplete_details: { reason: 'steered' } }, 'max_tokens', 1],
    ['incomplete', {}, 'max_tokens', 1],
  ])('%s %j: %s', (status, fields, finish, warned) => {
    const events = decode([created, completed({ status, ...fields })]);
    expect(endOf(events)).toMatchObject({ finish });
    expect(warnings(events)).toHaveLength(warned);
  });

  test('an item that was cut is not complete', () => {
    const cut = { ...call, status: 'incomplete', arguments: '{"a' };
    const ended = completed({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    expect(decode([created, done(cut), ended]).find(({ type }) => type === 'item-end')).toMatchObject({
      complete: false,
      source: '',
    });
    expect(
      decode([created, added(message()), delta('A'), ended]).find(({ type }) => type === 'item-end'),
    ).toMatchObject({
      complete: false,
    });
  });

  test('the Response object’s own fields, but those that the gateway says or keeps', () => {
    const fields = {
      tool_usage: { web_search: 1 },
      billing: { payer: 'x' },
      store: false,
      reasoning: { effort: 'low' },
      moderation: null,
    };
    expect(endOf(decode([created, completed({ ...fields, service_tier: 'flex' })]))).toEqual({
      type: 'response-end',
      finish: 'completed',
      usage: undefined,
      serviceTier: 'flex',
      fields: { tool_usage: { web_search: 1 }, reasoning: { effort: 'low' } },
    });
  });

  test('nothing after the end is read', () => {
    expect(kinds(decode([created, completed(), delta('x'), completed(), 'no JSON']))).toEqual([
      'response-start',
      'response-end',
    ]);
  });
});

describe('what is no reply', () => {
  test.each<[what: string, frames: (Frame | string)[], code: string, retryable: Retryable]>([
    ['a cut stream', [created, added(message()), delta('A')], 'upstream_stream_broken', true],
    ['nothing', [], 'upstream_stream_broken', true],
    ['only the end marker of chat', [created, '[DONE]'], 'upstream_stream_broken', true],
    ['no JSON', [created, 'no JSON'], 'upstream_invalid_response', true],
    ['a delta of an item that never began', [created, delta('A')], 'upstream_invalid_response', true],
    ['a delta of an item that has ended', [created, done(message()), delta('A')], 'upstream_invalid_response', true],
    ['an item that begins twice', [created, added(message()), added(message())], 'upstream_invalid_response', true],
    ['an item that ends twice', [created, done(message()), done(message())], 'upstream_invalid_response', true],
    [
      'an item without a place',
      [created, { type: 'response.output_item.added', item: message() }],
      'upstream_invalid_response',
      true,
    ],
    [
      'an item that is none',
      [created, { type: 'response.output_item.added', output_index: 0 }],
      'upstream_invalid_response',
      true,
    ],
    ['a call without a name', [created, added({ ...call, name: '' })], 'upstream_invalid_response', true],
    ['text of a call', [created, added(call), delta('A')], 'upstream_invalid_response', true],
    [
      'a delta that is no text',
      [created, added(message()), delta('A', { delta: 7 })],
      'upstream_invalid_response',
      true,
    ],
    [
      'a part after its end',
      [created, added(message()), delta('A'), delta('B', { content_index: 1 }), delta('A')],
      'upstream_invalid_response',
      true,
    ],
    ['an end without a response', [created, { type: 'response.completed' }], 'upstream_invalid_response', true],
    ['a response that was cancelled', [created, completed({ status: 'cancelled' })], 'upstream_error', true],
    [
      'an error, nested',
      [created, { type: 'error', error: { code: 'insufficient_quota', message: 'Pay.' } }],
      'upstream_rate_limited',
      'elsewhere',
    ],
    ['an error, flat', [created, { type: 'error', code: 'server_error', message: 'Oh.' }], 'upstream_error', true],
    ['an error without a type', [created, '{"error":{"type":"overloaded_error"}}'], 'upstream_overloaded', true],
    ...(
      [
        ['rate_limit_exceeded', 'upstream_rate_limited', 'elsewhere'],
        ['server_error', 'upstream_error', true],
        ['vector_store_timeout', 'upstream_error', true],
        ['invalid_prompt', 'upstream_rejected', false],
        ['image_too_large', 'upstream_rejected', false],
        ['bio_policy', 'upstream_rejected', false],
        ['context_length_exceeded', 'context_length_exceeded', false],
      ] as const
    ).map(([code, ours, retryable]): [string, Frame[], string, Retryable] => [
      `a response that failed: ${code}`,
      [created, { type: 'response.failed', response: { status: 'failed', error: { code, message: 'No.' } } }],
      ours,
      retryable,
    ]),
  ])('%s', (_what, frames, code, retryable) => {
    const events = decode(frames);
    expect(errorOf(events)).toMatchObject({ code, retryable });
    expect(kinds(events).filter((kind) => kind === 'error' || kind === 'response-end')).toEqual(['error']);
  });

  test('a failure bills what it says, and nothing where nothing was said', () => {
    const failed = (usage: unknown): Frame => ({
      type: 'response.failed',
      response: { status: 'failed', error: {}, usage },
    });
    const used = { input_tokens: 9, output_tokens: 1 };
    expect(decode([created, failed(used)])[1]).toMatchObject({
      type: 'usage',
      usage: { inputTokens: 9, outputTokens: 1 },
    });
    expect(decode([created, failed(null)])[1]).toMatchObject({
      type: 'usage',
      usage: { inputTokens: 0, estimated: false },
    });
    expect(kinds(decode([created, added(message()), failed(null)]))).not.toContain('usage');
  });

  test.each(['', 'null', '[]', '"ok"', '{}', '{"error":{"message":"x"}}', '<html>'])('plain: %s', (body) => {
    expect(plain(body)).toMatchObject([
      { type: 'error', error: { code: 'upstream_invalid_response', retryable: true } },
    ]);
  });

  test('plain: one that failed', () => {
    const error = { code: 'invalid_prompt', message: 'No.', param: 'input[3].content' };
    expect(errorOf(plain({ status: 'failed', error, output: [] }))).toMatchObject({
      code: 'upstream_rejected',
      message: 'No.',
      param: 'input',
    });
  });
});

describe('usage', () => {
  const usageOf = (usage: unknown) => {
    const end = endOf(decode([created, completed({ usage })]));
    return end?.type === 'response-end' ? end.usage : undefined;
  };
  test('every class of tokens', () => {
    const usage = {
      input_tokens: 100,
      input_tokens_details: { cached_tokens: 60, cache_write_tokens: 30 },
      output_tokens: 20,
      output_tokens_details: { reasoning_tokens: 15 },
    };
    expect(usageOf(usage)).toEqual({
      inputTokens: 100,
      cachedTokens: 60,
      cacheWriteTokens: 30,
      cacheWriteHourTokens: 0,
      outputTokens: 20,
      reasoningTokens: 15,
      estimated: false,
    });
  });

  test.each<[usage: unknown, expected: object | undefined]>([
    [null, undefined],
    ['much', undefined],
    [{}, undefined],
    [{ input_tokens: 5 }, { inputTokens: 5, outputTokens: 0, estimated: true }],
    [
      { input_tokens: -1, output_tokens: 2 },
      { inputTokens: 0, outputTokens: 2, estimated: true },
    ],
    [
      { input_tokens: 5, output_tokens: 2, input_tokens_details: { cached_tokens: 9, cache_write_tokens: 9 } },
      { cachedTokens: 5, cacheWriteTokens: 0 },
    ],
    [{ input_tokens: 5, output_tokens: 2, output_tokens_details: { reasoning_tokens: 1e18 } }, { reasoningTokens: 0 }],
  ])('%j', (usage, expected) => {
    if (expected === undefined) expect(usageOf(usage)).toBeUndefined();
    else expect(usageOf(usage)).toMatchObject(expected);
  });
});

test.each([
  ['model', 'model'],
  ['reasoning.effort', 'reasoning.effort'],
  ['tools[0].parameters', 'tools[0].parameters'],
  ['input[7].content[0]', 'input'],
  ['<b>', null],
  [7, null],
])('a 400 about %s names %s', (param, expected) => {
  const body = JSON.stringify({ error: { message: 'No.', type: 'invalid_request_error', param, code: null } });
  expect(codec.decodeError(400, {}, body)).toMatchObject({
    code: 'upstream_rejected',
    message: 'No.',
    param: expected,
  });
});

test.each([
  ['gpt-5.1-2025-11-13', 'gpt-5.1'],
  ['openai/gpt-oss-20b', 'gpt-oss-20b'],
  ['gpt-5-chat-latest', 'gpt-5-chat'],
  ['o3', 'o3'],
])('reasoning of %s belongs to %s', (model, scope) => {
  expect(codec.signatureScope('reported', model)).toBe(scope);
});
