/**
 * Every client protocol over every backend protocol, side by side: the same request in each client's words, as each backend is
 * sent it, and the same reply in each backend's words, as each client reads it, plain and streamed. What is new in a golden is
 * to be read: `npx vitest run test/any-to-any.test.ts -u` writes them.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Kind, kinds, type Recording, recordings } from './support/recordings.ts';
import { type ReplayingUpstream, replayingUpstream } from './support/replaying-upstream.ts';
import { type SpawnedGateway, spawnGateway, temporaryFolder } from './support/spawn-gateway.ts';

// oxlint-disable-next-line no-explicit-any -- whatever is sent
type Json = any;

const entries: Record<Kind, string> = {
  messages: 'provider: anthropic, model: claude-haiku-4-5',
  responses: 'provider: openai, model: gpt-5.1',
  chat: 'provider: openai-compatible, model: gpt-oss-120b',
  gemini: 'provider: gemini, model: gemini-3-flash-preview',
  converse:
    'provider: ai-sdk, package: "@ai-sdk/amazon-bedrock", model: amazon.nova-pro-v1:0, settings: { region: us-east-1 }',
};
/** A reply that thinks, and calls a tool. */
const replies: Record<Kind, string> = {
  messages: 'thinking-tool.stream.jsonl',
  responses: 'encrypted-reasoning.jsonl (1)',
  chat: 'reasoning-content.sse',
  gemini: 'thinking-calls.sse',
  converse: 'reasoning-calls.jsonl',
};

const png = 'iVBORw0KGgo=';
const parameters = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
const args = '{"city":"Paris","big":18446744073709551616}';

/** One conversation: what it is to be like, a picture, a call, what the tool gave, and a question. */
const requests: Record<
  'responses' | 'chat' | 'messages',
  { path: string; body: object; fields?: (body: string) => string }
> = {
  responses: {
    path: '/v1/responses',
    body: {
      instructions: 'Be brief.',
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'Where?' },
            { type: 'input_image', image_url: `data:image/png;base64,${png}` },
          ],
        },
        { type: 'function_call', call_id: 'call_1', name: 'get_weather', arguments: args },
        { type: 'function_call_output', call_id: 'call_1', output: '18 °C' },
        { role: 'user', content: 'And there?' },
      ],
      tools: [{ type: 'function', name: 'get_weather', description: 'The weather', parameters, strict: true }],
      tool_choice: 'auto',
      parallel_tool_calls: false,
      max_output_tokens: 2000,
      reasoning: { effort: 'low', summary: 'auto' },
      include: ['reasoning.encrypted_content'],
      store: false,
    },
  },
  chat: {
    path: '/v1/chat/completions',
    body: {
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Where?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${png}` } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: args } }],
        },
        { role: 'tool', tool_call_id: 'call_1', content: '18 °C' },
        { role: 'user', content: 'And there?' },
      ],
      tools: [
        { type: 'function', function: { name: 'get_weather', description: 'The weather', parameters, strict: true } },
      ],
      tool_choice: 'auto',
      parallel_tool_calls: false,
      max_completion_tokens: 2000,
      reasoning_effort: 'low',
    },
  },
  messages: {
    path: '/v1/messages',
    body: {
      max_tokens: 2000,
      system: 'Be brief.',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Where?' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } },
          ],
        },
        { role: 'assistant', content: [{ type: 'tool_use', id: 'call_1', name: 'get_weather', input: 'INPUT' }] },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'call_1', content: '18 °C' },
            { type: 'text', text: 'And there?' },
          ],
        },
      ],
      tools: [{ name: 'get_weather', description: 'The weather', input_schema: parameters, strict: true }],
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
      thinking: { type: 'enabled', budget_tokens: 1024 },
    },
    // As no value of JavaScript's would say it.
    fields: (body) => body.replace('"INPUT"', args),
  },
};

let upstream: ReplayingUpstream;
let gateway: SpawnedGateway;
const cleanups: (() => void)[] = [];
beforeAll(async () => {
  const onCleanup = (cleanup: () => void) => void cleanups.push(cleanup);
  upstream = await replayingUpstream(onCleanup);
  const models = Object.entries(entries).map(([kind, entry]) => {
    const url = kind === 'responses' || kind === 'chat' ? `${upstream.url}/v1` : upstream.url;
    return `  - { name: ${kind}, ${entry}, base_url: "${url}", api_key: k }`;
  });
  gateway = await spawnGateway({ folder: temporaryFolder(), config: `models:\n${models.join('\n')}`, onCleanup });
});
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

function replyOf(kind: Kind): Recording {
  const found = recordings.find((each) => each.kind === kind && each.name === replies[kind]);
  if (found === undefined) throw new Error(`no reply of ${kind}`);
  return found;
}

/** Ours are other ids and times in every run, and what is sealed is other bytes. */
function settled(text: string): string {
  const names = new Map<string, string>();
  const named = (id: string, prefix: string) => {
    if (!names.has(id)) names.set(id, `${prefix}_#${names.size + 1}`);
    return names.get(id) ?? '';
  };
  return text
    .replaceAll(/\b([a-z]+)_[0-9a-f]{40,61}\b/g, named)
    .replaceAll(/"(created_at|completed_at|created)":\d+/g, '"$1":0')
    .replaceAll(/\btp1\.[\w.-]+/g, '(sealed)')
    .replaceAll(/"(signature|data)":"[\w+/=-]{100,}"/g, '"$1":"(sealed)"');
}

async function ask(client: keyof typeof requests, kind: Kind, stream: boolean): Promise<string> {
  const { path, body, fields = (text: string) => text } = requests[client];
  upstream.replay([replyOf(kind)]);
  const response = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
    body: fields(JSON.stringify({ model: kind, ...body, stream })),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  const warnings = JSON.parse(response.headers.get('x-turnpike-warnings') ?? '[]') as Json[];
  const sent = upstream.requests.at(-1);
  return [
    `## ${stream ? 'streamed' : 'plain'}`,
    `# sent to ${sent?.path}`,
    sent?.text,
    `# read`,
    text.trimEnd(),
    ...warnings.map(({ param, message }) => `# warning ${param}: ${message}`),
    '',
  ].join('\n');
}

const goldens = new URL('fixtures/any-to-any/', import.meta.url).pathname;

describe.each(Object.keys(requests) as (keyof typeof requests)[])('a client of %s', (client) => {
  test.each(kinds)('over %s', async (kind) => {
    const said = settled((await ask(client, kind, false)) + (await ask(client, kind, true)));
    await expect(said).toMatchFileSnapshot(`${goldens}${client}-over-${kind}.golden`);
  });
});
