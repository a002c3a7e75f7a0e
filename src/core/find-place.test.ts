import { expect, test } from 'vitest';
import { findPlace } from './find-place.ts';

const places = { 'input[2]': 'messages[1]', 'input[2].output': 'messages[3].content' };

test.each([
  ['input[2]', 'messages[1]', ''],
  ['input[2].name', 'messages[1]', '.name'],
  ['input[2].output[0].text', 'messages[3].content', '[0].text'],
  [`input[2].${'x.'.repeat(1000)}`, 'messages[1]', `.${'x.'.repeat(1000)}`],
])('%.40s is a part of what stands elsewhere', (param, place, rest) => {
  expect(findPlace(param, { places })).toEqual({ place, rest });
});

test.each(['', 'input', 'input[20]', 'constructor', 'toString.name'])('%j stands where it does', (param) => {
  expect(findPlace(param, { places })).toBeUndefined();
  expect(findPlace(param, {})).toBeUndefined();
});

test('of a name that is as long as a body only the head is looked at', () => {
  let looked = 0;
  const watched = new Proxy(places, {
    getOwnPropertyDescriptor(target, name) {
      looked++;
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
  });
  expect(findPlace('x.'.repeat(500_000), { places: watched })).toBeUndefined();
  expect(looked).toBe(100);
});
