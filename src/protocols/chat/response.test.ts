import { describe, expect, test } from 'vitest';
import { collectPlain } from '../../../test/fixtures/chat/collect-reply.ts';

const reply = (message: unknown, rest: object = {}, finish: string | null = 'stop') =>
  JSON.stringify({ id: 'c1', model: 'm', choices: [{ index: 0, message, finish_reason: finish }], ...rest });

describe('a 200 without an answer', () => {
  test.each([
    '',
    '   ',
    'null',
    '[]',
    '{}',
    '"ok"',
    '7',
    '<html>502 Bad Gateway</html>',
    'data: {"choices":[]}\n\n',
    '{"error":{"message":"x"}}',
    '{"error":"x"}',
    '{"type":"error","error":{}}',
    '{"choices":[]}',
    '{"choices":{}}',
    '{"choices":[null]}',
    '{"choices":[{"index":0,"finish_reason":"stop"}]}',
    '{"choices":[{"index":0,"message":null,"finish_reason":"stop"}]}',
    '{"choices":[{"index":1,"message":{"content":"a"},"finish_reason":"stop"}]}',
    reply({ content: 7 }),
    reply({ content: 'a', tool_calls: [null] }),
    reply({ content: 'a', tool_calls: {} }),
    reply({ content: 'a' }, { choices: ['a'] }),
  ])('%s', (body) => {
    const { end, items } = collectPlain(body);
    expect(end).toMatchObject({ type: 'error', error: { code: 'upstream_invalid_response', retryable: true } });
    expect(items.every(({ complete }) => !complete)).toBe(true);
  });
});

test('calls are told apart by their place, whatever they are numbered', () => {
  const f = { type: 'function', id: 'same', function: { name: 'f', arguments: '{}' } };
  const { items } = collectPlain(
    reply(
      {
        tool_calls: [
          { ...f, index: 0 },
          { ...f, index: 0 },
        ],
      },
      {},
      'tool_calls',
    ),
  );
  expect(items).toHaveLength(2);
});

test('a reply that does not say why it stopped is complete, with a warning', () => {
  const { end, warnings } = collectPlain(reply({ content: 'a' }, {}, null));
  expect(end).toMatchObject({ type: 'response-end', finish: 'completed', usage: undefined });
  expect(warnings).toHaveLength(1);
});

test('a call that was cut with the whole reply is incomplete', () => {
  const calls = [{ id: 'i', function: { name: 'f', arguments: '{"a' } }];
  expect(collectPlain(reply({ tool_calls: calls }, {}, 'length')).items).toMatchObject([{ complete: false }]);
});

test('the tier that was used', () => {
  expect(collectPlain(reply({ content: 'a' }, { service_tier: 'flex' })).end).toMatchObject({ serviceTier: 'flex' });
});

test('logprobs and citations in the words of the Responses API', () => {
  const token = { token: 'a', logprob: -1, bytes: null, top_logprobs: [{ token: 'b', logprob: -2, bytes: [98] }] };
  const citation = { start_index: 0, end_index: 1, title: 'T', url: 'https://example.com/' };
  const choice = {
    message: { content: 'a', annotations: [{ type: 'url_citation', url_citation: citation }, { type: 'other' }] },
    logprobs: { content: [token] },
    finish_reason: 'stop',
  };
  expect(collectPlain(JSON.stringify({ choices: [choice] })).items[0]?.parts).toEqual([
    {
      kind: 'output_text',
      text: 'a',
      annotations: [{ type: 'url_citation', ...citation }, { type: 'other' }],
      logprobs: [{ token: 'a', logprob: -1, bytes: [], top_logprobs: [{ token: 'b', logprob: -2, bytes: [98] }] }],
    },
  ]);
});
