import { calcPrice, findProvider } from '@pydantic/genai-prices';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type MediaUsage, noUsage, type Usage } from '../core/usage.ts';
import { costNanoUsd } from './price.ts';

const usage: Usage = { ...noUsage, inputTokens: 157, cachedTokens: 40, cacheWriteTokens: 7, outputTokens: 25 };
const haiku = { providerId: 'anthropic', model: 'claude-haiku-4-5', override: undefined };

const media = (counts: MediaUsage, cachedTokens = 0) => ({ media: counts, cachedTokens, cacheWriteTokens: 0 });
const tokens = (input: number, cached = 0, output = 0) => ({ input, cached, output });

describe('costNanoUsd', () => {
  // Per token, in nano-USD: input 1000, read 100, write 1250, write for an hour 2000, output 5000.
  test.each<[string, Partial<Usage>, number]>([
    ['nothing', noUsage, 0],
    ['every class', {}, 110 * 1000 + 40 * 100 + 7 * 1250 + 25 * 5000],
    ['an hour', { cacheWriteHourTokens: 3 }, 110 * 1000 + 40 * 100 + 4 * 1250 + 3 * 2000 + 25 * 5000],
    ['reasoning is output', { reasoningTokens: 20 }, 247_750],
    ['more cached than input', { inputTokens: 0 }, 40 * 100 + 7 * 1250 + 25 * 5000],
    ['more of an hour than written', { cacheWriteHourTokens: 9 }, 110 * 1000 + 40 * 100 + 7 * 2000 + 25 * 5000],
    ['more reasoning than output', { reasoningTokens: 99 }, 247_750],
  ])('bills %s', (_, change, expected) => {
    expect(costNanoUsd({ ...usage, ...change }, haiku)).toBe(expected);
  });

  test.each<[string, string, string, Partial<Usage>, number]>([
    ['sound', 'google', 'gemini-2.5-flash', media({ audio: tokens(100) }), 57 * 300 + 100 * 1000 + 25 * 2500],
    [
      'cached sound',
      'google',
      'gemini-2.5-flash',
      media({ audio: tokens(100, 30) }, 40),
      47 * 300 + 70 * 1000 + 10 * 30 + 30 * 100 + 25 * 2500,
    ],
    [
      'a picture',
      'google',
      'gemini-2.5-flash-image',
      media({ image: tokens(0, 0, 20) }),
      157 * 300 + 5 * 2500 + 20 * 30_000,
    ],
    [
      'spoken words',
      'openai',
      'gpt-audio',
      media({ audio: tokens(57, 0, 20) }),
      100 * 2500 + 57 * 32_000 + 5 * 10_000 + 20 * 64_000,
    ],
    [
      'pictures that are sold as text',
      'google',
      'gemini-2.5-flash',
      media({ image: tokens(100) }),
      157 * 300 + 25 * 2500,
    ],
    ['more sound than input', 'google', 'gemini-2.5-flash', media({ audio: tokens(999) }), 157 * 1000 + 25 * 2500],
    [
      'more sound than is new',
      'google',
      'gemini-2.5-flash',
      media({ audio: tokens(157) }, 40),
      117 * 1000 + 40 * 30 + 25 * 2500,
    ],
    [
      'more cached than sound',
      'google',
      'gemini-2.5-flash',
      media({ audio: tokens(9, 30) }, 40),
      117 * 300 + 31 * 30 + 9 * 100 + 25 * 2500,
    ],
    [
      'more kinds than input',
      'google',
      'gemini-embedding-2',
      media({ image: tokens(100), video: tokens(100) }),
      100 * 450 + 57 * 12_000,
    ],
  ])('bills %s', (_, providerId, model, change, expected) => {
    expect(costNanoUsd({ ...usage, ...change }, { providerId, model, override: undefined })).toBe(expected);
  });

  test.each([
    ['no vendor', { providerId: undefined, model: 'claude-haiku-4-5', override: undefined }],
    ['an unknown vendor', { providerId: 'nobody', model: 'claude-haiku-4-5', override: undefined }],
    ['an unknown model', { providerId: 'anthropic', model: 'qwen3-32b', override: undefined }],
    ['an override that is no price', { ...haiku, override: { input: NaN, output: 1, cacheRead: 0, cacheWrite: 0 } }],
    ['a negative override', { ...haiku, override: { input: -1, output: 0, cacheRead: 0, cacheWrite: 0 } }],
  ])('has no price for %s', (_, query) => {
    expect(costNanoUsd(usage, query)).toBeUndefined();
  });

  test.each([
    [{ input: 2, output: 4, cacheRead: 0.5, cacheWrite: 3 }, 110 * 2000 + 40 * 500 + 7 * 3000 + 25 * 4000],
    [{ input: 2, output: 4, cacheRead: undefined, cacheWrite: undefined }, 157 * 2000 + 25 * 4000],
    [{ input: 0, output: 0, cacheRead: undefined, cacheWrite: undefined }, 0],
    [{ input: 0.0001, output: 0, cacheRead: 0, cacheWrite: 0 }, 11],
  ])('an override wins: %o', (override, expected) => {
    expect(costNanoUsd(usage, { ...haiku, override })).toBe(expected);
    expect(costNanoUsd(usage, { providerId: undefined, model: 'local', override })).toBe(expected);
  });

  describe('variants of OpenRouter’s models', () => {
    const cost = (model: string, change: Partial<Usage> = {}) =>
      costNanoUsd({ ...usage, ...change }, { providerId: 'openrouter', model, override: undefined });

    test.each(['openai/gpt-4o', 'google/gemini-2.5-pro'])('%s costs the same however it is asked for', (model) => {
      // Beyond the size from which one of them is dearer.
      const large = { inputTokens: 300_000 };
      expect(cost(model)).toBeGreaterThan(0);
      for (const variant of [':nitro', ':floor', ':online', ':exacto', ':new-next-year', ':online:nitro']) {
        expect(cost(model + variant)).toBe(cost(model));
        expect(cost(model + variant, large)).toBe(cost(model, large));
      }
    });

    test('one with a price of its own has that', () => {
      expect(cost('openai/gpt-4o:extended')).toBeGreaterThan(cost('openai/gpt-4o') ?? NaN);
      expect(cost('openai/gpt-4o:extended:nitro')).toBe(cost('openai/gpt-4o:extended'));
    });

    test.each([
      'meta-llama/llama-3.3-70b-instruct:free',
      'meta-llama/llama-3.3-70b-instruct:free:online',
      'openai/gpt-4o:free',
      'nobody/knows:free',
    ])('%s is free', (model) => expect(cost(model)).toBe(0));

    test('one of an unknown model has no price, any number has one, and other vendors have none', () => {
      expect(cost('nobody/knows:nitro')).toBeUndefined();
      expect(cost(`openai/gpt-4o${':nitro'.repeat(100_000)}`)).toBe(cost('openai/gpt-4o'));
      expect(costNanoUsd(usage, { providerId: 'groq', model: 'llama3-8b-8192:nitro', override: undefined })).toBe(
        undefined,
      );
    });
  });

  test('agrees with the price source, on every model of the vendors that we name and at any size', () => {
    const models = ['anthropic', 'openai', 'google', 'mistral', 'deepseek', 'groq', 'x-ai', 'openrouter'].flatMap(
      (providerId) => findProvider({ providerId })?.models.map(({ id }) => ({ providerId, model: id })) ?? [],
    );
    expect(models.length).toBeGreaterThan(300);
    const count = fc.nat({ max: 400_000 });
    const counts = fc.record({ plain: count, read: count, write: count, hour: count, output: count, thought: count });
    const sound = fc.record({ plain: count, read: count, output: count });
    fc.assert(
      fc.property(counts, sound, ({ plain, read, write, hour, output, thought }, audio) => {
        const cacheWriteTokens = write + hour;
        const tokens: Usage = {
          inputTokens: plain + read + cacheWriteTokens + audio.plain + audio.read,
          cachedTokens: read + audio.read,
          cacheWriteTokens,
          cacheWriteHourTokens: hour,
          outputTokens: output + thought + audio.output,
          reasoningTokens: thought,
          estimated: false,
          media: { audio: { input: audio.plain + audio.read, cached: audio.read, output: audio.output } },
        };
        for (const { providerId, model } of models) {
          const published = calcPrice(
            {
              input_tokens: tokens.inputTokens,
              cache_read_tokens: tokens.cachedTokens,
              cache_write_tokens: cacheWriteTokens,
              cache_write_1h_tokens: hour,
              output_tokens: tokens.outputTokens,
              output_reasoning_tokens: thought,
              input_audio_tokens: audio.plain + audio.read,
              cache_audio_read_tokens: audio.read,
              output_audio_tokens: audio.output,
            },
            model,
            { providerId },
          );
          const cost = costNanoUsd(tokens, { providerId, model, override: undefined });
          if (published === null) expect(cost).toBeUndefined();
          else expect(Math.abs((cost ?? NaN) - published.total_price * 1e9)).toBeLessThanOrEqual(1);
          if (cost !== undefined) expect(Number.isSafeInteger(cost)).toBe(true);
        }
      }),
      { numRuns: 5 },
    );
  });
});
