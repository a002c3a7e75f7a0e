import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRecentSet } from './recent-set.ts';

test('holds the values used last, and no more than its limit', () => {
  const uses = fc.array(fc.record({ value: fc.nat({ max: 8 }).map(String), isAdd: fc.boolean() }));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), uses, (limit, steps) => {
      const set = createRecentSet(limit);
      let model: string[] = [];
      for (const { value, isAdd } of steps) {
        const known = model.includes(value);
        if (isAdd) set.add(value);
        else expect(set.has(value)).toBe(known);
        if (isAdd || known) model = [...model.filter((other) => other !== value), value].slice(-limit);
      }
    }),
  );
});
