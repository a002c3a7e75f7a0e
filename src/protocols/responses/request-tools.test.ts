import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import type { JsonObject } from '../../core/json-object.ts';
import { nativeToolTypes } from '../../core/request.ts';
import { decodeToolChoice, decodeTools } from './request-tools.ts';

const look = { type: 'function', name: 'look', description: null, parameters: null, strict: null };

/** The least that OpenAI takes of each native tool, and a field that nobody knows. */
const natives: Record<(typeof nativeToolTypes)[number], JsonObject> = {
  web_search: { external_web_access: true },
  web_search_2025_08_26: { filters: { allowed_domains: ['a.example'] } },
  web_search_preview: { search_context_size: 'low' },
  web_search_preview_2025_03_11: {},
  file_search: { vector_store_ids: ['vs_1'] },
  computer: {},
  computer_use: {},
  computer_use_preview: { display_height: 600, display_width: 800, environment: 'browser' },
  code_interpreter: { container: { type: 'auto' } },
  image_generation: { quality: 'low' },
  mcp: { server_label: 'm', server_url: 'https://m.example' },
  local_shell: {},
  shell: { environment: { type: 'local' } },
  apply_patch: {},
  tool_search: { description: null, parameters: null },
  programmatic_tool_calling: {},
};

describe('native tools', () => {
  test.each(nativeToolTypes)('%s is kept as the client sent it', (type) => {
    const extra: JsonObject = {};
    const sent = { type, ...natives[type], future: { a: 1 } };
    expect(decodeTools([sent], extra)).toEqual([sent]);
    expect(extra).toEqual({});
  });
});

describe('functions', () => {
  const decodeOne = (fields: JsonObject) => {
    const extra: JsonObject = {};
    return [decodeTools([{ type: 'function', name: 'look', ...fields }], extra)[0], extra];
  };

  test('what changes when and by whom one is called', () => {
    const said = { async: true, defer_loading: true, allowed_callers: ['direct'], output_schema: { type: 'object' } };
    expect(decodeOne(said)).toEqual([{ ...look, ...said }, {}]);
  });

  test('what says nothing is left out, so that the echo is as if it had not been said', () => {
    const nothing = { async: false, defer_loading: null, allowed_callers: null, output_schema: null };
    expect(decodeOne(nothing)).toEqual([look, {}]);
  });
});

test('a namespace holds tools, whose unknown fields are named with their place', () => {
  const extra: JsonObject = {};
  const inner = { type: 'custom', name: 'exec', description: 'Runs.', format: { type: 'text' } };
  const tools = [
    { type: 'function', name: 'n' },
    { type: 'namespace', name: 'n', description: 'Of n.', tools: [{ ...look }, { ...inner, colour: 'red' }] },
  ];
  expect(decodeTools(tools, extra)).toEqual([
    { ...look, name: 'n' },
    { type: 'namespace', name: 'n', description: 'Of n.', tools: [look, inner] },
  ]);
  expect(extra).toEqual({ 'tools[1].tools[1].colour': 'red' });
});

describe('choices', () => {
  const tools = decodeTools(
    [
      { type: 'function', name: 'look' },
      { type: 'namespace', name: 'n', tools: [{ type: 'custom', name: 'exec' }] },
      { type: 'shell' },
      { type: 'mcp', server_label: 'm' },
    ],
    {},
  );

  test.each([
    [{ type: 'custom', name: 'exec' }],
    [{ type: 'custom', name: 'exec', namespace: 'n' }],
    [{ type: 'shell' }],
    [{ type: 'mcp', server_label: 'm' }],
    [{ type: 'mcp', server_label: 'm', name: 'roll' }],
    [{ type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'look' }, { type: 'shell' }] }],
  ])('%j', (choice) => {
    expect(decodeToolChoice(choice, tools)).toEqual(choice);
  });

  test.each([
    [{ type: 'custom', name: 'exec', namespace: 'o' }, 'exec'],
    [{ type: 'function', name: 'look', namespace: 'n' }, 'look'],
    [{ type: 'function', name: 'exec' }, 'exec'],
    [{ type: 'apply_patch' }, 'apply_patch'],
    [{ type: 'mcp', server_label: 'o' }, 'mcp'],
  ])('%j is of no tool', (choice, name) => {
    const refused = `Tool choice '${name}' not found in 'tools' parameter.`;
    expect(() => decodeToolChoice(choice, tools)).toThrow(refused);
    // An item of the context may bring the tool.
    expect(decodeToolChoice(choice, tools, true)).toEqual(choice);
  });

  test('required, with tools that come with the context only', () => {
    expect(decodeToolChoice('required', [], true)).toBe('required');
    expect(() => decodeToolChoice('required', [])).toThrow(GatewayError);
  });
});

test('how many there may be, wherever they stand', () => {
  const many = (length: number) => Array.from({ length }, (_, at) => ({ type: 'function', name: `f${at}` }));
  const most = decodeTools(many(1024), {});
  const refused = (param: string) =>
    `Invalid '${param}': array too long. Expected an array with maximum length 1024, but got an array with length 1025 instead.`;
  expect(() => decodeTools(many(1025), {})).toThrow(refused('tools'));
  const namespace = { type: 'namespace', name: 'n', tools: many(1025) };
  expect(() => decodeTools([namespace], {})).toThrow(refused('tools[0].tools'));
  const choice = { type: 'allowed_tools', mode: 'auto', tools: [...many(1024), { type: 'function', name: 'f0' }] };
  expect(() => decodeToolChoice(choice, most)).toThrow(refused('tool_choice.tools'));
  expect(decodeToolChoice({ ...choice, tools: many(1024) }, most)).toMatchObject({ mode: 'auto' });
});
