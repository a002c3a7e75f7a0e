import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { engineNames } from './engine.ts';
import { mutants, patched, patchesOf } from './mutations.ts';

const root = new URL('../../', import.meta.url);

test.each(mutants)('the gateway can be made that has: $name', (mutant) => {
  for (const engine of engineNames.filter((name) => mutant.on[name] !== undefined)) {
    const files = patched(patchesOf(mutant, engine), (file) =>
      readFileSync(fileURLToPath(new URL(file, root)), 'utf8'),
    );
    expect(files.size).toBeGreaterThan(0);
  }
});
