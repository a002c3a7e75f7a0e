import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { createPieces } from './pieces.ts';

describe('bytes that come in pieces', () => {
  test('are what came, however it was cut', () => {
    const lengths = fc.array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9000 })), {
      minLength: 1,
      maxLength: 40,
    });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 0, max: 3 }), (sizes, maxLoose) => {
        const pieces = createPieces(maxLoose);
        const all = sizes.map((size, index) => Buffer.alloc(size, 97 + (index % 26)));
        for (const piece of all) pieces.push(piece);
        expect(pieces.whole().toString()).toBe(all.join(''));
      }),
    );
  });

  test('of which there are none are empty', () => {
    expect(createPieces().whole()).toEqual(Buffer.alloc(0));
  });

  test('are not copied where there is one', () => {
    const pieces = createPieces();
    const piece = Buffer.from('{}');
    pieces.push(piece);
    expect(pieces.whole()).toBe(piece);
  });

  test('are few, however many came', () => {
    const pieces = createPieces();
    for (let index = 0; index < 100_000; index++) pieces.push(Buffer.from('x'));
    const concat = vi.spyOn(Buffer, 'concat');
    expect(pieces.whole()).toHaveLength(100_000);
    expect(concat.mock.lastCall?.[0].length).toBeLessThan(300);
    concat.mockRestore();
  });

  test('can be forgotten but for the last', () => {
    const pieces = createPieces(0);
    pieces.push(Buffer.alloc(4096 * 3, 'a'));
    pieces.push(Buffer.from('bc'));
    pieces.forgetBefore(4096 + 2);
    expect(pieces.whole().toString()).toBe(`${'a'.repeat(4096)}bc`);
    pieces.forgetBefore(1);
    expect(pieces.whole().toString()).toBe('bc');
  });
});
