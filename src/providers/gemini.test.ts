import { expect, test } from 'vitest';
import { geminiCodec } from '../protocols/gemini/index.ts';
import { createGeminiProvider, geminiProfile } from './gemini.ts';
import type { Deployment } from './provider.ts';

const provider = createGeminiProvider(geminiCodec, {
  send: () => ({ pause() {}, resume() {}, abort() {} }),
  close: () => Promise.resolve(),
});

const deployment = (fields: Partial<Deployment> = {}): Deployment => ({
  group: 'm',
  provider,
  model: 'gemini-3-pro-preview',
  baseUrl: 'https://generativelanguage.googleapis.com',
  apiKey: 'AIza1',
  headers: {},
  timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1 },
  weight: 1,
  profile: geminiProfile('gemini-3-pro-preview'),
  prices: undefined,
  ...fields,
});

test('the model is in the address, and the key in a header only', () => {
  const request = provider.buildRequest(deployment(), '{}', true);
  expect(request).toMatchObject({
    origin: 'https://generativelanguage.googleapis.com',
    path: '/v1beta/models/gemini-3-pro-preview:streamGenerateContent?alt=sse',
    headers: { 'x-goog-api-key': 'AIza1', accept: 'text/event-stream' },
    body: '{}',
  });
  expect(provider.buildRequest(deployment({ apiKey: undefined }), '{}', false).headers).not.toHaveProperty(
    'x-goog-api-key',
  );
});

test.each<[base: string, model: string, path: string]>([
  ['http://h', 'gemini-x', '/v1beta/models/gemini-x'],
  ['http://h/v1', 'gemini-x', '/v1/models/gemini-x'],
  ['http://h/proxy/v1beta/', 'gemini-x', '/proxy/v1beta/models/gemini-x'],
  ['http://h', 'models/gemini-x', '/v1beta/models/gemini-x'],
  ['http://h', 'tunedModels/mine', '/v1beta/tunedModels/mine'],
  ['http://h', '../x:y?key=z', '/v1beta/models/..%2Fx%3Ay%3Fkey%3Dz'],
])('below %s the model %s is at %s', (baseUrl, model, path) => {
  expect(provider.buildRequest(deployment({ baseUrl, model }), '{}', false).path).toBe(`${path}:generateContent`);
});

test('input tokens are counted by the vendor, of the whole request', () => {
  const body = '{"generationConfig":{"seed":1.0},"contents":[]}';
  expect(provider.counter?.buildRequest(deployment(), body)).toMatchObject({
    path: '/v1beta/models/gemini-3-pro-preview:countTokens',
    headers: { 'x-goog-api-key': 'AIza1' },
    body: '{"generateContentRequest":{"model":"models/gemini-3-pro-preview","generationConfig":{"seed":1.0},"contents":[]}}',
  });
  expect(provider.counter?.readCount('{"totalTokens":17}')).toBe(17);
  expect(provider.counter?.readCount('<html>')).toBeUndefined();
});

const all = ['minimal', 'low', 'medium', 'high'];
const most = ['low', 'medium', 'high'];

test.each<[model: string, reasoning: string, third: boolean, levels: string[], least: number, jsonSchema: boolean]>([
  ['gemini-1.5-pro', 'none', false, [], 0, false],
  ['gemini-2.0-flash-001', 'none', false, [], 0, true],
  ['gemini-2.5-pro', 'budget', false, [], 128, true],
  ['gemini-2.5-flash-preview-09-2025', 'budget', false, [], 0, true],
  ['gemini-3-pro-preview', 'effort', true, ['low', 'high'], 0, true],
  ['gemini-3.1-pro-preview', 'effort', true, most, 0, true],
  ['gemini-3-flash-preview', 'effort', true, all, 0, true],
  ['gemini-3.5-flash-lite', 'effort', true, all, 0, true],
  ['gemini-3.8-flash', 'effort', true, most, 0, true],
  ['gemini-4-hydrogen', 'effort', true, [...most, 'xhigh'], 0, true],
  ['gemini-flash-latest', 'effort', true, most, 0, true],
  ['gemini-flash-lite-latest', 'effort', true, all, 0, true],
  ['models/gemini-pro-latest', 'effort', true, most, 0, true],
  ['gemma-3-27b-it', 'none', false, [], 0, false],
])('%s is known by its name', (model, reasoning, thirdGeneration, levels, least, jsonSchemaOutput) => {
  expect(geminiProfile(model)).toMatchObject({
    reasoning,
    jsonSchemaOutput,
    gemini: { thirdGeneration, levels, budget: { least } },
  });
});
