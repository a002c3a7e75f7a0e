import { expect, test } from 'vitest';
import { noUsage, type Usage } from '../../core/usage.ts';
import { readUsage } from './read-usage.ts';

test.each<[what: string, wire: unknown, usage: Partial<Usage> | undefined]>([
  ['none', undefined, undefined],
  ['null', null, undefined],
  ['an empty object', {}, undefined],
  ['text', 'a lot', undefined],
  ['nonsense only', { prompt_tokens: -1, completion_tokens: '12' }, undefined],
  ['both sides', { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }, { inputTokens: 10, outputTokens: 5 }],
  ['one side is nonsense', { prompt_tokens: 10, completion_tokens: 1e18 }, { inputTokens: 10, estimated: true }],
  ['one side is missing', { completion_tokens: 5 }, { outputTokens: 5, estimated: true }],
  [
    'cached and written to the cache',
    { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 3 } },
    { inputTokens: 10, cachedTokens: 4, cacheWriteTokens: 3, outputTokens: 5 },
  ],
  [
    'more cached than sent',
    { prompt_tokens: 10, completion_tokens: 5, prompt_tokens_details: { cached_tokens: 40, cache_write_tokens: 3 } },
    { inputTokens: 10, cachedTokens: 10, outputTokens: 5 },
  ],
  [
    "DeepSeek's cache",
    { prompt_tokens: 10, completion_tokens: 5, prompt_cache_hit_tokens: 6 },
    { inputTokens: 10, cachedTokens: 6, outputTokens: 5 },
  ],
  [
    'reasoning within the completion',
    { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, completion_tokens_details: { reasoning_tokens: 3 } },
    { inputTokens: 10, outputTokens: 5, reasoningTokens: 3 },
  ],
  [
    "xAI's reasoning beside the completion",
    { prompt_tokens: 10, completion_tokens: 5, total_tokens: 18, completion_tokens_details: { reasoning_tokens: 3 } },
    { inputTokens: 10, outputTokens: 8, reasoningTokens: 3 },
  ],
  [
    'more reasoning than completion, and no total',
    { prompt_tokens: 10, completion_tokens: 5, completion_tokens_details: { reasoning_tokens: 30 } },
    { inputTokens: 10, outputTokens: 35, reasoningTokens: 30 },
  ],
  [
    'sound within both',
    {
      prompt_tokens: 10,
      completion_tokens: 5,
      prompt_tokens_details: { cached_tokens: 2, text_tokens: 3, audio_tokens: 7, image_tokens: 0 },
      completion_tokens_details: { audio_tokens: 4 },
    },
    { inputTokens: 10, cachedTokens: 2, outputTokens: 5, media: { audio: { input: 7, cached: 0, output: 4 } } },
  ],
  [
    'details that are none',
    { prompt_tokens: 1, completion_tokens: 1, prompt_tokens_details: null },
    { inputTokens: 1, outputTokens: 1 },
  ],
])('%s', (_what, wire, usage) => {
  expect(readUsage(wire)).toEqual(usage === undefined ? undefined : { ...noUsage, ...usage });
});
