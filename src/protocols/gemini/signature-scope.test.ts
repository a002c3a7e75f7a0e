import { expect, test } from 'vitest';
import { signatureScope, takesBack } from './signature-scope.ts';

test.each([
  ['gemini-3-pro-preview', 'gemini-3-pro'],
  ['models/gemini-2.5-flash-preview-09-2025', 'gemini-2.5-flash'],
  ['gemini-2.5-flash-001', 'gemini-2.5-flash'],
  ['publishers/google/models/gemini-3.1-pro@default', 'gemini-3.1-pro'],
  ['gemini-2.5-pro-preview-05-06', 'gemini-2.5-pro'],
  ['gemini-2.5-flash-lite', 'gemini-2.5-flash-lite'],
  ['latest', 'latest'],
])('%s is %s', (model, scope) => {
  expect(signatureScope(model)).toBe(scope);
});

test.each([
  ['gemini-3-pro', 'gemini-3-pro-preview', true],
  ['gemini-3-pro', 'gemini-3.1-pro', false],
  ['gemini-3.6-flash', 'gemini-flash-latest', true],
  ['gemini-3.6-flash-lite', 'gemini-flash-latest', false],
  ['gemini-3.6-pro', 'gemini-flash-latest', false],
  ['gemini-flash', 'gemini-3.6-flash', false],
])('what came of %s goes to %s: %s', (origin, model, holds) => {
  expect(takesBack(origin, model)).toBe(holds);
});
