import fc from 'fast-check';
import { expect, test } from 'vitest';
import { appended } from './appended.ts';

test('a text that grows is what its pieces say, whatever they are cut into', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('\ud83d', '\ude00', '\n', 'x'.repeat(700)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      expect(pieces.reduce(appended, '')).toBe(pieces.join(''));
    }),
  );
});
