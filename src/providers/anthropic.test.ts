import { describe, expect, test } from 'vitest';
import { anthropicProfile } from './anthropic.ts';

type Row = [
  model: string,
  maxOutputTokens: number,
  reasoning: 'adaptive' | 'budget' | 'none',
  jsonSchemaOutput: boolean,
  midConversationSystem: boolean,
  samplingParameters: boolean,
];

const rows: Row[] = [
  ['claude-2.1', 4096, 'none', false, false, true],
  ['claude-instant-1.2', 4096, 'none', false, false, true],
  ['claude-3-haiku-20240307', 4096, 'none', false, false, true],
  ['claude-3-opus-latest', 4096, 'none', false, false, true],
  ['claude-3-5-sonnet-20241022', 8192, 'none', false, false, true],
  ['claude-3-5-haiku-latest', 8192, 'none', false, false, true],
  ['claude-3-7-sonnet-20250219', 64_000, 'budget', false, false, true],
  ['claude-opus-4-20250514', 32_000, 'budget', false, false, true],
  ['claude-opus-4-0', 32_000, 'budget', false, false, true],
  ['claude-opus-4-1-20250805', 32_000, 'budget', false, false, true],
  ['claude-sonnet-4-20250514', 64_000, 'budget', false, false, true],
  ['claude-sonnet-4@20250514', 64_000, 'budget', false, false, true],
  ['claude-sonnet-4-5-20250929', 64_000, 'budget', true, false, true],
  ['us.anthropic.claude-haiku-4-5-20251001-v1:0', 64_000, 'budget', true, false, true],
  ['anthropic/claude-opus-4.5', 64_000, 'budget', true, false, true],
  ['claude-opus-4-6', 128_000, 'adaptive', true, false, true],
  ['claude-sonnet-4-6', 128_000, 'adaptive', true, false, true],
  ['claude-opus-4-7', 128_000, 'adaptive', true, false, false],
  ['claude-opus-4-8', 128_000, 'adaptive', true, true, false],
  ['claude-sonnet-5', 128_000, 'adaptive', true, false, false],
  ['claude-opus-5', 128_000, 'adaptive', true, true, false],
  ['claude-opus-5-20260701', 128_000, 'adaptive', true, true, false],
  ['claude-fable-5-1', 128_000, 'adaptive', true, true, false],
  ['claude-sonnet-5-5', 128_000, 'adaptive', true, true, false],
  ['claude-haiku-5-5', 128_000, 'adaptive', true, true, false],
  ['claude-mythos-preview', 64_000, 'adaptive', true, false, false],
  ['something-else', 64_000, 'adaptive', true, false, false],
];

test.each<[string, false | undefined]>([
  ['claude-opus-4-6', false],
  ['claude-sonnet-4-6', false],
  ['claude-opus-4-7', undefined],
  ['claude-sonnet-5', undefined],
])('%s knows an effort between high and max: %s', (model, xhighEffort) => {
  expect(anthropicProfile(model).xhighEffort).toBe(xhighEffort);
});

test.each([
  ['claude-opus-4-5', undefined],
  ['claude-sonnet-4-6', 'readable'],
  ['claude-opus-4-7', 'readable'],
  ['claude-mythos-preview', 'readable'],
  ['something-else', undefined],
])('%s compacts by itself: %s', (model, nativeCompaction) => {
  expect(anthropicProfile(model)).toMatchObject({ nativeCompaction });
});

test.each([
  ['claude-3-5-haiku-latest', 2048],
  ['claude-opus-4-1-20250805', 1024],
  ['claude-sonnet-4-5-20250929', 1024],
  ['us.anthropic.claude-haiku-4-5-20251001-v1:0', 4096],
  ['claude-opus-4-6', 4096],
  ['claude-sonnet-4-6', 2048],
  ['claude-opus-4-7', 2048],
  ['claude-opus-5', 1024],
  ['something-else', 4096],
])('%s caches %d tokens at least', (model, minCachedTokens) => {
  expect(anthropicProfile(model)).toMatchObject({ minCachedTokens });
});

test.each([
  ['claude-3-5-haiku-latest', undefined],
  ['claude-sonnet-4@20250514', 'computer_20250124'],
  ['claude-haiku-4-5', 'computer_20250124'],
  ['claude-opus-4-5', 'computer_20251124'],
  ['claude-sonnet-4-6', 'computer_20251124'],
  ['claude-opus-5', 'computer_20251124'],
])('%s uses a computer by %s', (model, computerTool) => {
  expect(anthropicProfile(model).computerTool).toBe(computerTool);
});

describe.each(rows)(
  '%s',
  (model, maxOutputTokens, reasoning, jsonSchemaOutput, midConversationSystem, samplingParameters) => {
    test('is known by its name', () => {
      expect(anthropicProfile(model)).toMatchObject({
        maxOutputTokens,
        reasoning,
        jsonSchemaOutput,
        midConversationSystem,
        samplingParameters,
      });
    });
  },
);
