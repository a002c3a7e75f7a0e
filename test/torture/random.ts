import { createHash } from 'node:crypto';

export interface Random {
  /** A whole number from 0 to `limit` - 1. */
  below: (limit: number) => number;
  pick: <T>(list: readonly T[]) => T;
}

/** Numbers that follow from the text (mulberry32): the same text, the same numbers. */
export function seeded(text: string): Random {
  let state = createHash('sha256').update(text).digest().readUInt32LE();
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    pick: <T>(list: readonly T[]): T => {
      if (list.length === 0) throw new Error('nothing to pick from');
      return list[below(list.length)] as T;
    },
  };
}
