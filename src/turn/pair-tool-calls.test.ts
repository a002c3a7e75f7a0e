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
