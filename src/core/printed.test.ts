import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPace } from './pace.ts';
import { printAhead, printed, printedAt, printedToo } from './printed.ts';

const unit = fc.constantFrom('a', '"', '\\', '\n', 'é', '漢', '😀', '\ud83d', '\ude00', '\u0000');
const long = fc
  .tuple(fc.string({ unit, minLength: 1, maxLength: 9 }), fc.integer({ min: 1, max: 40_000 }))
  .map(([text, times]) => text.repeat(times));
const text = fc.oneof(fc.string({ unit, maxLength: 20 }), long);
const value = fc.letrec((tie) => ({
  any: fc.oneof({ depthSize: 'small' }, text, fc.constantFrom(null, true, 1.5, undefined), tie('list'), tie('object')),
  list: fc.array(
    tie('any').map((each) => each ?? null),
    { maxLength: 3 },
  ),
  object: fc.dictionary(fc.constantFrom('text', 'output', '__proto__', '1', 'content'), tie('any'), { maxKeys: 4 }),
}));

test('what is printed ahead is what JSON.stringify gives, whole and at its place', async () => {
  await fc.assert(
    fc.asyncProperty(value.object, async (given) => {
      await printAhead(given, createPace());
      expect(printed(given)).toBe(JSON.stringify(given));
      const copy = { ...given };
      printedToo(given, copy);
      expect(printed(copy)).toBe(JSON.stringify(copy));
      for (const [key, field] of Object.entries(given)) {
        if (typeof field === 'string') expect(printedAt(given, key, field)).toBe(JSON.stringify(field));
      }
    }),
    { numRuns: 60 },
  );
});

test.each(['😀', '\ud83d😀', '\ud83d\ud83d', '\ude00😀'])(
  'a stretch that would end within %j prints it whole',
  async (characters) => {
    for (let ahead = 128 * 1024 - 4; ahead <= 128 * 1024; ahead++) {
      const given = { text: `${'a'.repeat(ahead)}${characters}b` };
      await printAhead(given, createPace());
      expect(printed(given) === JSON.stringify(given), `behind ${ahead}`).toBe(true);
    }
  },
);

test('what V8 makes of the search stays, whatever the shapes of the objects', () => {
  const shapes = [
    '{"role":"user","content":"a"}',
    '{"role":"user","content":[{"type":"text","text":"a"}]}',
    '{"id":"a"}',
  ];
  const script = `const { printAhead } = await import(${JSON.stringify(import.meta.resolve('./printed.ts'))});
    const shapes = ${JSON.stringify(shapes)};
    for (let i = 0; i < 50_000; i++) printAhead(JSON.parse(shapes[i % shapes.length]), { after() {} });`;
  const { status, stdout } = spawnSync(process.execPath, ['--trace-deopt', '--input-type=module', '--eval', script], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  expect(status).toBe(0);
  expect(stdout.match(/bailout .*printAhead|bailout .*findLong/g)?.length ?? 0).toBeLessThan(10);
});
