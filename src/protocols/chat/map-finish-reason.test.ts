import { expect, test } from 'vitest';
import { mapFinishReason } from './map-finish-reason.ts';

test.each([
  ['stop', 'completed'],
  ['tool_calls', 'completed'],
  ['function_call', 'completed'],
  ['length', 'max_tokens'],
  ['model_length', 'max_tokens'],
  ['content_filter', 'content_filter'],
  ['error', 'failed'],
  ['insufficient_system_resource', 'failed'],
  ['new_reason', undefined],
  ['toString', undefined],
])('%s: %s', (reason, finish) => {
  expect(mapFinishReason(reason)).toBe(finish);
});
