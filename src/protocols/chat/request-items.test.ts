import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { collectPlain, contextOf, fixtures } from '../../../test/fixtures/chat/collect-reply.ts';
import {
  call,
  encode,
  type Given,
  message,
  model,
  output,
  reasoning,
} from '../../../test/fixtures/chat/encode-input.ts';
import type { GatewayError } from '../../core/errors.ts';
import { callIdFor } from '../../core/ids.ts';
import type { ContextItem, InputPart, Item } from '../../core/items.ts';
import type { ChatMessage } from './wire.ts';

const cutCall = (id: string): Item => ({ ...call(id), status: 'incomplete' });
const messagesOf = (...items: Item[]) => encode({ items }).parsed.messages;
const user = (content: unknown) => ({ role: 'user', content });
const system = (content: string) => ({ role: 'system', content });
const tool = (id: string, content = `out ${id}`) => ({ role: 'tool', tool_call_id: id, content });
const assistant = (content: string | null, ...ids: string[]) => ({
  role: 'assistant',
  content,
  ...(ids.length === 0 ? {} : { tool_calls: ids.map((id) => wireCall(id)) }),
});
const wireCall = (id: string, args = '{}') => ({ id, type: 'function', function: { name: 'f', arguments: args } });

function faultOf(run: () => unknown): Pick<GatewayError, 'code' | 'param'> {
  try {
    run();
  } catch (error) {
    return { code: (error as GatewayError).code, param: (error as GatewayError).param };
  }
  throw new Error('nothing was refused');
}

describe('items as messages', () => {
  test.each<[what: string, items: Item[], messages: unknown[]]>([
    ['one text is a string', [message('user', 'a')], [user('a')]],
    [
      'several are parts',
      [message('user', 'a', 'b')],
      [
        user([
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ]),
      ],
    ],
    ['no content', [message('user')], [user('')]],
    [
      'system and developer in place',
      [message('user', 'a'), message('developer', 'b', 'c'), message('system', 'd')],
      [user('a'), system('b\nc'), system('d')],
    ],
    [
      'what the assistant says in one go',
      [message('assistant', 'a', 'b'), call('1'), message('assistant', 'c'), call('2'), output('1'), output('2')],
      [assistant('ab\nc', '1', '2'), tool('1'), tool('2')],
    ],
    ['calls alone have null content', [call('1'), output('1')], [assistant(null, '1'), tool('1')]],
    [
      'empty texts beside calls are null content',
      [message('assistant', ''), call('1'), output('1')],
      [assistant(null, '1'), tool('1')],
    ],
    ['an empty text stays one', [message('user', 'a'), message('assistant', '')], [user('a'), assistant('')]],
    [
      'results in the order of their calls',
      [call('1'), call('2'), output('2'), output('1')],
      [assistant(null, '1', '2'), tool('1'), tool('2')],
    ],
    [
      'what stood before the results moves behind',
      [call('1'), call('2'), output('1'), message('user', 'a'), output('2')],
      [assistant(null, '1', '2'), tool('1'), tool('2'), user('a')],
    ],
    [
      'results that come late',
      [call('1'), call('2'), output('1'), message('assistant', 'a'), call('3'), output('3'), output('2')],
      [assistant(null, '1', '2'), tool('1'), tool('2'), assistant('a', '3'), tool('3')],
    ],
    [
      'calls after a result are said anew',
      [call('1'), output('1'), call('2'), output('2')],
      [assistant(null, '1'), tool('1'), assistant(null, '2'), tool('2')],
    ],
    [
      'arguments stay text',
      [call('1', '{"2":18446744073709551616,"1":'), output('1')],
      [{ role: 'assistant', content: null, tool_calls: [wireCall('1', '{"2":18446744073709551616,"1":')] }, tool('1')],
    ],
    ['no arguments are an empty object', [call('1', ''), output('1')], [assistant(null, '1'), tool('1')]],
    [
      'texts of a result are joined',
      [
        call('1'),
        output('1', [
          { type: 'input_text', text: 'a' },
          { type: 'input_text', text: 'b' },
        ]),
      ],
      [assistant(null, '1'), tool('1', 'a\nb')],
    ],
    ['an empty result', [call('1'), output('1', [])], [assistant(null, '1'), tool('1', '')]],
  ])('%s', (_what, items, messages) => {
    expect(messagesOf(...items)).toEqual(messages);
  });

  test.each<[what: string, items: Item[], messages: unknown[]]>([
    ['moved results', [call('1'), message('user', 'a'), output('1')], [assistant(null, '1'), tool('1'), user('a')]],
    ['a call that was cut', [message('user', 'a'), cutCall('1')], [user('a')]],
    ['a refusal', [message('user', 'a'), message('assistant', { type: 'refusal', refusal: 'no' })], [user('a')]],
    ['a refusal beside text', [message('assistant', 'a', { type: 'refusal', refusal: 'no' })], [assistant('a')]],
    [
      "another vendor's block",
      [message('user', 'a'), { type: 'anthropic:server_tool_use', id: 'ext_1', block: {} }],
      [user('a')],
    ],
  ])('%s: with a warning', (_what, items, messages) => {
    const { parsed, warned } = encode({ items });
    expect(parsed.messages).toEqual(messages);
    expect(warned).toContain('input');
  });

  test('ids that do not fit are replaced alike in call and result; those that fit are kept', () => {
    const long = 'x'.repeat(41);
    const [first, second] = messagesOf(call(long), output(long));
    expect(first).toMatchObject({ tool_calls: [{ id: callIdFor(long, 40) }] });
    expect(second).toMatchObject({ tool_call_id: callIdFor(long, 40) });
    expect(messagesOf(call('y'.repeat(40)), output('y'.repeat(40)))[1]).toMatchObject({ tool_call_id: 'y'.repeat(40) });
  });

  test('a name that is too long for chat is another, with a warning', () => {
    const { parsed, warned } = encode({ items: [call('1', '{}', `a.${'b'.repeat(90)}`), output('1')] });
    const name = `a_${'b'.repeat(53)}_83c7726f`;
    expect(parsed.messages[0]).toMatchObject({ tool_calls: [{ function: { name } }] });
    expect(warned).toEqual(['input']);
  });

  test('nothing to send is refused; an output without its call is a fault of ours', () => {
    expect(faultOf(() => messagesOf(reasoning('rs_1')))).toMatchObject({ code: 'invalid_value', param: 'input' });
    expect(() => messagesOf(output('1'))).toThrow('an output without its call');
  });

  test.each<[native: boolean, wire: object]>([
    [true, { id: '1', type: 'custom', custom: { name: 'sh', input: 'ls\n' } }],
    [false, { id: '1', type: 'function', function: { name: 'sh', arguments: '{"input":"ls\\n"}' } }],
  ])('a custom call where the upstream knows such: %s', (native, wire) => {
    const items: Item[] = [
      { type: 'custom_tool_call', id: 'ctc_1', call_id: '1', name: 'sh', input: 'ls\n' },
      { type: 'custom_tool_call_output', id: 'ctco_1', call_id: '1', output: 'a' },
    ];
    expect(encode({ items, profile: { customTools: native } }).parsed.messages).toEqual([
      { role: 'assistant', content: null, tool_calls: [wire] },
      tool('1', 'a'),
    ]);
  });
});

describe('images and files', () => {
  const png = 'data:image/png;base64,iVBORw0KGgo=';
  const pdf = 'data:application/pdf;base64,JVBERi0x';

  test.each<[what: string, part: InputPart, wire: unknown]>([
    [
      'image URL',
      { type: 'input_image', image_url: 'https://example.com/a.png', detail: 'low' },
      { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'low' } },
    ],
    [
      'image data',
      { type: 'input_image', image_url: png, detail: null },
      { type: 'image_url', image_url: { url: png } },
    ],
    [
      'PDF',
      { type: 'input_file', file_data: pdf, filename: 'a.pdf' },
      { type: 'file', file: { filename: 'a.pdf', file_data: pdf } },
    ],
    [
      'PDF without a name',
      { type: 'input_file', file_data: pdf },
      { type: 'file', file: { filename: 'file.pdf', file_data: pdf } },
    ],
    [
      'bare PDF',
      { type: 'input_file', file_data: 'JVBERi0x' },
      { type: 'file', file: { filename: 'file.pdf', file_data: pdf } },
    ],
    [
      'bare PDF by its name',
      { type: 'input_file', file_data: 'AAAA', filename: 'a.PDF' },
      { type: 'file', file: { filename: 'a.PDF', file_data: 'data:application/pdf;base64,AAAA' } },
    ],
    [
      'text',
      { type: 'input_file', file_data: 'data:text/plain;charset=utf-8;base64,w6k=' },
      { type: 'text', text: 'é' },
    ],
    ['text in percents', { type: 'input_file', file_data: 'data:,a%20b' }, { type: 'text', text: 'a b' }],
    ['JSON', { type: 'input_file', file_data: 'data:application/json;base64,e30=' }, { type: 'text', text: '{}' }],
    ['bare text by its name', { type: 'input_file', file_data: 'YQ==', filename: 'a.md' }, { type: 'text', text: 'a' }],
  ])('%s', (_what, part, wire) => {
    expect(messagesOf(message('user', 'see', part))).toEqual([user([{ type: 'text', text: 'see' }, wire])]);
  });

  test('the name of a text file is lost, with a warning', () => {
    const file: InputPart = { type: 'input_file', file_data: 'YQ==', filename: 'a.md' };
    expect(encode({ items: [message('user', file)] }).warned).toEqual(['input[0].content[0].filename']);
  });

  test.each<[what: string, items: Item[], code: string, param: string]>([
    [
      'image by id',
      [message('user', 'a', { type: 'input_image', file_id: 'f' })],
      'unsupported_value',
      'input[0].content[1].file_id',
    ],
    [
      'file by id',
      [message('user', { type: 'input_file', file_id: 'f' })],
      'unsupported_value',
      'input[0].content[0].file_id',
    ],
    [
      'file by URL',
      [message('user', 'a'), message('user', { type: 'input_file', file_url: 'https://example.com/' })],
      'unsupported_value',
      'input[1].content[0].file_url',
    ],
    [
      'a spreadsheet',
      [message('user', { type: 'input_file', file_data: 'UEsDBA==', filename: 'a.xlsx' })],
      'unsupported_value',
      'input[0].content[0].file_data',
    ],
    [
      'broken percents',
      [message('user', { type: 'input_file', file_data: 'data:text/plain,%zz' })],
      'invalid_value',
      'input[0].content[0].file_data',
    ],
    [
      'image of a system message',
      [message('system', { type: 'input_image', image_url: png })],
      'unsupported_value',
      'input[0].content[0]',
    ],
    [
      'file by URL in a result',
      [call('1'), output('1', [{ type: 'input_file', file_url: 'https://example.com/' }])],
      'unsupported_value',
      'input[1].output[0].file_url',
    ],
  ])('%s: refused', (_what, items, code, param) => {
    expect(faultOf(() => messagesOf(...items))).toEqual({ code, param });
  });

  test('what an earlier turn brought has no place in the request but `input`', () => {
    const earlier = message('user', { type: 'input_file', file_id: 'f' });
    const context = [earlier, message('user', 'now')].map((item) => ({ item, origin: undefined }));
    const refused = faultOf(() => encode({ context, request: { input: [message('user', 'now')] } }));
    expect(refused).toEqual({ code: 'unsupported_value', param: 'input' });
  });

  test('images of results follow in one user message, behind all results', () => {
    const items = [
      call('1'),
      call('2'),
      output('1', [
        { type: 'input_text', text: 'a' },
        { type: 'input_image', image_url: png },
      ]),
      output('2'),
      message('user', 'b'),
    ];
    const { parsed, warned } = encode({ items });
    expect(parsed.messages).toEqual([
      assistant(null, '1', '2'),
      tool('1', expect.stringMatching(/^a\n./) as unknown as string),
      tool('2'),
      user([
        { type: 'text', text: expect.stringContaining('1') as unknown },
        { type: 'image_url', image_url: { url: png } },
      ]),
      user('b'),
    ]);
    expect(warned).toEqual(['input']);
  });
});

describe('reasoning', () => {
  const own = { protocol: 'chat', model, source: '{"reasoning_content":"because"}' } as const;
  const at = (item: Item, origin?: ContextItem['origin']): ContextItem => ({ item, origin });
  const loop = (origin: ContextItem['origin'], ...after: Item[]): ContextItem[] => [
    at(message('user', 'a')),
    at(reasoning('rs_1'), origin),
    at(call('1')),
    at(output('1')),
    ...after.map((item) => at(item)),
  ];
  const field = { reasoningField: 'reasoning_content' } as const;

  test.each<[what: string, given: Given, sent: object]>([
    [
      'goes back in the field that it came in',
      { profile: field, context: loop(own) },
      { reasoning_content: 'because' },
    ],
    [
      "goes back in the model's field",
      { profile: { reasoningField: 'reasoning' }, context: loop(own) },
      { reasoning: 'because' },
    ],
    [
      'goes back to another snapshot',
      { profile: field, context: loop({ ...own, model: `${model}-2026-01-31` }) },
      { reasoning_content: 'because' },
    ],
    [
      'goes back with its details',
      {
        profile: { reasoningField: 'reasoning' },
        context: loop({ ...own, source: '{"reasoning_details":[{"data":"x"}]}' }),
      },
      { reasoning_details: [{ data: 'x' }] },
    ],
    [
      'goes back although a system message came last',
      { profile: field, context: loop(own, message('system', 'b')) },
      { reasoning_content: 'because' },
    ],
    [
      'goes back in each step of the loop',
      { profile: field, context: loop(own, call('2'), output('2')) },
      { reasoning_content: 'because' },
    ],
  ])('%s', (_what, given, sent) => {
    const { parsed, inputTransformations } = encode(given);
    expect(parsed.messages[1]).toEqual({ ...assistant(null, '1'), ...sent });
    expect(inputTransformations).toEqual([]);
  });

  test.each<[what: string, given: Given, reason: string]>([
    ['the loop is closed', { profile: field, context: loop(own, message('user', 'b')) }, 'turn_boundary'],
    [
      'the model has answered',
      { profile: field, context: loop(own, message('assistant', 'b'), message('user', 'c')) },
      'turn_boundary',
    ],
    ['another model', { profile: field, context: loop({ ...own, model: 'other' }) }, 'model_mismatch'],
    ['another protocol', { profile: field, context: loop({ ...own, protocol: 'messages' }) }, 'model_mismatch'],
    ["the client's own", { profile: field, context: loop(undefined) }, 'model_mismatch'],
    ['the model takes none', { context: loop(own) }, 'model_mismatch'],
  ])('is removed where %s', (_what, given, reason) => {
    const { parsed, inputTransformations } = encode(given);
    expect(parsed.messages[1]).toEqual(assistant(null, '1'));
    expect(inputTransformations).toEqual([{ id: 'rs_1', type: 'reasoning', action: 'removed', reason }]);
  });
});

describe("a vendor's own fields of a call", () => {
  const source = '{"id":"1","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"a":1}}';
  const context = (origin: ContextItem['origin']) => [
    { item: call('1'), origin },
    { item: output('1'), origin: undefined },
  ];

  test.each<[model: string, sent: object]>([
    [model, { extra_content: { a: 1 } }],
    ['other', {}],
  ])('from %s', (from, sent) => {
    const { parsed } = encode({ context: context({ protocol: 'chat', model: from, source }) });
    expect(parsed.messages[0]).toEqual({
      role: 'assistant',
      content: null,
      tool_calls: [{ ...wireCall('1'), ...sent }],
    });
  });
});

test("a custom tool's call that the model made with other arguments goes back with them, to the same model", () => {
  const source = '{"id":"1","type":"function","function":{"name":"sh","arguments":"{\\"command\\":\\"ls\\"}"}}';
  const item: Item = { type: 'custom_tool_call', id: 'ctc_1', call_id: '1', name: 'sh', input: '{"command":"ls"}' };
  const answer: Item = { type: 'custom_tool_call_output', id: 'ctco_1', call_id: '1', output: 'a' };
  const sent = (from: string) => {
    const context = [
      { item, origin: { protocol: 'chat' as const, model: from, source } },
      { item: answer, origin: undefined },
    ];
    return encode({ context }).parsed.messages[0];
  };
  expect(sent(model)).toMatchObject({ tool_calls: [{ function: { arguments: '{"command":"ls"}' } }] });
  expect(sent('other')).toMatchObject({
    tool_calls: [{ function: { arguments: '{"input":"{\\"command\\":\\"ls\\"}"}' } }],
  });
});

describe('encode(decode(message)) is the message', () => {
  const whole = fixtures.filter(({ body }) => !/"finish_reason": "length"|"refusal": "/.test(body));

  test.each(whole)('$name', ({ body }) => {
    const reply = collectPlain(body);
    const outputs = reply.items.flatMap(({ start }) => ('callId' in start ? [output(start.callId)] : []));
    const context = [...contextOf(reply), ...outputs.map((item) => ({ item, origin: undefined }))];
    const { parsed } = encode({
      request: { input: context.map(({ item }) => item) },
      context: context.map(({ item, origin }) => ({ item, origin: origin && { ...origin, model } })),
      profile: { reasoningField: 'reasoning_content' },
    });
    const original = JSON.parse(body) as {
      choices: [{ message: Record<string, unknown> & { tool_calls?: object[] } }];
    };
    const { refusal: _refusal, annotations: _annotations, ...sent } = original.choices[0].message;
    // No loop is open behind a message without calls: its reasoning stays away.
    if (sent.tool_calls === undefined) for (const name of ['reasoning', 'reasoning_details']) delete sent[name];
    const calls = sent.tool_calls?.map((each) => {
      const { index: _index, ...fields } = each as { index?: number };
      return { type: 'function', ...fields };
    });
    expect(parsed.messages[0]).toEqual({
      ...sent,
      content: sent['content'] === '' ? null : sent['content'],
      ...(calls === undefined ? {} : { tool_calls: calls }),
    });
  });
});

/** Chat's grammar, as a strict server holds it: written for this test, and knowing nothing of the codec. */
function grammarFault(messages: ChatMessage[]): string | undefined {
  let waiting: string[] = [];
  const used = new Set<string>();
  for (const each of messages) {
    if (each.role === 'tool') {
      if (waiting.shift() !== each.tool_call_id) return `a result out of place: ${each.tool_call_id}`;
      continue;
    }
    if (waiting.length > 0) return `no result for ${waiting.join()}`;
    if (each.role !== 'assistant') continue;
    if (each.content === null && each.tool_calls === undefined) return 'an assistant message without anything';
    if (each.tool_calls?.length === 0) return 'empty tool_calls';
    waiting = (each.tool_calls ?? []).map(({ id }) => id);
    for (const id of waiting) {
      if (!/^[a-zA-Z0-9_-]{1,40}$/.test(id) || used.has(id)) return `a bad id: ${id}`;
      used.add(id);
    }
  }
  return waiting.length === 0 ? undefined : `no result for ${waiting.join()}`;
}

describe('any context', () => {
  interface Step {
    kind: 'user' | 'system' | 'assistant' | 'reasoning' | 'cut' | 'call';
    /** Of a call: how many steps later its result comes. */
    delay: number;
    long: boolean;
  }
  const steps = fc.array(
    fc.record<Step>({
      kind: fc.constantFrom('user', 'system', 'assistant', 'reasoning', 'cut', 'call', 'call', 'call'),
      delay: fc.nat({ max: 5 }),
      long: fc.boolean(),
    }),
    { minLength: 1, maxLength: 14 },
  );

  function build(script: Step[]): Item[] {
    const items: Item[] = [message('user', 'start')];
    const due: { at: number; callId: string }[] = [];
    const settle = (now: number) => {
      for (const { callId } of due.filter(({ at }) => at === now)) items.push(output(callId, `result of ${callId}`));
    };
    script.forEach(({ kind, delay, long }, step) => {
      const callId = long ? `${'.'.repeat(50)}${step}` : `call_${step}`;
      if (kind === 'call') {
        items.push(call(callId, `{"n":${step}}`));
        due.push({ at: step + delay, callId });
      } else if (kind === 'cut') items.push(cutCall(callId));
      else if (kind === 'reasoning') items.push(reasoning(`rs_${step}`));
      else items.push(message(kind, `${kind} ${step}`));
      settle(step);
    });
    for (let now = script.length; now < script.length + 6; now += 1) settle(now);
    return items;
  }

  test('becomes chat by the grammar, with each text, call and result once and in its order', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const items = build(script);
        const { parsed } = encode({ items });
        const { messages } = parsed;
        expect(grammarFault(messages)).toBeUndefined();
        const textsOf = (role: string) => messages.filter((each) => each.role === role).map(({ content }) => content);
        const given = (role: string) =>
          items.flatMap((item) => (item.type === 'message' && item.role === role ? item.content : []));
        const texts = (role: string) => given(role).map((part) => ('text' in part ? part.text : ''));
        expect(textsOf('user')).toEqual(texts('user'));
        expect(textsOf('system')).toEqual(texts('system'));
        expect(
          textsOf('assistant')
            .filter((text) => typeof text === 'string')
            .join('\n'),
        ).toBe(texts('assistant').join('\n'));
        const calls = messages.flatMap((each) => (each.role === 'assistant' ? (each.tool_calls ?? []) : []));
        const wanted = items
          .filter((item) => item.type === 'function_call')
          .filter(({ status }) => status !== 'incomplete');
        expect(calls.map((each) => (each.type === 'function' ? each.function.arguments : ''))).toEqual(
          wanted.map((item) => item.arguments),
        );
        expect(textsOf('tool')).toEqual(wanted.map((item) => `result of ${item.call_id}`));
      }),
    );
  });

  test('the next turn begins with the same bytes', () => {
    fc.assert(
      fc.property(steps, (script) => {
        const items = build(script);
        const now = encode({ items }).body;
        const next = encode({ items: [...items, message('user', 'more')] }).body;
        const prefix = now.slice(0, now.lastIndexOf(']}'));
        expect(next.startsWith(prefix)).toBe(true);
      }),
    );
  });
});
