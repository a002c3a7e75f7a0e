import { describe, expect, test } from 'vitest';
import { decodeRequest } from '../protocols/responses/request.ts';
import { GatewayError } from './errors.ts';
import type { ContextItem, Item } from './items.ts';
import type { JsonObject } from './json-object.ts';
import { itemPath, offerTools, type ToolTarget } from './offer-tools.ts';
import { createReport } from './report.ts';

const names64 = { maxNameLength: 64, names: /^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$/ };
const plain: ToolTarget = { ...names64, hosts: () => undefined };
const f = { type: 'function', name: 'f' };
const inNamespace = (name: string, ...tools: JsonObject[]) => ({ type: 'namespace', name, tools });

function offer(fields: JsonObject, target = plain) {
  const request = decodeRequest({ model: 'm', input: [{ role: 'user', content: 'x' }], ...fields });
  const context: ContextItem[] = request.input.map((item) => ({ item: item as Item, origin: undefined }));
  const report = createReport();
  const offered = offerTools(request, context, target, report);
  const names = offered.offers.map(({ wireName }) => wireName);
  return { ...offered, names, warned: report.warnings.map(({ param }) => param) };
}

function refusal(fields: JsonObject, target = plain): string {
  try {
    offer(fields, target);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return `${error.code} ${error.param} ${error.message}`;
  }
}

describe('namespaces', () => {
  test('are part of the name, and told apart again', () => {
    const { names, called, nameOfCall } = offer({ tools: [f, inNamespace('n', f, { type: 'custom', name: 'c' })] });
    expect(names).toEqual(['f', 'n__f', 'n__c']);
    expect(Object.fromEntries(called)).toEqual({
      f: { kind: 'function', name: 'f' },
      n__f: { kind: 'function', name: 'f', fields: { namespace: 'n' } },
      n__c: { kind: 'custom', name: 'c', fields: { namespace: 'n' } },
    });
    expect([nameOfCall('f', undefined), nameOfCall('f', null), nameOfCall('c', 'n')]).toEqual(['f', 'f', 'n__c']);
  });

  test('say what they are for with each of their tools', () => {
    const described = { ...inNamespace('n', { ...f, description: 'F.' }, { ...f, name: 'g' }), description: 'All.' };
    const descriptions = offer({ tools: [described] }).offers.map(({ tool }) => tool['description']);
    expect(descriptions).toEqual(['F.\n\nAll.', 'All.']);
  });

  /** Each: names that simple joining would mix up, or that are too long. */
  test.each<[string, JsonObject[]]>([
    ['a tool that is called as the joined name', [{ ...f, name: 'n__f' }, inNamespace('n', f)]],
    [
      'a name that begins where a namespace ends',
      [inNamespace('a', { ...f, name: 'b__c' }), inNamespace('a__b', { ...f, name: 'c' })],
    ],
    ['underscores on either side', [inNamespace('a_', { ...f, name: 'b' }), inNamespace('a', { ...f, name: '_b' })]],
    [
      'names that differ after the longest',
      [inNamespace('n'.repeat(60), { ...f, name: `${'x'.repeat(30)}1` }, { ...f, name: `${'x'.repeat(30)}2` })],
    ],
  ])('%s', (_, tools) => {
    const { names, called } = offer({ tools });
    expect(new Set(names).size).toBe(2);
    for (const name of names) expect(name).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
    const origins = [...called.values()].map((tool) => JSON.stringify(tool));
    expect(new Set(origins).size).toBe(2);
    // The same on every turn, whatever else is offered.
    expect(offer({ tools: [...tools, { ...f, name: 'later' }] }).names.slice(0, 2)).toEqual(names);
  });

  test('a tool that OpenAI loaded later is named as its own namespace', () => {
    expect(offer({ tools: [{ ...f, defer_loading: true }] }).nameOfCall('f', 'f')).toBe('f');
    expect(offer({ tools: [inNamespace('f', f)] }).nameOfCall('f', 'f')).toBe('f__f');
  });
});

test('what an upstream of functions does not do with a tool is said', () => {
  const tools = [
    { ...f, defer_loading: true, output_schema: {} },
    inNamespace('n', { ...f, name: 'g', async: true, allowed_callers: ['direct', 'programmatic'] }),
    { type: 'tool_search' },
    { type: 'web_search' },
  ];
  const { names, called, warned } = offer({ tools });
  expect(names).toEqual(['f', 'n__g']);
  expect(called.get('n__g')).toEqual({ kind: 'function', name: 'g', fields: { namespace: 'n', async: true } });
  expect(warned).toEqual(['tools[0].defer_loading', 'tools[0].output_schema', 'tools[3]']);
});

test('items bring tools; what is brought again is the newest', () => {
  const brings = (...tools: JsonObject[]) => ({ type: 'additional_tools', role: 'developer', tools });
  const found = { type: 'tool_search_output', execution: 'server', tools: [{ ...f, name: 'h' }] };
  const { offers, called } = offer({
    input: [brings({ ...f, description: 'Old.' }), found, brings({ ...f, description: 'New.' }, inNamespace('n', f))],
    tool_choice: { type: 'function', name: 'f', namespace: 'n' },
  });
  expect(offers.map(({ wireName, path, tool }) => [wireName, path, tool['description']])).toEqual([
    ['f', 'input[2].tools[0]', 'New.'],
    ['h', 'input[1].tools[0]', null],
    ['n__f', 'input[2].tools[1].tools[0]', null],
  ]);
  expect(called.size).toBe(3);
});

describe('choices', () => {
  const hosting: ToolTarget = {
    ...names64,
    hosts: ({ type }) => (type === 'web_search' ? 'search' : undefined),
  };
  const tools = [f, { ...f, name: 'g' }, inNamespace('n', f), { type: 'web_search' }];

  test('of one', () => {
    expect(offer({ tools, tool_choice: { type: 'function', name: 'f' } }, hosting).choice).toMatchObject({
      wireName: 'f',
    });
    const within = { type: 'function', name: 'f', namespace: 'n' };
    expect(offer({ tools, tool_choice: within }, hosting).choice).toMatchObject({ wireName: 'n__f' });
    const hosted = offer({ tools, tool_choice: { type: 'web_search' } }, hosting);
    expect(hosted.choice).toMatchObject({ kind: 'hosted', wireName: 'search' });
  });

  test('of a subset, in the order of the tools', () => {
    const choice = {
      type: 'allowed_tools',
      mode: 'required',
      tools: [{ type: 'web_search' }, { type: 'function', name: 'f' }],
    };
    const { names, choice: mode, called } = offer({ tools, tool_choice: choice }, hosting);
    expect([names, mode]).toEqual([['f', 'n__f', 'search'], 'required']);
    expect(called.has('g')).toBe(true);
  });

  test('of what is not there', () => {
    const brings = [{ type: 'additional_tools', role: 'developer', tools: [f] }];
    const g = { type: 'function', name: 'g' };
    expect(refusal({ input: brings, tool_choice: g })).toBe(
      "invalid_value tool_choice Tool choice 'g' not found in 'tools' parameter.",
    );
    const allowed = { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'function', name: 'f' }, g] };
    expect(refusal({ input: brings, tool_choice: allowed })).toBe(
      "invalid_value tool_choice.tools[1] Tool choice 'g' not found in 'tools' parameter.",
    );
  });

  test('of a web search that the upstream lacks', () => {
    expect(refusal({ tools, tool_choice: { type: 'web_search' } })).toBe(
      "unsupported_value tools[3].type Hosted tool 'web_search' is not supported with this model.",
    );
  });
});

test.each([
  [{ type: 'mcp', server_label: 'm' }],
  [{ type: 'file_search', vector_store_ids: ['v'] }],
  [{ type: 'code_interpreter', container: 'c' }],
  [{ type: 'image_generation' }],
  [{ type: 'computer' }],
  [{ type: 'programmatic_tool_calling' }],
])('%j, which nobody would run, is refused', (tool) => {
  const message = `Hosted tool '${tool.type}' is not supported with this model.`;
  expect(refusal({ tools: [f, tool] })).toBe(`unsupported_value tools[1].type ${message}`);
  const brought = { type: 'additional_tools', role: 'developer', tools: [tool] };
  expect(refusal({ input: [brought] })).toBe(`unsupported_value input[0].tools[0].type ${message}`);
});

test('a tool that only programs may call', () => {
  expect(refusal({ tools: [{ ...f, allowed_callers: ['programmatic'] }] })).toBe(
    'unsupported_value tools[0].allowed_callers Tools that only programs call are not supported with this model.',
  );
});

test.each(['x'.repeat(65), '1st', `${'x'.repeat(64)}1`])('a tool called %s is known by another name', (name) => {
  const { names, called, nameOfCall, warned } = offer({ tools: [f, { ...f, name }] });
  const [, wireName = ''] = names;
  expect(wireName).toMatch(names64.names);
  expect(called.get(wireName)).toEqual({ kind: 'function', name });
  expect([nameOfCall(name, undefined), nameOfCall('f', undefined)]).toEqual([wireName, 'f']);
  expect(warned).toEqual(['tools[1].name']);
  expect(offer({ tools: [{ ...f, name }], tool_choice: { type: 'function', name } }).choice).toMatchObject({
    wireName,
  });
});

test('a tool of before is known by a name that the upstream takes', () => {
  const { nameOfCall } = offer({ tools: [f] });
  const [dotted, spaced] = [nameOfCall('a.b', undefined), nameOfCall('a b', null)];
  expect([dotted, spaced]).toEqual([expect.stringMatching(/^a_b_[0-9a-f]{8}$/), expect.stringMatching(/^a_b_/)]);
  expect(dotted).not.toBe(spaced);
});

test('a function that is called as the upstream calls a tool of its own', () => {
  const target: ToolTarget = { ...names64, hosts: () => 'f' };
  expect(refusal({ tools: [f, { type: 'web_search' }] }, target)).toBe(
    "invalid_value tools[1] Invalid 'tools[1]': this model would know it by the name of tools[0] ('f').",
  );
});

test('an item of an earlier turn is found under no index', () => {
  const request = decodeRequest({ model: 'm', input: 'x' });
  const context: ContextItem[] = ['a', 'b'].map((id) => ({ item: { type: 'compaction', id }, origin: undefined }));
  expect([itemPath(context, request, 0), itemPath(context, request, 1)]).toEqual(['input', 'input[0]']);
});
