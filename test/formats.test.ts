/** What was asked for on every backend: an answer is held to its format, and a free-form call to its grammar, whoever was to enforce it. */
import { describe, expect, test } from 'vitest';
import { expectStream } from './support/check-stream.ts';
import type { Answer } from './support/client.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();

const schema = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'], additionalProperties: false };
const format = (strict: boolean | null) => ({ format: { type: 'json_schema', name: 'number', schema, strict } });
const object = { format: { type: 'json_object' } };

function say(text: string): void {
  rig.messages.answer = () => ({ blocks: [{ type: 'text', text }] });
  rig.chat.answer = () => ({ content: text });
}

const warnings = ({ headers }: Answer) => headers.get('x-turnpike-warnings') ?? '';

describe.each(['claude', 'qwen'])('over %s', (model) => {
  test.each([
    [format(true), '{"n":1}'],
    [format(null), ' {"n": 1} '],
    [object, '{}'],
  ])('%j is met by %s', async (text, said) => {
    say(said);
    const answer = await rig.client.create({ model, input: 'x', text });
    expect(answer.body.status, answer.text).toBe('completed');
    expect(warnings(answer)).not.toContain('is not of the format');
  });

  test.each([
    [format(false), '{"n":"1"}', '$.n is not of type integer'],
    [format(null), 'One.', 'it is not JSON'],
    [object, '[]', 'it is not a JSON object'],
  ])('%j is not met by %s, which is said', async (text, said, problem) => {
    say(said);
    const answer = await rig.client.create({ model, input: 'x', text });
    expect(answer.body.status, answer.text).toBe('completed');
    expect(warnings(answer)).toContain(problem);
    const streamed = await rig.client.create({ model, input: 'x', text, stream: true });
    expect(expectStream(streamed.events).status).toBe('completed');
  });

  test('a strict schema that is broken is no completed response; what was said is kept and paid', async () => {
    say('{"m":1}');
    const problem = "The model's answer is not of the format that was asked for: $.n is missing.";
    const plain = await rig.client.create({ model, input: 'x', text: format(true) });
    expect([plain.status, plain.body.error.message, plain.headers.get('x-should-retry')]).toEqual([
      502,
      problem,
      'false',
    ]);
    const streamed = await rig.client.create({ model, input: 'x', text: format(true), stream: true });
    expectStream(streamed.events);
    expect(streamed.body).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: problem },
      output: [{ content: [{ text: '{"m":1}' }] }],
    });
    expect((await rig.client.get(streamed.body.id)).body).toEqual(streamed.body);
    const [attempt] = rig.query('SELECT status, output_tokens FROM attempts WHERE turn_id = ?', streamed.body.id);
    expect(attempt?.['output_tokens']).toBeGreaterThan(0);
  });

  test('a call, a refusal and an answer that was cut are not answers to hold', async () => {
    const tools = [{ type: 'function', name: 'f' }];
    rig.messages.answer = () => ({
      blocks: [{ type: 'tool_use', id: 'c', name: 'f', input: {} }],
      stopReason: 'tool_use',
    });
    rig.chat.answer = () => ({ tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }] });
    const called = await rig.client.create({ model, input: 'x', tools, text: format(true) });
    expect(called.body.status, called.text).toBe('completed');
    rig.messages.answer = () => ({ blocks: [{ type: 'text', text: '{"n"' }], stopReason: 'max_tokens' });
    rig.chat.answer = () => ({ content: '{"n"', finishReason: 'length' });
    const cut = await rig.client.create({ model, input: 'x', text: format(true) });
    expect(cut.body.status, cut.text).toBe('incomplete');
  });
});

const patch = { type: 'grammar', syntax: 'lark', definition: 'start: "*" (" " /[a-z]+/ NL)+\nNL: /\\n/' };
const tools = [{ type: 'custom', name: 'apply', format: patch }];
const within = [{ type: 'namespace', name: 'files', tools }];
const refusedCall = "The model broke the grammar of a tool: the call of 'apply' differs at line 2, column 2.";

function callApply(input: string, name = 'apply'): void {
  const args = JSON.stringify({ input });
  rig.messages.answer = () => ({
    blocks: [
      { type: 'text', text: 'Now.' },
      { type: 'tool_use', id: 'toolu_1', name, input: args },
    ],
    stopReason: 'tool_use',
  });
  rig.chat.answer = () => ({
    content: 'Now.',
    tool_calls: [{ id: 'toolu_1', type: 'function', function: { name, arguments: args } }],
  });
}

describe.each(['claude', 'qwen'])('a free-form call over %s', (model) => {
  test.each([
    ['', tools, 'apply'],
    [' of a namespace', within, 'files__apply'],
  ])('%s that its grammar takes comes as it was made', async (_, given, name) => {
    const input = '* ab\n cd\n';
    callApply(input, name);
    for (const stream of [false, true]) {
      const answer = await rig.client.create({ model, input: 'x', tools: given, stream });
      expect(answer.body.status, answer.text).toBe('completed');
      expect(answer.body.output[1]).toMatchObject({
        type: 'custom_tool_call',
        name: 'apply',
        input,
        status: 'completed',
      });
      expect(warnings(answer)).toContain('told of the grammar');
    }
  });

  test.each([
    ['', tools, 'apply'],
    [' of a namespace', within, 'files__apply'],
  ])('%s that its grammar refuses is none to be run: the response has failed, and is paid', async (_, given, name) => {
    callApply('* ab\n CD\n', name);
    const answer = await rig.client.create({ model, input: 'x', tools: given, stream: true });
    expectStream(answer.events);
    expect(answer.body).toMatchObject({
      status: 'failed',
      error: { code: 'server_error', message: refusedCall },
      output: [{ type: 'message' }, { type: 'custom_tool_call', input: '* ab\n CD\n', status: 'incomplete' }],
    });
    const done = answer.events.filter(({ event }) => event === 'response.output_item.done');
    expect(done.map(({ data }) => data.item.status)).toEqual(['completed', 'incomplete']);
    expect((await rig.client.get(answer.body.id)).body).toEqual(answer.body);
    const [attempt] = rig.query('SELECT output_tokens, estimated FROM attempts WHERE turn_id = ?', answer.body.id);
    expect(attempt?.['output_tokens']).toBeGreaterThan(0);
    expect(attempt?.['estimated']).toBe(0);

    const plain = await rig.client.create({ model, input: 'x', tools: given });
    expect([plain.status, plain.body.error.message, plain.headers.get('x-should-retry')]).toEqual([
      502,
      refusedCall,
      'false',
    ]);
  });

  test.each([
    [
      tools.map((tool) => ({ ...tool, format: { ...patch, definition: 'start: a' } })),
      'tools[0].format',
      "'a' is not defined",
    ],
    [
      [{ ...within[0], tools: [{ ...tools[0], format: { type: 'grammar', syntax: 'regex', definition: '(?=a)' } }] }],
      'tools[0].tools[0].format',
      'regular expressions cannot look around',
    ],
  ])('whose grammar cannot be read is refused before anything is spent: %j', async (given, param, why) => {
    const answer = await rig.client.create({ model, input: 'x', tools: given });
    expect([answer.status, answer.body.error.code, answer.body.error.param]).toEqual([400, 'unsupported_value', param]);
    expect(answer.body.error.message).toContain(why);
    expect([...rig.messages.requests, ...rig.chat.requests]).toEqual([]);
  });
});
