/** Which words go up: a client's own where the upstream speaks them, the neutral model's where it does not. */
import type { ServerResponse } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { collectChunks } from './support/collect-chunks.ts';
import { fakeUpstream, sendJson, type UpstreamRequest } from './support/fake-upstream.ts';
import { responseOf, text as openAiText } from './support/openai-upstream.ts';
import { spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

const messages = [{ role: 'user', content: 'Hi' }];
const head = { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'm-2026' };
const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };

const unheardOf = '"a_new_field":{"2":1.0,"1":18446744073709551616}';

function answerInChat(_request: UpstreamRequest, response: ServerResponse): void {
  const message = { role: 'assistant', content: 'Hello.' };
  const text = JSON.stringify({ ...head, choices: [{ index: 0, message, finish_reason: 'stop' }], usage });
  // As no JSON.parse would give it back.
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(text.replace('"content":', `${unheardOf},"content":`));
}

async function gatewayWith(models: string): Promise<{
  ask: (body: object, key?: string) => Promise<{ status: number; text: string; id: string }>;
  /** Protocol and end of each. */
  attemptsOf: (id: string) => string[];
}> {
  const folder = temporaryFolder();
  const gateway = await spawnGateway({ folder, config: `routing: { retries: 1 }\nmodels:\n${models}` });
  return {
    async ask(body, key) {
      const reply = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(key !== undefined && { authorization: `Bearer ${key}` }) },
        body: JSON.stringify({ model: 'm', messages, ...body }),
      });
      const text = await reply.text();
      return { status: reply.status, text, id: /resp_\w+/.exec(text)?.[0] ?? '' };
    },
    attemptsOf(id) {
      const database = new DatabaseSync(join(folder, 'turnpike.db'), { readOnly: true });
      const select = 'SELECT status, codec_version FROM attempts WHERE turn_id = ? ORDER BY number';
      const rows = database.prepare(select).all(id);
      database.close();
      return rows.map((row) => `${String(row['codec_version']).split('/')[0]}: ${String(row['status'])}`);
    },
  };
}

test('a chat client reaches OpenAI in Chat Completions, and Responses where OpenAI has the model there only', async () => {
  const upstream = await fakeUpstream((request, response, count) => {
    if (request.path === '/v1/responses') {
      sendJson(response, responseOf(request.body, { output: [openAiText('Hello from Responses.')] }, count));
    } else if (request.body.model === 'both') answerInChat(request, response);
    else sendJson(response, { error: { message: 'This model is only supported in v1/responses.' } }, 404);
  });
  const entry = (name: string, model: string) =>
    `  - { name: ${name}, provider: openai, model: ${model}, base_url: "${upstream.url}/v1", api_key: k }\n`;
  const { ask, attemptsOf } = await gatewayWith(entry('both', 'both') + entry('m', 'only-responses'));

  const own = await ask({ model: 'both', logit_bias: { '50256': -100 }, stop: ['END'] });
  expect(own.status, own.text).toBe(200);
  expect(own.text).toContain(unheardOf);
  expect(upstream.requests.map(({ path }) => path)).toEqual(['/v1/chat/completions']);
  expect(upstream.requests[0]?.body).toEqual({ model: 'both', messages, logit_bias: { '50256': -100 }, stop: ['END'] });

  const other = await ask({});
  expect(JSON.parse(other.text).choices[0].message.content).toBe('Hello from Responses.');
  expect(upstream.requests.slice(1).map(({ path }) => path)).toEqual(['/v1/chat/completions', '/v1/responses']);
  expect(attemptsOf(other.id)).toEqual(['chat: failed', 'responses: completed']);
  const later = await ask({});
  expect(upstream.requests.slice(3).map(({ path }) => path)).toEqual(['/v1/responses']);
  expect(attemptsOf(later.id)).toHaveLength(1);
});

test.each([false, true])('another attempt may take another lane: streamed %s', async (stream) => {
  const broken = await fakeUpstream((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const chunk = { ...head, choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }] };
    response.end(`data: ${JSON.stringify(chunk)}\n\n`);
  });
  const { ask, attemptsOf } = await gatewayWith(
    `  - { name: m, provider: openai-compatible, model: x, base_url: "${broken.url}/v1", weight: 1000000 }
  - { name: m, provider: simulator, model: y, weight: 0.000001 }
`,
  );
  const { status, text, id } = await ask({ messages: [{ role: 'user', content: 'Say exactly "Hello."' }], stream });
  expect(status, text).toBe(200);
  const completion = stream ? collectChunks(text).completion : JSON.parse(text);
  expect(completion.id).toBe(id);
  expect(completion.choices[0].message.content.length).toBeGreaterThan(0);
  if (stream) expect(text.match(/"role":"assistant"/g)).toHaveLength(1);
  expect(attemptsOf(id)).toEqual(['chat: failed', 'messages: completed']);
});

test('an upstream that answers a stream plainly is streamed all the same', async () => {
  const upstream = await fakeUpstream(answerInChat);
  const { ask, attemptsOf } = await gatewayWith(
    `  - { name: m, provider: openai-compatible, model: x, base_url: "${upstream.url}/v1" }\n`,
  );
  const { text, id } = await ask({ stream: true });
  expect(text).toMatch(/^data: /);
  expect(text).toMatch(/data: \[DONE\]\n\n$/);
  expect(collectChunks(text).completion).toMatchObject({
    id,
    model: 'm',
    choices: [{ finish_reason: 'stop', message: { content: 'Hello.' } }],
  });
  expect(attemptsOf(id)).toEqual(['chat: completed']);
});

test('what is in the account behind two keys is out of reach of both, though their words go up unchanged', async () => {
  const upstream = await fakeUpstream(answerInChat);
  const { ask } =
    await gatewayWith(`  - { name: m, provider: openai, model: x, base_url: "${upstream.url}/v1", api_key: k }
auth:
  keys: [{ name: a, key: sk-a, team: alpha }, { name: b, key: sk-b, team: beta }]
`);
  const audio = { modalities: ['text', 'audio'], audio: { format: 'wav', voice: 'alloy' } };
  const libraries = { type: 'document_library', library_ids: ['lib_1'] };
  const named: [body: object, param: string][] = [
    [{ ...audio, audio: { format: 'wav', voice: { id: 'voice_1' } } }, 'audio.voice.id'],
    [{ audio: { voice: { id: 'voice_1' } } }, 'audio.voice.id'],
    [{ data_sources: [{ type: 'azure_search', parameters: { index_name: 'i' } }] }, 'data_sources'],
    [{ preset: 'of-alpha' }, 'preset'],
    [{ tools: [libraries] }, 'tools[0].type'],
    [{ extra_body: { tools: [libraries] } }, 'extra_body.tools[0].library_ids'],
  ];
  for (const key of ['sk-a', 'sk-b']) {
    for (const [body, param] of named) {
      const { status, text } = await ask(body, key);
      expect([status, JSON.parse(text).error?.param], text).toEqual([400, param]);
    }
  }
  expect(upstream.requests).toEqual([]);
  for (const key of ['sk-a', 'sk-b']) expect((await ask(audio, key)).status).toBe(200);
  expect(upstream.requests.map(({ body }) => body.audio)).toEqual([audio.audio, audio.audio]);
});
