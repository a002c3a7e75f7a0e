import { expect, test } from 'vitest';
import { parseJsonObject } from './json-object.ts';

test.each<[text: string, value: object | undefined]>([
  ['{"a":[1]}', { a: [1] }],
  ['{}', {}],
  ['[1]', undefined],
  ['null', undefined],
  ['"a"', undefined],
  ['7', undefined],
  ['{"a":', undefined],
  ['', undefined],
])('%s', (text, value) => {
  expect(parseJsonObject(text)).toEqual(value);
});
