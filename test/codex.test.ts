/** What Codex really sends (captured, and shortened): namespaces, a web search, tools inside of an item, free-form calls. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { expectStream } from './support/check-stream.ts';
import { stateRig } from './support/state-rig.ts';

const rig = stateRig();

const captured = (name: 'exec' | 'code-mode'): { input: object[] } =>
  JSON.parse(readFileSync(new URL(`fixtures/codex/${name}.json`, import.meta.url), 'utf8'));

const models = ['claude', 'qwen', 'simulator'] as const;

/** The next answer of either model: one call. */
function answerWith(name: string, args: string): void {
  rig.messages.answer = () => ({
    blocks: [{ type: 'tool_use', id: 'toolu_1', name, input: args }],
    stopReason: 'tool_use',
  });
  rig.chat.answer = () => ({ tool_calls: [{ id: 'toolu_1', type: 'function', function: { name, arguments: args } }] });
}

/** Names of the tools that the upstream was offered, and its request. */
function wire(): { names: string[]; text: string } {
  const [anthropic] = rig.messages.requests;
  if (anthropic !== undefined) {
    return { names: anthropic.body.tools.map((tool: { name: string }) => tool.name), text: anthropic.text };
  }
  const [chat] = rig.chat.requests;
  const tools: { function: { name: string } }[] = chat?.body.tools ?? [];
  return { names: tools.map((tool) => tool.function.name), text: chat?.text ?? '' };
}

describe.each(models)('over %s', (model) => {
  test.each(['exec', 'code-mode'] as const)('%s runs', async (name) => {
    const answer = await rig.client.create({ ...captured(name), model });
    expect(answer.status, answer.text).toBe(200);
    expectStream(answer.events);
    expect(answer.body.status).toBe('completed');
  });
});

describe.each(['claude', 'qwen'] as const)('over %s', (model) => {
  test('a tool of a namespace comes back with its namespace, and goes on from there', async () => {
    answerWith('multi_agent_v1__close_agent', '{"target":"a"}');
    const body = { ...captured('exec'), model };
    const answer = await rig.client.create(body);
    expectStream(answer.events);
    const [call] = answer.body.output;
    expect(call).toMatchObject({
      type: 'function_call',
      name: 'close_agent',
      namespace: 'multi_agent_v1',
      arguments: '{"target":"a"}',
    });
    const added = answer.events.find(({ event }) => event === 'response.output_item.added');
    expect(added?.data.item).toMatchObject({ name: 'close_agent', namespace: 'multi_agent_v1' });
    expect(wire().names).toContain('multi_agent_v1__close_agent');
    expect(wire().names.includes('web_search')).toBe(model === 'claude');

    for (const { requests } of [rig.messages, rig.chat]) requests.length = 0;
    const output = { type: 'function_call_output', call_id: call.call_id, output: 'closed' };
    const next = await rig.client.create({ ...body, input: [...body.input, call, output] });
    expect(next.status, next.text).toBe(200);
    expect(wire().text).toContain('"name":"multi_agent_v1__close_agent"');
    expect(wire().text).not.toContain('"name":"close_agent"');
  });

  test('a free-form call of a tool that an item brought', async () => {
    const script = 'text("x")\n';
    answerWith('functions__exec', JSON.stringify({ input: script }));
    const answer = await rig.client.create({ ...captured('code-mode'), model });
    expectStream(answer.events);
    expect(answer.body.output).toMatchObject([
      { type: 'custom_tool_call', name: 'exec', namespace: 'functions', input: script },
    ]);
    // The call of the turn before reads as it was made.
    expect(wire().names).toContain('functions__exec');
    expect(wire().text).toContain('cat f1.txt');
  });
});
