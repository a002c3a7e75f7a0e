import { describe, expect, test } from 'vitest';
import { messagesCodec } from '../protocols/messages/index.ts';
import { createOpenAiCompatibleProvider, openAiCompatibleProfile } from './openai-compatible.ts';
import type { Deployment } from './provider.ts';
import { vendorAt } from './vendors.ts';

describe.each([
  ['gpt-4o', 'none', 'max_tokens', 'reasoning_content', true],
  ['gpt-4.1-mini', 'none', 'max_tokens', 'reasoning_content', true],
  ['o1', 'effort', 'max_completion_tokens', 'none', false],
  ['o3-mini', 'effort', 'max_completion_tokens', 'none', false],
  ['openai/o4-mini-2025-04-16', 'effort', 'max_completion_tokens', 'none', false],
  ['gpt-5', 'effort', 'max_completion_tokens', 'none', false],
  ['gpt-5.1-codex', 'effort', 'max_completion_tokens', 'none', true],
  ['gpt-6-astra', 'effort', 'max_completion_tokens', 'none', true],
  ['openai/gpt-oss-120b', 'effort', 'max_tokens', 'reasoning_content', true],
  ['gemini-2.5-flash', 'effort', 'max_tokens', 'reasoning_content', true],
  ['gpt-5-chat-latest', 'none', 'max_tokens', 'reasoning_content', true],
  ['olmo-3', 'none', 'max_tokens', 'reasoning_content', true],
  ['qwen3-32b', 'none', 'max_tokens', 'reasoning_content', true],
  ['deepseek-reasoner', 'none', 'max_tokens', 'reasoning_content', true],
])('%s', (model, reasoning, maxTokensField, reasoningField, samplingParameters) => {
  test('is known by its name', () => {
    expect(openAiCompatibleProfile(model)).toEqual({
      maxOutputTokens: undefined,
      reasoning,
      reasoningField,
      midConversationSystem: false,
      maxTokensField,
      jsonSchemaOutput: true,
      customTools: false,
      samplingParameters,
    });
  });
});

test('prices are those of OpenAI at its own address, and none elsewhere', () => {
  const provider = createOpenAiCompatibleProvider(messagesCodec, {
    send: () => ({ pause() {}, resume() {}, abort() {} }),
    close: () => Promise.resolve(),
  });
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
  expect(idOf('https://api.openai.com/v1')).toBe('openai');
  const others = ['http://gpu:8000/v1', 'https://api.openai.com.evil.example/v1', 'https://constructor/v1', 'nowhere'];
  expect(others.map(idOf)).toEqual([undefined, undefined, undefined, undefined]);
});

test.each([
  ['https://api.groq.com/openai/v1', 'groq'],
  ['https://openrouter.ai/api/v1', 'openrouter'],
  ['https://api.groq.com.evil.example/v1', undefined],
  ['https://constructor/v1', undefined],
  ['http://127.0.0.1:8000/v1', undefined],
  ['nowhere', undefined],
])('the vendor at %s is %s', (baseUrl, name) => {
  expect(vendorAt(baseUrl)).toBe(name);
});
