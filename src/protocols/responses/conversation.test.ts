import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../core/errors.ts';
import {
  conversationText,
  decodeConversationCreate,
  decodeConversationUpdate,
  decodeInclude,
  decodeItemsCreate,
  itemText,
} from './conversation.ts';

const item = { role: 'user', content: 'x' };
const items = (count: number) => Array.from({ length: count }, () => item);

/** What it gives, or what it is refused with. */
function outcomeOf(decode: () => unknown): unknown {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return `${error.code} ${error.param} ${error.message}`;
  }
}

test('what a conversation may be made of', () => {
  expect(decodeConversationCreate({})).toEqual({ items: [], metadata: {} });
  expect(decodeConversationCreate({ items: null, metadata: null })).toEqual({ items: [], metadata: {} });
  const made = decodeConversationCreate({ items: items(20), metadata: { a: 'b' } });
  expect(made.items).toHaveLength(20);
  expect(made.metadata).toEqual({ a: 'b' });
  expect(decodeConversationUpdate({ metadata: null })).toEqual({});
});

test.each<[string, () => unknown, string]>([
  ['a body that is none', () => decodeConversationCreate([]), 'invalid_type null'],
  ['a field of nobody', () => decodeConversationCreate({ name: 'x' }), 'unknown_parameter name'],
  ['metadata that is a list', () => decodeConversationCreate({ metadata: [] }), 'invalid_type metadata'],
  ['a number in the metadata', () => decodeConversationUpdate({ metadata: { a: 1 } }), 'invalid_type metadata.a'],
  ['no metadata', () => decodeConversationUpdate({}), 'missing_required_parameter metadata'],
  ['no items', () => decodeItemsCreate({}), 'missing_required_parameter items'],
  ['items that are null', () => decodeItemsCreate({ items: null }), 'missing_required_parameter items'],
  ['items that are text', () => decodeItemsCreate({ items: 'x' }), 'invalid_type items'],
  [
    'too many items',
    () => decodeItemsCreate({ items: items(21) }),
    "array_above_max_length items Invalid 'items': array too long. Expected an array with maximum length 20, but got an array with length 21 instead.",
  ],
  [
    'too many items at its beginning',
    () => decodeConversationCreate({ items: items(21) }),
    'array_above_max_length items',
  ],
  ['an item that is text', () => decodeItemsCreate({ items: ['x'] }), 'invalid_type items[0]'],
  ['an unknown item', () => decodeItemsCreate({ items: [item, { type: 'nope' }] }), 'invalid_value items[1].type'],
  [
    'a reference',
    () => decodeItemsCreate({ items: [{ type: 'item_reference', id: 'msg_1' }] }),
    'unsupported_value items[0].type',
  ],
  [
    'a trigger',
    () => decodeItemsCreate({ items: [item, { type: 'compaction_trigger' }] }),
    'unsupported_value items[1].type',
  ],
  [
    'a reference without a type',
    () => decodeItemsCreate({ items: [{ id: 'msg_1' }] }),
    'unsupported_value items[0].type',
  ],
  [
    'a part of a message',
    () => decodeItemsCreate({ items: [{ role: 'user', content: [{ type: 'x' }] }] }),
    'invalid_value items[0].content[0]',
  ],
  [
    'one id twice',
    () =>
      decodeItemsCreate({
        items: [
          { ...item, id: 'msg_1' },
          { ...item, id: 'msg_1' },
        ],
      }),
    'item_duplicate items',
  ],
  ['what nobody can include', () => decodeInclude(new URLSearchParams('include=x')), 'invalid_value include'],
])('%s is refused', (_, decode, expected) => {
  expect(String(outcomeOf(decode)).startsWith(expected), String(outcomeOf(decode))).toBe(true);
});

test('the object, with the metadata as it is', () => {
  expect(conversationText('conv_1', 1_763_800_000_999, '{"10":"a","2":"b"}')).toBe(
    '{"id":"conv_1","object":"conversation","created_at":1763800000,"metadata":{"10":"a","2":"b"}}',
  );
});

describe('what is left out unless it is asked for', () => {
  const none = decodeInclude(new URLSearchParams());
  const asked = (name: string) => decodeInclude(new URLSearchParams({ 'include[]': name }));
  const message = {
    type: 'message',
    id: 'msg_1',
    role: 'assistant',
    content: [{ type: 'output_text', text: 'x', annotations: [], logprobs: [{ token: 'x', logprob: -1 }] }],
  };
  const search = {
    type: 'web_search_call',
    id: 'ws_1',
    results: [1],
    action: { type: 'search', query: 'q', sources: [{ url: 'u' }] },
  };

  test.each<[Record<string, unknown> & { type: string }, string, object]>([
    [
      message,
      'message.output_text.logprobs',
      { ...message, content: [{ type: 'output_text', text: 'x', annotations: [], logprobs: [] }] },
    ],
    [
      { type: 'file_search_call', results: [1] },
      'file_search_call.results',
      { type: 'file_search_call', results: null },
    ],
    [
      { type: 'code_interpreter_call', outputs: [1] },
      'code_interpreter_call.outputs',
      { type: 'code_interpreter_call', outputs: null },
    ],
    [search, 'web_search_call.results', { ...search, results: null, action: { type: 'search', query: 'q' } }],
  ])('%j: %s', (whole, name, without) => {
    const body = JSON.stringify(whole);
    expect(JSON.parse(itemText(whole.type, body, none))).toEqual(without);
    const both = new Set([...asked(name), 'web_search_call.action.sources']);
    expect(itemText(whole.type, body, both)).toBe(body);
  });

  test('the sources of a search', () => {
    const body = JSON.stringify(search);
    expect(JSON.parse(itemText(search.type, body, asked('web_search_call.results')))).toEqual({
      ...search,
      action: { type: 'search', query: 'q' },
    });
  });

  test.each([
    { type: 'message', role: 'user', content: [{ type: 'input_image', image_url: 'https://example.com/a.png' }] },
    { type: 'reasoning', summary: [], encrypted_content: 'sealed' },
    { type: 'function_call', arguments: '{"logprobs":[{"a":1}]}' },
    { type: 'code_interpreter_call', code: 'x' },
  ])('never: %j', (whole) => {
    expect(JSON.parse(itemText(whole.type, JSON.stringify(whole), none))).toEqual(whole);
  });

  test('bodies that need no change are not printed anew', () => {
    const body = '{"type":"message", "content":[{"text":"\\u0041","n":18446744073709551616}]}';
    expect(itemText('message', body, none)).toBe(body);
  });
});
