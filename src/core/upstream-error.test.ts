import { describe, expect, test } from 'vitest';
import type { Retryable } from './errors.ts';
import { decodeUpstreamError } from './upstream-error.ts';

const openai = (message: string, code: string | null = null, type = 'invalid_request_error') =>
  JSON.stringify({ error: { message, type, param: null, code } });

describe('decodeUpstreamError', () => {
  test.each<[status: number, body: string, code: string, retryable: Retryable]>([
    [302, '', 'upstream_error', 'elsewhere'],
    [400, openai('bad tool'), 'upstream_rejected', false],
    [400, openai('too long', 'context_length_exceeded'), 'context_length_exceeded', false],
    [400, openai("This model's maximum context length is 4096 tokens."), 'context_length_exceeded', false],
    [400, openai('Incorrect API key provided: xai-secret'), 'upstream_auth', 'elsewhere'],
    [401, openai('Incorrect API key provided: sk-secret', 'invalid_api_key'), 'upstream_auth', 'elsewhere'],
    [402, openai('Insufficient Balance'), 'upstream_auth', 'elsewhere'],
    [403, openai('no'), 'upstream_auth', 'elsewhere'],
    [404, openai('no such model', 'model_not_found'), 'upstream_error', 'elsewhere'],
    [408, '', 'upstream_error', true],
    [409, '', 'upstream_error', true],
    [413, '', 'request_too_large', false],
    [418, '', 'upstream_rejected', false],
    [422, '{"detail":[{"loc":["body"],"msg":"field required"}]}', 'upstream_rejected', false],
    [429, openai('slow down', 'rate_limit_exceeded'), 'upstream_rate_limited', 'elsewhere'],
    [429, openai('pay', 'insufficient_quota', 'insufficient_quota'), 'upstream_rate_limited', 'elsewhere'],
    [500, '', 'upstream_error', true],
    [502, '<html>502 Bad Gateway</html>', 'upstream_error', true],
    [503, '', 'upstream_overloaded', true],
    [504, '', 'upstream_error', true],
    [529, '', 'upstream_overloaded', true],
    [599, 'null', 'upstream_error', true],
  ])('%i %s: %s, retryable %s', (status, body, code, retryable) => {
    const error = decodeUpstreamError(status, {}, body);
    expect(error).toMatchObject({ code, retryable });
    expect(error.message).not.toMatch(/<|secret/);
  });

  test.each<[body: string, message: string]>([
    [openai('bad tool'), 'bad tool'],
    ['{"error":"bad tool"}', 'bad tool'],
    ['{"object":"error","message":"bad tool","code":400}', 'bad tool'],
    ['{"message":"bad tool"}', 'bad tool'],
    ['[{"error":{"message":"bad tool"}}]', 'bad tool'],
    ['{"detail":[{"msg":"bad"}]}', '[{"msg":"bad"}]'],
    ['bad tool', 'bad tool'],
    ['<!DOCTYPE html><p>bad tool', 'The upstream rejected the request.'],
    ['Bad <html>', 'The upstream rejected the request.'],
    [openai('<html>bad tool</html>'), 'The upstream rejected the request.'],
    ['', 'The upstream rejected the request.'],
    ['{}', 'The upstream rejected the request.'],
    ['null', 'The upstream rejected the request.'],
  ])('what is wrong with the request is told as the upstream tells it: %s', (body, message) => {
    expect(decodeUpstreamError(400, {}, body).message).toBe(message);
  });

  test('what looks like a key is blotted out, for the log too', () => {
    const error = decodeUpstreamError(400, {}, openai('no tool sk-proj-0123456789abc here'));
    expect(error.message).toBe('no tool sk-… here');
    expect(String(error.cause)).not.toContain('0123456789');
  });

  test('no more than 2 KB of it', () => {
    const error = decodeUpstreamError(400, {}, openai('x'.repeat(10_000)));
    expect(error.message).toHaveLength(2048);
    expect(String(error.cause).length).toBeLessThan(2100);
  });

  test.each([429, 503, 529])('%i keeps what it was told to wait', (status) => {
    expect(decodeUpstreamError(status, { 'retry-after': '7' }, '').retryAfterSeconds).toBe(7);
    expect(decodeUpstreamError(status, { 'retry-after': '-7' }, '').retryAfterSeconds).toBeUndefined();
  });
});
