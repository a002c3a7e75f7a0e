import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { orderByWeight } from './choose-deployment.ts';

/** A linear congruential generator: the same numbers on every run. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('orderByWeight', () => {
  test('is a permutation, with what weighs nothing last and in its order', () => {
    const weights = fc.array(fc.constantFrom(0, 0.5, 1, 2, 100), { maxLength: 8 });
    fc.assert(
      fc.property(weights, fc.nat(), (given, seed) => {
        const deployments = given.map((weight, index) => ({ weight, index }));
        const order = orderByWeight(deployments, seeded(seed));
        expect(order.toSorted((a, b) => a.index - b.index)).toEqual(deployments);
        const idle = deployments.filter(({ weight }) => weight === 0);
        expect(order.slice(order.length - idle.length)).toEqual(idle);
      }),
    );
  });

  test('draws each place by weight among those left', () => {
    const [a, b, c] = [{ weight: 1 }, { weight: 2 }, { weight: 5 }];
    const random = seeded(7);
    const runs = 20_000;
    let [firstIsC, secondIsBAfterC] = [0, 0];
    for (let i = 0; i < runs; i += 1) {
      const [first, second] = orderByWeight([a, b, c], random);
      if (first !== c) continue;
      firstIsC += 1;
      if (second === b) secondIsBAfterC += 1;
    }
    expect(firstIsC / runs).toBeCloseTo(5 / 8, 1);
    expect(secondIsBAfterC / firstIsC).toBeCloseTo(2 / 3, 1);
  });

  test('is ruled by the injected numbers alone, and asks for none where there is no choice', () => {
    const [a, b] = [{ weight: 1 }, { weight: 1 }];
    const numbers = [0.9, 0.1];
    expect(orderByWeight([a, b], () => numbers.shift() ?? 0)).toEqual([b, a]);
    expect(
      orderByWeight([a], () => {
        throw new Error('asked');
      }),
    ).toEqual([a]);
  });
});
