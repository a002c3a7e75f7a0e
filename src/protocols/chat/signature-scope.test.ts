import { expect, test } from 'vitest';
import { signatureScope } from './signature-scope.ts';

test.each([
  ['gpt-4.1-nano-2025-04-14', 'gpt-4.1-nano'],
  ['gpt-4.1-nano', 'gpt-4.1-nano'],
  ['vendor/model-20250805', 'vendor/model'],
  ['deepseek-r1-0528', 'deepseek-r1-0528'],
  ['', ''],
])('%s: %s', (model, scope) => {
  expect(signatureScope(model)).toBe(scope);
  expect(signatureScope(scope)).toBe(scope);
});
