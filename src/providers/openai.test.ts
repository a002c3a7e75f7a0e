import { expect, test } from 'vitest';
import { GatewayError } from '../core/errors.ts';
import { chatCodec } from '../protocols/chat/index.ts';
import { messagesCodec } from '../protocols/messages/index.ts';
import { createOpenAiProvider, openAiProfile } from './openai.ts';
import type { Deployment } from './provider.ts';

const provider = createOpenAiProvider(messagesCodec, chatCodec, {
  send: () => ({ pause() {}, resume() {}, abort() {} }),
  close: () => Promise.resolve(),
});

const deployment = (fields: Partial<Deployment> = {}): Deployment => ({
  group: 'm',
  provider,
  model: 'gpt-5',
  baseUrl: 'https://api.openai.com/v1',
  apiKey: 'sk-1',
  headers: { 'OpenAI-Organization': 'org', 'OpenAI-Project': 'proj' },
  timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1 },
  weight: 1,
  profile: openAiProfile('gpt-5'),
  prices: undefined,
  ...fields,
});

test('posts to /responses, with the key and the deployment’s own headers', () => {
  expect(provider.buildRequest(deployment(), '{}', true)).toMatchObject({
    origin: 'https://api.openai.com',
    path: '/v1/responses',
    headers: {
      authorization: 'Bearer sk-1',
      accept: 'text/event-stream',
      'openai-organization': 'org',
      'openai-project': 'proj',
    },
    body: '{}',
  });
  const local = provider.buildRequest(deployment({ baseUrl: 'http://gpu:1/api?v=2', apiKey: undefined }), '{}', false);
  expect(local.path).toBe('/api/responses?v=2');
  expect(local.headers).not.toHaveProperty('authorization');
});

test.each<[model: string, reasoning: string, samplingParameters: boolean]>([
  ['gpt-4o', 'none', true],
  ['gpt-4.1-mini', 'none', true],
  ['gpt-3.5-turbo', 'none', true],
  ['chatgpt-4o-latest', 'none', true],
  ['ft:gpt-4o-mini:acme::1', 'none', true],
  ['gpt-5-chat-latest', 'none', true],
  ['o1', 'effort', false],
  ['o3-mini', 'effort', false],
  ['o4-mini-2025-04-16', 'effort', false],
  ['gpt-5', 'effort', false],
  ['gpt-5-mini', 'effort', false],
  ['gpt-5.1-codex-max', 'effort', true],
  ['gpt-6-astra', 'effort', true],
  ['openai/gpt-oss-20b', 'effort', true],
])('%s is known by its name', (model, reasoning, samplingParameters) => {
  expect(openAiProfile(model)).toMatchObject({ reasoning, samplingParameters });
});

const rejected = (message: string) => new GatewayError('upstream_rejected', message, { param: 'include' });

test('a model that refuses encrypted reasoning is not asked again, others are', () => {
  const refusal = rejected('Encrypted content is not supported with this model.');
  const asked = deployment({ model: 'llama' });
  expect(provider.profileNow?.(asked)).toBe(asked.profile);
  expect(provider.learn?.(asked, rejected('Unknown parameter.'), 'responses')).toBe(false);
  expect(provider.learn?.(asked, new GatewayError('upstream_error', refusal.message), 'responses')).toBe(false);
  expect(provider.learn?.(asked, refusal, 'responses')).toBe(true);
  expect(provider.learn?.(asked, refusal, 'responses')).toBe(false);
  expect(provider.profileNow?.(deployment({ model: 'llama' }))).toMatchObject({ encryptedReasoning: false });
  expect(provider.profileNow?.(deployment({ model: 'llama', baseUrl: 'http://other/v1' }))).not.toHaveProperty(
    'encryptedReasoning',
  );
});

test('efforts that a model refuses are learnt where they are our words', () => {
  const here = deployment({ model: 'gpt-5-mini' });
  const message =
    "Unsupported value: 'none' is not supported with the 'gpt-5-mini' model. Supported values are: 'minimal', 'low', 'medium', and 'high'.";
  const refusal = new GatewayError('upstream_rejected', message, { param: 'reasoning.effort' });
  expect(provider.learn?.(here, refusal, 'responses')).toBe(false);
  expect(provider.learn?.(here, new GatewayError('upstream_rejected', message), 'responses', '{}')).toBe(false);
  expect(provider.profileNow?.(here)).not.toHaveProperty('refusedEfforts');
  expect(provider.learn?.(here, refusal, 'responses', '{}')).toBe(true);
  expect(provider.learn?.(here, refusal, 'responses', '{}')).toBe(false);
  expect(provider.profileNow?.(here)).toMatchObject({ refusedEfforts: ['none', 'xhigh', 'max'] });
});

test('what clients name is remembered within bounds', () => {
  const refusal = rejected('Encrypted content is not supported with this model.');
  for (let at = 0; at < 1001; at++) provider.learn?.(deployment({ model: `m-${at}` }), refusal, 'responses');
  const isForgotten = (model: string) => provider.learn?.(deployment({ model }), refusal, 'responses');
  expect([isForgotten('m-0'), isForgotten('m-1000')]).toEqual([true, false]);
});

test('input tokens are counted by the vendor, from what makes input', () => {
  const body =
    '{"model":"gpt-5","store":false,"include":[],"stream":true,"instructions":"Be brief.","input":[{"n":1.0}]}';
  const request = provider.counter?.buildRequest(deployment(), body);
  expect(request).toMatchObject({
    path: '/v1/responses/input_tokens',
    headers: { authorization: 'Bearer sk-1' },
    body: '{"model":"gpt-5","instructions":"Be brief.","input":[{"n":1.0}]}',
  });
  expect(provider.counter?.readCount('{"object":"response.input_tokens","input_tokens":17}')).toBe(17);
  expect(provider.counter?.readCount('<html>')).toBeUndefined();
});

test('a chat client is served in Chat Completions, until the upstream says that it does not serve the model there', () => {
  const here = deployment({ model: 'gpt-only-in-responses' });
  const chat = provider.dialect?.(here, 'chat');
  expect(chat?.buildRequest('{}', false)).toMatchObject({ path: '/v1/chat/completions', body: '{}' });
  expect(chat?.codec.protocol).toBe('chat');
  expect(provider.dialect?.(here, 'messages')).toBeUndefined();
  const body = JSON.stringify({ error: { message: 'This model is only supported in v1/responses', code: null } });
  const refusal = chat?.codec.decodeError(404, {}, body);
  if (refusal === undefined) throw new Error('no error');
  expect(refusal).toMatchObject({ code: 'upstream_error', retryable: false });
  expect(provider.learn?.(here, refusal, 'responses')).toBe(false);
  expect(provider.learn?.(here, refusal, 'chat')).toBe(true);
  expect(provider.dialect?.(here, 'chat')).toBeUndefined();
  expect(provider.dialect?.(deployment(), 'chat')).toBeDefined();
  expect(provider.learn?.(here, refusal, 'chat')).toBe(false);
});
