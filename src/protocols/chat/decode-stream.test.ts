import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { collectPlain, collectStream, createCollector, fixtures } from '../../../test/fixtures/chat/collect-reply.ts';
import { customTools } from '../../../test/fixtures/custom-tools.ts';
import { createStreamDecoder } from './decode-stream.ts';

const chunk = (delta: object, finish: string | null = null, rest: object = {}) =>
  JSON.stringify({ id: 'c1', model: 'm', choices: [{ index: 0, delta, finish_reason: finish }], ...rest });

const call = (fields: object) => chunk({ tool_calls: [fields] });
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
const done = '[DONE]';
const stop = (finish = 'stop') => [chunk({}, finish, { usage }), done];

describe('stream and plain reply', () => {
  test('there are fixtures', () => expect(fixtures.length).toBeGreaterThan(5));

  test.each(fixtures)('$name: the same items and the same end', ({ body, frames }) => {
    const streamed = collectStream(frames);
    expect(streamed.end?.type).toBe('response-end');
    expect(streamed).toEqual(collectPlain(body));
  });
});

describe('a stream that was cut', () => {
  test.each(fixtures)('$name: completes only when the reason to stop and the usage were seen', ({ frames }) => {
    let finished = false;
    let billed = false;
    for (const [index, frame] of frames.slice(0, -1).entries()) {
      finished ||= /"finish_reason":"/.test(frame);
      billed ||= /"usage":\{/.test(frame);
      const { end } = collectStream(frames.slice(0, index + 1));
      if (finished && billed) expect(end?.type).toBe('response-end');
      else expect(end).toMatchObject({ type: 'error', error: { code: 'upstream_stream_broken', retryable: true } });
    }
  });

  test.each<[what: string, frames: string[]]>([
    ['nothing at all', []],
    ['the end marker alone', [done]],
    ['text and the end marker, without a reason to stop', [chunk({ content: 'a' }), done]],
    ['usage and the end marker, without a reason to stop', [chunk({ content: 'a' }, null, { usage }), done]],
  ])('%s is broken', (_what, frames) => {
    expect(collectStream(frames).end).toMatchObject({ type: 'error', error: { code: 'upstream_stream_broken' } });
  });

  test('the end marker and a reason to stop are enough; usage is then unknown', () => {
    const { end } = collectStream([chunk({ content: 'a' }, 'stop'), done]);
    expect(end).toEqual({ type: 'response-end', finish: 'completed', usage: undefined });
  });
});

describe('what comes after the end is not read', () => {
  test.each([done, chunk({ content: 'more' }), '{"error":"late"}', 'garbage'])('%s', (late) => {
    const before = [chunk({ content: 'a' }), ...stop()];
    expect(collectStream([...before, late])).toEqual(collectStream(before));
  });

  test('an error ends it, although the end marker follows', () => {
    const error = { message: 'x', type: 'server_error', code: null };
    const { end } = collectStream([chunk({ content: 'a' }), JSON.stringify({ error }), ...stop()]);
    expect(end).toMatchObject({ type: 'error', error: { code: 'upstream_error', retryable: true } });
  });
});

describe('errors in a stream', () => {
  test.each<[data: string, event: string, code: string]>([
    ['{"error":"boom"}', '', 'upstream_error'],
    ['{"error":{"message":"x","type":"server_error","code":null}}', '', 'upstream_error'],
    ['{"error":{"message":"x","code":429}}', '', 'upstream_rate_limited'],
    ['{"error":{"message":"x","type":"rate_limit_error"}}', '', 'upstream_rate_limited'],
    ['{"error":{"message":"x","type":"overloaded_error"}}', '', 'upstream_overloaded'],
    ['{"error":{"message":"x","type":"invalid_request_error"}}', '', 'upstream_rejected'],
    ['{"error":{"message":"x","code":"context_length_exceeded"}}', '', 'context_length_exceeded'],
    ['{"message":"boom"}', 'error', 'upstream_error'],
    ['{"object":"error","message":"boom","code":503}', '', 'upstream_overloaded'],
    ['not json', '', 'upstream_invalid_response'],
    ['null', '', 'upstream_invalid_response'],
    ['[]', '', 'upstream_invalid_response'],
    ['"ok"', '', 'upstream_invalid_response'],
    ['{"choices":{}}', '', 'upstream_invalid_response'],
    ['{"choices":[null]}', '', 'upstream_invalid_response'],
    ['{"choices":[{"delta":"a"}]}', '', 'upstream_invalid_response'],
    ['{"choices":[{"delta":{"content":7}}]}', '', 'upstream_invalid_response'],
    ['{"choices":[{"delta":{"tool_calls":{}}}]}', '', 'upstream_invalid_response'],
    ['{"choices":[{"delta":{"tool_calls":[null]}}]}', '', 'upstream_invalid_response'],
    ['{"choices":[{"delta":{"tool_calls":[{"function":"f"}]}}]}', '', 'upstream_invalid_response'],
  ])('%s (event %j): %s, once', (data, event, code) => {
    const { emit, reply } = createCollector();
    const decoder = createStreamDecoder(customTools());
    decoder.frame('', chunk({ content: 'a' }), emit);
    decoder.frame(event, data, emit);
    decoder.frame(event, data, emit);
    decoder.frame('', done, emit);
    decoder.end(emit);
    expect(reply.end).toMatchObject({ type: 'error', error: { code } });
  });

  test.each(['{}', '{"type":"ping"}', '{"id":"c1","choices":[]}', '{"error":null,"choices":null}'])(
    '%s is not one',
    (frame) => {
      const { items, end } = collectStream([chunk({ content: 'a' }), frame, chunk({ content: 'b' }), ...stop()]);
      expect(items.map(({ parts }) => parts)).toMatchObject([[{ text: 'ab' }]]);
      expect(end?.type).toBe('response-end');
    },
  );
});

describe('the order of items', () => {
  test.each<[what: string, deltas: object[], kinds: string[]]>([
    ['nothing', [{ role: 'assistant', content: '' }], []],
    ['text', [{ content: 'a' }, { content: 'b' }], ['message:ab']],
    ['reasoning comes before the text of its chunk', [{ content: 'a', reasoning: 'r' }], ['reasoning:r', 'message:a']],
    [
      'reasoning after text is another item',
      [{ content: 'a' }, { reasoning_content: 'r' }, { content: 'b' }],
      ['message:a', 'reasoning:r', 'message:b'],
    ],
    ['the same reasoning in two fields is one', [{ reasoning_content: 'r', reasoning: 'r' }], ['reasoning:r']],
    [
      'text after a call is another message',
      [{ tool_calls: [{ index: 0, id: 'i', function: { name: 'f', arguments: '{}' } }] }, { content: 'a' }],
      ['f:{}', 'message:a'],
    ],
    [
      "Mistral's parts",
      [
        { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'r' }] }] },
        { content: [{ type: 'text', text: 'a' }] },
      ],
      ['reasoning:r', 'message:a'],
    ],
    ['text and refusal are parts of one message', [{ content: 'a' }, { refusal: 'no' }], ['message:a|no']],
    [
      'the old way to call',
      [{ function_call: { name: 'f', arguments: '{' } }, { function_call: { arguments: '}' } }],
      ['f:{}'],
    ],
  ])('%s', (_what, deltas, kinds) => {
    const { items } = collectStream([...deltas.map((delta) => chunk(delta)), ...stop()]);
    const shown = items.map(({ start, parts, text }) =>
      'name' in start ? `${start.name}:${text}` : `${start.kind}:${parts.map((part) => part.text).join('|')}`,
    );
    expect(shown).toEqual(kinds);
  });

  test('other choices stand behind the first', () => {
    const other = { index: 1, delta: { content: 'other' }, finish_reason: 'length' };
    const frame = JSON.stringify({
      id: 'c',
      choices: [other, { index: 0, delta: { content: 'a' }, finish_reason: null }],
    });
    const { items, end } = collectStream([frame, JSON.stringify({ id: 'c', choices: [other] }), ...stop()]);
    expect(items.map(({ start, parts }) => [start.kind, parts[0]?.text])).toEqual([
      ['message', 'a'],
      ['extension', undefined],
    ]);
    expect(end).toMatchObject({ finish: 'completed' });
  });

  test('another choice keeps its words when several of its frames come in a row', () => {
    const said = (index: number, content: string) =>
      JSON.stringify({ id: 'c', choices: [{ index, delta: { content }, finish_reason: null }] });
    const { items } = collectStream([said(0, 'a'), ...['b', 'c', 'd', 'e'].map((word) => said(1, word)), ...stop()]);
    expect(items.map(({ source }) => source)).toEqual([
      '',
      '{"index":1,"message":{"content":"bcde"},"finish_reason":null}',
    ]);
  });

  test("Azure's first chunk, without id and model, names nothing", () => {
    const azure = '{"id":"","model":"","choices":[],"prompt_filter_results":[]}';
    expect(collectStream([azure, chunk({ content: 'a' }), ...stop()])).toMatchObject({
      upstreamId: 'c1',
      upstreamModel: 'm',
    });
  });
});

describe('pieces of tool calls', () => {
  const f = (args: string, name?: string) => ({
    function: { ...(name === undefined ? {} : { name }), arguments: args },
  });

  test.each<[what: string, pieces: object[], calls: string[]]>([
    [
      'id and name once',
      [
        { index: 0, id: 'i', ...f('', 'f') },
        { index: 0, ...f('{"a"') },
        { index: 0, ...f(':1}') },
      ],
      ['i f {"a":1}'],
    ],
    [
      'id and name repeated',
      [
        { index: 0, id: 'i', ...f('{', 'f') },
        { index: 0, id: 'i', ...f('}', 'f') },
      ],
      ['i f {}'],
    ],
    [
      'the name in pieces',
      [
        { index: 0, id: 'i', ...f('', 'get_') },
        { index: 0, ...f('', 'time') },
        { index: 0, ...f('{}') },
      ],
      ['i get_time {}'],
    ],
    [
      'another id in each piece',
      [
        { index: 0, id: 'i', ...f('{', 'f') },
        { index: 0, id: 'j', ...f('}') },
      ],
      ['i f {}'],
    ],
    [
      'all numbered 0, told apart by id',
      [
        { index: 0, id: 'i', ...f('{}', 'f') },
        { index: 0, id: 'j', ...f('[]', 'f') },
      ],
      ['i f {}', 'j f []'],
    ],
    [
      'no numbers',
      [
        { id: 'i', ...f('{}', 'f') },
        { id: 'j', ...f('[]', 'g') },
      ],
      ['i f {}', 'j g []'],
    ],
    ['no numbers and no ids', [f('{}', 'f'), f('[]', 'f')], [' f {}', ' f []']],
    ['no id', [{ index: 0, ...f('{}', 'f') }], [' f {}']],
    ['no arguments', [{ index: 0, id: 'i', function: { name: 'f' } }], ['i f ']],
    [
      'numbers out of order',
      [
        { index: 2, id: 'i', ...f('{}', 'f') },
        { index: 1, id: 'j', ...f('{}', 'g') },
      ],
      ['i f {}', 'j g {}'],
    ],
    ['an object for arguments', [{ index: 0, id: 'i', function: { name: 'f', arguments: { a: 1 } } }], ['i f {"a":1}']],
    [
      'an empty last piece for a call that was left',
      [
        { index: 0, id: 'i', ...f('{}', 'f') },
        { index: 1, id: 'j', ...f('{}', 'g') },
        { index: 0, ...f('') },
      ],
      ['i f {}', 'j g {}'],
    ],
    [
      'arguments by turns',
      [
        { index: 0, id: 'i', ...f('', 'f') },
        { index: 1, id: 'j', ...f('{"b"', 'g') },
        { index: 0, ...f('{"a"') },
        { index: 1, ...f(':2}') },
        { index: 0, id: 'i', ...f(':1}', 'f') },
        { index: 2, id: 'k', ...f('', 'h') },
      ],
      ['i f {"a":1}', 'j g {"b":2}', 'k h '],
    ],
  ])('%s', (_what, pieces, calls) => {
    const { items, end } = collectStream([...pieces.map(call), ...stop('tool_calls')]);
    const shown = items.map(({ start, text }) =>
      'callId' in start ? `${start.callId} ${start.name} ${text}` : start.kind,
    );
    expect(shown).toEqual(calls);
    expect(items.every(({ complete }) => complete)).toBe(true);
    expect(end).toMatchObject({ finish: 'completed' });
  });

  test.each<[what: string, pieces: object[]]>([
    [
      'arguments for a call that was whole',
      [
        { index: 0, id: 'i', ...f('{}', 'f') },
        { index: 1, id: 'j', ...f('{}', 'g') },
        { index: 0, ...f('}') },
      ],
    ],
    ['a call without a name', [{ index: 0, id: 'i', ...f('{}') }]],
  ])('%s: invalid', (_what, pieces) => {
    const { end } = collectStream([...pieces.map(call), ...stop('tool_calls')]);
    expect(end).toMatchObject({ type: 'error', error: { code: 'upstream_invalid_response' } });
  });

  test.each<[finish: string, complete: boolean]>([
    ['tool_calls', true],
    ['stop', true],
    ['length', false],
    ['content_filter', false],
  ])('the last call of a reply that ended with %s is complete: %s', (finish, complete) => {
    const pieces = [
      { index: 0, id: 'i', ...f('{}', 'f') },
      { index: 1, id: 'j', ...f('{"a', 'g') },
    ].map(call);
    expect(collectStream([...pieces, ...stop(finish)]).items.map((item) => item.complete)).toEqual([true, complete]);
  });

  test("a vendor's own fields stay in the source", () => {
    const extra_content = { google: { thought_signature: 'c2ln' } };
    const { items } = collectStream([call({ index: 0, id: 'i', extra_content, ...f('{}', 'f') }), ...stop()]);
    expect(JSON.parse(items[0]?.source ?? '')).toEqual({
      id: 'i',
      type: 'function',
      function: { name: 'f', arguments: '{}' },
      extra_content,
    });
  });
});

describe('a source is kept where the item does not say it all', () => {
  const named = (args: string, name = 'f') => ({ index: 0, id: 'i', function: { name, arguments: args } });
  const custom = (input: string) => ({ index: 0, id: 'i', type: 'custom', custom: { name: 'sh', input } });
  test.each<[what: string, delta: object, source: string]>([
    ['a text', { content: 'a' }, ''],
    ['a call', { tool_calls: [named('{"2":1.0,"1":2}')] }, ''],
    ['a custom call', { tool_calls: [custom('ls')] }, ''],
    ['a custom call, wrapped', { tool_calls: [named('{"input":"ls"}', 'sh')] }, ''],
    [
      'a custom call, wrapped but not as we asked',
      { tool_calls: [named('{"command":"ls"}', 'sh')] },
      '{"id":"i","type":"function","function":{"name":"sh","arguments":"{\\"command\\":\\"ls\\"}"}}',
    ],
    [
      'a call with a field of the vendor',
      { tool_calls: [{ ...named('{}'), extra: 1 }] },
      '{"id":"i","type":"function","function":{"name":"f","arguments":"{}"},"extra":1}',
    ],
    ['a refusal', { refusal: 'no' }, '{"refusal":"no"}'],
    ['a citation', { content: 'a', annotations: [{ type: 'x' }] }, '{"content":"a","annotations":[{"type":"x"}]}'],
    ['reasoning', { reasoning_content: 'r' }, '{"reasoning_content":"r"}'],
  ])('%s', (_what, delta, source) => {
    const { items } = collectStream([chunk(delta), ...stop()], customTools('sh'));
    expect(items.map((item) => item.source)).toEqual([source]);
  });
});

describe('custom tools', () => {
  const options = customTools('shell');
  const shell = (args: string) => call({ index: 0, id: 'i', function: { name: 'shell', arguments: args } });

  test.each<[what: string, frames: string[], input: string]>([
    ['wrapped in a function', [shell('{"inp'), call({ index: 0, function: { arguments: 'ut":"ls \\n"}' } })], 'ls \n'],
    ['wrapped, but not as we asked', [shell('{"command":"ls"}')], '{"command":"ls"}'],
    ['wrapped, with more than we asked', [shell('{"input":"ls","in":"/"}')], '{"input":"ls","in":"/"}'],
    ['wrapped, but cut', [shell('{"input":"l')], '{"input":"l'],
    [
      'native',
      [
        call({ index: 0, id: 'i', type: 'custom', custom: { name: 'shell', input: 'l' } }),
        call({ index: 0, custom: { input: 's' } }),
      ],
      'ls',
    ],
  ])('%s', (_what, frames, input) => {
    const { items } = collectStream([...frames, ...stop('tool_calls')], options);
    expect(items).toMatchObject([{ start: { kind: 'custom_tool_call', callId: 'i', name: 'shell' }, text: input }]);
  });

  test('a function with another name stays one', () => {
    const { items } = collectStream(
      [call({ index: 0, id: 'i', function: { name: 'f', arguments: '{}' } }), ...stop()],
      options,
    );
    expect(items).toMatchObject([{ start: { kind: 'function_call' }, text: '{}' }]);
  });
});

describe('usage', () => {
  test.each<[what: string, frames: string[]]>([
    ['in a chunk of its own', [chunk({}, 'stop'), JSON.stringify({ id: 'c1', choices: [], usage })]],
    ["in Groq's corner", [chunk({}, 'stop', { x_groq: { usage } })]],
    ["in Moonshot's choice", [JSON.stringify({ id: 'c1', choices: [{ delta: {}, finish_reason: 'stop', usage }] })]],
    [
      'in each chunk',
      [
        chunk({ content: 'a' }, null, { usage: { ...usage, completion_tokens: 1 } }),
        chunk({}, 'stop', { usage }),
        chunk({}, null, { usage: null }),
      ],
    ],
  ])('%s', (_what, frames) => {
    const { end, usage: early } = collectStream([...frames, done]);
    expect(end).toMatchObject({ usage: { inputTokens: 3, outputTokens: 2 } });
    expect(early).toMatchObject({ inputTokens: 3, outputTokens: 2 });
  });
});

describe('the reason to stop', () => {
  test('one that is new to us finishes the turn, with a warning', () => {
    const { end, warnings } = collectStream([chunk({ content: 'a' }), ...stop('new_reason')]);
    expect(end).toMatchObject({ finish: 'completed' });
    expect(warnings).toEqual([expect.stringContaining('new_reason')]);
  });

  test.each(['error', 'insufficient_system_resource'])('%s is a failure', (reason) => {
    expect(collectStream([chunk({ content: 'a' }), ...stop(reason)]).end).toMatchObject({
      type: 'error',
      error: { code: 'upstream_error' },
    });
  });

  test('an empty one is none', () => {
    expect(collectStream([chunk({ content: 'a' }, ''), done]).end).toMatchObject({
      error: { code: 'upstream_stream_broken' },
    });
  });
});

test('what a model makes besides is reported, once', () => {
  const { warnings } = collectStream([chunk({ images: [{}] }), chunk({ images: [{}], audio: null }), ...stop()]);
  expect(warnings).toEqual([expect.stringContaining('images')]);
});

test('no reply makes the decoder throw or break its grammar', () => {
  const odd = fc.oneof(
    fc.constantFrom<unknown>(null, '', 'a', 0, [], {}, [{}], [null]),
    fc
      .record({
        type: fc.constantFrom('text', 'thinking', 'x'),
        text: fc.string(),
        thinking: fc.constant([null, { text: 'r' }]),
      })
      .map((part) => [part]),
  );
  const piece = fc.record(
    {
      index: fc.constantFrom<unknown>(0, 1, 2, 'a', null),
      id: fc.constantFrom<unknown>('i', 'j', '', 7, null),
      function: fc.record(
        {
          name: fc.constantFrom<unknown>('f', 'sh', '', null),
          arguments: fc.constantFrom<unknown>('', '{}', '{"a', {}, null),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: [] },
  );
  const delta = fc.record(
    {
      content: fc.oneof({ weight: 3, arbitrary: fc.constantFrom('a', '', null) }, odd),
      refusal: odd,
      reasoning: odd,
      reasoning_content: odd,
      reasoning_details: odd,
      annotations: odd,
      tool_calls: fc.oneof({ weight: 3, arbitrary: fc.array(piece, { maxLength: 2 }) }, odd),
    },
    { requiredKeys: [] },
  );
  const finish = fc.constantFrom<unknown>(null, null, null, 'stop', 'length', 7);
  const frame = fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .tuple(delta, finish, odd)
        .map(([each, reason, logprobs]) =>
          JSON.stringify({ choices: [{ delta: each, finish_reason: reason, logprobs }] }),
        ),
    },
    fc.jsonValue().map((value) => JSON.stringify(value)),
    fc.constantFrom(done, JSON.stringify({ usage })),
  );
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 8 }), (frames) => {
      const { end, items } = collectStream(frames, customTools('sh'));
      expect(end).toBeDefined();
      if (end?.type !== 'response-end') return;
      for (const { start, source } of items) {
        if (source !== '') expect(JSON.parse(source)).toBeTypeOf('object');
        if ('name' in start) expect(start.name).not.toBe('');
      }
    }),
    { numRuns: 300 },
  );
});
