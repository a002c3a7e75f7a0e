import { expect, test } from 'vitest';
import type { Retryable } from '../../core/errors.ts';
import { decodeError } from './decode-error.ts';

const body = (status: string, message: string, details: object[] = []) =>
  JSON.stringify({ error: { code: 400, message, status, details } });
const keyReason = { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' };
const retryInfo = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.4s' };

test.each<[number, string, string, Retryable, number | undefined]>([
  [400, body('INVALID_ARGUMENT', 'Bad.'), 'upstream_rejected', false, undefined],
  [400, body('INVALID_ARGUMENT', 'x', [keyReason]), 'upstream_auth', 'elsewhere', 7],
  [400, body('INVALID_ARGUMENT', 'API key expired.'), 'upstream_auth', 'elsewhere', 7],
  [400, body('FAILED_PRECONDITION', 'Billing.'), 'upstream_auth', 'elsewhere', 7],
  [401, body('UNAUTHENTICATED', 'x'), 'upstream_auth', 'elsewhere', 7],
  [403, body('PERMISSION_DENIED', 'x'), 'upstream_auth', 'elsewhere', 7],
  [404, body('NOT_FOUND', 'x'), 'upstream_error', 'elsewhere', 7],
  [
    429,
    body('RESOURCE_EXHAUSTED', 'x', [{ '@type': 'QuotaFailure' }, retryInfo]),
    'upstream_rate_limited',
    'elsewhere',
    34.4,
  ],
  [429, `[${body('RESOURCE_EXHAUSTED', 'x', [retryInfo])}]`, 'upstream_rate_limited', 'elsewhere', 34.4],
  [429, body('RESOURCE_EXHAUSTED', 'x', [{ retryDelay: 'soon' }]), 'upstream_rate_limited', 'elsewhere', 7],
  [500, body('INTERNAL', 'x'), 'upstream_error', true, 7],
  [503, '<html>', 'upstream_overloaded', true, 7],
  [400, '<html>', 'upstream_rejected', false, undefined],
])('%i %s is %s', (status, text, code, retryable, retryAfterSeconds) => {
  const error = decodeError(status, { 'retry-after': '7' }, text);
  expect([error.code, error.retryable, error.retryAfterSeconds]).toEqual([code, retryable, retryAfterSeconds]);
});

test('only the text of a rejected request is told', () => {
  expect(decodeError(400, {}, body('INVALID_ARGUMENT', 'Bad.')).message).toBe('Bad.');
  expect(decodeError(403, {}, body('PERMISSION_DENIED', 'canary')).message).not.toContain('canary');
});

test('a conversation that is too long is said to be', () => {
  const text = 'The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).';
  expect(decodeError(400, {}, body('INVALID_ARGUMENT', text))).toMatchObject({
    code: 'context_length_exceeded',
    param: 'input',
  });
});
