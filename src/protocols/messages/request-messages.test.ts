import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ContextItem, InputPart, Item, MessageItem, Origin } from '../../core/items.ts';
import { isBlank } from './request-content.ts';
import { entriesOf } from './request-items.ts';
import { messagesOf, printMessages } from './request-messages.ts';
import { createReport, type Report } from '../../core/report.ts';

interface WireBlock {
  type: string;
  text?: string;
  id?: string;
  tool_use_id?: string;
  input?: unknown;
}
interface Message {
  role: string;
  content: WireBlock[];
}

const entries = (context: readonly ContextItem[], report: Report) =>
  entriesOf(
    { context, model: 'claude-haiku-4-5', nameOfCall: (name) => name, isOwn: false, pathOf: () => 'input' },
    report,
  );

function encode(context: readonly ContextItem[], midConversationSystem = false) {
  const report = createReport();
  const messages = messagesOf(entries(context, report), { takesSystem: midConversationSystem, goesOn: true }, report);
  return { messages: JSON.parse(printMessages(messages)) as Message[], report };
}

/** What a strict Messages API refuses of `messages`, in the order in which it looks. Undefined: it takes them. */
function refusal(messages: readonly Message[]): string | undefined {
  const spoken = messages.filter(({ role }) => role !== 'system');
  if (spoken[0]?.role !== 'user' || messages[0]?.role !== 'user') return 'first message must be of the user';
  const ids = new Set<string>();
  for (const [at, { role, content }] of messages.entries()) {
    if (messages[at - 1]?.role === role) return `${at}: two messages of ${role}`;
    if (content.length === 0) return `${at}: no content`;
    if (role !== 'system') continue;
    const follows = messages[at - 1]?.role === 'user' || messages[at - 1]?.content.at(-1)?.type === 'server_tool_use';
    if (!follows) return `${at}: system after an assistant`;
    if ((messages[at + 1]?.role ?? 'assistant') !== 'assistant') return `${at}: system before a user`;
  }
  // System messages stand between; for pairing only users and assistants count, and neighbours of one role are one.
  const turns: Message[] = [];
  for (const { role, content } of spoken) {
    const last = turns.at(-1);
    if (last?.role === role) last.content.push(...content);
    else turns.push({ role, content: [...content] });
  }
  for (const [at, { role, content }] of turns.entries()) {
    const calls = (turns[at - 1]?.content ?? []).flatMap((block) => (block.type === 'tool_use' ? [block.id] : []));
    let leading = true;
    const answered = new Set<string | undefined>();
    for (const block of content) {
      if (block.type === 'text' && isBlank(block.text ?? '')) return `${at}: blank text`;
      if (block.type === 'tool_use') {
        if (role !== 'assistant') return `${at}: call of ${role}`;
        if (!/^[a-zA-Z0-9_-]{1,64}$/.test(block.id ?? '')) return `${at}: bad id ${block.id}`;
        if (ids.has(block.id ?? '')) return `${at}: id twice`;
        ids.add(block.id ?? '');
        if (typeof block.input !== 'object' || block.input === null || Array.isArray(block.input))
          return `${at}: input`;
      }
      if (block.type === 'thinking' && role !== 'assistant') return `${at}: thinking of ${role}`;
      if (block.type !== 'tool_result') leading = false;
      else if (!leading) return `${at}: result after other content`;
      else if (role !== 'user' || !calls.includes(block.tool_use_id)) return `${at}: result without its call before`;
      else if (answered.has(block.tool_use_id)) return `${at}: two results for a call`;
      else answered.add(block.tool_use_id);
    }
    if (calls.some((id) => !answered.has(id))) return `${at}: call without a result after it`;
    if (role === 'assistant' && content.at(-1)?.type === 'thinking') return `${at}: ends in thinking`;
  }
  const last = turns.at(-1);
  if (last?.role !== 'assistant') return undefined;
  if (last.content.some((block) => block.type === 'tool_use')) return 'ends in a call';
  const text = last.content.at(-1)?.text ?? '';
  return text === text.trimEnd() ? undefined : 'ends in white space';
}

const text = (role: MessageItem['role'], value: string): ContextItem => ({
  item: {
    type: 'message',
    id: 'msg_1',
    role,
    content: [
      role === 'assistant'
        ? { type: 'output_text', text: value, annotations: [] }
        : { type: 'input_text', text: value },
    ],
  },
  origin: undefined,
});
const call = (callId: string, more: Partial<Item> = {}): ContextItem => ({
  item: { type: 'function_call', id: `fc_${callId}`, call_id: callId, name: 'f', arguments: '{}', ...more } as Item,
  origin: undefined,
});
const output = (callId: string, value: string | InputPart[] = 'done'): ContextItem => ({
  item: { type: 'function_call_output', id: `fco_${callId}`, call_id: callId, output: value },
  origin: undefined,
});
const from = (source: object, model = 'claude-haiku-4-5', protocol: Origin['protocol'] = 'messages'): Origin => ({
  protocol,
  model,
  source: JSON.stringify(source),
});
const signed = from({ type: 'thinking', thinking: 't', signature: 's' });
const thinking = (origin: Origin | 'none' = signed): ContextItem => ({
  item: { type: 'reasoning', id: 'rs_1', summary: [] },
  origin: origin === 'none' ? undefined : origin,
});

const searchBlock = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} };
const searching: ContextItem = {
  item: { type: 'messages:server_tool_use', id: 'ext_1', block: searchBlock },
  origin: from(searchBlock),
};
const calledThen = (last: string) => ['user: a', 'assistant: c', 'user: c', last];

/** Roles with the blocks' types, ids and texts, to compare at a glance. */
function sketch(messages: readonly Message[]): string[] {
  return messages.map(({ role, content }) => {
    const blocks = content.map((block) => block.tool_use_id ?? block.id ?? block.text ?? block.type);
    return `${role}: ${blocks.join(' ')}`;
  });
}

describe('grouping', () => {
  test.each<[string, ContextItem[], string[]]>([
    [
      'parallel calls, answered in any order',
      [text('user', 'go'), text('assistant', 'ok'), call('a'), call('b'), output('b'), output('a')],
      ['user: go', 'assistant: ok a b', 'user: b a'],
    ],
    [
      'user messages among the outputs stand after them, in order',
      [
        text('user', 'go'),
        call('a'),
        call('b'),
        text('user', '1'),
        output('b'),
        text('user', '2'),
        output('a'),
        text('user', '3'),
      ],
      ['user: go', 'assistant: a b', 'user: b a 1 2 3'],
    ],
    [
      'an output that comes after other words of the assistant',
      [
        text('user', 'go'),
        call('a'),
        call('b'),
        output('a'),
        text('assistant', 'then'),
        text('user', 'well?'),
        output('b'),
      ],
      ['user: go', 'assistant: a b', 'user: a b', 'assistant: then', 'user: well?'],
    ],
    [
      'an output moved away leaves the assistant’s words together',
      [text('user', 'go'), call('a'), text('user', 'u'), text('assistant', 'x'), output('a'), call('b'), output('b')],
      ['user: go', 'assistant: a', 'user: a u', 'assistant: x b', 'user: b'],
    ],
    [
      'one call after another',
      [
        text('user', 'go'),
        call('a'),
        output('a'),
        call('b'),
        output('b'),
        text('assistant', 'done'),
        text('user', 'thanks'),
      ],
      ['user: go', 'assistant: a', 'user: a', 'assistant: b', 'user: b', 'assistant: done', 'user: thanks'],
    ],
    [
      'thinking stays where it was',
      [text('user', 'go'), thinking(), call('a'), output('a'), thinking(), text('assistant', 'x'), text('user', 'y')],
      ['user: go', 'assistant: thinking a', 'user: a', 'assistant: thinking x', 'user: y'],
    ],
    ['neighbours of one role are one', [text('user', 'a'), text('user', 'b')], ['user: a b']],
    ['blank texts are left out', [text('user', 'a'), text('assistant', ' \n'), text('user', 'b')], ['user: a b']],
  ])('%s', (_, context, expected) => {
    const { messages } = encode(context);
    expect(sketch(messages)).toEqual(expected);
    expect(refusal(messages)).toBeUndefined();
  });

  test('moves are reported, and only moves', () => {
    const moved = expect.objectContaining({ message: expect.stringContaining('moved up') });
    const late = [text('user', 'go'), call('a'), text('user', 'u'), output('a')];
    expect(encode(late).report.warnings).toEqual([moved]);
    expect(encode([text('user', 'go'), call('a'), output('a'), text('user', 'u')]).report.warnings).toEqual([]);
  });

  describe('system messages inside the conversation', () => {
    const moved = 'moved to after the user messages';
    const tagged = 'sent as user text in <system> tags';
    test.each<[string, ContextItem[], string[], string[]]>([
      ['after a user', [text('user', 'a'), text('developer', 's')], ['user: a', 'system: s'], []],
      [
        'between a user and an assistant',
        [text('user', 'a'), text('system', 's'), text('assistant', 'x'), text('user', 'b')],
        ['user: a', 'system: s', 'assistant: x', 'user: b'],
        [],
      ],
      [
        'neighbours are one',
        [text('user', 'a'), text('system', 's'), text('developer', 't')],
        ['user: a', 'system: s t'],
        [],
      ],
      [
        'between users',
        [text('user', 'a'), text('system', 's'), text('user', 'b'), text('developer', 't')],
        ['user: a b', 'system: s t'],
        [moved],
      ],
      [
        'between an assistant and a user',
        [text('user', 'a'), text('assistant', 'x'), text('system', 's'), text('user', 'b')],
        ['user: a', 'assistant: x', 'user: b', 'system: s'],
        [moved],
      ],
      ['after results', [text('user', 'a'), call('c'), output('c'), text('system', 's')], calledThen('system: s'), []],
      [
        'between a call and its output',
        [text('user', 'a'), call('c'), text('system', 's'), output('c')],
        calledThen('system: s'),
        ['moved up'],
      ],
      [
        'after an assistant, at the end',
        [text('user', 'a'), text('assistant', 'x'), text('developer', 's'), text('system', 't')],
        ['user: a', 'assistant: x', 'user: <system>s</system> <system>t</system>'],
        [tagged, tagged],
      ],
      [
        'between assistants',
        [text('user', 'a'), text('assistant', 'x'), text('system', 's'), text('assistant', 'y'), text('user', 'b')],
        ['user: a', 'assistant: x', 'user: <system>s</system>', 'assistant: y', 'user: b'],
        [tagged],
      ],
      [
        'between assistants of whom nothing is left but thoughts',
        [text('user', 'a'), text('system', 's'), thinking(), text('system', 't'), text('user', 'b')],
        ['user: a b', 'system: s t'],
        [moved],
      ],
      [
        'after a blank user',
        [text('user', ' '), text('system', 's'), text('assistant', 'x'), text('user', 'b')],
        ['user: <system>s</system>', 'assistant: x', 'user: b'],
        ['white space', tagged],
      ],
      ['blank', [text('user', 'a'), text('system', ' '), text('system', '')], ['user: a'], ['white space']],
      [
        'after a call of a tool that Anthropic runs',
        [text('user', 'a'), searching, text('system', 's')],
        ['user: a', 'assistant: srvtoolu_1', 'system: s'],
        [],
      ],
      [
        'after one, with a user behind it',
        [text('user', 'a'), searching, text('system', 's'), text('user', 'b')],
        ['user: a', 'assistant: srvtoolu_1', 'user: b', 'system: s'],
        [moved],
      ],
    ])('%s', (_, context, expected, warnings) => {
      const { messages, report } = encode(context, true);
      expect(sketch(messages)).toEqual(expected);
      expect(refusal(messages)).toBeUndefined();
      expect(report.warnings).toMatchObject(
        warnings.map((message) => ({ param: 'input', message: expect.stringContaining(message) })),
      );
    });

    test('are user text in tags, in place, where the model takes none', () => {
      const context = [
        text('user', 'a'),
        call('c'),
        text('developer', 's'),
        output('c'),
        text('user', 'b'),
        text('system', 't'),
        text('system', ' '),
      ];
      const { messages, report } = encode(context);
      expect(sketch(messages)).toEqual(['user: a', 'assistant: c', 'user: c <system>s</system> b <system>t</system>']);
      expect(report.warnings.filter(({ message }) => message.includes(tagged))).toHaveLength(2);
    });
  });

  test('a conversation that begins with the assistant', () => {
    const { messages, report } = encode([text('assistant', 'hello'), text('user', 'hi')]);
    expect(sketch(messages)).toEqual(['user: .', 'assistant: hello', 'user: hi']);
    expect(report.warnings).toHaveLength(1);
  });

  test('a conversation that ends with the assistant: no white space at its end, no thinking in it', () => {
    const { messages, report } = encode([text('user', 'go'), thinking(), text('assistant', 'The answer is \n')]);
    expect(sketch(messages)).toEqual(['user: go', 'assistant: The answer is']);
    expect(report.warnings).toHaveLength(1);
    expect(report.inputTransformations).toEqual([
      { id: 'rs_1', type: 'reasoning', action: 'removed', reason: 'turn_boundary' },
    ]);
  });

  test('so does one that ends with the assistant after a tool that Anthropic ran', () => {
    const { messages } = encode([text('user', 'go'), searching, text('assistant', 'So \n')]);
    expect(sketch(messages)).toEqual(['user: go', 'assistant: srvtoolu_1 So']);
  });

  test('a paused turn goes back as it is', () => {
    const { messages, report } = encode([text('user', 'go'), thinking(), searching]);
    expect(messages[1]?.content.map(({ type }) => type)).toEqual(['thinking', 'server_tool_use']);
    expect(report.inputTransformations).toEqual([]);
  });

  test.each<[string, ContextItem[]]>([
    ['nothing', []],
    ['blank text', [text('user', ' ')]],
    ['foreign reasoning', [thinking('none')]],
  ])('%s is nothing to send', (_, context) => {
    expect(() => encode(context)).toThrow(expect.objectContaining({ code: 'invalid_value', param: 'input' }));
  });

  test('an output without its call is a fault of ours', () => {
    expect(() => encode([text('user', 'go'), output('a')])).toThrow('an output without its call');
  });
});

describe('reasoning', () => {
  const go = text('user', 'go');
  test.each<[string, ContextItem, boolean]>([
    ['of the model', thinking(), true],
    ['of a model of another scope', thinking(from({ type: 'thinking' }, 'claude-opus-5')), false],
    ['of another protocol', thinking(from({}, 'claude-haiku-4-5', 'chat')), false],
    [
      'of the client',
      { item: { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'x' }, origin: undefined },
      false,
    ],
  ])('%s', (_, item, kept) => {
    const { messages, report } = encode([go, item, text('assistant', 'x'), text('user', 'y')]);
    expect(messages[1]?.content.some(({ type }) => type === 'thinking')).toBe(kept);
    const removed = { id: 'rs_1', type: 'reasoning', action: 'removed', reason: 'model_mismatch' };
    expect(report.inputTransformations).toEqual(kept ? [] : [removed]);
  });

  test('that was cut off is left out, and said', () => {
    const cut: ContextItem = {
      ...thinking(),
      item: { type: 'reasoning', id: 'rs_1', summary: [], status: 'incomplete' },
    };
    const { messages, report } = encode([go, cut, text('assistant', 'x'), text('user', 'y')]);
    expect(sketch(messages)).toEqual(['user: go', 'assistant: x', 'user: y']);
    expect(report.warnings).toHaveLength(1);
    expect(report.inputTransformations).toMatchObject([{ id: 'rs_1' }]);
  });

  test('that nothing follows is left out: a message may not end in it', () => {
    const { messages, report } = encode([go, thinking(), text('user', 'y')]);
    expect(sketch(messages)).toEqual(['user: go y']);
    expect(report.inputTransformations).toMatchObject([{ id: 'rs_1', reason: 'turn_boundary' }]);
  });
});

// Contexts as clients and models make them: calls whose outputs come late and in any order, anywhere blank texts, system
// messages, cut items and thinking, ids of all kinds.
type Step =
  | { kind: 'text'; role: MessageItem['role']; value: string }
  | { kind: 'call'; id: string; json: string; cut: boolean }
  | { kind: 'answer'; nth: number; blank: boolean }
  | { kind: 'thinking'; foreign: boolean }
  | { kind: 'refusal' }
  | { kind: 'search' };
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('text' as const),
      role: fc.constantFrom('user' as const, 'user' as const, 'assistant' as const, 'developer' as const),
      value: fc.constantFrom('a', 'b ', '', ' \n', 'c\ud800'),
    }),
    fc.record({
      kind: fc.constant('call' as const),
      id: fc.constantFrom('a', 'call_', '', 'x y', 'z'.repeat(80)),
      json: fc.constantFrom('{}', '{"2":1,"1":18446744073709551616}', '', '[1]', '{"cut":', '"text"'),
      cut: fc.nat(7).map((n) => n === 0),
    }),
    fc.record({ kind: fc.constant('answer' as const), nth: fc.nat(5), blank: fc.boolean() }),
    fc.record({ kind: fc.constant('thinking' as const), foreign: fc.boolean() }),
    fc.record({ kind: fc.constantFrom('refusal' as const, 'search' as const) }),
  ),
  { maxLength: 24 },
);

/** @param first a number from which the calls of this part of a conversation are told apart from those of others. */
function contextOf(made: readonly Step[], first = 0): ContextItem[] {
  const context: ContextItem[] = [];
  const open: string[] = [];
  for (const [at, step] of made.entries()) {
    if (step.kind === 'text') context.push(text(step.role, step.value));
    else if (step.kind === 'thinking') context.push(thinking(step.foreign ? 'none' : signed));
    else if (step.kind === 'search') context.push(searching);
    else if (step.kind === 'call') {
      const id = `${step.id}${first + at}`;
      context.push(call(id, { arguments: step.json, status: step.cut ? 'incomplete' : 'completed' }));
      if (!step.cut) open.push(id);
    } else if (step.kind === 'refusal') {
      const item: Item = { type: 'message', id: 'm', role: 'assistant', content: [{ type: 'refusal', refusal: 'no' }] };
      context.push({ item, origin: undefined });
    } else if (open.length > 0) {
      const [id = ''] = open.splice(step.nth % open.length, 1);
      context.push(output(id, step.blank ? [{ type: 'input_text', text: ' ' }] : 'done'));
    }
  }
  for (const id of open) context.push(output(id));
  return context;
}

test('whatever the context, the messages satisfy the grammar, and every answered call is in them', () => {
  fc.assert(
    fc.property(steps, fc.boolean(), (made, midConversationSystem) => {
      const context = [text('user', 'go'), ...contextOf(made)];
      const { messages } = encode(context, midConversationSystem);
      expect(refusal(messages)).toBeUndefined();
      const count = (type: string) =>
        messages.flatMap(({ content }) => content).filter((block) => block.type === type).length;
      const calls = context.filter(({ item }) => item.type === 'function_call' && item.status !== 'incomplete').length;
      expect([count('tool_use'), count('tool_result')]).toEqual([calls, calls]);
    }),
    { numRuns: 500 },
  );
});

test('the messages of a shorter conversation are a prefix of the longer one’s', () => {
  fc.assert(
    fc.property(steps, steps, fc.boolean(), (first, second, takesSystem) => {
      const print = (context: ContextItem[]) =>
        printMessages(messagesOf(entries(context, createReport()), { takesSystem, goesOn: true }, createReport()));
      const turn = [text('user', 'go'), ...contextOf(first), text('user', 'next')];
      const longer = [...turn, text('assistant', 'x'), ...contextOf(second, first.length), text('user', 'again')];
      expect(print(longer).startsWith(print(turn).slice(0, -1))).toBe(true);
    }),
  );
});
