import { expect, test } from 'vitest';
import { withLateOutputs } from './async-calls.ts';
import type { ContextItem, Item } from './items.ts';

const call = (call_id: string, async: boolean): Item => ({
  type: 'function_call',
  id: call_id,
  call_id,
  name: 'f',
  arguments: '{}',
  async,
});
const output = (call_id: string): Item => ({ type: 'function_call_output', id: `o_${call_id}`, call_id, output: 'x' });
const user: Item = { type: 'message', id: 'u', role: 'user', content: [] };
const model: Item = { type: 'message', id: 'm', role: 'assistant', content: [] };
const types = (...items: Item[]) =>
  withLateOutputs(items.map((item): ContextItem => ({ item, origin: undefined }))).map(({ item }) => item.type);

test.each<[string, Item[], number[]]>([
  ['directly behind its call', [call('a', true), output('a')], []],
  ['behind calls made beside it', [call('a', true), call('b', false), output('b'), output('a')], []],
  ['behind what a user said meanwhile', [call('a', true), user, output('a')], []],
  ['after the model has spoken again', [call('a', true), user, model, output('a')], [3]],
  ['after the model has called again', [call('a', true), user, call('b', false), output('b'), output('a')], [4]],
  ['of a call that is waited for', [call('a', false), user, output('a')], []],
])('an output %s', (_, items, late) => {
  const before = items.map(({ type }) => type);
  expect(types(...items)).toEqual(before.map((type, at) => (late.includes(at) ? 'message' : type)));
});

test('what was sent before an output came stays as it was', () => {
  const early: Item[] = [call('a', true), user, model, user];
  expect(types(...early, output('a')).slice(0, early.length)).toEqual(types(...early));
});
