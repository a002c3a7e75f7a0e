import { describe, expect, test } from 'vitest';
import type { Retryable } from '../../core/errors.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { decodeError } from './decode-error.ts';

const anthropic = (type: string, message: string): string =>
  JSON.stringify({ type: 'error', error: { type, message }, request_id: 'req_1' });

describe('error replies', () => {
  test.each<[number, string, ErrorCode, Retryable, string | RegExp]>([
    [400, anthropic('invalid_request_error', 'tools.0: bad'), 'upstream_rejected', false, 'tools.0: bad'],
    [
      400,
      anthropic('invalid_request_error', 'prompt is too long: 9 > 8'),
      'context_length_exceeded',
      false,
      /too long/,
    ],
    [
      400,
      anthropic('invalid_request_error', 'Your credit balance is too low'),
      'upstream_auth',
      'elsewhere',
      /account/,
    ],
    [400, '<html>Bad Request', 'upstream_rejected', false, 'The upstream rejected the request.'],
    [400, anthropic('invalid_request_error', '<html>no'), 'upstream_rejected', false, /rejected/],
    [400, '{"error":"boom"}', 'upstream_rejected', false, 'The upstream rejected the request.'],
    [
      401,
      anthropic('authentication_error', 'invalid x-api-key sk-ant-abcdefgh'),
      'upstream_auth',
      'elsewhere',
      /credential/,
    ],
    [402, anthropic('billing_error', 'pay'), 'upstream_auth', 'elsewhere', /account/],
    [403, anthropic('permission_error', 'no'), 'upstream_auth', 'elsewhere', /credential/],
    [404, anthropic('not_found_error', 'model: claude-x'), 'upstream_error', 'elsewhere', /does not know the model/],
    [408, '', 'upstream_error', true, /waiting/],
    [409, '', 'upstream_error', true, /conflict/],
    [413, anthropic('request_too_large', 'x'), 'request_too_large', false, /too large/],
    [422, anthropic('invalid_request_error', 'field'), 'upstream_rejected', false, 'field'],
    [429, anthropic('rate_limit_error', 'x'), 'upstream_rate_limited', 'elsewhere', /limit/],
    [500, anthropic('api_error', 'inner detail'), 'upstream_error', true, 'The upstream failed.'],
    [500, anthropic('overloaded_error', 'x'), 'upstream_overloaded', true, /overloaded/],
    [502, '<html>502 Bad Gateway</html>', 'upstream_error', true, 'The upstream failed.'],
    [503, 'null', 'upstream_overloaded', true, /overloaded/],
    [504, '[]', 'upstream_error', true, /failed/],
    [529, anthropic('overloaded_error', 'x'), 'upstream_overloaded', true, /overloaded/],
    [302, '', 'upstream_error', 'elsewhere', /failed/],
  ])('%d %s', (status, body, code, retryable, message) => {
    const error = decodeError(status, {}, body);
    expect(error).toMatchObject({ code, retryable });
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain('<');
  });

  test('texts are capped at 2 KB, and hold no key', () => {
    const error = decodeError(400, {}, anthropic('invalid_request_error', `sk-ant-api03-secret ${'x'.repeat(5000)}`));
    expect(error.message.length).toBeLessThanOrEqual(2048);
    expect(error.message).not.toContain('secret');
    expect(String(decodeError(401, {}, 'invalid sk-ant-api03-secret').cause)).not.toContain('secret');
  });
});

test('a delay is read of errors that may be tried again', () => {
  expect(decodeError(429, { 'retry-after': '2' }, '').retryAfterSeconds).toBe(2);
  expect(decodeError(529, { 'retry-after': '999999' }, '').retryAfterSeconds).toBe(3600);
  expect(decodeError(429, { 'retry-after': '-1' }, '').retryAfterSeconds).toBeUndefined();
  expect(decodeError(400, { 'retry-after': '2' }, '').retryAfterSeconds).toBeUndefined();
});
