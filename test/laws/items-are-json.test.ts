import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { ClientCodec } from '../../src/protocols/codec.ts';
import { chatClientCodec } from '../../src/protocols/chat/client.ts';
import { messagesClientCodec } from '../../src/protocols/messages/client.ts';
import { responsesCodec } from '../../src/protocols/responses/index.ts';

const full = new URL('../../src/protocols/responses/full.json', import.meta.url);
const png = 'iVBORw0KGgo=';
const ephemeral = { type: 'ephemeral' };

const messages = [
  { role: 'system', content: [{ type: 'text', text: 'Be brief.', cache_control: ephemeral }] },
  {
    role: 'user',
    content: [
      { type: 'text', text: 'What is this?', cache_control: { ...ephemeral, ttl: '1h' } },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: png } },
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'a' }, title: 'A', citations: {} },
      { type: 'search_result', source: 'a', title: 'b', content: [] },
    ],
  },
  {
    role: 'assistant',
    content: [
      { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
      { type: 'redacted_thinking', data: 'AAAA' },
      { type: 'text', text: 'Let me see.', citations: null },
      { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'a' } },
      { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] },
      { type: 'tool_use', id: 'toolu_1', name: 'look', input: {}, cache_control: ephemeral },
      { type: 'tool_use', id: 'toolu_2', name: 'look', input: { at: 1 }, caller: { type: 'direct' } },
    ],
  },
  {
    role: 'user',
    content: [
      { type: 'tool_result', tool_use_id: 'toolu_1', is_error: true, content: 'no' },
      {
        type: 'tool_result',
        tool_use_id: 'toolu_2',
        content: [{ type: 'text', text: 'yes' }],
        cache_control: ephemeral,
      },
    ],
  },
];

const chatMessages = [
  { role: 'developer', content: 'Be brief.', name: 'd' },
  {
    role: 'user',
    content: [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${png}`, detail: 'low' } },
      { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
    ],
  },
  {
    role: 'assistant',
    content: null,
    reasoning_content: 'Hm.',
    tool_calls: [
      { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } },
      { id: 'call_2', type: 'custom', custom: { name: 'run', input: 'ls' } },
    ],
  },
  { role: 'tool', tool_call_id: 'call_1', content: 'yes' },
  { role: 'tool', tool_call_id: 'call_2', content: [{ type: 'text', text: 'no' }] },
  {
    role: 'assistant',
    content: 'It is a dot.',
    refusal: 'No more.',
    annotations: [{ type: 'url_citation', url_citation: {} }],
  },
  { role: 'assistant', content: null, function_call: { name: 'look', arguments: '{}' } },
  { role: 'function', name: 'look', content: 'yes' },
];

// Codecs see an input as it came in when it is new, and as its JSON says when it is read back.
test.each<[ClientCodec, unknown]>([
  [responsesCodec, { ...JSON.parse(readFileSync(full, 'utf8')), background: false }],
  [messagesClientCodec, { model: 'm', max_tokens: 9, messages }],
  [chatClientCodec, { model: 'm', messages: chatMessages }],
])('an item is what its JSON says: $protocol', (codec, body) => {
  const { input } = codec.decodeRequest(body, { text: JSON.stringify(body), header: () => undefined });
  expect(input.length).toBeGreaterThan(5);
  expect(JSON.parse(JSON.stringify(input))).toStrictEqual(input);
});
