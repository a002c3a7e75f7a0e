import fc from 'fast-check';
import type { ResponseInputItem, Tool } from 'openai/resources/responses/responses';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import { decodeInput } from './request-items.ts';
import { inputItemTypes, laterItemTypes, type toolTypes } from './wire.ts';

const idRule = "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.";
const itemTypes = `${inputItemTypes
  .slice(0, -1)
  .map((type) => `'${type}'`)
  .join(', ')}, and '${inputItemTypes.at(-1)}'`;

function refusal(input: unknown): string {
  try {
    decodeInput(input);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return `${error.status} ${error.code} ${error.param ?? '-'} ${error.message}`;
  }
  return 'accepted';
}

test('every accepted shape, normalised', () => {
  const { input }: { input: unknown } = JSON.parse(readFileSync(new URL('full.json', import.meta.url), 'utf8'));
  const completed = { status: 'completed' };
  expect(decodeInput(input)).toEqual([
    { type: 'message', id: '', ...completed, role: 'user', content: [{ type: 'input_text', text: 'Hello' }] },
    {
      type: 'message',
      id: '',
      ...completed,
      role: 'assistant',
      content: [{ type: 'output_text', text: 'Hi', annotations: [] }],
    },
    { type: 'message', id: '', ...completed, role: 'developer', content: [] },
    {
      type: 'message',
      id: 'msg_1',
      status: 'incomplete',
      role: 'user',
      content: [
        { type: 'input_text', text: '', prompt_cache_breakpoint: { mode: 'explicit' } },
        { type: 'input_image', image_url: 'data:image/png;base64,AAAA', file_id: null, detail: 'high' },
        { type: 'input_image', image_url: 'https://example.com/a.png' },
        { type: 'input_file', file_data: 'data:application/pdf;base64,AAAA', filename: 'a.pdf' },
        { type: 'input_file', file_url: 'https://example.com/a.pdf', file_data: null },
      ],
    },
    {
      type: 'reasoning',
      id: 'rs_1',
      encrypted_content: 'gAAA',
      summary: [{ type: 'summary_text', text: 'Thinking.' }],
    },
    { type: 'reasoning', id: 'rs_2', summary: [], content: [{ type: 'reasoning_text', text: 'Raw.' }] },
    {
      type: 'message',
      id: 'msg_2',
      ...completed,
      role: 'assistant',
      phase: 'commentary',
      content: [
        { type: 'output_text', text: 'One.', annotations: [{ type: 'file_path' }], logprobs: [] },
        { type: 'output_text', text: 'Two.', annotations: [] },
        { type: 'refusal', refusal: 'No.' },
      ],
    },
    {
      type: 'function_call',
      id: '',
      ...completed,
      call_id: 'call_1',
      name: 'look_up',
      namespace: 'n',
      arguments: '{"a": 1e400}',
    },
    { type: 'function_call_output', id: 'fco_1', ...completed, call_id: 'call_1', output: 'found' },
    { type: 'custom_tool_call', id: 'ctc_1', ...completed, call_id: 'call_2', name: 'sql', input: '' },
    {
      type: 'custom_tool_call_output',
      id: '',
      ...completed,
      call_id: 'call_2',
      output: [
        { type: 'input_text', text: 'rows' },
        { type: 'input_image', image_url: 'data:image/gif;base64,R0' },
      ],
    },
    { type: 'item_reference', id: 'msg_9' },
    { type: 'item_reference', id: 'msg_10' },
  ]);
});

describe('what is refused', () => {
  const user = (part: unknown) => ({ role: 'user', content: [part] });
  const call = { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' };
  const output = { type: 'function_call_output', call_id: 'c', output: '' };
  const missing = (param: string) => `missing_required_parameter ${param} Missing required parameter: '${param}'.`;
  const partTypes = "Supported values are: 'input_text', 'input_image', and 'input_file'.";
  const badUrl = (param: string) =>
    `invalid_value ${param} Invalid '${param}'. Expected a valid URL, but got a value with an invalid format.`;

  test.each([
    ['x', "invalid_type input[0] Invalid type for 'input[0]': expected an object, but got a string instead."],
    [{}, missing('input[0].type')],
    [{ type: 'Msg' }, `invalid_value input[0].type Invalid value: 'Msg'. Supported values are: ${itemTypes}.`],
    [
      { type: 'toString' },
      `invalid_value input[0].type Invalid value: 'toString'. Supported values are: ${itemTypes}.`,
    ],
    [
      { type: 5 },
      `invalid_type input[0].type Invalid type for 'input[0].type': expected one of ${itemTypes.replace('and', 'or')}, but got an integer instead.`,
    ],
    [
      { type: 'compaction_trigger' },
      "invalid_value input[0].type A 'compaction_trigger' must be the last item of the input.",
    ],
    [
      { type: 'messages:x', block: {} },
      "unsupported_value input[0].type Unsupported value: 'messages:x'. Go on with 'previous_response_id', or send an item_reference, to keep this item in the context.",
    ],
    [{ content: 'x' }, missing('input[0].role')],
    [
      { role: 'tool', content: 'x' },
      "invalid_value input[0].role Invalid value: 'tool'. Supported values are: 'user', 'assistant', 'system', and 'developer'.",
    ],
    [{ role: 'user' }, missing('input[0].content')],
    [
      { role: 'user', content: null },
      "invalid_type input[0].content Invalid type for 'input[0].content': expected one of a string or an array of content parts, but got null instead.",
    ],
    [
      { role: 'user', content: 'x', id: '' },
      "invalid_value input[0].id Invalid 'input[0].id': empty string. Expected a string with minimum length 1, but got an empty string instead.",
    ],
    [{ role: 'user', content: 'x', id: 'a b' }, `invalid_value input[0].id Invalid 'input[0].id': ${idRule}`],
    [
      { role: 'user', content: 'x', id: 'x'.repeat(65) },
      "string_above_max_length input[0].id Invalid 'input[0].id': string too long. Expected a string with maximum length 64, but got a string with length 65 instead.",
    ],
    [
      { role: 'user', content: 'x', status: 'done' },
      "invalid_value input[0].status Invalid value: 'done'. Supported values are: 'in_progress', 'completed', and 'incomplete'.",
    ],
    [
      user('x'),
      "invalid_type input[0].content[0] Invalid type for 'input[0].content[0]': expected an object, but got a string instead.",
    ],
    [user({ text: 'x' }), missing('input[0].content[0].type')],
    [user({ type: 'text', text: 'x' }), `invalid_value input[0].content[0] Invalid value: 'text'. ${partTypes}`],
    [
      user({ type: 'output_text', text: 'x' }),
      `invalid_value input[0].content[0] Invalid value: 'output_text'. ${partTypes}`,
    ],
    [user({ type: 'input_audio' }), `invalid_value input[0].content[0] Invalid value: 'input_audio'. ${partTypes}`],
    [user({ type: 'input_text' }), missing('input[0].content[0].text')],
    [
      user({ type: 'input_text', text: 1 }),
      "invalid_type input[0].content[0].text Invalid type for 'input[0].content[0].text': expected a string, but got an integer instead.",
    ],
    [user({ type: 'input_image' }), missing('input[0].content[0].image_url')],
    [
      user({ type: 'input_image', image_url: { url: 'x' } }),
      "invalid_type input[0].content[0].image_url Invalid type for 'input[0].content[0].image_url': expected a string, but got an object instead.",
    ],
    [user({ type: 'input_image', image_url: 'file:///etc/passwd' }), badUrl('input[0].content[0].image_url')],
    [user({ type: 'input_image', image_url: 'https://' }), badUrl('input[0].content[0].image_url')],
    [user({ type: 'input_image', image_url: 'data:text/html;base64,AA' }), badUrl('input[0].content[0].image_url')],
    [
      user({ type: 'input_image', image_url: 'https://a/b', detail: 'max' }),
      "invalid_value input[0].content[0].detail Invalid value: 'max'. Supported values are: 'low', 'high', 'auto', and 'original'.",
    ],
    [
      user({ type: 'input_image', image_url: 'https://a/b', file_id: 'file-1' }),
      "invalid_value input[0].content[0].file_id Mutually exclusive parameters: 'input[0].content[0].image_url' and 'input[0].content[0].file_id'. Ensure you are only providing one of them.",
    ],
    [
      user({ type: 'input_file', file_url: 'https://a/b', file_id: 'file-1' }),
      "invalid_value input[0].content[0].file_id Mutually exclusive parameters: 'input[0].content[0].file_url' and 'input[0].content[0].file_id'. Ensure you are only providing one of them.",
    ],
    [user({ type: 'input_file', filename: 'a' }), missing('input[0].content[0].file_data')],
    [user({ type: 'input_file', file_url: 'ftp://a/b' }), badUrl('input[0].content[0].file_url')],
    [
      user({ type: 'input_file', file_url: 'https://a/b', file_data: 'AA' }),
      "invalid_value input[0].content[0].file_url Mutually exclusive parameters: 'input[0].content[0].file_data' and 'input[0].content[0].file_url'. Ensure you are only providing one of them.",
    ],
    [
      { role: 'assistant', content: [{ type: 'input_text', text: 'x' }] },
      "invalid_value input[0].content[0] Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'.",
    ],
    [{ role: 'assistant', content: [{ type: 'output_text' }] }, missing('input[0].content[0].text')],
    [{ role: 'assistant', content: [{ type: 'refusal' }] }, missing('input[0].content[0].refusal')],
    [{ type: 'reasoning', id: 'r' }, missing('input[0].summary')],
    [
      { type: 'reasoning', id: 'r', summary: [{ type: 'text', text: 'x' }] },
      "invalid_value input[0].summary[0].type Invalid value: 'text'. Supported values are: 'summary_text'.",
    ],
    [{ type: 'reasoning', id: 'r', summary: [{ type: 'summary_text' }] }, missing('input[0].summary[0].text')],
    [{ ...call, call_id: undefined }, missing('input[0].call_id')],
    [
      { ...call, call_id: 'x'.repeat(257) },
      "string_above_max_length input[0].call_id Invalid 'input[0].call_id': string too long. Expected a string with maximum length 256, but got a string with length 257 instead.",
    ],
    [{ ...call, name: undefined }, missing('input[0].name')],
    [
      { ...call, arguments: {} },
      "invalid_type input[0].arguments Invalid type for 'input[0].arguments': expected a string, but got an object instead.",
    ],
    [{ type: 'custom_tool_call', call_id: 'c', name: 'f' }, missing('input[0].input')],
    [{ ...output, call_id: undefined }, missing('input[0].call_id')],
    [
      { ...output, call_id: '' },
      "invalid_value input[0].call_id Invalid 'input[0].call_id': empty string. Expected a string with minimum length 1, but got an empty string instead.",
    ],
    [{ ...output, output: undefined }, missing('input[0].output')],
    [
      { ...output, output: { a: 1 } },
      "invalid_type input[0].output Invalid type for 'input[0].output': expected one of a string or an array of content parts, but got an object instead.",
    ],
    [
      { ...output, output: [{ type: 'output_text', text: '' }] },
      `invalid_value input[0].output[0] Invalid value: 'output_text'. ${partTypes}`,
    ],
    [{ type: 'item_reference' }, missing('input[0].id')],
    [
      { id: 7 },
      "invalid_type input[0].id Invalid type for 'input[0].id': expected a string, but got an integer instead.",
    ],
  ])('%j', (item, expected) => {
    expect(refusal([item])).toBe(`400 ${expected}`);
    expect(refusal([{ role: 'user', content: 'x' }, item])).toContain('input[1]');
  });

  test('an id that stands twice', () => {
    const message = { id: 'msg_1', role: 'user', content: 'x' };
    const expected =
      '400 item_duplicate input Duplicate item found with id msg_1. Remove duplicate items from your input and try again.';
    expect(refusal([message, message])).toBe(expected);
    expect(refusal([message, { id: 'msg_1' }])).toBe(expected);
    expect(refusal([{ id: 'msg_1' }, message])).toBe(expected);
    expect(refusal([{ id: 'msg_1' }, { id: 'msg_1' }])).toBe('accepted');
    expect(
      refusal([
        { ...message, id: null },
        { ...message, id: null },
      ]),
    ).toBe('accepted');
  });
});

test('no type that the SDK can send is unknown', () => {
  const known = new Set<string>([...inputItemTypes, ...laterItemTypes]);
  // A type that a newer SDK adds fails to compile here.
  type InputType = NonNullable<Extract<ResponseInputItem, { type?: unknown }>['type']>;
  ({}) as Exclude<InputType, (typeof inputItemTypes | typeof laterItemTypes)[number]> satisfies never;
  ({}) as Exclude<Tool['type'], (typeof toolTypes)[number]> satisfies never;
  expect(known.size).toBe(inputItemTypes.length + laterItemTypes.length);
  expect(laterItemTypes).toEqual(['compaction_trigger']);
});

describe('whatever a client sends survives', () => {
  /** Any UTF-16 at all: \u0000 and lone surrogates occur in the output of tools. */
  const text = fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) });
  const unknownFields = fc
    .dictionary(fc.constantFrom('__proto__', 'x', 'caller', 'prompt_cache_breakpoint', 'constructor'), fc.jsonValue())
    .map((fields) => JSON.stringify(fields).slice(1, -1));
  const json = (known: Record<string, unknown>, unknown: string) =>
    `${JSON.stringify(known).slice(0, -1)}${unknown === '' ? '' : `,${unknown}`}}`;
  const partOf = (known: fc.Arbitrary<Record<string, unknown>>) =>
    fc.tuple(known, unknownFields).map(([a, b]) => json(a, b));
  const list = (parts: string[]) => `[${parts.join(',')}]`;

  const inputPart = partOf(
    fc.oneof(
      fc.record({ type: fc.constant('input_text'), text }),
      fc.record({ type: fc.constant('input_image'), image_url: fc.constant('https://a.example/b') }),
      fc.record({ type: fc.constant('input_file'), file_data: text, filename: text }),
    ),
  );
  const outputPart = partOf(
    fc.oneof(
      fc.record({ type: fc.constant('output_text'), text, annotations: fc.array(fc.jsonValue()) }),
      fc.record({ type: fc.constant('refusal'), refusal: text }),
    ),
  );
  const inputParts = fc.array(inputPart, { maxLength: 4 }).map((parts) => `"content":${list(parts)}`);
  const outputParts = fc.array(outputPart, { maxLength: 4 }).map((parts) => `"content":${list(parts)}`);
  const outputs = fc.oneof(
    text.map((output) => `"output":${JSON.stringify(output)}`),
    fc.array(inputPart, { maxLength: 3 }).map((parts) => `"output":${list(parts)}`),
  );
  const callId = fc.string({ minLength: 1, maxLength: 256 });
  const name = fc.string({ minLength: 1 });
  const status = fc.constantFrom('in_progress', 'completed', 'incomplete');
  const nothing = fc.constant('"y":0');
  const type = <T extends string>(value: T) => fc.constant(value);
  const shapes: [fc.Arbitrary<Record<string, unknown>>, fc.Arbitrary<string>][] = [
    [fc.record({ type: type('message'), role: fc.constantFrom('user', 'system', 'developer'), status }), inputParts],
    [fc.record({ type: type('message'), role: fc.constant('assistant'), status, phase: text }), outputParts],
    [fc.record({ type: type('function_call'), call_id: callId, name, arguments: text, status }), nothing],
    [fc.record({ type: type('custom_tool_call'), call_id: callId, name, input: text, status }), nothing],
    [fc.record({ type: type('function_call_output'), call_id: callId, status }), outputs],
    [fc.record({ type: type('custom_tool_call_output'), call_id: callId, status }), outputs],
    [
      fc.record({ type: type('function_call'), call_id: callId, name, arguments: text, namespace: text, status }),
      nothing,
    ],
    [fc.record({ type: type('shell_call'), call_id: callId, action: fc.constant({ commands: ['ls'] }) }), nothing],
    [fc.record({ type: type('compaction'), encrypted_content: text }), nothing],
    [fc.record({ type: type('reasoning'), summary: fc.constant([]), encrypted_content: text }), nothing],
  ];
  const item = fc.oneof(
    ...shapes.map(([known, body]) =>
      fc
        .tuple(known, body, unknownFields)
        .map(([a, b, c]) => json(a, [b, c].filter((fields) => fields !== '').join(','))),
    ),
  );

  test('value for value', () => {
    fc.assert(
      fc.property(fc.array(item, { maxLength: 6 }), (items) => {
        const numbered = items.map((body, index) => `${body.slice(0, -1)},"id":"i_${index}"}`);
        const sent = list(numbered);
        const decoded = JSON.stringify(decodeInput(JSON.parse(sent)));
        expect(JSON.parse(sortedKeys(decoded))).toEqual(JSON.parse(sortedKeys(sent)));
        expect(sortedKeys(decoded)).toBe(sortedKeys(sent));
      }),
    );
  });

  /** The order of an item's keys is no part of its value. */
  function sortedKeys(body: string): string {
    return JSON.stringify(JSON.parse(body), (_key, value: unknown) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : value,
    );
  }
});
