import { expect, test } from 'vitest';
import type { ErrorCode, Retryable } from './errors.ts';
import { saysContextOverflow, upstreamVerdict } from './upstream-verdict.ts';

test.each<[status: number, code: ErrorCode, retryable: Retryable]>([
  [302, 'upstream_error', 'elsewhere'],
  [400, 'upstream_rejected', false],
  [401, 'upstream_auth', 'elsewhere'],
  [402, 'upstream_auth', 'elsewhere'],
  [403, 'upstream_auth', 'elsewhere'],
  [404, 'upstream_error', 'elsewhere'],
  [408, 'upstream_error', true],
  [409, 'upstream_error', true],
  [413, 'request_too_large', false],
  [418, 'upstream_rejected', false],
  [422, 'upstream_rejected', false],
  [429, 'upstream_rate_limited', 'elsewhere'],
  [500, 'upstream_error', true],
  [502, 'upstream_error', true],
  [503, 'upstream_overloaded', true],
  [504, 'upstream_error', true],
  [529, 'upstream_overloaded', true],
  [599, 'upstream_error', true],
])('%i: %s, retryable %s', (status, code, retryable) => {
  expect(upstreamVerdict(status)).toMatchObject({ code, retryable });
});

test.each([
  [301, 'The upstream failed: it redirects, which is not followed. Its base_url is wrong.'],
  [404, 'The upstream does not know the model of the deployment, or its base_url is wrong.'],
])('%i says where to look', (status, message) => {
  expect(upstreamVerdict(status).message).toBe(message);
});

test.each([
  ['prompt is too long: 210000 tokens > 200000 maximum', true],
  ['input length and `max_tokens` exceed context limit', true],
  ['The input exceeds the context window of this model', true],
  ["This model's maximum context length is 4096 tokens.", true],
  ['context_length_exceeded', true],
  ['too many input tokens', true],
  ['tools.0: bad', false],
])('%s: %s', (text, expected) => {
  expect(saysContextOverflow(text)).toBe(expected);
});
