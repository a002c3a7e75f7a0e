import { expect, test } from 'vitest';
import { signatureScope } from './signature-scope.ts';

test.each([
  ['claude-haiku-4-5', 'claude-haiku-4-5'],
  ['claude-haiku-4-5-20251001', 'claude-haiku-4-5'],
  ['claude-3-5-sonnet-latest', 'claude-3-5-sonnet'],
  ['anthropic.claude-haiku-4-5-20251001-v1:0', 'claude-haiku-4-5'],
  ['us.anthropic.claude-sonnet-4-5-20250929-v1:0', 'claude-sonnet-4-5'],
  ['us-gov.anthropic.claude-sonnet-4-5-20250929-v1:0:200k', 'claude-sonnet-4-5'],
  ['arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-opus-5-v1', 'claude-opus-5'],
  ['claude-sonnet-4-5@20250929', 'claude-sonnet-4-5'],
  ['publishers/anthropic/models/claude-opus-5@default', 'claude-opus-5'],
  ['anthropic/claude-opus-5', 'claude-opus-5'],
  ['claude-opus-4-5', 'claude-opus-4-5'],
  ['-20251001', '-20251001'],
])('%s is of scope %s', (model, scope) => {
  expect(signatureScope(model)).toBe(scope);
  expect(signatureScope(scope)).toBe(scope);
});
