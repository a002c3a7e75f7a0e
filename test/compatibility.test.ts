import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compatibilityPage } from '../scripts/compatibility/page.ts';

test('docs/compatibility.md is what the codecs do: `npm run compatibility` makes it', async () => {
  const page = readFileSync(new URL('../docs/compatibility.md', import.meta.url), 'utf8');
  expect(page).toBe(await compatibilityPage());
});
