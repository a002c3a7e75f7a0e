import { describe, expect, test } from 'vitest';
import { type ErrorCode, errorKinds, GatewayError } from '../core/errors.ts';
import { errorResponse } from './error-response.ts';

function answer(thrown: unknown) {
  const lines: { level: string; fields: Record<string, unknown> }[] = [];
  const to = (level: string) => (fields: Record<string, unknown>) => lines.push({ level, fields });
  const response = errorResponse(thrown, {
    requestId: 'req_1',
    encodeError: (error) => `${error.code}: ${error.message}`,
    log: { info: to('info'), warn: to('warn'), error: to('error') },
  });
  return { ...response, lines };
}

describe('errorResponse', () => {
  test.each(Object.keys(errorKinds) as ErrorCode[])('%s has its status and its message', (code) => {
    const { status, body, headers, lines } = answer(new GatewayError(code, 'why'));
    expect({ status, body }).toEqual({ status: errorKinds[code].status, body: `${code}: why` });
    expect(headers['www-authenticate']).toBe(status === 401 ? 'Bearer' : undefined);
    expect(lines.map(({ level }) => level)).toEqual(status >= 500 ? ['warn'] : []);
  });

  test('says when to come back, in whole seconds', () => {
    const busy = new GatewayError('upstream_overloaded', 'busy', { retryAfterSeconds: 1.2 });
    expect(answer(busy).headers['retry-after']).toBe('2');
    expect(answer(new GatewayError('upstream_overloaded', 'busy')).headers).not.toHaveProperty('retry-after');
  });

  test('keeps SDKs from repeating what was paid for', () => {
    const broken = new GatewayError('upstream_stream_broken', 'cut');
    expect(answer(broken.asSpent()).headers['x-should-retry']).toBe('false');
    expect(answer(broken).headers).not.toHaveProperty('x-should-retry');
  });

  test.each([[new TypeError('canary')], ['canary'], [undefined], [{ message: 'canary' }]])(
    'what nobody foresaw is internal_error, told to the log and not to the client: %s',
    (thrown) => {
      const { status, body, lines } = answer(thrown);
      expect(status).toBe(500);
      expect(body).toContain('req_1');
      expect(body).not.toContain('canary');
      expect(lines).toEqual([{ level: 'error', fields: { requestId: 'req_1', err: thrown } }]);
    },
  );

  test('the cause of an upstream error goes to the log only', () => {
    const { body, lines } = answer(new GatewayError('upstream_unreachable', 'no', { cause: new Error('10.0.0.7:9') }));
    expect(body).not.toContain('10.0.0.7');
    expect(lines).toMatchObject([
      { fields: { requestId: 'req_1', code: 'upstream_unreachable', cause: '10.0.0.7:9' } },
    ]);
  });
});
