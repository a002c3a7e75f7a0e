import { expect, test } from 'vitest';
import { createReport } from './report.ts';

test('the same loss is said once, another param or another message again', () => {
  const report = createReport();
  report.warn('top_p', 'left out');
  report.warn('top_p', 'left out');
  report.warn('user', 'left out');
  report.warn('top_p', 'lowered');
  expect(report.warnings).toEqual([
    { param: 'top_p', message: 'left out' },
    { param: 'user', message: 'left out' },
    { param: 'top_p', message: 'lowered' },
  ]);
});

test('a client can lose as many fields as a body has room for', () => {
  const report = createReport();
  for (let at = 0; at < 100_000; at++) report.warn(`field_${at}`, 'left out');
  expect(report.warnings).toHaveLength(100_000);
});

test('each reasoning item that is not sent is named', () => {
  const report = createReport();
  report.removed('rs_1', 'model_mismatch');
  report.removed('rs_2', 'turn_boundary');
  expect(report.inputTransformations).toEqual([
    { id: 'rs_1', type: 'reasoning', action: 'removed', reason: 'model_mismatch' },
    { id: 'rs_2', type: 'reasoning', action: 'removed', reason: 'turn_boundary' },
  ]);
});
