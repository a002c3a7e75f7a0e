import { describe, expect, test } from 'vitest';
import type { Item } from '../core/items.ts';
import { beginChain, callHash, endChain, extendChain } from './context-hash.ts';

/** Keeps what would be hashed. */
const legible = (text: string) => text;
const callWith = (args: string): Item => ({
  type: 'function_call',
  id: 'fc_1',
  call_id: 'call_1',
  name: 'look_up',
  arguments: args,
});
const saidOf = (item: Item) => endChain(legible, extendChain(legible, beginChain(legible, 'm'), item)).said;
const lists = (depth: number, space = '') => `{"a":${space}${'['.repeat(depth)}${']'.repeat(depth)}}`;
const objects = (depth: number, space = '') => `${`{"a":${space}`.repeat(depth)}1${'}'.repeat(depth)}`;

describe.each([
  ['lists', lists],
  ['objects', objects],
])("a call's arguments, nested %s", (_, nested) => {
  test('are equal where they are equal as JSON', () => {
    expect(saidOf(callWith(nested(900)))).toBe(saidOf(callWith(nested(900, ' '))));
    expect(saidOf(callWith(nested(900)))).not.toBe(saidOf(callWith(nested(901))));
  });

  // Where the stack ends differs with what has been compiled: some of these depths could be read and not printed.
  test.each([1500, 3000, 5000, 7000])('are the text that they are where they are %i deep', (depth) => {
    const args = nested(depth);
    for (let run = 0; run < 20; run++) {
      expect(saidOf(callWith(args)).endsWith(`"${args}`)).toBe(true);
      expect(callHash(legible, 'key_1', callWith(args)).endsWith(`"${args}`)).toBe(true);
    }
  });
});
