import { expect, test } from 'vitest';
import { safeText, shownText } from './safe-text.ts';

test.each([
  ['invalid x-api-key sk-ant-api03-secret_1', 'invalid x-api-key sk-…'],
  ['xai-0123456789 and gsk_0123456789', 'xai-… and gsk_…'],
  ['(AIzaSyA0123456789)', '(AIza…)'],
  ['skateboarding at task-0123456789 with sk-1', 'skateboarding at task-0123456789 with sk-1'],
  ['a\ud83d', 'a\ufffd'],
])('%s', (text, safe) => {
  expect(safeText(text)).toBe(safe);
});

test('2,048 characters at the most, also where the end falls inside one', () => {
  expect(safeText('x'.repeat(5000))).toBe('x'.repeat(2048));
  expect(safeText(`${'x'.repeat(2047)}😀`)).toBe(`${'x'.repeat(2047)}\ufffd`);
});

test.each([
  ['bad tool', 'bad tool'],
  ['a < b', 'a < b'],
  ['key sk-0123456789', 'key sk-…'],
  ['', undefined],
  ['<!DOCTYPE html><p>bad', undefined],
  [' \n<p>bad', undefined],
  ['Bad <HTML>', undefined],
])('shown of %j: %j', (text, shown) => {
  expect(shownText(text)).toBe(shown);
});
