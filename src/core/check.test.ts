import { expect, test } from 'vitest';
import { z } from 'zod';
import { check } from './check.ts';

test.each([/^[a-z]+$/, /^[a-z]+$/u])('%s is shown without what JavaScript writes around it', (pattern) => {
  const schema = z.object({ name: z.string().regex(pattern) });
  expect(() => check(schema, { name: 'A' }, '')).toThrow("a string that matches the pattern '^[a-z]+$'.");
});
