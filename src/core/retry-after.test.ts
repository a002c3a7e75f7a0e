import { expect, test } from 'vitest';
import { retryAfterSeconds } from './retry-after.ts';

const date = 'Tue, 15 Nov 1994 08:12:31 GMT';

test.each<[retryAfter: string | undefined, date: string | undefined, seconds: number | undefined]>([
  [undefined, date, undefined],
  ['1', undefined, 1],
  [' 20 ', undefined, 20],
  ['0', undefined, 0],
  ['999999', undefined, 3600],
  ['9'.repeat(400), undefined, 3600],
  ['-1', date, undefined],
  ['abc', date, undefined],
  ['1.5', date, undefined],
  ['', date, undefined],
  ['Tue, 15 Nov 1994 08:12:41 GMT', date, 10],
  ['Wed, 16 Nov 1994 08:12:31 GMT', date, 3600],
  ['Tue, 15 Nov 1994 08:12:30 GMT', date, undefined],
  ['Tue, 15 Nov 1994 08:12:41 GMT', undefined, undefined],
  ['Tue, 15 Nov 1994 08:12:41 GMT', 'yesterday', undefined],
])('retry-after %s, date %s: %s', (retryAfter, dateHeader, seconds) => {
  expect(retryAfterSeconds({ 'retry-after': retryAfter, date: dateHeader })).toBe(seconds);
});
