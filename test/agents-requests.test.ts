/**
 * Requests as coding agents send them (captured, and shortened), over each backend: Codex', Claude Code's with its counts, and
 * opencode's. The fake upstreams refuse what the vendors refuse.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { shareGateway } from './clients/share-gateway.ts';
import { type Backend, backends } from './clients/weather-model.ts';
import { claudeCode, claudeCodeCount, claudeCodeHeaders } from './fixtures/claude-code.ts';
import { expectStream } from './support/check-stream.ts';
import { collectMessage } from './support/collect-message.ts';
import { createClient } from './support/client.ts';
import { sendJson } from './support/fake-upstream.ts';

const model = 'weather-model';

/** With the counter that the vendor has. */
const counting = (backend: Backend): Backend => ({
  ...backend,
  answer(request, response, count) {
    if (!/(?:_tokens|:countTokens)$/.test(request.path)) return backend.answer(request, response, count);
    sendJson(response, { input_tokens: 2095, totalTokens: 2095 });
  },
});

const bash = {
  type: 'function',
  name: 'bash',
  description: 'Executes a command.',
  parameters: {
    properties: { command: { description: 'The command', type: 'string' }, timeout: { type: 'integer' } },
    required: ['command'],
    type: 'object',
  },
  strict: false,
};
const opencode = {
  input: [
    { role: 'system', content: 'You are opencode.' },
    { role: 'user', content: [{ type: 'input_text', text: '"Read it."' }] },
    {
      type: 'function_call',
      call_id: 'call_5a041648',
      name: 'bash',
      arguments: '{"command":"cat f1.txt","description":"read"}',
    },
    { type: 'function_call_output', call_id: 'call_5a041648', output: 'N-1-22bba496fd1d\n' },
  ],
  max_output_tokens: 8000,
  store: false,
  prompt_cache_key: 'ses_dfd6893d2ffe1Mhb2zK1IxltI5',
  tools: [bash],
  tool_choice: 'auto',
  stream: true,
};
const codex = (name: 'exec' | 'code-mode'): object =>
  JSON.parse(readFileSync(new URL(`fixtures/codex/${name}.json`, import.meta.url), 'utf8'));

describe.each(backends.map(counting))('over $name', ({ name, ...backend }) => {
  const { upstream, baseURL } = shareGateway({ name, ...backend });
  const client = () => createClient(baseURL().replace(/\/v1$/, ''));

  const responses: [agent: string, body: object, headers: Record<string, string>, tool: string][] = [
    ['Codex, of a model that it does not know', codex('exec'), { 'session-id': 's1' }, 'exec_command'],
    ['Codex, of one that it knows', codex('code-mode'), { 'x-openai-internal-codex-responses-lite': 'true' }, 'exec'],
    ['opencode', opencode, { 'x-session-id': opencode.prompt_cache_key, 'x-session-affinity': 'ses_a' }, 'bash'],
  ];
  test.each(responses)('%s', async (_, body, headers, tool) => {
    const { status, text, events, body: response } = await client().create({ ...body, model }, headers);
    expect(status, text).toBe(200);
    expectStream(events);
    expect(response).toMatchObject({ status: 'completed', store: false });
    if (name !== 'simulator') expect(upstream().requests.at(-1)?.text).toContain(tool);
  });

  /** As it comes: streams of Messages end otherwise. */
  const post = async (path: string, body: object) => {
    const answer = await fetch(`${baseURL()}${path}?beta=true`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...claudeCodeHeaders },
      body: JSON.stringify({ ...body, model }),
    });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  };
  const { 'asking for a title': _title, ...conversation } = claudeCode;
  test.each(Object.entries(conversation))('Claude Code, %s', async (_, body) => {
    const answer = await post('/messages', body);
    expect(answer.status, answer.text).toBe(200);
    expect(collectMessage(answer.text)).toMatchObject({ error: undefined, message: { model, role: 'assistant' } });
    expect(answer.headers.get('x-turnpike-session-id')).toBe(claudeCodeHeaders['x-claude-code-session-id']);
    if (name === 'simulator') return;
    const sent = upstream().requests.at(-1)?.text ?? '';
    for (const { name: tool } of body.tools) expect(sent).toContain(`"${tool}"`);
    if (body.messages.length > 2) expect(sent).toContain('N-1-09be3b231792');
  });

  test('Claude Code counts', async () => {
    const { status, text } = await post('/messages/count_tokens', claudeCodeCount);
    expect(status, text).toBe(200);
    const counted: unknown = JSON.parse(text);
    const isEstimate = name === 'simulator' || name === 'openai-compatible';
    if (isEstimate) expect(counted).toEqual({ input_tokens: expect.any(Number) });
    else expect(counted).toEqual({ input_tokens: 2095 });
  });
});
