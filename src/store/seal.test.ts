import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createSealer, maxSealedBytes } from './seal.ts';

const sealer = createSealer(Buffer.alloc(32, 7));
const seal = sealer.forTenant('alpha');
const anyText = fc.string({ unit: 'binary' }).map((text) => text.toWellFormed());
const sealed = (text: string) => seal.seal('reasoning', text) ?? '';

describe('an envelope', () => {
  test('opens to the text that was sealed, and never looks the same twice', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const envelope = sealed(text);
        expect(seal.open('reasoning', envelope)).toBe(text);
        expect(envelope).toMatch(/^tp1\.[\w-]{8}\.[\w-]+$/);
        expect(sealed(text)).not.toBe(envelope);
      }),
    );
  });

  test('does not open for another tenant, another purpose or another installation', () => {
    fc.assert(
      fc.property(anyText, fc.string(), (text, tenant) => {
        fc.pre(tenant !== 'alpha');
        const envelope = sealed(text);
        expect(sealer.forTenant(tenant).open('reasoning', envelope)).toBeUndefined();
        expect(seal.open('compaction', envelope)).toBeUndefined();
        const elsewhere = createSealer(Buffer.alloc(32, 8)).forTenant('alpha');
        expect(elsewhere.open('reasoning', envelope)).toBeUndefined();
        // Nor where its key is given the name of the other's.
        const other = elsewhere.seal('reasoning', '') ?? '';
        const renamed = other.slice(0, 13) + envelope.slice(13);
        expect(elsewhere.open('reasoning', renamed)).toBeUndefined();
      }),
    );
  });

  test('does not open once any one of its characters is another, is gone, or has company', () => {
    const envelope = sealed('{"thinking":"…"}');
    for (let at = 0; at < envelope.length; at++) {
      for (const put of ['A', 'B', 'Q', 'g', 'w', '=', '+', '\n', 'é', '']) {
        if (put === envelope[at]) continue;
        const changed = envelope.slice(0, at) + put + envelope.slice(at + 1);
        expect(seal.open('reasoning', changed), `${at} is ${put}`).toBeUndefined();
      }
      expect(seal.open('reasoning', `${envelope.slice(0, at)} ${envelope.slice(at)}`)).toBeUndefined();
    }
    expect(seal.open('reasoning', `${envelope}=`)).toBeUndefined();
  });

  test('is refused whatever else it is', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText,
          fc.base64String().map((text) => sealed('').slice(0, 13) + text),
        ),
        (text) => {
          expect(seal.open('reasoning', text)).toBeUndefined();
        },
      ),
    );
  });

  test('holds so much and no more', () => {
    expect(seal.open('reasoning', sealed('a'.repeat(maxSealedBytes)))).toHaveLength(maxSealedBytes);
    expect(seal.seal('reasoning', 'a'.repeat(maxSealedBytes + 1))).toBeUndefined();
  });
});
