/** Two tenants on one credential: nobody names what lies in the provider's account, whatever the lane; what is stored here is its tenant's. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RawCall, rawUpstream, sendBody } from './support/raw-upstream.ts';
import { spawnGateway, type SpawnedGateway, temporaryFolder } from './support/spawn-gateway.ts';

const cleanups: (() => void)[] = [];
const calls: RawCall[] = [];
let gateway: SpawnedGateway;
let reply = '';

beforeAll(async () => {
  const upstream = await rawUpstream((call) => {
    calls.push(call);
    sendBody(call, reply);
  });
  cleanups.push(upstream.close);
  const models = {
    openai: 'provider: openai, model: gpt-5, api_key: k',
    azure: 'provider: azure, model: gpt-5, api_key: k',
    'azure-chat': 'provider: azure-chat, model: gpt-5, api_key: k',
    groq: 'provider: groq, model: llama-3.3-70b, api_key: k',
    anthropic: 'provider: anthropic, model: claude-haiku-4-5, api_key: k',
    bedrock: 'provider: bedrock, model: "eu.anthropic.claude-haiku-4-5-20251001-v1:0", region: eu-west-1, api_key: k',
    vertex: 'provider: vertex, model: claude-haiku-4-5@20251001, project: acme, region: us-east5, api_key: k',
    gemini: 'provider: gemini, model: gemini-3-pro, api_key: k',
    'vertex-gemini': 'provider: vertex-gemini, model: gemini-3-pro, project: acme, region: us-east5, api_key: k',
  };
  const entries = Object.entries(models).map(
    ([name, fields]) => `  - { name: ${name}, ${fields}, base_url: "${upstream.url}" }\n`,
  );
  gateway = await spawnGateway({
    config: `auth: { keys: [{ name: a, key: sk-alpha, team: alpha }, { name: b, key: sk-beta, team: beta }] }
models:
${entries.join('')}routing: { retries: 0 }
`,
    folder: temporaryFolder(),
    onCleanup: (cleanup) => void cleanups.push(cleanup),
  });
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});
beforeEach(() => {
  calls.length = 0;
});

interface Answer {
  status: number;
  text: string;
}

async function post(path: string, body: object, tenant: string): Promise<Answer> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer sk-${tenant}` };
  const response = await fetch(`${gateway.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  // Anthropic's clients are told an id of the request, which is another each time.
  return { status: response.status, text: (await response.text()).replace(/"request_id":"[^"]*"/, '') };
}

type Case = [param: string, fields: object];
const user = (...content: object[]) => [{ role: 'user', content }];

/** As each vendor's own API has them, what it may have tomorrow, and how they would look there. */
const anywhere: Case[] = [
  ['odd.file_id', { odd: { file_id: 'file-1' } }],
  ['brand_new_id', { brand_new_id: 'anything' }],
  ['brandNewIds', { brandNewIds: ['anything'] }],
  ['odd[0].thing', { odd: [{ thing: 'vs_68a1' }] }],
  ['odd', { odd: 'cntr_6f8a12' }],
  ['odd.deep[1]', { odd: { deep: ['words', 'asst_abc123'] } }],
  ['odd.ref', { odd: { ref: 'zebra_8Fq2kLm93Xv0TtQa' } }],
  ['odd.id', { odd: { id: 'x9' } }],
  ['odd.at', { odd: { at: 'gs://bucket/a.pdf' } }],
  ['odd.at', { odd: { at: 's3://bucket/a.pdf' } }],
  ['odd.at', { odd: { at: 'arn:aws:bedrock:eu-west-1:1:prompt/a' } }],
  ['odd.at', { odd: { at: 'cachedContents/abc' } }],
  ['odd.at', { odd: { at: 'files/abc' } }],
  ['odd.at', { odd: { at: 'ft:gpt-4o:acme::abc' } }],
];

const lanes: Record<string, { path: string; models: string[]; body: object; cases: Case[] }> = {
  Responses: {
    path: '/v1/responses',
    models: ['openai', 'azure'],
    body: { input: 'x' },
    cases: [
      ...anywhere,
      ['prompt', { prompt: { id: 'pmpt_1' } }],
      ['conversation_id', { conversation_id: 'conv_1' }],
      ['tools[0].vector_store_ids', { tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }] }],
      ['tools[0].container', { tools: [{ type: 'code_interpreter', container: 'cntr_1' }] }],
      [
        'tools[0].container.file_ids',
        { tools: [{ type: 'code_interpreter', container: { type: 'auto', file_ids: ['f'] } }] },
      ],
      ['tools[0].connector_id', { tools: [{ type: 'mcp', server_label: 'a', connector_id: 'connector_gmail' }] }],
      ['input[0].content[0].file_id', { input: user({ type: 'input_file', file_id: 'file-1' }) }],
      ['input[0].new_id', { input: [{ role: 'user', content: 'x', new_id: 'a' }] }],
      [
        'input[0].container_id',
        { input: [{ type: 'code_interpreter_call', id: 'ci_1', container_id: 'cntr_1', code: 'x', outputs: [] }] },
      ],
    ],
  },
  'Chat Completions': {
    path: '/v1/chat/completions',
    models: ['openai', 'azure-chat', 'groq'],
    body: { messages: [{ role: 'user', content: 'x' }] },
    cases: [
      ...anywhere,
      ['audio.voice.id', { modalities: ['text', 'audio'], audio: { format: 'wav', voice: { id: 'voice_1' } } }],
      ['messages[0].content[0].file.file_id', { messages: user({ type: 'file', file: { file_id: 'file-1' } }) }],
      ['messages[0].odd_id', { messages: [{ role: 'user', content: 'x', odd_id: 'a' }] }],
      [
        'messages[1].audio',
        {
          messages: [
            { role: 'user', content: 'x' },
            { role: 'assistant', content: 'y', audio: { id: 'audio_1' } },
          ],
        },
      ],
      ['data_sources', { data_sources: [{ type: 'azure_search', parameters: {} }] }],
    ],
  },
  Messages: {
    path: '/v1/messages',
    models: ['anthropic', 'bedrock', 'vertex'],
    body: { max_tokens: 9, messages: [{ role: 'user', content: 'x' }] },
    cases: [
      ...anywhere,
      ['container', { container: 'container_011' }],
      ['container', { container: { id: 'container_011', skills: [] } }],
      [
        'container.skills[0].skill_id',
        { container: { skills: [{ type: 'custom', skill_id: 'skill_1', version: '1' }] } },
      ],
      ['messages[0].content[0].file_id', { messages: user({ type: 'container_upload', file_id: 'file_1' }) }],
      [
        'messages[0].content[0].file_id',
        { messages: user({ type: 'document', source: { type: 'file', file_id: 'file_1' } }) },
      ],
      ['messages[0].content[0].new_id', { messages: user({ type: 'text', text: 'x', new_id: 'a' }) }],
    ],
  },
  'Responses, to Anthropic': {
    path: '/v1/responses',
    models: ['anthropic', 'bedrock', 'vertex'],
    body: { input: 'x' },
    cases: [
      [
        'input[0].content[0].messages.file_id',
        { input: user({ type: 'input_text', text: 'x', messages: { type: 'container_upload', file_id: 'file_1' } }) },
      ],
      [
        'input[1].output[0].messages.source.file_id',
        {
          input: [
            { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' },
            {
              type: 'function_call_output',
              call_id: 'c',
              output: [
                {
                  type: 'input_text',
                  text: 'x',
                  messages: { type: 'document', source: { type: 'file', file_id: 'file_1' } },
                },
              ],
            },
          ],
        },
      ],
      [
        'input[0].messages.blocks[0].file_id',
        {
          input: [
            {
              type: 'web_search_call',
              id: 'ws_1',
              status: 'completed',
              messages: { blocks: [{ type: 'container_upload', file_id: 'file_1' }] },
            },
          ],
        },
      ],
    ],
  },
  'Responses, to Google': {
    path: '/v1/responses',
    models: ['gemini', 'vertex-gemini'],
    body: { input: 'x' },
    cases: [
      [
        'input[0].content[0].file_url',
        { input: user({ type: 'input_file', file_url: 'https://generativelanguage.googleapis.com/v1beta/files/abc' }) },
      ],
      [
        'input[0].content[0].image_url',
        { input: user({ type: 'input_image', image_url: 'https://x.googleapis.com/files/a.png' }) },
      ],
      ['input[0].content[0].file_url', { input: user({ type: 'input_file', file_url: 'gs://bucket/a.pdf' }) }],
    ],
  },
};

describe.each(Object.keys(lanes))('%s', (name) => {
  const { path, models, body, cases } = lanes[name] as (typeof lanes)[string];

  test.each(models)(
    'to %s: what lies in the account is refused to both tenants alike, and nothing is sent',
    async (model) => {
      for (const [param, fields] of cases) {
        const asked = { model, ...body, ...fields };
        const alpha = await post(path, asked, 'alpha');
        const beta = await post(path, asked, 'beta');
        expect([alpha.status, alpha.text], JSON.stringify(fields)).toEqual([400, expect.stringContaining(param)]);
        expect(beta).toEqual(alpha);
      }
      expect(calls).toEqual([]);
    },
  );
});

test('what Google would be told by name has no word on the way there: it is said, and not sent', async () => {
  reply = JSON.stringify({
    candidates: [{ content: { role: 'model', parts: [{ text: 'y' }] }, finishReason: 'STOP' }],
  });
  const asked = { model: 'gemini', input: 'x', cachedContent: 'cachedContents/abc' };
  const headers = { 'content-type': 'application/json', authorization: 'Bearer sk-alpha' };
  const response = await fetch(`${gateway.url}/v1/responses`, { method: 'POST', headers, body: JSON.stringify(asked) });
  expect(response.status, await response.clone().text()).toBe(200);
  expect(response.headers.get('x-turnpike-warnings')).toContain('cachedContent');
  expect(calls.map(({ text }) => text.includes('cachedContents'))).toEqual([false]);
});

describe('what the model itself has made in a container', () => {
  const item = {
    type: 'code_interpreter_call',
    id: 'ci_1',
    status: 'completed',
    container_id: 'cntr_secret',
    code: 'x',
    outputs: [],
  };
  const said = {
    type: 'message',
    id: 'msg_1',
    status: 'completed',
    role: 'assistant',
    content: [{ type: 'output_text', text: 'Made.', annotations: [] }],
  };
  const send = (tenant: string, fields: object) =>
    post('/v1/responses', { model: 'openai', input: 'Go on.', ...fields }, tenant);

  test('goes back for the tenant whose turn it was, by its chain, and is unknown to the other', async () => {
    reply = JSON.stringify({
      id: 'resp_up',
      object: 'response',
      model: 'gpt-5',
      status: 'completed',
      output: [item, said],
      usage: { input_tokens: 1, output_tokens: 1 },
    });
    const first = JSON.parse((await send('alpha', {})).text) as { id: string };
    const chained = { previous_response_id: first.id };
    expect((await send('alpha', chained)).status).toBe(200);
    expect(calls[1]?.text).toContain('cntr_secret');
    const foreign = await send('beta', chained);
    expect(foreign.text).toContain('previous_response_not_found');
    expect(foreign.text.replaceAll(first.id, 'x')).toBe(
      (await send('beta', { previous_response_id: `resp_${'0'.repeat(44)}` })).text.replaceAll(
        `resp_${'0'.repeat(44)}`,
        'x',
      ),
    );
    expect(calls).toHaveLength(2);
  });
});

test('fields that name nothing pass, whatever they are', async () => {
  reply = JSON.stringify({
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: 'y' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  });
  const fields = {
    features: [{ id: 'web', max_results: 3 }, { id: 'file-parser' }],
    preferences: { order: ['a/b-2024-08-06'], ignore: [] },
    session_id: 'ses_7f3a9Kd02mQwX81bZ',
    empty_ids: [],
    guided_choice: ['yes', 'no'],
    seed_text: 'file-1 is what I mean, and vs_1 too',
    chat_template_kwargs: { enable_thinking: false },
  };
  const asked = { model: 'groq', messages: [{ role: 'user', content: 'file-abc123' }], ...fields };
  expect(await post('/v1/chat/completions', asked, 'alpha')).toMatchObject({ status: 200 });
  expect(calls[0]?.body).toMatchObject(fields);
});
