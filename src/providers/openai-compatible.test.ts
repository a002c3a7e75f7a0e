import { findProvider } from '@pydantic/genai-prices';
import { describe, expect, test } from 'vitest';
import { messagesCodec } from '../protocols/messages/index.ts';
import { createOpenAiCompatibleProvider, openAiCompatibleProfile, priceProviders } from './openai-compatible.ts';
import type { Deployment } from './provider.ts';

describe.each([
  ['gpt-4o', 'none', 'max_tokens', 'reasoning_content'],
  ['gpt-4.1-mini', 'none', 'max_tokens', 'reasoning_content'],
  ['o1', 'effort', 'max_completion_tokens', 'none'],
  ['o3-mini', 'effort', 'max_completion_tokens', 'none'],
  ['openai/o4-mini-2025-04-16', 'effort', 'max_completion_tokens', 'none'],
  ['gpt-5', 'effort', 'max_completion_tokens', 'none'],
  ['gpt-5.1-codex', 'effort', 'max_completion_tokens', 'none'],
  ['gpt-6-astra', 'effort', 'max_completion_tokens', 'none'],
  ['openai/gpt-oss-120b', 'effort', 'max_tokens', 'reasoning_content'],
  ['gemini-2.5-flash', 'effort', 'max_tokens', 'reasoning_content'],
  ['olmo-3', 'none', 'max_tokens', 'reasoning_content'],
  ['qwen3-32b', 'none', 'max_tokens', 'reasoning_content'],
  ['deepseek-reasoner', 'none', 'max_tokens', 'reasoning_content'],
])('%s', (model, reasoning, maxTokensField, reasoningField) => {
  test('is known by its name', () => {
    expect(openAiCompatibleProfile(model)).toEqual({
      maxOutputTokens: undefined,
      reasoning,
      reasoningField,
      midConversationSystem: false,
      maxTokensField,
      jsonSchemaOutput: true,
      customTools: false,
    });
  });
});

describe('prices', () => {
  const provider = createOpenAiCompatibleProvider(messagesCodec, { send: () => ({ pause() {}, resume() {}, abort() {} }), close: () => Promise.resolve() });
  const idOf = (baseUrl: string) => {
    const deployment: Deployment = {
      group: 'g',
      provider,
      model: 'm',
      baseUrl,
      apiKey: undefined,
      headers: {},
      timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1 },
      weight: 1,
      profile: provider.profileOf('m'),
      prices: undefined,
    };
    return provider.priceProviderIdOf(deployment);
  };

  test.each(Object.entries(priceProviders))('%s has those of %s, which the price source knows', (host, id) => {
    expect(idOf(`https://${host}/v1`)).toBe(id);
    expect(findProvider({ providerId: id })?.id).toBe(id);
  });

  test.each(['http://gpu:8000/v1', 'https://api.openai.com.evil.example/v1', 'https://constructor/v1', 'nowhere'])('%s has none', (baseUrl) => {
    expect(idOf(baseUrl)).toBeUndefined();
  });
});
