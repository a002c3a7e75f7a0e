import { describe, expect, test } from 'vitest';
import { call, encode, type Given, output } from '../../../test/fixtures/chat/encode-input.ts';
import type { CustomTool, FunctionTool, Tool, TurnRequest } from '../../core/request.ts';

const tool = (name: string, fields: Partial<FunctionTool> = {}): FunctionTool => ({
  type: 'function',
  name,
  description: null,
  parameters: null,
  strict: null,
  ...fields,
});
const custom: CustomTool = {
  type: 'custom',
  name: 'sh',
  description: 'Runs.',
  format: { type: 'grammar', syntax: 'lark', definition: 'start: "a"' },
};
const sent = (given: Given) => {
  const { parsed, warned, decode } = encode(given);
  const { tools, tool_choice, parallel_tool_calls } = parsed;
  return {
    tools,
    tool_choice,
    parallel_tool_calls,
    warned,
    customTools: [...decode.tools.values()].flatMap(({ kind, name }) => (kind === 'custom' ? [name] : [])),
  };
};
const names = (tools: unknown) => (tools as { function: { name: string } }[]).map((each) => each.function.name);

describe('definitions', () => {
  const noParameters = { type: 'object', properties: {} };
  const parameters = { type: 'object', properties: { a: { type: 'string' } } };

  test.each<[what: string, tools: Tool[], wire: unknown]>([
    ['nothing said', [tool('f')], [{ type: 'function', function: { name: 'f', parameters: noParameters } }]],
    [
      'all said',
      [tool('f', { description: 'd', parameters, strict: true })],
      [{ type: 'function', function: { name: 'f', description: 'd', parameters, strict: true } }],
    ],
    ['no tools are no field', [], undefined],
  ])('%s', (_what, tools, wire) => {
    expect(sent({ request: { tools } })).toMatchObject({ tools: wire, warned: [], customTools: [] });
  });

  test('a custom tool, natively', () => {
    expect(sent({ request: { tools: [custom] }, profile: { customTools: true } })).toMatchObject({
      tools: [
        {
          type: 'custom',
          custom: {
            name: 'sh',
            description: 'Runs.',
            format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'start: "a"' } },
          },
        },
      ],
      warned: [],
      customTools: ['sh'],
    });
  });

  test('a custom tool as a function, its grammar in the description', () => {
    const { tools, warned, customTools } = sent({ request: { tools: [tool('f'), custom] } });
    expect(tools).toMatchObject([
      {},
      { type: 'function', function: { name: 'sh', parameters: { required: ['input'] } } },
    ]);
    expect(JSON.stringify(tools)).toContain('Runs.\\n\\nThe input must match this lark grammar:\\nstart: \\"a\\"');
    expect(warned).toEqual(['tools[1].format']);
    expect(customTools).toEqual(['sh']);
  });

  test('free text loses nothing as a function', () => {
    const { warned } = sent({ request: { tools: [{ ...custom, format: { type: 'text' } }] } });
    expect(warned).toEqual([]);
  });
});

describe('choice', () => {
  const tools = [tool('f'), tool('g'), custom];

  test.each<[what: string, given: Given, choice: unknown]>([
    ['auto', { request: { tools } }, undefined],
    ['none', { request: { tools, toolChoice: 'none' } }, 'none'],
    ['required', { request: { tools, toolChoice: 'required' } }, 'required'],
    [
      'a function',
      { request: { tools, toolChoice: { type: 'function', name: 'g' } } },
      { type: 'function', function: { name: 'g' } },
    ],
    [
      'a custom tool as a function',
      { request: { tools, toolChoice: { type: 'custom', name: 'sh' } } },
      { type: 'function', function: { name: 'sh' } },
    ],
    [
      'a custom tool',
      { request: { tools, toolChoice: { type: 'custom', name: 'sh' } }, profile: { customTools: true } },
      { type: 'custom', custom: { name: 'sh' } },
    ],
    ['none without tools', { request: { toolChoice: 'none' } }, undefined],
    ['auto without tools', {}, undefined],
  ])('%s', (_what, given, choice) => {
    expect(sent(given).tool_choice).toEqual(choice);
  });

  test.each<['auto' | 'required', unknown]>([
    ['auto', undefined],
    ['required', 'required'],
  ])('allowed tools, %s: the others are not sent', (mode, choice) => {
    const toolChoice: TurnRequest['toolChoice'] = {
      type: 'allowed_tools',
      mode,
      tools: [
        { type: 'custom', name: 'sh' },
        { type: 'function', name: 'g' },
      ],
    };
    const { tools: wire, tool_choice, warned } = sent({ request: { tools, toolChoice } });
    expect(names(wire)).toEqual(['g', 'sh']);
    expect(tool_choice).toBe(choice);
    // Named by its place in the client's list, not in what is left of it.
    expect(warned).toEqual(['tools[2].format']);
  });

  test.each<[what: string, request: Partial<TurnRequest>, param: string]>([
    ['required without tools', { toolChoice: 'required' }, 'tool_choice'],
    ['a tool without tools', { toolChoice: { type: 'function', name: 'f' } }, 'tool_choice'],
    ['an unknown tool', { tools, toolChoice: { type: 'function', name: 'x' } }, 'tool_choice'],
    ['a tool of the other kind', { tools, toolChoice: { type: 'custom', name: 'f' } }, 'tool_choice'],
    [
      'an unknown allowed tool',
      { tools, toolChoice: { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'x' }] } },
      'tool_choice.tools[0]',
    ],
  ])('%s: refused', (_what, request, param) => {
    expect(() => sent({ request })).toThrow(expect.objectContaining({ code: 'invalid_value', param }));
  });
});

test.each(['x'.repeat(65), 'a.b'])('the name %s is another to the upstream', (name) => {
  const { tools, warned } = sent({ request: { tools: [tool('f'), tool(name)] } });
  expect(names(tools)).toEqual(['f', expect.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/)]);
  expect(warned).toEqual(['tools[1].name']);
});

describe('one call at a time', () => {
  test.each<[tools: Tool[], parallel: boolean, wire: unknown]>([
    [[tool('f')], false, false],
    [[tool('f')], true, undefined],
    [[], false, undefined],
  ])('%j, %s', (tools, parallelToolCalls, wire) => {
    expect(sent({ request: { tools, parallelToolCalls } }).parallel_tool_calls).toBe(wire);
  });
});

describe("an ancestor's tools", () => {
  const items = [call('1'), output('1')];

  test('stand beside its calls, and may not be called', () => {
    expect(sent({ items, inheritedTools: [tool('f')] })).toMatchObject({
      tools: [{ function: { name: 'f' } }],
      tool_choice: 'none',
    });
  });

  test.each<[what: string, given: Given]>([
    ['there are no calls', { inheritedTools: [tool('f')] }],
    ['there are none', { items }],
  ])('are not sent where %s', (_what, given) => {
    expect(sent(given)).toMatchObject({ tools: undefined, tool_choice: undefined });
  });

  test("give way to the request's own", () => {
    const { tools, tool_choice } = sent({ items, inheritedTools: [tool('f')], request: { tools: [tool('g')] } });
    expect(names(tools)).toEqual(['g']);
    expect(tool_choice).toBeUndefined();
  });
});
