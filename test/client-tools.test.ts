/** Tools of the API whose schema only OpenAI's models know, as coding agents use them, over models that know functions. */
import { describe, expect, test } from 'vitest';
import { expectStream } from './support/check-stream.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();

interface Case {
  tool: { type: string; [field: string]: unknown };
  /** What the model writes. */
  args: string;
  /** What the client reads of it. */
  call: object;
  /** Names of the item's events between added and done. */
  events: string[];
  /** What the client answers, and what the model is told. */
  output: object;
  told: string;
}

const cases: Record<string, Case> = {
  local_shell: {
    tool: { type: 'local_shell' },
    args: '{"command": ["ls", "-a"], "timeout_ms": 1000, "env": {"A": "1"}}',
    call: {
      type: 'local_shell_call',
      action: { type: 'exec', command: ['ls', '-a'], env: { A: '1' }, timeout_ms: 1000 },
    },
    events: [],
    output: { type: 'local_shell_call_output', output: '.\n..\n' },
    told: '.\n..\n',
  },
  shell: {
    tool: { type: 'shell', environment: { type: 'local' } },
    args: '{"commands":["ls","pwd"]}',
    call: {
      type: 'shell_call',
      environment: { type: 'local' },
      action: { commands: ['ls', 'pwd'], timeout_ms: null, max_output_length: null },
    },
    events: ['added', 'delta', 'done', 'added', 'delta', 'done'].map((verb) => `shell_call_command.${verb}`),
    output: {
      type: 'shell_call_output',
      output: [{ stdout: 'a', stderr: '', outcome: { type: 'exit', exit_code: 0 } }],
    },
    told: '[{"stdout":"a","stderr":"","outcome":{"type":"exit","exit_code":0}}]',
  },
  apply_patch: {
    tool: { type: 'apply_patch' },
    args: '{"path":"a.md","diff":"+x\\n","type":"create_file"}',
    call: { type: 'apply_patch_call', operation: { type: 'create_file', path: 'a.md', diff: '+x\n' } },
    events: ['apply_patch_call_operation_diff.delta', 'apply_patch_call_operation_diff.done'],
    output: { type: 'apply_patch_call_output', status: 'failed', output: 'No such folder' },
    told: '{"status":"failed","output":"No such folder"}',
  },
  tool_search: {
    tool: { type: 'tool_search', execution: 'client', parameters: { type: 'object', properties: {} } },
    args: '{"goal":"mail"}',
    call: { type: 'tool_search_call', execution: 'client', arguments: { goal: 'mail' } },
    events: [],
    output: { type: 'tool_search_output', execution: 'client', tools: [{ type: 'function', name: 'send_mail' }] },
    told: '{"tools_now_offered":["send_mail"]}',
  },
};

/** The upstream answers with one call, then with text. */
function answerWith(name: string, args: string): void {
  rig.messages.answer = () =>
    rig.messages.requests.length === 1
      ? { blocks: [{ type: 'tool_use', id: 'toolu_1', name, input: args }], stopReason: 'tool_use' }
      : { blocks: [{ type: 'text', text: 'Done.' }] };
  rig.chat.answer = () =>
    rig.chat.requests.length === 1
      ? { tool_calls: [{ id: 'toolu_1', type: 'function', function: { name, arguments: args } }] }
      : { content: 'Done.' };
}

/** What the upstream was sent, in either protocol. */
const sent = {
  claude: {
    tools: () => rig.messages.requests.map(({ body }) => body.tools.map(({ name }: { name: string }) => name)),
    call: () =>
      /"type":"tool_use","id":"toolu_1","name":"([^"]*)","input":(\{.*?\})\}\]/
        .exec(rig.messages.requests[1]?.text ?? '')
        ?.slice(1),
    told: () => rig.messages.requests[1]?.body.messages.at(-1).content[0].content,
  },
  qwen: {
    tools: () =>
      rig.chat.requests.map(({ body }) => body.tools.map((tool: { function: { name: string } }) => tool.function.name)),
    call: () => {
      const called = rig.chat.requests[1]?.body.messages.at(-2).tool_calls[0].function;
      return [called.name, called.arguments];
    },
    told: () => rig.chat.requests[1]?.body.messages.at(-1).content,
  },
};

describe.each(['claude', 'qwen'] as const)('over %s', (model) => {
  describe.each(Object.entries(cases))('%s', (name, { tool, args, call, events, output, told }) => {
    test.each([{ stream: false }, { stream: true }])('stream: $stream', async ({ stream }) => {
      answerWith(name, args);
      const first = await rig.client.create({ model, input: 'x', tools: [tool], stream });
      expect(first.status, first.text).toBe(200);
      const [item] = first.body.output;
      expect(item).toEqual({ ...call, id: item.id, call_id: 'toolu_1', status: 'completed' });
      if (stream) {
        expectStream(first.events);
        const own = first.events
          .filter(({ data }) => data.output_index === 0)
          .map(({ event }) => event.slice('response.'.length));
        expect(own).toEqual(['output_item.added', ...events, 'output_item.done']);
      }
      const input = [{ ...output, call_id: 'toolu_1' }];
      const second = await rig.client.create({
        model,
        input,
        tools: [tool],
        stream,
        previous_response_id: first.body.id,
      });
      expect(second.body.status, second.text).toBe('completed');
      expect(sent[model].tools()).toEqual([[name], name === 'tool_search' ? [name, 'send_mail'] : [name]]);
      // The model's own text, byte for byte.
      expect(sent[model].call()).toEqual([name, args]);
      expect(sent[model].told()).toBe(told);
    });

    test('a history that the client carries itself', async () => {
      answerWith(name, args);
      rig.messages.answer = () => ({ blocks: [{ type: 'text', text: 'Done.' }] });
      rig.chat.answer = () => ({ content: 'Done.' });
      const history = [
        { role: 'user', content: 'x' },
        { ...call, call_id: 'toolu_1' },
        { ...output, call_id: 'toolu_1' },
      ];
      const answer = await rig.client.create({ model, input: history, tools: [tool] });
      expect(answer.status, answer.text).toBe(200);
      const [wire] = model === 'claude' ? rig.messages.requests : rig.chat.requests;
      expect(wire?.text).toContain(JSON.stringify(told));
      expect(wire?.text).toContain('toolu_1');
    });
  });

  test.each([
    ['shell', '{"commands":"ls"}'],
    ['shell', '{"commands":["ls"'],
    ['local_shell', '[]'],
    ['apply_patch', '{"type":"move_file","path":"a"}'],
    ['apply_patch', '{"type":"update_file","path":"a"}'],
  ])('%s with %s is not lost, and nobody runs it', async (type, args) => {
    answerWith(type, args);
    const first = await rig.client.create({ model, input: 'x', tools: [{ type }], stream: true });
    expectStream(first.events);
    const call = { type: 'function_call', name: type, call_id: 'toolu_1', arguments: args, status: 'completed' };
    expect(first.body.output).toMatchObject([call]);
    const input = [{ type: 'function_call_output', call_id: 'toolu_1', output: 'Wrong arguments.' }];
    const fields = { model, input, tools: [{ type }], previous_response_id: first.body.id };
    expect((await rig.client.create(fields)).body.status).toBe('completed');
    expect(sent[model].told()).toBe('Wrong arguments.');
  });

  test('a function of the client that is called like one of them', async () => {
    const tools = [{ type: 'function', name: 'shell' }, { type: 'shell' }];
    answerWith('shell', '{"commands":["ls"]}');
    const plain = await rig.client.create({ model, input: 'x', tools });
    expect(plain.body.output).toMatchObject([{ type: 'function_call', name: 'shell' }]);
    const own = sent[model].tools()[0]?.[1] ?? '';
    expect(own).toMatch(/^shell_[0-9a-f]{8}$/);
    rig.messages.requests.length = 0;
    rig.chat.requests.length = 0;
    answerWith(own, '{"commands":["ls"]}');
    const native = await rig.client.create({ model, input: 'x', tools, tool_choice: { type: 'shell' } });
    expect(native.body.output).toMatchObject([{ type: 'shell_call', action: { commands: ['ls'] } }]);
  });

  test("a shell in a container of the provider is nobody's to run", async () => {
    const tools = [{ type: 'shell', environment: { type: 'container_auto' } }];
    const answer = await rig.client.create({ model, input: 'x', tools });
    expect([answer.status, answer.body.error.param]).toEqual([400, 'tools[0].type']);
  });
});

test('a call id that is used again is made new, and is the same in the item and in the stream', async () => {
  answerWith('shell', '{"commands":["ls"]}');
  const output = { type: 'shell_call_output', call_id: 'toolu_1', output: [] };
  const first = await rig.client.create({ model: 'claude', input: 'x', tools: [{ type: 'shell' }] });
  rig.messages.requests.length = 0;
  const fields = { model: 'claude', tools: [{ type: 'shell' }], previous_response_id: first.body.id };
  const second = await rig.client.create({ ...fields, input: [output], stream: true });
  expectStream(second.events);
  const [item] = second.body.output;
  expect(item).toMatchObject({ type: 'shell_call', call_id: expect.stringMatching(/^call_/) });
  const added = second.events.find(({ event }) => event === 'response.output_item.added');
  expect(added?.data.item.call_id).toBe(item.call_id);
  // The next turn pairs both.
  const next = { ...output, call_id: item.call_id };
  const third = await rig.client.create({ ...fields, input: [next], previous_response_id: second.body.id });
  expect(third.status, third.text).toBe(200);
});
