/**
 * What an upstream is sent of a conversation, value for value, and what comes of its answer: the grammar of two protocols,
 * signed thinking, moves between models in mid-chain, answers that end early, counts, and further attempts.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Answer } from './support/client.ts';
import type { Block } from './support/fake-upstream.ts';
import { frame, messageEvents } from './support/fake-upstream.ts';
import { shakyGroups, stateRig } from './support/state-rig.ts';

const rig = stateRig();

const turn = async (body: object, status = 'completed'): Promise<Answer> => {
  const answer = await rig.client.create(body);
  expect(answer.status, answer.text).toBe(200);
  expect(answer.body.status, answer.text).toBe(status);
  expect((await rig.client.get(answer.body.id)).body).toEqual(answer.body);
  return answer;
};
const go = (model: string, parent: Answer | null, input: unknown, fields: object = {}, status?: string) =>
  turn({ model, previous_response_id: parent?.body.id ?? null, input, ...fields }, status);
const warningsOf = ({ headers }: Answer): { param: string; message: string }[] =>
  JSON.parse(headers.get('x-turnpike-warnings') ?? '[]');

const user = (text: string) => ({ role: 'user', content: text });
const output = (call_id: string, output = `output of ${call_id}`) => ({
  type: 'function_call_output',
  call_id,
  output,
});
const tool = {
  type: 'function',
  name: 'look_up',
  description: 'Look something up',
  parameters: { type: 'object', properties: { what: { type: 'string' } } },
};
const patch = { type: 'custom', name: 'apply', description: 'Apply a patch' };
const tools = [tool, patch];

/** Blocks, as Anthropic spells them. */
const said = (text: string): Block => ({ type: 'text', text });
const thought = (thinking: string, signature: string): Block => ({ type: 'thinking', thinking, signature });
const use = (id: string, input: unknown = { what: id }, name = 'look_up'): Block => ({
  type: 'tool_use',
  id,
  name,
  input,
});
const result = (tool_use_id: string) => ({ type: 'tool_result', tool_use_id, content: `output of ${tool_use_id}` });
const asUser = (...content: object[]) => ({ role: 'user', content });
const asAssistant = (...content: object[]) => ({ role: 'assistant', content });
/** A call, as chat spells it. */
const chatCall = (id: string, text = `{"what":"${id}"}`, name = 'look_up') => ({
  id,
  type: 'function' as const,
  function: { name, arguments: text },
});

/** The next answer of Anthropic's model; further ones are echoes again. */
const answerBlocks = (blocks: Block[], stopReason = 'end_turn') => {
  const { answer } = rig.messages;
  rig.messages.answer = () => {
    rig.messages.answer = answer;
    return { blocks, stopReason };
  };
};
const answerChat = (reply: Awaited<ReturnType<typeof rig.chat.answer>>) => {
  const { answer } = rig.chat;
  rig.chat.answer = () => {
    rig.chat.answer = answer;
    return reply;
  };
};
const messagesSent = () => rig.messages.requests.map(({ body }) => body.messages);
const chatSent = () => rig.chat.requests.map(({ body }) => body.messages);

describe.each([{ stream: false }, { stream: true }])('stream: $stream', ({ stream }) => {
  describe('parallel tool calls', () => {
    test('on Anthropic: one message of calls, then one of all results, whatever the order they came in', async () => {
      const blocks = [said('Both.'), use('toolu_1'), use('toolu_2'), use('toolu_3')];
      answerBlocks(blocks, 'tool_use');
      const first = await go('claude', null, 'look', { tools, stream });
      const input = [output('toolu_3'), user('Quickly!'), output('toolu_1'), user('Please.'), output('toolu_2')];
      const second = await go('claude', first, input, { tools, stream });
      const results = [result('toolu_3'), result('toolu_1'), result('toolu_2')];
      const expected = [
        asUser(said('look')),
        asAssistant(...blocks),
        asUser(...results, said('Quickly!'), said('Please.')),
      ];
      expect(messagesSent()[1]).toEqual(expected);
      expect(warningsOf(second).map(({ param }) => param)).toEqual(['input']);
      await go('claude', second, 'on', { stream });
      expect(messagesSent()[2].slice(0, 3)).toEqual(expected);
    });

    test('on chat: one message of calls, then each output, in the order of the calls', async () => {
      const calls = [chatCall('call_1'), chatCall('call_2'), chatCall('call_3')];
      answerChat({ content: 'Both.', tool_calls: calls });
      const first = await go('qwen', null, 'look', { tools, stream });
      const input = [output('call_3'), user('Quickly!'), output('call_1'), user('Please.'), output('call_2')];
      const second = await go('qwen', first, input, { tools, stream });
      const expected = [
        user('look'),
        { role: 'assistant', content: 'Both.', tool_calls: calls },
        ...['call_1', 'call_2', 'call_3'].map((id) => ({
          role: 'tool',
          tool_call_id: id,
          content: `output of ${id}`,
        })),
        user('Quickly!'),
        user('Please.'),
      ];
      expect(chatSent()[1]).toEqual(expected);
      expect(warningsOf(second)).toHaveLength(1);
      await go('qwen', second, 'on', { stream });
      expect(chatSent()[2].slice(0, 7)).toEqual(expected);
    });
  });

  test('custom tools: free text in and out, on both wires, and from one to the other', async () => {
    const text = '*** Begin Patch\n"quoted" \\ {not json\n*** End Patch';
    answerBlocks([use('toolu_1', { input: text }, 'apply')], 'tool_use');
    const first = await go('claude', null, 'patch it', { tools, stream });
    expect(first.body.output).toMatchObject([
      { type: 'custom_tool_call', call_id: 'toolu_1', name: 'apply', input: text },
    ]);
    answerChat({ tool_calls: [chatCall('call_2', JSON.stringify({ input: text }), 'apply')] });
    const done = (call_id: string) => ({ type: 'custom_tool_call_output', call_id, output: 'Done.' });
    const second = await go('qwen', first, [done('toolu_1')], { tools, stream });
    expect(second.body.output).toMatchObject([{ type: 'custom_tool_call', call_id: 'call_2', input: text }]);
    expect(chatSent()[0]).toEqual([
      user('patch it'),
      { role: 'assistant', content: null, tool_calls: [chatCall('toolu_1', JSON.stringify({ input: text }), 'apply')] },
      { role: 'tool', tool_call_id: 'toolu_1', content: 'Done.' },
    ]);
    await go('claude', second, [done('call_2')], { tools, stream });
    expect(messagesSent()[1].slice(1)).toEqual([
      asAssistant(use('toolu_1', { input: text }, 'apply')),
      asUser({ type: 'tool_result', tool_use_id: 'toolu_1', content: 'Done.' }),
      asAssistant(use('call_2', { input: text }, 'apply')),
      asUser({ type: 'tool_result', tool_use_id: 'call_2', content: 'Done.' }),
    ]);
  });

  describe('signed thinking', () => {
    const reasoning = { effort: 'low', summary: 'auto' };
    const blocks = [
      thought('I should look it up.', 'c2lnbmVkIG9uZQ=='),
      { type: 'redacted_thinking', data: 'b3BhcXVl' },
      said('A moment.'),
      use('toolu_1'),
    ];

    test('goes back to its model value for value, in its place, open loop or closed', async () => {
      answerBlocks(blocks, 'tool_use');
      const first = await go('claude', null, 'look', { tools, reasoning, stream });
      expect(first.body.output.map(({ type }: { type: string }) => type)).toEqual([
        'reasoning',
        'reasoning',
        'message',
        'function_call',
      ]);
      answerBlocks([thought('Now I know.', 'c2lnbmVkIHR3bw=='), said('It is so.')]);
      const second = await go('claude', first, [output('toolu_1')], { tools, reasoning, stream });
      const third = await go('claude', second, 'thanks', { tools, reasoning, stream });
      expect(messagesSent()[2]).toEqual([
        asUser(said('look')),
        asAssistant(...blocks),
        asUser(result('toolu_1')),
        asAssistant(thought('Now I know.', 'c2lnbmVkIHR3bw=='), said('It is so.')),
        asUser(said('thanks')),
      ]);
      for (const { body } of [first, second, third]) expect(body.input_transformations).toBeUndefined();
      for (const { body } of rig.messages.requests) expect(body.thinking).toMatchObject({ type: 'enabled' });
    });

    test('stays away from another model, which is said, and returns to its own', async () => {
      answerBlocks(blocks, 'tool_use');
      const first = await go('claude', null, 'look', { tools, reasoning, stream });
      const removed = first.body.output
        .slice(0, 2)
        .map(({ id }: { id: string }) => ({ id, type: 'reasoning', action: 'removed', reason: 'model_mismatch' }));
      const second = await go('sonnet', first, [output('toolu_1')], { tools, reasoning, stream });
      expect(second.body.input_transformations).toEqual(removed);
      expect(messagesSent()[1][1]).toEqual(asAssistant(...blocks.slice(2)));
      // Without the thinking that the open calls were made with, there can be none now.
      expect(rig.messages.requests[1]?.body.thinking).toEqual({ type: 'disabled' });
      expect(warningsOf(second).map(({ param }) => param)).toContain('reasoning');
      const third = await go('claude', second, 'thanks', { tools, reasoning, stream });
      expect(messagesSent()[2][1]).toEqual(asAssistant(...blocks));
      expect(third.body.input_transformations).toBeUndefined();
    });

    test('is found again by its id where a client without chains sends the items back', async () => {
      answerBlocks(blocks, 'tool_use');
      const first = await go('claude', null, 'look', { tools, reasoning, stream });
      const input = [user('look'), ...first.body.output, output('toolu_1')];
      await go('claude', null, input, { tools, reasoning, stream });
      expect(messagesSent()[1]).toEqual([
        asUser(said('look')),
        asAssistant(...blocks.map((block) => (block.type === 'text' ? said('A moment.') : block))),
        asUser(result('toolu_1')),
      ]);
    });
  });

  describe('Anthropic → chat → Anthropic in mid-chain', () => {
    const reasoning = { effort: 'low', summary: 'auto' };

    test('with a tool loop open at both moves', async () => {
      const blocks = [thought('Look.', 'c2lnMQ=='), said('One.'), use('toolu_1'), use('toolu_2')];
      answerBlocks(blocks, 'tool_use');
      const first = await go('claude', null, 'start', { tools, reasoning, stream });
      answerChat({ reasoning_content: 'Hm.', content: 'Two.', tool_calls: [chatCall('call_3')] });
      const second = await go('qwen', first, [output('toolu_2'), output('toolu_1')], { tools, stream });
      expect(second.body.model).toBe('qwen');
      expect(second.body.input_transformations).toMatchObject([{ reason: 'model_mismatch' }]);
      expect(chatSent()[0]).toEqual([
        user('start'),
        { role: 'assistant', content: 'One.', tool_calls: [chatCall('toolu_1'), chatCall('toolu_2')] },
        { role: 'tool', tool_call_id: 'toolu_1', content: 'output of toolu_1' },
        { role: 'tool', tool_call_id: 'toolu_2', content: 'output of toolu_2' },
      ]);
      const third = await go('claude', second, [output('call_3')], { tools, reasoning, stream });
      expect(messagesSent()[1]).toEqual([
        asUser(said('start')),
        asAssistant(...blocks),
        asUser(result('toolu_2'), result('toolu_1')),
        asAssistant(said('Two.'), use('call_3')),
        asUser(result('call_3')),
      ]);
      expect(third.body.input_transformations).toMatchObject([{ reason: 'model_mismatch' }]);
      expect(rig.messages.requests[1]?.body.thinking).toEqual({ type: 'disabled' });
    });

    test('with every tool loop closed', async () => {
      const blocks = [thought('Look.', 'c2lnMQ=='), use('toolu_1')];
      answerBlocks(blocks, 'tool_use');
      const first = await go('claude', null, 'start', { tools, reasoning, stream });
      const second = await go('claude', first, [output('toolu_1')], { tools, reasoning, stream });
      const third = await go('qwen', second, 'and you?', { stream });
      const fourth = await go('claude', third, 'and again?', { tools, reasoning, stream });
      expect(messagesSent()[2]).toEqual([
        asUser(said('start')),
        asAssistant(...blocks),
        asUser(result('toolu_1')),
        asAssistant(said('Re: start')),
        asUser(said('and you?')),
        asAssistant(said('Re: and you?')),
        asUser(said('and again?')),
      ]);
      expect(fourth.body.input_transformations).toBeUndefined();
      expect(rig.messages.requests[2]?.body.thinking).toMatchObject({ type: 'enabled' });
    });

    test('what a chat model thinks goes back to it while its loop is open, and no longer', async () => {
      answerChat({ reasoning_content: 'Hm.', tool_calls: [chatCall('call_1')] });
      const first = await go('qwen', null, 'start', { tools, stream });
      const second = await go('qwen', first, [output('call_1')], { tools, stream });
      expect(chatSent()[1][1]).toEqual({
        role: 'assistant',
        content: null,
        tool_calls: [chatCall('call_1')],
        reasoning_content: 'Hm.',
      });
      const third = await go('qwen', second, 'thanks', { tools, stream });
      expect(chatSent()[2][1]).not.toHaveProperty('reasoning_content');
      expect(third.body.input_transformations).toMatchObject([{ reason: 'turn_boundary' }]);
    });
  });

  describe('an answer that ends early', () => {
    test('a refusal is incomplete, and is not replayed', async () => {
      answerBlocks([said('Well, ')], 'refusal');
      const refused = await go('claude', null, 'one', { stream }, 'incomplete');
      expect(refused.body.incomplete_details).toEqual({ reason: 'content_filter' });
      expect(refused.body.output[0].content.at(-1)).toEqual({ type: 'refusal', refusal: expect.any(String) });
      await go('claude', refused, 'two', { stream });
      expect(messagesSent()[1]).toEqual([asUser(said('one'), said('two'))]);
      await go('qwen', refused, 'two', { stream });
      expect(JSON.stringify(chatSent()[0])).not.toContain(refused.body.output[0].content.at(-1).refusal);
    });

    test('text that a limit cut is replayed as far as it came', async () => {
      answerBlocks([said('As far as')], 'max_tokens');
      const cut = await go('claude', null, 'one', { stream }, 'incomplete');
      expect(cut.body.incomplete_details).toEqual({ reason: 'max_output_tokens' });
      expect(cut.body.output).toMatchObject([{ status: 'incomplete', content: [{ text: 'As far as' }] }]);
      answerChat({ content: 'And here', finishReason: 'length' });
      const again = await go('qwen', cut, 'go on', { stream }, 'incomplete');
      await go('claude', again, 'go on', { stream });
      expect(messagesSent()[1]).toEqual([
        asUser(said('one')),
        asAssistant(said('As far as')),
        asUser(said('go on')),
        asAssistant(said('And here')),
        asUser(said('go on')),
      ]);
    });

    test('a tool call that a limit cut is shown as it is, and never replayed nor answered', async () => {
      // A plain reply of Anthropic's is JSON: there a cut call holds what could be closed, or nothing.
      const half = stream ? '{"what": "hal' : {};
      answerBlocks([said('I call.'), use('toolu_1', { what: 'whole' }), use('toolu_2', half)], 'max_tokens');
      const cut = await go('claude', null, 'one', { tools, stream }, 'incomplete');
      expect(cut.body.output).toMatchObject([
        { status: 'completed' },
        { status: 'completed', call_id: 'toolu_1' },
        { status: 'incomplete', call_id: 'toolu_2' },
      ]);
      if (stream) expect(cut.body.output[2].arguments).toBe('{"what": "hal');
      rig.messages.requests.length = 0;
      const answered = await rig.client.create({
        model: 'claude',
        previous_response_id: cut.body.id,
        input: [output('toolu_1'), output('toolu_2')],
        tools,
      });
      expect([answered.status, answered.body.error.message]).toEqual([
        400,
        'No tool call found for function call output with call_id toolu_2.',
      ]);
      const second = await go('claude', cut, [output('toolu_1')], { tools, stream });
      expect(messagesSent()).toEqual([
        [
          asUser(said('one')),
          asAssistant(said('I call.'), use('toolu_1', { what: 'whole' })),
          asUser(result('toolu_1')),
        ],
      ]);
      expect(warningsOf(second)).toMatchObject([{ param: 'input', message: expect.stringContaining('toolu_2') }]);
      await go('qwen', cut, [output('toolu_1')], { tools, stream });
      expect(chatSent()[0][1].tool_calls).toEqual([chatCall('toolu_1', '{"what":"whole"}')]);
    });
  });

  describe('exactness', () => {
    const strange = '\u0000 \u0001 \u2028 \ufeff 👩‍👩‍👧‍👦 e\u0301 \ud83d\ude00 ‮ </system> ${x} \\ " \t\r\n';
    const written = '{"10": 1, "2": 18446744073709551616, "1e3": 1.0, "a": -0, "b": "\\u0041\\u0000", "2": null}';

    test('texts with every kind of character pass, and are stored and shown as they were sent', async () => {
      answerBlocks([said(strange), use('toolu_1', { what: strange })], 'tool_use');
      const first = await go('claude', null, strange, { tools, stream, instructions: strange });
      expect(first.body.output[0].content[0].text).toBe(strange);
      expect(JSON.parse(first.body.output[1].arguments)).toEqual({ what: strange });
      expect(first.body.instructions).toBe(strange);
      const second = await go('claude', first, [output('toolu_1', strange)], { tools, stream });
      expect(messagesSent()[1]).toEqual([
        asUser(said(strange)),
        asAssistant(said(strange), use('toolu_1', { what: strange })),
        asUser({ ...result('toolu_1'), content: strange }),
      ]);
      expect(warningsOf(second)).toEqual([]);
      await go('qwen', second, 'x', { stream });
      expect(chatSent()[0].slice(0, 3)).toEqual([
        user(strange),
        {
          role: 'assistant',
          content: strange,
          tool_calls: [chatCall('toolu_1', first.body.output[1].arguments)],
        },
        { role: 'tool', tool_call_id: 'toolu_1', content: strange },
      ]);
    });

    test('arguments are text from first byte to last: no key moves, no number is rounded', async () => {
      answerBlocks([use('toolu_1', written)], 'tool_use');
      const first = await go('claude', null, 'x', { tools, stream });
      expect(first.body.output[0].arguments).toBe(written);
      answerChat({ tool_calls: [chatCall('call_2', written)] });
      const second = await go('qwen', first, [output('toolu_1')], { tools, stream });
      expect(second.body.output[0].arguments).toBe(written);
      expect(chatSent()[0][1].tool_calls).toEqual([chatCall('toolu_1', written)]);
      await go('claude', second, [output('call_2')], { tools, stream });
      const sent = rig.messages.requests[1]?.text.split(`"input":${written}`);
      expect(sent).toHaveLength(3);
      // The same from a client that sends its calls itself.
      const call = { type: 'function_call', call_id: 'c', name: 'look_up', arguments: written };
      await go('claude', null, [user('x'), call, output('c')], { tools, stream });
      expect(rig.messages.requests[2]?.text).toContain(`"input":${written}`);
    });

    test('a lone surrogate is stored as it is, sent as U+FFFD, and said', async () => {
      const first = await go('claude', null, 'broken \ud800 text', { stream });
      const list = await rig.client.request('GET', `/v1/responses/${first.body.id}/input_items`);
      expect(list.body.data[0].content[0].text).toBe('broken \ud800 text');
      expect(messagesSent()[0]).toEqual([asUser(said('broken \ufffd text'))]);
      expect(warningsOf(first)).toHaveLength(1);
      const second = await go('qwen', first, 'and \udfff', { stream });
      expect(chatSent()[0]).toMatchObject([{ content: 'broken \ufffd text' }, {}, { content: 'and \ufffd' }]);
      expect(warningsOf(second)).toHaveLength(1);
    });

    test('three megabytes pass in every place, and chain', async () => {
      const long = `${'0123456789 ÄÖ"\\\n'.repeat(190_000)}end`;
      answerBlocks([said(long), use('toolu_1', { what: long })], 'tool_use');
      const first = await go('claude', null, long, { tools, stream });
      expect(first.body.output[0].content[0].text === long).toBe(true);
      const second = await go('claude', first, [output('toolu_1', long)], { tools, stream });
      const [, sent] = messagesSent();
      const texts = [
        sent[0].content[0].text,
        sent[1].content[0].text,
        sent[1].content[1].input.what,
        sent[2].content[0].content,
      ];
      expect(texts.map((text) => text === long)).toEqual([true, true, true, true]);
      await go('qwen', second, 'x', { stream });
      const [question, answer, looked] = chatSent()[0];
      const same = [question.content, answer.content, looked.content].map((text) => text === long);
      expect(same).toEqual([true, true, true]);
      expect(JSON.parse(answer.tool_calls[0].function.arguments).what === long).toBe(true);
    });
  });

  test('counts come class by class, from both upstreams, and are kept as they were said', async () => {
    rig.messages.answer = () => ({
      blocks: [said('x')],
      usage: {
        input_tokens: 100,
        cache_creation_input_tokens: 20,
        cache_read_input_tokens: 300,
        cache_creation: { ephemeral_5m_input_tokens: 15, ephemeral_1h_input_tokens: 5 },
        service_tier: 'priority',
      },
      endUsage: { output_tokens: 50, output_tokens_details: { thinking_tokens: 30 } },
    });
    const first = await go('claude', null, 'x', { stream, service_tier: 'auto' });
    expect(first.body.usage).toEqual({
      input_tokens: 420,
      input_tokens_details: { cached_tokens: 300, cache_write_tokens: 20 },
      output_tokens: 50,
      output_tokens_details: { reasoning_tokens: 30 },
      total_tokens: 470,
    });
    expect(first.body.service_tier).toBe('priority');
    answerChat({
      content: 'x',
      serviceTier: 'flex',
      usage: {
        prompt_tokens: 200,
        completion_tokens: 40,
        total_tokens: 240,
        prompt_tokens_details: { cached_tokens: 128 },
        completion_tokens_details: { reasoning_tokens: 16 },
      },
    });
    const second = await go('qwen', first, 'y', { stream, service_tier: 'flex', metadata: { a: 'b' } });
    expect(rig.chat.requests[0]?.body.service_tier).toBe('flex');
    expect(second.body).toMatchObject({
      service_tier: 'flex',
      metadata: { a: 'b' },
      usage: {
        input_tokens: 200,
        input_tokens_details: { cached_tokens: 128, cache_write_tokens: 0 },
        output_tokens: 40,
        output_tokens_details: { reasoning_tokens: 16 },
        total_tokens: 240,
      },
    });
    const columns =
      'status, input_tokens, cached_tokens, cache_write_tokens, cache_write_hour_tokens, output_tokens, reasoning_tokens, estimated';
    const rows = [first, second].flatMap(({ body }) =>
      rig.query(`SELECT ${columns} FROM attempts WHERE turn_id = ?`, body.id).map((row) => Object.values(row)),
    );
    expect(rows).toEqual([
      ['completed', 420, 300, 20, 5, 50, 30, 0],
      ['completed', 200, 128, 0, 0, 40, 16, 0],
    ]);
  });

  test('an alias of an alias is the group, under the name that the client asked for', async () => {
    const first = await go('best', null, 'one', { stream });
    const second = await go('gpt-4o', first, 'two', { stream });
    expect([first.body.model, second.body.model]).toEqual(['best', 'gpt-4o']);
    expect(rig.messages.requests[0]?.body.model).toBe('claude-haiku-4-5');
    expect(chatSent()[0]).toHaveLength(3);
  });

  test('a chain over a weighted group goes to both deployments, each of which sees all of it', async () => {
    let parent: Answer | null = null;
    for (let index = 0; index < 40; index += 1) parent = await go('pair', parent, `turn ${index}`, { stream });
    const counts = [...rig.messages.requests, ...rig.chat.requests].map(({ body }) => body.messages.length);
    expect(counts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, index) => 2 * index + 1));
    expect(Math.min(rig.messages.requests.length, rig.chat.requests.length)).toBeGreaterThan(0);
  });

  test.each(shakyGroups)(
    '%s: the second deployment serves, under the same id, with two attempts on record',
    async (name) => {
      rig.broken.answer = (_, response) => {
        if (name === 'shaky-cut') {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.end(frame(messageEvents([])[0] as { type: string }));
        } else {
          response.writeHead(name === 'shaky-529' ? 529 : 500, { 'content-type': 'application/json' });
          response.end('{"type":"error","error":{"type":"api_error","message":"broken"}}');
        }
        return undefined;
      };
      const answer = await go(`${name}${stream ? '-stream' : ''}`, null, 'one', { stream });
      expect(answer.body.output[0].content[0].text).toBe('Re: one');
      expect(rig.broken.requests).toHaveLength(name === 'shaky-closed' ? 0 : 1);
      expect(rig.messages.requests).toHaveLength(1);
      if (stream) {
        const ids = answer.events.flatMap(({ data }) => data.response?.id ?? []);
        expect(new Set(ids)).toEqual(new Set([answer.body.id]));
        expect(answer.events.filter(({ event }) => event === 'response.created')).toHaveLength(1);
        expect(answer.events.map(({ data }) => data.sequence_number)).toEqual(answer.events.map((_, index) => index));
      }
      const rows = rig.query('SELECT number, status FROM attempts WHERE turn_id = ? ORDER BY number', answer.body.id);
      expect(rows).toEqual([
        { number: 1, status: 'failed' },
        { number: 2, status: 'completed' },
      ]);
      // What has just failed comes last for a while.
      const next = await go(answer.body.model, answer, 'two', { stream });
      expect(rig.query('SELECT status FROM attempts WHERE turn_id = ?', next.body.id)).toEqual([
        { status: 'completed' },
      ]);
      expect(messagesSent()[1]).toHaveLength(3);
    },
  );
});

test('backends that count their calls anew in each answer get by: later ones are renamed, the same on every turn', async () => {
  const calls = [chatCall('call_0')];
  answerChat({ tool_calls: calls });
  const first = await go('qwen', null, 'one', { tools });
  answerChat({ tool_calls: calls });
  const second = await go('qwen', first, [output('call_0')], { tools });
  const [again] = second.body.output;
  expect(again.call_id).not.toBe('call_0');
  const third = await go('claude', second, [output(again.call_id)], { tools });
  const fourth = await go('qwen', third, 'on', { tools });
  await go('claude', fourth, 'on', { tools });
  expect(messagesSent()[0]).toEqual([
    asUser(said('one')),
    asAssistant(use('call_0')),
    asUser(result('call_0')),
    asAssistant(use(again.call_id, { what: 'call_0' })),
    asUser({ ...result(again.call_id), content: `output of ${again.call_id}` }),
  ]);
  expect(messagesSent()[1].slice(0, 5)).toEqual(messagesSent()[0]);
});

test.each(['claude', 'qwen'])('a client that uses a call id twice gets by too, on %s', async (model) => {
  const call = { type: 'function_call', call_id: 'call_0', name: 'look_up', arguments: '{"what":"call_0"}' };
  const pair = [call, output('call_0')];
  const first = await go(model, null, [user('one'), ...pair], { tools });
  await go(model, first, pair, { tools });
  const sent = rig.messages.requests.at(-1)?.text ?? rig.chat.requests.at(-1)?.text ?? '';
  expect(sent.match(/"(?:tool_use_id|tool_call_id)":"[^"]+"/g)?.map((match) => match.split('"')[3])).toEqual([
    'call_0',
    'call_0_2',
  ]);
  expect(new Set(sent.match(/"id":"call[^"]+"/g))).toEqual(new Set(['"id":"call_0"', '"id":"call_0_2"']));
});

test.each(['claude', 'qwen', 'simulator'])(
  'an input that says nothing after the last answer is refused, on %s',
  async (model) => {
    const first = await go(model, null, 'one');
    rig.messages.requests.length = 0;
    rig.chat.requests.length = 0;
    const before = rig.query('SELECT COUNT(*) AS turns FROM turns');
    const answer = await rig.client.create({ model, previous_response_id: first.body.id, input: [] });
    expect(answer.status, answer.text).toBe(400);
    expect(answer.body.error).toMatchObject({ param: 'input', code: 'invalid_value' });
    expect([...rig.messages.requests, ...rig.chat.requests]).toEqual([]);
    expect(rig.query('SELECT COUNT(*) AS turns FROM turns')).toEqual(before);
    // A client that brings the assistant's words wants them continued.
    await go(model, first, [user('two'), { role: 'assistant', content: 'So' }]);
  },
);

describe('random chains over every model', () => {
  /** What the fake models say, and how it ends. The simulators choose for themselves. */
  const speech = fc.constantFrom('', ' ', '\n', 'x', 'half \ud800', '\u0000');
  const reply = fc.record({
    thinks: fc.boolean(),
    text: speech,
    calls: fc.array(fc.constantFrom('{}', '', '{"what":1}', 'not JSON', '[1]', '"x"', '{"2":1,"1":2}'), {
      maxLength: 3,
    }),
    custom: fc.boolean(),
    end: fc.constantFrom('end', 'end', 'end', 'max_tokens', 'refusal'),
    /** Chat models may count their calls anew in each answer, or leave the id out. */
    ids: fc.constantFrom('new', 'same', 'none', 'long'),
  });
  const step = fc.record({
    model: fc.constantFrom('simulator', 'simulator', 'simulator-2', 'claude', 'qwen', 'pair'),
    stream: fc.boolean(),
    reply,
    /** What the user says, and at which place among the outputs of open calls. */
    says: fc.array(
      fc.record({
        role: fc.constantFrom('user', 'user', 'system', 'developer', 'assistant'),
        text: fc.constantFrom('x', ' ', '', 'Use look_up on A.', 'Look up "A" and "B" in parallel.', 'Use apply.'),
        at: fc.nat(4),
      }),
      { maxLength: 3 },
    ),
    reverse: fc.boolean(),
    tools: fc.boolean(),
    effort: fc.constantFrom(null, 'low', 'none'),
    outputText: fc.constantFrom('', ' ', 'done', '{"a":1}'),
    /** Goes on from an earlier turn than the last. */
    back: fc.nat(2),
  });
  let made = 0;

  function setReplies({
    thinks,
    text,
    calls,
    custom,
    end,
    ids,
  }: typeof reply extends fc.Arbitrary<infer Value> ? Value : never): void {
    const idOf = (index: number) =>
      ids === 'same' ? `call_${index}` : ids === 'none' ? '' : `call_${++made}${ids === 'long' ? 'x'.repeat(90) : ''}`;
    const names = calls.map((_, index) => (custom && index === 0 ? 'apply' : 'look_up'));
    rig.messages.answer = () => ({
      blocks: [
        ...(thinks ? [thought(`thought ${++made}`, `c2ln${made}`)] : []),
        ...(text === '' && calls.length > 0 ? [] : [said(text === '' ? 'x' : text)]),
        ...calls.map((input, index) => use(`toolu_${++made}`, input.startsWith('{') ? input : {}, names[index])),
      ],
      stopReason: end === 'end' ? (calls.length > 0 ? 'tool_use' : 'end_turn') : end,
    });
    rig.chat.answer = () => ({
      ...(thinks ? { reasoning_content: `thought ${++made}` } : {}),
      content: text === '' && calls.length === 0 ? 'x' : text,
      ...(calls.length === 0
        ? {}
        : { tool_calls: calls.map((args, index) => chatCall(idOf(index), args, names[index])) }),
      ...(end === 'end' ? {} : { finishReason: end === 'refusal' ? 'content_filter' : 'length' }),
    });
  }

  test('are never refused by the simulator, which refuses what Anthropic refuses', async () => {
    const property = fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 10 }), async (steps) => {
      const chain: Answer[] = [];
      for (const { model, stream, reply, says, reverse, tools: brings, effort, outputText, back } of steps) {
        setReplies(reply);
        const parent = chain.at(-1 - back) ?? chain.at(-1) ?? null;
        const open: { type: string; call_id: string; status: string }[] = parent?.body.output ?? [];
        const outputs = open
          .filter(({ type, status }) => /^(function|custom_tool)_call$/.test(type) && status !== 'incomplete')
          .map(({ type, call_id }) => ({ type: `${type}_output`, call_id, output: outputText }));
        const input: object[] = reverse ? outputs.toReversed() : outputs;
        for (const { role, text, at } of says) input.splice(at, 0, { role, content: text });
        input.push(user('And now?'));
        const answer = await rig.client.create({
          model,
          stream,
          previous_response_id: parent?.body.id ?? null,
          input,
          ...(brings ? { tools } : {}),
          reasoning: { effort },
        });
        expect(answer.status, answer.text).toBe(200);
        expect(answer.body.status, answer.text).toMatch(/^(completed|incomplete)$/);
        expect((await rig.client.get(answer.body.id)).body).toEqual(answer.body);
        chain.push(answer);
      }
    });
    await fc.assert(property, { numRuns: 60 });
  });
});

describe('the warnings header', () => {
  test('is a JSON list that names each parameter, in ASCII, and is absent where there is nothing to say', async () => {
    const quiet = await go('claude', null, 'x', { truncation: 'auto' });
    expect(quiet.headers.get('x-turnpike-warnings')).toBeNull();
    const fields = { prompt_cache_key: 'k', späte_field: 1, text: { verbosity: 'low' } };
    for (const stream of [false, true]) {
      const loud = await go('claude', null, 'x', { ...fields, stream });
      const params = warningsOf(loud).map(({ param }) => param);
      expect(params.toSorted()).toEqual(['prompt_cache_key', 'späte_field', 'text.verbosity']);
      expect(loud.headers.get('x-turnpike-warnings')).toMatch(/^[\x20-\x7e]+$/);
    }
  });

  test('says too what the upstream’s reply could not be read for, where the answer is plain', async () => {
    answerBlocks([said('x')], 'a_reason_of_tomorrow');
    const answer = await go('claude', null, 'x');
    expect(warningsOf(answer)).toEqual([{ param: 'output', message: expect.stringContaining('a_reason_of_tomorrow') }]);
  });
});
