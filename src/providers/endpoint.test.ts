import { describe, expect, test } from 'vitest';
import { messagesCodec } from '../protocols/messages/index.ts';
import { createAnthropicProvider } from './anthropic.ts';
import { createOpenAiCompatibleProvider } from './openai-compatible.ts';
import type { Deployment, Provider, Transport } from './provider.ts';
import { createSimulatorProvider, simulatorPrices } from './simulator/simulator.ts';

const transport: Transport = {
  send: () => ({ pause() {}, resume() {}, abort() {} }),
  close: () => Promise.resolve(),
};
const anthropic = createAnthropicProvider(messagesCodec, transport);
const compatible = createOpenAiCompatibleProvider(messagesCodec, transport);
const simulator = createSimulatorProvider(messagesCodec, transport);

const deployment = (provider: Provider, more: Partial<Deployment> = {}): Deployment => ({
  group: 'fast',
  provider,
  model: 'm',
  baseUrl: provider.defaultBaseUrl ?? 'https://gpu.example/v1',
  apiKey: 'secret',
  headers: {},
  timeouts: { connectMs: 1, firstByteMs: 2, idleMs: 3 },
  weight: 1,
  profile: provider.profileOf('m'),
  prices: undefined,
  ...more,
});
const build = (provider: Provider, more: Partial<Deployment> = {}, stream = false) =>
  provider.buildRequest(deployment(provider, more), '{}', stream);

describe('anthropic', () => {
  test.each([
    ['https://api.anthropic.com', 'https://api.anthropic.com', '/v1/messages'],
    ['https://api.anthropic.com/', 'https://api.anthropic.com', '/v1/messages'],
    ['https://api.anthropic.com/v1', 'https://api.anthropic.com', '/v1/messages'],
    ['https://api.anthropic.com/v1/', 'https://api.anthropic.com', '/v1/messages'],
    ['http://127.0.0.1:8080/anthropic/v1?tenant=1', 'http://127.0.0.1:8080', '/anthropic/v1/messages?tenant=1'],
    ['https://user:pass@proxy.example/a%20b', 'https://proxy.example', '/a%20b/v1/messages'],
  ])('%s is POSTed to %s%s', (baseUrl, origin, path) => {
    expect(build(anthropic, { baseUrl })).toMatchObject({ origin, path, body: '{}', timeouts: { idleMs: 3 } });
  });

  test('sends the key, the version and what it wants back', () => {
    expect(build(anthropic).headers).toEqual({
      'content-type': 'application/json',
      accept: 'application/json',
      'user-agent': 'turnpike',
      'anthropic-version': '2023-06-01',
      'x-api-key': 'secret',
    });
    expect(build(anthropic, {}, true).headers['accept']).toBe('text/event-stream');
    expect(build(anthropic, { apiKey: undefined }).headers).not.toHaveProperty('x-api-key');
  });
});

describe('openai-compatible', () => {
  test('is POSTed below its base URL, with a bearer token where there is a key', () => {
    const sent = build(compatible, { baseUrl: 'http://gpu:8000/v1?api-version=2' });
    expect(sent).toMatchObject({ origin: 'http://gpu:8000', path: '/v1/chat/completions?api-version=2' });
    expect(sent.headers['authorization']).toBe('Bearer secret');
    expect(build(compatible, { apiKey: undefined }).headers).not.toHaveProperty('authorization');
  });
});

describe('simulator', () => {
  test("is Anthropic's provider under another name, without a key and with prices of its own", () => {
    const sent = build(simulator, { apiKey: undefined });
    expect(sent).toMatchObject({ origin: 'http://simulator.invalid', path: '/v1/messages' });
    expect(sent.headers).toEqual({ ...build(anthropic).headers, 'x-api-key': 'simulator' });
    expect(simulator.name).toBe('simulator');
    expect(simulator.priceProviderIdOf(deployment(simulator))).toBeUndefined();
    expect(simulatorPrices.output).toBeGreaterThan(simulatorPrices.input);
    expect(simulator.profileOf('simulator')).toMatchObject({
      reasoning: 'adaptive',
      jsonSchemaOutput: true,
      maxOutputTokens: 64_000,
    });
  });
});

describe.each([anthropic, compatible, simulator])('$name', (provider) => {
  test("a deployment's headers come last, once each", () => {
    const { headers } = build(provider, { headers: { 'User-Agent': 'mine', 'anthropic-beta': 'b', 'X-Team': 'a' } });
    expect(headers).toMatchObject({ 'user-agent': 'mine', 'anthropic-beta': 'b', 'x-team': 'a' });
    expect(Object.keys(headers).every((name) => name === name.toLowerCase())).toBe(true);
  });

  test('a header cannot say where the request goes, nor how it is framed', () => {
    const evil = {
      Host: 'evil.example',
      ':authority': 'evil.example',
      'Content-Length': '0',
      'transfer-encoding': 'chunked',
      connection: 'close',
    };
    expect(build(provider, { headers: evil })).toEqual(build(provider));
  });

  test.each([
    'https://api.example//evil.example',
    'https://api.example/\\evil.example',
    'file:///etc',
    'api.example',
    '',
  ])('the credential does not leave its origin: %s', (baseUrl) => {
    const origin = URL.parse(baseUrl)?.origin;
    try {
      const sent = build(provider, { baseUrl });
      expect(new URL(sent.path, sent.origin).origin).toBe(origin);
    } catch (error) {
      expect(error).toMatchObject({ code: 'internal_error' });
      expect(String(error)).not.toContain('secret');
    }
  });
});
