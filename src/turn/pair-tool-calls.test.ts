import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../core/errors.ts';
import type { ContextItem, Item } from '../core/items.ts';
import { pairToolCalls } from './pair-tool-calls.ts';

const call = (call_id: string, status: 'completed' | 'incomplete' = 'completed'): Item => ({
  type: 'function_call',
  id: `fc_${call_id}`,
  call_id,
  name: 'f',
  arguments: '{}',
  status,
});
const output = (call_id: string): Item => ({ type: 'function_call_output', id: `o_${call_id}`, call_id, output: 'x' });
const customCall = (call_id: string): Item => ({ type: 'custom_tool_call', id: 'c', call_id, name: 'f', input: '' });
const customOutput = (call_id: string): Item => ({ type: 'custom_tool_call_output', id: 'co', call_id, output: '' });
const said: Item = { type: 'message', id: 'm', role: 'user', content: [{ type: 'input_text', text: 'hi' }] };
const context = (...items: Item[]): ContextItem[] => items.map((item) => ({ item, origin: undefined }));

const local = (call_id: string): Item => ({ type: 'local_shell_call', id: 'l', call_id, action: { type: 'exec' } });
const computer = (call_id: string, ...checks: string[]): Item => ({
  type: 'computer_call',
  id: 'cu',
  call_id,
  pending_safety_checks: checks.map((id) => ({ id, code: 'x' })),
});
const screen = (call_id: string, ...checks: string[]): Item => ({
  type: 'computer_call_output',
  id: 'cuo',
  call_id,
  output: {},
  acknowledged_safety_checks: checks.map((id) => ({ id })),
});
const request: Item = { type: 'mcp_approval_request', id: 'mcpr_1', server_label: 'm', name: 'n', arguments: '{}' };
const approval: Item = { type: 'mcp_approval_response', id: 'mcpa_1', approval_request_id: 'mcpr_1', approve: true };
const asynchronous = (call_id: string): Item => ({ ...call(call_id), async: true }) as Item;
const search = (execution: string): Item => ({ type: 'tool_search_call', id: 't', call_id: 'a', execution });
const found = (execution: string): Item => ({
  type: 'tool_search_output',
  id: 'to',
  call_id: 'a',
  execution,
  tools: [],
});

/** Every kind of pair: the call, its output, and what OpenAI calls them. */
const pairs: [string, Item, Item][] = [
  ['function call', call('a'), output('a')],
  ['custom tool call', customCall('a'), customOutput('a')],
  ['computer call', computer('a', 's'), screen('a', 's')],
  ['local shell call', local('a'), { type: 'local_shell_call_output', id: 'lo', call_id: 'a', output: '' }],
  ['shell call', { type: 'shell_call', id: 's', call_id: 'a' }, { type: 'shell_call_output', id: 'so', call_id: 'a' }],
  [
    'apply patch call',
    { type: 'apply_patch_call', id: 'p', call_id: 'a' },
    { type: 'apply_patch_call_output', id: 'po', call_id: 'a' },
  ],
  ['tool search call', search('client'), found('client')],
  ['mcp approval request', request, approval],
];

describe.each(pairs)('a %s', (word, asked, answer) => {
  const id = asked.type === 'mcp_approval_request' ? 'mcpr_1' : 'a';

  test('has one output, later', () => {
    const whole = context(asked, said, answer);
    expect(pairToolCalls(whole, new Set())).toEqual(whole);
    expect(refusal(asked, said)).toBe(`tool_output_missing input No tool output found for ${word} ${id}.`);
    expect(refusal(answer, asked)).toMatch(/^tool_call_missing input No tool call found for /);
    expect(refusal(asked, answer, answer)).toMatch(/^tool_output_duplicate input /);
  });

  test("that was cut off is nobody's to answer", () => {
    const cut = context({ ...asked, status: 'incomplete' });
    expect(pairToolCalls(cut, new Set())).toEqual(cut);
  });
});

test('each kind of call takes its own kind of output only', () => {
  for (const [, asked] of pairs) {
    for (const [, other, answer] of pairs) {
      const takes = other === asked || (asked.type === 'local_shell_call' && answer.type === 'function_call_output');
      expect(refusal(asked, answer) === 'accepted', `${asked.type}, ${answer.type}`).toBe(takes);
    }
  }
});

test('a call that the model does not wait for', () => {
  for (const items of [[asynchronous('a')], [asynchronous('a'), said, output('a')]]) {
    expect(pairToolCalls(context(...items), new Set())).toEqual(context(...items));
  }
  expect(refusal(asynchronous('a'), output('a'), output('a'))).toMatch(/^tool_output_duplicate /);
});

test("a call of a program is the program's", () => {
  expect(refusal({ ...call('a'), caller: { type: 'program', caller_id: 'p' } } as Item)).toBe('accepted');
  expect(refusal({ ...call('a'), caller: { type: 'direct' } } as Item)).toMatch(/^tool_output_missing /);
});

test('a search that the upstream made has its answer beside it', () => {
  expect(refusal(search('server'), said)).toBe('accepted');
  expect(refusal(found('server'))).toBe('accepted');
});

test('a safety check that was not acknowledged', () => {
  expect(refusal(computer('a', 's', 't'), screen('a', 't'))).toBe(
    'invalid_value input Computer call a has a pending safety check that was not acknowledged: s.',
  );
});

test('a second pair of any kind that uses an id again is renamed', () => {
  const paired = pairToolCalls(context(call('a'), output('a'), local('a'), output('a')), new Set());
  expect(paired.map(({ item }) => ('call_id' in item ? item.call_id : ''))).toEqual(['a', 'a', 'a_2', 'a_2']);
});

function refusal(...items: Item[]): string {
  try {
    pairToolCalls(context(...items), new Set());
    return 'accepted';
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return `${error.code} ${error.param} ${error.message}`;
  }
}

describe('what is refused', () => {
  const cases: [string, Item[], string, string][] = [
    ['a call alone', [said, call('a')], 'tool_output_missing', 'No tool output found for function call a.'],
    [
      'a custom call alone',
      [customCall('a'), said],
      'tool_output_missing',
      'No tool output found for custom tool call a.',
    ],
    [
      'one of two calls alone',
      [call('a'), call('b'), output('a')],
      'tool_output_missing',
      'No tool output found for function call b.',
    ],
    [
      'an output alone',
      [said, output('a')],
      'tool_call_missing',
      'No tool call found for function call output with call_id a.',
    ],
    [
      'an output before its call',
      [output('a'), call('a')],
      'tool_call_missing',
      'No tool call found for function call output with call_id a.',
    ],
    [
      'an output of the other kind',
      [call('a'), customOutput('a')],
      'tool_call_missing',
      'No tool call found for custom tool call output with call_id a.',
    ],
    [
      'two outputs',
      [call('a'), output('a'), output('a')],
      'tool_output_duplicate',
      'Duplicate tool output found for call_id a. A tool call takes one output.',
    ],
    [
      'two open calls of one id',
      [call('a'), call('a'), output('a')],
      'item_duplicate',
      'Duplicate tool call found with call_id a.',
    ],
    [
      'an output of a call that was cut off',
      [call('a', 'incomplete'), output('a')],
      'tool_call_missing',
      'No tool call found for function call output with call_id a.',
    ],
  ];
  test.each(cases)('%s', (_, items, code, message) => {
    const error = (() => {
      try {
        pairToolCalls(context(...items), new Set());
        return undefined;
      } catch (thrown) {
        return thrown as GatewayError;
      }
    })();
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ code, message, param: 'input', status: 400 });
  });
});

test('a call that was cut off needs no output', () => {
  const items = context(said, call('a', 'incomplete'), said);
  expect(pairToolCalls(items, new Set())).toEqual(items);
});

test('any order of outputs among other items is a pairing, and nothing is changed', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { maxLength: 6 }), fc.gen(), (names, gen) => {
      const outputs = gen(() => fc.shuffledSubarray(names, { minLength: names.length })).flatMap((name) =>
        gen(fc.boolean) ? [said, output(name)] : [output(name)],
      );
      const items = context(said, ...names.map((name) => call(name)), ...outputs, said);
      const used = new Set<string>();
      expect(pairToolCalls(items, used)).toEqual(items);
      expect(used).toEqual(new Set(names));
    }),
  );
});

test('a backend that counts its calls anew in each answer gets ids that are used once, the same on every turn', () => {
  const round = [said, call('call_0'), call('call_1'), output('call_1'), output('call_0')];
  const once = pairToolCalls(context(...round, ...round), new Set());
  const twice = pairToolCalls(context(...round, ...round, ...round), new Set());
  expect(twice.slice(0, once.length)).toEqual(once);
  const calls = twice.flatMap(({ item }) => (item.type === 'function_call' ? [item.call_id] : []));
  const outputs = twice.flatMap(({ item }) => (item.type === 'function_call_output' ? [item.call_id] : []));
  expect(new Set(calls).size).toBe(6);
  expect(outputs.toSorted()).toEqual(calls.toSorted());
});

test('a call that gets another id keeps what its upstream sent beside it', () => {
  const origin = { protocol: 'chat' as const, model: 'm', source: '{"id":"call_0","thought_signature":"s"}' };
  const round = [call('call_0'), output('call_0')].map((item) => ({ item, origin }));
  const [, , renamed] = pairToolCalls([...round, ...round], new Set());
  expect(renamed).toEqual({ item: { ...call('call_0'), call_id: 'call_0_2' }, origin });
});

test('copies of an id are counted on, past those that the client has used', () => {
  let asked = 0;
  const used = new (class extends Set<string> {
    override has(id: string): boolean {
      asked++;
      return super.has(id);
    }
  })();
  const ids = ['a', 'b', 'a_3', ...Array.from({ length: 1000 }, () => ['a', 'b']).flat()];
  const paired = pairToolCalls(context(...ids.flatMap((id) => [call(id), output(id)])), used);
  const calls = paired.flatMap(({ item }) => (item.type === 'function_call' ? [item.call_id] : []));
  expect(calls.slice(0, 9)).toEqual(['a', 'b', 'a_3', 'a_2', 'b_2', 'a_4', 'b_3', 'a_5', 'b_4']);
  expect(calls.slice(-2)).toEqual(['a_1002', 'b_1001']);
  expect(asked).toBe(2 * ids.length - 2);
});
