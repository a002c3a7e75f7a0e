import { describe, expect, test } from 'vitest';
import type { Retryable } from '../../core/errors.ts';
import {
  assemblePlain,
  assembleStream,
  contextOf,
  fixtureOptions,
  recordings,
} from '../../../test/fixtures/gemini/reply.ts';
import type { DecodeOptions } from '../codec.ts';
import { mapFinishReason } from './map-finish-reason.ts';
import { readUsage } from './read-usage.ts';

const fixture = (name: string): string => recordings.find((each) => each.name === name)?.stream ?? '';

/** Chunks with these parts, the last with a reason to end. */
function streamOf(parts: object[], end: object = { finishReason: 'STOP' }, more: object = {}): string {
  const chunk = (candidate: object) => `data: ${JSON.stringify({ candidates: [candidate], ...more })}\r\n\r\n`;
  return [...parts.map((part) => chunk({ content: { parts: [part], role: 'model' } })), chunk(end)].join('');
}

const items = (stream: string, options: DecodeOptions = fixtureOptions) =>
  assembleStream(stream, options).output.map(({ item }) => item);

const optionsWith = (more: Partial<DecodeOptions>): DecodeOptions => ({ ...fixtureOptions, ...more });

describe('items', () => {
  test('thoughts, texts and calls, each in its place, with what signs a call before it', () => {
    const assembler = assembleStream(fixture('thinking-calls'));
    expect(assembler.output.map(({ item }) => item)).toMatchObject([
      { type: 'reasoning', summary: [{ text: '**Weather**\n\nTwo cities are asked for.' }] },
      { type: 'message', content: [{ text: 'I will look.' }] },
      { type: 'reasoning', summary: [] },
      { type: 'function_call', call_id: 'fc-1', arguments: '{"city":"Paris"}' },
      { type: 'function_call', call_id: 'fc-2', arguments: '{"city":"Rome"}' },
    ]);
    expect(contextOf(assembler).map(({ origin }) => origin?.source.includes('thoughtSignature'))).toEqual([
      false,
      false,
      true,
      true,
      false,
    ]);
    expect(assembler.usage).toEqual({
      inputTokens: 25,
      cachedTokens: 5,
      cacheWriteTokens: 0,
      cacheWriteHourTokens: 0,
      outputTokens: 27,
      reasoningTokens: 20,
      estimated: false,
    });
  });

  test('a signature right after thoughts is theirs', () => {
    expect(items(fixture('thought-then-call'))).toMatchObject([
      { type: 'reasoning', summary: [{ text: 'Let me see.' }] },
      { type: 'function_call', name: 'now', arguments: '{}' },
    ]);
  });

  test('calls of one name without ids are two calls', () => {
    const [one, two] = items(fixture('calls-without-ids'));
    expect(one).toMatchObject({ type: 'function_call', name: 'f' });
    expect(one?.['call_id' as never]).not.toBe(two?.['call_id' as never]);
  });

  test('arguments that come value by value', () => {
    const calls = items(fixture('streamed-arguments')).filter(({ type }) => type === 'function_call');
    expect(calls.map((item) => item['arguments' as never])).toEqual([
      '{"id":"AB","at":[{"x":1.5,"y z":true},null]}',
      '{"id":"C"}',
    ]);
  });

  test('a text’s signature is its client’s to carry only where the client carries such', () => {
    expect(items(fixture('text')).map(({ type }) => type)).toEqual(['message']);
    const carried = assembleStream(fixture('text'), optionsWith({ include: ['reasoning.encrypted_content'] }));
    expect(carried.output.map(({ item }) => item.type)).toEqual(['message', 'reasoning']);
    expect(contextOf(carried)[1]?.origin?.source).toMatch(/^\{"text":"","thoughtSignature":"[^"]+"\}$/);
  });

  test('of several calls the first, where one was wanted', () => {
    const assembler = assembleStream(fixture('thinking-calls'), optionsWith({ singleCall: true }));
    expect(assembler.output.filter(({ item }) => item.type === 'function_call')).toHaveLength(1);
    expect(assembler.warnings.map(({ param }) => param)).toEqual(['parallel_tool_calls']);
  });

  test('log probabilities', () => {
    expect(items(fixture('logprobs'))).toMatchObject([
      {
        content: [
          {
            text: 'Hé!',
            logprobs: [
              { token: 'Hé', logprob: -0.1, bytes: [72, 195, 169], top_logprobs: [{ token: 'Hé' }, { token: 'Yo' }] },
              { token: '!', logprob: -0.2, bytes: [33], top_logprobs: [{ token: '!' }] },
            ],
          },
        ],
      },
    ]);
  });

  test('sources are annotations, in characters, and the search is a call', () => {
    const include = ['web_search_call.action.sources'];
    const [message, search] = items(fixture('grounded'), optionsWith({ include }));
    const text = 'España won Euro 2024 é. It beat England.';
    expect(message).toMatchObject({
      content: [
        {
          text,
          annotations: [
            { type: 'url_citation', start_index: 0, end_index: 23, url: 'https://a.example/1', title: 'a.example' },
            { type: 'url_citation', start_index: 24, end_index: 40, url: 'https://a.example/1', title: 'a.example' },
            { type: 'url_citation', start_index: 24, end_index: 40, url: 'https://b.example/2', title: 'b.example' },
          ],
        },
      ],
    });
    expect(search).toMatchObject({
      type: 'web_search_call',
      status: 'completed',
      action: {
        type: 'search',
        query: 'euro 2024 winner',
        queries: ['euro 2024 winner', 'uefa euro 2024'],
        sources: [{ type: 'url', url: 'https://a.example/1' }, { url: 'https://b.example/2' }],
      },
    });
    expect(items(fixture('grounded'))[1]?.['action' as never]).not.toHaveProperty('sources');
  });

  test('pages that were opened are calls too, those that could not be have failed', () => {
    const urlMetadata = [
      { retrievedUrl: 'https://a.example', urlRetrievalStatus: 'URL_RETRIEVAL_STATUS_SUCCESS' },
      { retrievedUrl: 'https://b.example', urlRetrievalStatus: 'URL_RETRIEVAL_STATUS_PAYWALL' },
    ];
    const read = streamOf([{ text: 'It is open.' }], { finishReason: 'STOP', urlContextMetadata: { urlMetadata } });
    expect(items(read)).toMatchObject([
      { type: 'message' },
      { type: 'web_search_call', status: 'completed', action: { type: 'open_page', url: 'https://a.example' } },
      { type: 'web_search_call', status: 'failed', action: { type: 'open_page', url: 'https://b.example' } },
    ]);
  });

  test('code and what came of it are one call', () => {
    const include = ['code_interpreter_call.outputs'];
    expect(items(fixture('code-execution'), optionsWith({ include }))[1]).toMatchObject({
      type: 'code_interpreter_call',
      status: 'completed',
      code: 'print(1+1)\n',
      outputs: [{ type: 'logs', logs: '2\n' }],
    });
    expect(items(fixture('code-execution'))[1]).toMatchObject({ outputs: null });
    const cut = streamOf([{ executableCode: { code: 'while 1: pass' } }], { finishReason: 'MAX_TOKENS' });
    expect(items(cut)).toMatchObject([{ type: 'code_interpreter_call', status: 'incomplete' }]);
  });

  test('a search beside functions, an image, and what is newer than we are', () => {
    expect(items(fixture('search-then-call')).map(({ type }) => type)).toEqual([
      'web_search_call',
      'reasoning',
      'function_call',
    ]);
    expect(items(fixture('image'))[1]).toMatchObject({ type: 'image_generation_call', result: 'iVBORw0KGgo=' });
    expect(items(fixture('newer-part'))[1]).toMatchObject({
      type: 'gemini:hologram',
      block: { hologram: { depth: 1.5 } },
    });
  });
});

describe('ends', () => {
  test.each<[string, string, string | undefined]>([
    ['STOP', 'completed', undefined],
    ['MAX_TOKENS', 'max_tokens', undefined],
    ['SAFETY', 'content_filter', undefined],
    ['SOMETHING_NEW', 'completed', 'model'],
    ['__proto__', 'completed', 'model'],
  ])('%s is %s', (finishReason, finish, warned) => {
    const { end, output, warnings } = assembleStream(streamOf([{ text: 'half' }], { finishReason }));
    expect(end?.finish).toBe(finish);
    expect(output[0]?.item.status).toBe(finish === 'completed' ? 'completed' : 'incomplete');
    expect(warnings.map(({ param }) => param)).toEqual(warned === undefined ? [] : [warned]);
  });

  test.each(['MALFORMED_FUNCTION_CALL', 'UNEXPECTED_TOOL_CALL', 'OTHER', 'MISSING_THOUGHT_SIGNATURE'])(
    '%s is a failure that may be tried again',
    (finishReason) => {
      const { end } = assembleStream(streamOf([{ text: 'half' }], { finishReason }));
      expect(end?.error).toMatchObject({ code: 'upstream_error', retryable: true });
    },
  );

  test('a stream that ends without a reason is cut', () => {
    expect(assembleStream(streamOf([{ text: 'half' }], {})).end?.error?.code).toBe('upstream_stream_broken');
    expect(assembleStream('').end?.error?.code).toBe('upstream_stream_broken');
    expect(assemblePlain('{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}').end?.error?.code).toBe(
      'upstream_stream_broken',
    );
  });

  test('a reason in every chunk ends nothing before the stream has ended', () => {
    const chunk = (text: string) =>
      `data: ${JSON.stringify({ candidates: [{ content: { parts: [{ text }] }, finishReason: 'STOP' }] })}\n\n`;
    expect(items(chunk('a') + chunk('b'))).toMatchObject([{ content: [{ text: 'ab' }] }]);
  });

  test('what goes wrong after the reason takes nothing from the answer', () => {
    const { end, output } = assembleStream(`${streamOf([{ text: 'whole' }])}data: {"error":{"code":500}}\n\n`);
    expect(end?.finish).toBe('completed');
    expect(output[0]?.item).toMatchObject({ content: [{ text: 'whole' }] });
  });

  test('a refused input is the client’s', () => {
    const feedback = '{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}';
    for (const { end } of [assembleStream(`data: ${feedback}\n\n`), assemblePlain(feedback)]) {
      expect(end?.error).toMatchObject({ code: 'upstream_rejected', param: 'input', retryable: false });
    }
  });

  test.each<[string, number | undefined, string, Retryable]>([
    ['UNAVAILABLE', 503, 'upstream_overloaded', true],
    ['RESOURCE_EXHAUSTED', undefined, 'upstream_rate_limited', 'elsewhere'],
    ['INTERNAL', 500, 'upstream_error', true],
    ['INVALID_ARGUMENT', 400, 'upstream_rejected', false],
    ['NEW_WORD', undefined, 'upstream_error', true],
  ])('an error %s in the middle is %s', (status, code, told, retryable) => {
    const frame = `data: ${JSON.stringify({ error: { code, status, message: 'x' } })}\n\n`;
    const { end } = assembleStream(streamOf([{ text: 'half' }], {}) + frame);
    expect(end?.error).toMatchObject({ code: told, retryable });
  });

  test.each([
    ['no JSON', 'data: {\n\n'],
    ['no object', 'data: 7\n\n'],
    ['candidates that are no list', 'data: {"candidates":{}}\n\n'],
    ['a candidate that is none', 'data: {"candidates":[7]}\n\n'],
    ['parts that are no list', 'data: {"candidates":[{"content":{"parts":{}}}]}\n\n'],
    ['a part that is none', 'data: {"candidates":[{"content":{"parts":["x"]}}]}\n\n'],
    ['content that is none', 'data: {"candidates":[{"content":"x"}]}\n\n'],
    ['a call without a name', 'data: {"candidates":[{"content":{"parts":[{"functionCall":{"args":{}}}]}}]}\n\n'],
    [
      'arguments at no place',
      streamOf([
        { functionCall: { name: 'f', willContinue: true } },
        { functionCall: { partialArgs: [{ jsonPath: '$..x' }] } },
      ]),
    ],
  ])('%s cannot be read', (_, stream) => {
    expect(assembleStream(stream).end?.error).toMatchObject({ code: 'upstream_invalid_response', retryable: true });
  });

  test('a call that was cut is not executable', () => {
    const pieces = [
      { functionCall: { name: 'f', willContinue: true } },
      {
        functionCall: {
          partialArgs: [{ jsonPath: '$.path', stringValue: '/et', willContinue: true }],
          willContinue: true,
        },
      },
    ];
    expect(items(streamOf(pieces, { finishReason: 'MAX_TOKENS' }))).toMatchObject([
      { type: 'function_call', status: 'incomplete', arguments: '{"path":"/et"}' },
    ]);
  });
});

test('tiers are told in OpenAI’s words', () => {
  const tierOf = (serviceTier: string) =>
    assembleStream(streamOf([{ text: 'a' }], undefined, { usageMetadata: { promptTokenCount: 1, serviceTier } }))
      .serviceTier;
  expect([tierOf('standard'), tierOf('FLEX')]).toEqual(['default', 'flex']);
});

test.each<[unknown, object | undefined]>([
  [undefined, undefined],
  [{ trafficType: 'ON_DEMAND' }, undefined],
  [{ promptTokenCount: -1 }, undefined],
  [{ promptTokenCount: 3 }, { inputTokens: 3, outputTokens: 0 }],
  [
    { promptTokenCount: 3, toolUsePromptTokenCount: 40, candidatesTokenCount: 5, thoughtsTokenCount: 2 },
    { inputTokens: 43, outputTokens: 7, reasoningTokens: 2 },
  ],
  [
    {
      promptTokenCount: 30,
      cachedContentTokenCount: 9,
      candidatesTokenCount: 7,
      promptTokensDetails: [
        { modality: 'TEXT', tokenCount: 10 },
        { modality: 'AUDIO', tokenCount: 20 },
      ],
      cacheTokensDetails: [{ modality: 'AUDIO', tokenCount: 9 }],
      candidatesTokensDetails: [{ modality: 'IMAGE', tokenCount: 7 }],
    },
    {
      inputTokens: 30,
      cachedTokens: 9,
      outputTokens: 7,
      media: { audio: { input: 20, cached: 9, output: 0 }, image: { input: 0, cached: 0, output: 7 } },
    },
  ],
  [
    {
      promptTokenCount: 3,
      promptTokensDetails: [null, { modality: 'AUDIO', tokenCount: -3 }, { modality: 'TEXT', tokenCount: 3 }],
    },
    { inputTokens: 3 },
  ],
  [
    { promptTokenCount: 3, cachedContentTokenCount: 9 },
    { inputTokens: 3, cachedTokens: 3 },
  ],
])('the usage %j', (metadata, usage) => {
  if (usage === undefined) expect(readUsage(metadata)).toBeUndefined();
  else expect(readUsage(metadata)).toMatchObject(usage);
});

test('each reason is known', () => {
  expect(mapFinishReason('PROHIBITED_CONTENT')).toBe('content_filter');
  expect(mapFinishReason('toString')).toBeUndefined();
});
