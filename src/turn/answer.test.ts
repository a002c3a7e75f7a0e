import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Warning } from '../core/warning.ts';
import { warningsHeader } from './answer.ts';

const read = (header: string) => JSON.parse(header) as Warning[];
const more = (count: number): Warning => ({ param: '', message: `${count} more` });

test('the header says as many warnings as fit, in ASCII, and counts the rest', () => {
  const warning = fc.record({ param: fc.string({ unit: 'binary', maxLength: 300 }), message: fc.string() });
  fc.assert(
    fc.property(fc.array(warning, { maxLength: 120, size: 'max' }), (warnings) => {
      const header = warningsHeader(warnings);
      expect(header).toMatch(/^[\x20-\x7e]*$/);
      expect(header.length).toBeLessThanOrEqual(4096);
      const listed = read(header);
      if (listed.length === warnings.length && JSON.stringify(listed) === JSON.stringify(warnings)) return;
      const shown = listed.length - 1;
      expect(listed).toEqual([...warnings.slice(0, shown), more(warnings.length - shown)]);
      const longer = warnings.slice(0, shown + 1);
      if (longer.length < warnings.length) longer.push(more(warnings.length - longer.length));
      const length = JSON.stringify(longer).replaceAll(/[^\x20-\x7e]/g, String.raw`\u0000`).length;
      expect(length).toBeGreaterThan(4096);
    }),
    { numRuns: 40 },
  );
});

test('a warning that is too long for the header is counted', () => {
  expect(read(warningsHeader([{ param: 'x'.repeat(5000), message: '' }]))).toEqual([more(1)]);
});

test('what does not fit is not looked at', () => {
  let looked = 0;
  const warnings = Array.from({ length: 20_000 }, (_, at) => ({
    get param() {
      looked++;
      return `field_${at}`;
    },
    message: 'left out',
  }));
  expect(read(warningsHeader(warnings)).at(-1)?.message).toMatch(/^19\d\d\d more$/);
  expect(looked).toBeLessThan(200);
});
