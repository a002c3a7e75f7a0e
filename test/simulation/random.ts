/** The one source of chance of a simulated run: a run is its seed. */
export interface Random {
  /** A number in [0, 1). */
  next: () => number;
  /** A whole number in [0, limit). */
  below: (limit: number) => number;
  /** @param probability between 0 and 1. */
  chance: (probability: number) => boolean;
  pick: <T>(list: readonly [T, ...T[]]) => T;
  fill: (bytes: Uint8Array) => void;
}

/** @see https://gist.github.com/tommyettinger/46a874533244883189143505d203312c (mulberry32, public domain) */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;

  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  const below = (limit: number) => Math.floor(next() * limit);
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    pick: (list) => list[below(list.length)] ?? list[0],
    fill(bytes) {
      for (let at = 0; at < bytes.length; at += 1) bytes[at] = below(256);
    },
  };
}
