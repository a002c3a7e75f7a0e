import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { expect, test, vi } from 'vitest';
import { defaultBodyLimits, readBody } from './read-body.ts';

test('a body that comes byte by byte is kept in few pieces', async () => {
  const request = new EventEmitter();
  const body = readBody(request as IncomingMessage, defaultBodyLimits);
  for (let index = 0; index < 100_000; index++) request.emit('data', Buffer.from('x'));
  const concat = vi.spyOn(Buffer, 'concat');
  request.emit('end');
  expect(concat.mock.lastCall?.[0].length).toBeLessThan(300);
  concat.mockRestore();
  expect(await body).toHaveLength(100_000);
});
