import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFrameReader } from './frame-reader.ts';

const paths = [['delta', 'text'], ['choices', 0, 'delta', 'content'], ['pad']] as const;

/** Strings that JSON escapes, that stand elsewhere in the text, that are empty or look like JSON. */
const word = fc.oneof(
  fc.constantFrom('', ',', ':', 'delta', 'text', '"', '\\', '\n', '\u0001', ',"', 'a","pad":"b', 'ä', '\ud83d', '😀'),
  fc.string({ unit: 'binary' }),
  fc.string(),
);

const frame = fc.oneof(
  fc.record({ type: fc.constantFrom('a', 'b'), index: fc.nat(2), delta: fc.record({ text: word }) }),
  fc.record({
    id: fc.constantFrom('x', 'content'),
    choices: fc.tuple(fc.record({ index: fc.constant(0), delta: fc.record({ content: word }) })),
    pad: word,
  }),
  fc.record({ pad: word, delta: fc.record({ text: word, other: word }) }),
  // A key that is the word of another frame, and the other way round.
  fc.tuple(fc.constantFrom('text', 'other'), fc.constantFrom('text', 'other')).map(([key, value]) => ({
    delta: { [key]: value },
  })),
  fc.constantFrom({ delta: { text: 1 } }, { delta: 'text' }, { choices: {} }, {}),
);

/** The same JSON as others print it. */
const printed = fc
  .tuple(frame, fc.constantFrom(undefined, 1))
  .map(([value, space]) => JSON.stringify(value, undefined, space));
const mangled = fc.oneof(
  { weight: 8, arbitrary: printed },
  // Also what is no JSON, and what says a key twice.
  { weight: 1, arbitrary: printed.map((text) => text.slice(0, -1)) },
  { weight: 1, arbitrary: word.map((text) => `{"delta":{"text":"x","text":${JSON.stringify(text)}}}`) },
  { weight: 1, arbitrary: word.map((text) => `{"delta":{"text":"${text}"}}`) },
  { weight: 1, arbitrary: word.map((text) => `{"delta":{"text":"\\u0061"},"a":${JSON.stringify(text)}}`) },
);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

describe('a frame reader', () => {
  it('reads what JSON.parse reads, whatever came before', () => {
    fc.assert(
      fc.property(fc.array(mangled, { maxLength: 12 }), (texts) => {
        const reader = createFrameReader(paths);
        for (const text of texts) {
          const object = reader.read(text);
          expect(object).toEqual(parsed(text));
          const shape = reader.shape();
          expect(reader.read(text)).toBe(object);
          expect(reader.shape()).toBe(shape);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('gives the same object again where only the words differ, and says how far the texts agree', () => {
    const reader = createFrameReader(paths);
    const text = (content: string, pad: string) =>
      `{"id":"x","choices":[{"index":0,"delta":{"content":"${content}"}}],"pad":"${pad}"}`;
    const first = reader.read(text('one', 'p'));
    const shape = reader.shape();
    expect(shape?.headLength).toBe(text('', '').indexOf('""') + 1);
    expect(reader.read(text(' two', 'qqq'))).toBe(first);
    expect(first).toEqual(JSON.parse(text(' two', 'qqq')));
    expect(reader.shape()).toBe(shape);
    expect(reader.read(text('a \\" b', 'q'))).not.toBe(first);
    expect(reader.shape()).toBeUndefined();
    expect(reader.read(text('on', 'r'))).toBe(first);
  });

  it('stops to look where nothing repeats', () => {
    const reader = createFrameReader(paths);
    for (let index = 0; index < 40; index++) reader.read(`{"index":${index},"delta":{"text":"word"}}`);
    expect(reader.shape()).toBeUndefined();
  });
});
