/** The models' list in the words of whoever asks: OpenAI's clients, Anthropic's, and Codex. */
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createClient } from './support/client.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const cleanups: (() => void)[] = [];
const many = Array.from({ length: 30 }, (_, at) => `m${String(at).padStart(2, '0')}`);
const names = [...many, 'owner/model', 'fast', 'claude-alias'];
let gateway: SpawnedGateway;

beforeAll(async () => {
  const entry = (name: string) =>
    `  - { name: "${name}", provider: simulator, model: "${name.endsWith('*') ? '*' : 'm'}" }`;
  const config = `
auth: { master_key: sk-test }
models:
${[...many, 'owner/model', 'sim-*'].map(entry).join('\n')}
aliases: { fast: m03, claude-alias: sim-7 }
`;
  gateway = await spawnGateway({ config, folder: temporaryFolder(), onCleanup: (end) => cleanups.push(end) });
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

const get = (path: string, headers: Record<string, string> = { authorization: 'Bearer sk-test' }) =>
  createClient(gateway.url).request('GET', path, undefined, headers);
const asAnthropic = { 'x-api-key': 'sk-test', 'anthropic-version': '2023-06-01' };

describe("OpenAI's client", () => {
  const client = () => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'sk-test', maxRetries: 0 });

  test('lists groups and aliases', async () => {
    const { data } = await client().models.list();
    expect(data.map(({ id }) => id)).toEqual(names);
    expect(data[0]).toEqual({ id: 'm00', object: 'model', created: expect.any(Number), owned_by: 'turnpike' });
  });

  test.each(['m00', 'fast', 'claude-alias', 'owner/model', 'sim-what-a-pattern-serves'])('retrieves %s', async (id) => {
    expect(await client().models.retrieve(id)).toMatchObject({ id, object: 'model' });
  });

  test.each(['none', 'sim-*', '*'])('is told that %s is not there', async (id) => {
    await expect(client().models.retrieve(id)).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });
});

describe("Anthropic's client", () => {
  const client = () => new Anthropic({ baseURL: gateway.url, apiKey: 'sk-test', maxRetries: 0 });

  test.each([1, 7, 20, 1000])('pages through all of them, %i at a time', async (limit) => {
    const listed: string[] = [];
    for await (const { id } of client().models.list({ limit })) listed.push(id);
    expect(listed).toEqual(names);
  });

  test('has a page in its own shape', async () => {
    const first = { type: 'model', id: 'm00', display_name: 'm00', created_at: '1970-01-01T00:00:00Z' };
    const { body } = await get('/v1/models', asAnthropic);
    expect(body).toMatchObject({ has_more: true, first_id: 'm00', last_id: 'm19' });
    expect(body.data).toHaveLength(20);
    expect(body.data[0]).toEqual(first);
    expect((await get('/v1/models?before_id=m05&limit=2', asAnthropic)).body).toMatchObject({
      has_more: true,
      first_id: 'm03',
      last_id: 'm04',
    });
    expect((await get('/v1/models?after_id=claude-alias', asAnthropic)).body).toEqual({
      data: [],
      has_more: false,
      first_id: null,
      last_id: null,
    });
    expect(await client().models.retrieve('m00')).toMatchObject(first);
  });

  test('is known by its version, or by its key where no other is sent', async () => {
    const { 'x-api-key': key, 'anthropic-version': version } = asAnthropic;
    expect((await get('/v1/models', { 'x-api-key': key })).body.has_more).toBe(true);
    const bearer = { authorization: 'Bearer sk-test' };
    expect((await get('/v1/models', { ...bearer, 'anthropic-version': version })).body.has_more).toBe(true);
    expect((await get('/v1/models', { ...bearer, 'x-api-key': key })).body.object).toBe('list');
  });

  test.each([
    ['limit', 'limit=0'],
    ['limit', 'limit=1001'],
    ['limit', 'limit=x'],
    ['after_id', 'after_id=none'],
    ['before_id', 'before_id=none'],
  ])('is told what is wrong with %s in %s', async (param, query) => {
    const { status, body } = await get(`/v1/models?${query}`, asAnthropic);
    expect([status, body.error.message]).toEqual([400, expect.stringContaining(`'${param}'`)]);
  });

  const { 'anthropic-version': version } = asAnthropic;
  test.each<[status: number, type: string, path: string, headers: Record<string, string>]>([
    [400, 'invalid_request_error', '/v1/models?limit=0', asAnthropic],
    [401, 'authentication_error', '/v1/models', { 'x-api-key': 'sk-none' }],
    [401, 'authentication_error', '/models', { 'anthropic-version': version }],
    [401, 'authentication_error', '/v1/models/m00', { ...asAnthropic, 'x-api-key': 'sk-none' }],
    [404, 'not_found_error', '/v1/models/none', asAnthropic],
    [404, 'not_found_error', '/v1/models/none', { authorization: 'Bearer sk-test', 'anthropic-version': version }],
  ])('is told of a %i as Anthropic tells it: %s at %s', async (status, type, path, headers) => {
    const answer = await get(path, headers);
    expect([answer.status, answer.body]).toMatchObject([
      status,
      { type: 'error', error: { type, message: expect.any(String) }, request_id: answer.headers.get('request-id') },
    ]);
    const { body } = await get(path, { authorization: 'Bearer sk-none', 'x-api-key': 'sk-test' });
    expect(body).toEqual({ error: expect.objectContaining({ code: 'invalid_api_key' }) });
  });
});

test('Codex gets a list of its own kind, in which nothing replaces what it knows', async () => {
  const { body } = await get('/models?client_version=0.169.0');
  expect(body.models).toEqual([]);
  expect(body.data).toHaveLength(names.length);
});
