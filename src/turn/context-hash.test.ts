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
const saidOf = (item: Item) =>
  endChain(legible, extendChain(legible, beginChain(legible, 'm'), { item }, [{ id: false, reasoning: false }]));
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

test.each([
  ['{"a":1.0,"b":[2]}', '{"b": [2], "a": 1}', true],
  ['', '{}', true],
  ['{"a":null}', '{}', false],
  ['{"cache_control":1}', '{}', false],
  ['{"a":12345678901234567890}', '{"a":12345678901234567891}', false],
  ['{"a":0.10000000000000000001}', '{"a":0.1}', false],
  ['{"a":12345678.123456789}', '{"a":12345678.12345679}', false],
])("a call's arguments %s and %s are the same: %s", (one, other, same) => {
  expect(saidOf(callWith(one)) === saidOf(callWith(other))).toBe(same);
});

test("a call's arguments that are very long are the text that they are", () => {
  const long = (space: string, length: number) => `{"a":${space}"${'x'.repeat(length)}"}`;
  expect(saidOf(callWith(long(' ', 200_000)))).toBe(saidOf(callWith(long('', 200_000))));
  expect(saidOf(callWith(long(' ', 300_000)))).not.toBe(saidOf(callWith(long('', 300_000))));
});
