/** `truncation: auto`: what an upstream refuses as too long is sent again without its oldest whole parts. */
import { describe, expect, test } from 'vitest';
import { sendJson, type UpstreamRequest } from './support/fake-upstream.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();
const models = ['claude', 'qwen'];
const sentTo = (model: string) => (model === 'qwen' ? rig.chat.requests : rig.messages.requests);
const tool = { type: 'function', name: 'add', parameters: { type: 'object', properties: {} }, strict: false };
const long = (word: string) => `${word} ${'lorem '.repeat(200)}`;

/** Refuses what is longer, in the vendors' words. */
function refuseAbove(limit: number): void {
  const messages = rig.messages.answer;
  const chat = rig.chat.answer;
  const isTooLong = ({ body }: UpstreamRequest) => JSON.stringify(body.messages).length > limit;
  rig.messages.answer = (request, response) => {
    if (!isTooLong(request)) return messages(request, response);
    const message = 'prompt is too long: 210000 tokens > 200000 maximum';
    sendJson(response, { type: 'error', error: { type: 'invalid_request_error', message } }, 400);
    return undefined;
  };
  rig.chat.answer = (request, response) => {
    if (!isTooLong(request)) return chat(request, response);
    const error = { message: 'too long', type: 'invalid_request_error', code: 'context_length_exceeded', param: null };
    sendJson(response, { error }, 400);
    return undefined;
  };
}

/** A history of a developer's words, two rounds with calls, and a question. */
const call = (call_id: string) => ({ type: 'function_call', call_id, name: 'add', arguments: '{}' });
const output = (call_id: string) => ({ type: 'function_call_output', call_id, output: long(call_id) });
const history = [
  { role: 'developer', content: 'Be brief.' },
  { role: 'user', content: long('one') },
  call('call_a'),
  call('call_b'),
  output('call_b'),
  output('call_a'),
  { role: 'assistant', content: 'first' },
  { role: 'user', content: long('two') },
  call('call_c'),
  output('call_c'),
  { role: 'assistant', content: 'second' },
  { role: 'user', content: 'three' },
];

describe.each(models)('over %s', (model) => {
  test.each([false, true])('the oldest goes, whole calls with their outputs, stream: %s', async (stream) => {
    refuseAbove(3000);
    const before = Number(rig.query('SELECT count(*) n FROM attempts')[0]?.['n']);
    const answer = await rig.client.create({ model, stream, truncation: 'auto', tools: [tool], input: history });
    expect(answer.status, answer.text).toBe(200);
    expect(answer.body.status).toBe('completed');
    expect(answer.body.truncation).toBe('auto');
    const requests = sentTo(model);
    expect(requests.length).toBeGreaterThan(1);
    const last = requests.at(-1);
    for (const gone of ['call_a', 'call_b', 'one lorem', 'first']) expect(last?.text).not.toContain(gone);
    expect(last?.text).toContain('Be brief.');
    expect(last?.text).toContain('three');
    const roles = last?.body.messages.map(({ role }: { role: string }) => role);
    expect(roles.find((role: string) => role !== 'system')).toBe('user');
    expect(answer.headers.get('x-turnpike-warnings')).toContain('"param":"truncation"');
    // One row for each try, and what is stored is whole.
    expect(Number(rig.query('SELECT count(*) n FROM attempts')[0]?.['n'])).toBe(before + requests.length);
    const items = await rig.client.request('GET', `/v1/responses/${answer.body.id}/input_items?limit=100`);
    expect(items.body.data).toHaveLength(history.length);
  });

  test('what has just been said stays, whatever it takes', async () => {
    refuseAbove(100);
    const input = [
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'two' },
      { role: 'user', content: long('three') },
    ];
    const answer = await rig.client.create({ model, truncation: 'auto', input });
    expect(answer.status).toBe(400);
    expect(answer.body.error.code).toBe('context_length_exceeded');
    expect(sentTo(model).at(-1)?.text).toContain('three lorem');
    expect(sentTo(model).length).toBeLessThan(9);
  });

  test('nothing goes where the client does not say so', async () => {
    refuseAbove(3000);
    const answer = await rig.client.create({ model, tools: [tool], input: history });
    expect(answer.status).toBe(400);
    expect(answer.body.error.code).toBe('context_length_exceeded');
    expect(sentTo(model)).toHaveLength(1);
  });
});
