/**
 * What a chat client reads of an answer. Laws over recorded replies: the stream, put together, is the plain answer; and the
 * plain answer is the upstream's, in the fields that the protocol has. TURNPIKE_RECORDINGS names a folder with more (`test/support/recordings.ts`).
 */
import { describe, expect, test } from 'vitest';
import { collectChunks } from '../../../test/support/collect-chunks.ts';
import { streamsOf } from '../../../test/support/recordings.ts';
import { createIdMint } from '../../core/ids.ts';
import type { ResponseState } from '../../core/response.ts';
import { type Assembler, createAssembler } from '../../turn/assembler.ts';
import { replayReply } from '../../turn/replay-reply.ts';
import type { Reply, StreamEncoder } from '../codec.ts';
import { chatClientCodec } from './client.ts';
import { chatCodec } from './index.ts';

// oxlint-disable-next-line no-explicit-any -- whatever was recorded
type Json = any;

const anyTools = { tools: new Map() };

function assemblerOf(encoder?: StreamEncoder): Assembler {
  const usedCallIds = new Set<string>();
  return createAssembler({
    ids: createIdMint(),
    nowMs: () => 0,
    protocol: 'chat',
    signatureScope: () => '',
    usedCallIds,
    encoder,
  });
}

function replyOf(assembler: Assembler | undefined, more: Partial<ResponseState> = {}, body: object = {}): Reply {
  const messages = [{ role: 'user', content: 'Hi' }];
  const finish = assembler?.end?.finish;
  const state: ResponseState = {
    id: 'resp_1',
    createdAtMs: 1_700_000_000_500,
    status: finish === undefined || finish === 'completed' ? 'completed' : 'incomplete',
    completedAtMs: 1_700_000_001_000,
    error: undefined,
    incompleteReason: finish === 'max_tokens' ? 'max_output_tokens' : finish === 'content_filter' ? finish : undefined,
    request: chatClientCodec.decodeRequest({ model: 'group', messages, ...body }),
    usage: assembler?.usage,
    serviceTier: assembler?.serviceTier,
    inputTransformations: [],
    ...more,
  };
  return { state, head: '{}', envelope: '{}', output: assembler?.output ?? [] };
}

/** The frames of an upstream's stream as a client reads them. */
function streamed(frames: string[], body: object = {}): { text: string; reply: Reply } {
  const encoder = chatClientCodec.createStreamEncoder();
  const asked = { stream: true, stream_options: { include_usage: true }, ...body };
  let text = encoder.begin(replyOf(undefined, { status: 'in_progress' }, asked));
  expect(text).toBe('');
  const assembler = assemblerOf(encoder);
  const decoder = chatCodec.createStreamDecoder(anyTools);
  for (const frame of frames) decoder.frame('', frame, (event) => assembler.accept(event));
  text += assembler.takeText();
  const reply = replyOf(assembler, {}, asked);
  return { text: text + encoder.end(reply), reply };
}

const recorded = streamsOf('chat').map(({ name, body, lines }) => ({ name, body, frames: [...lines, '[DONE]'] }));

describe.each(recorded)('$name', ({ frames, body }) => {
  test('the stream, put together, is the plain answer', () => {
    const { text, reply } = streamed(frames);
    const { completion, done } = collectChunks(text);
    expect(done).toBe(true);
    expect(completion).toEqual(JSON.parse(chatClientCodec.encodeReply(reply)));
  });

  test('a stored answer, streamed again, is the same', () => {
    const { reply } = streamed(frames);
    const { completion } = collectChunks(replayReply(chatClientCodec.createStreamEncoder(), reply));
    expect(completion).toEqual(JSON.parse(chatClientCodec.encodeReply(reply)));
  });

  test('the plain answer says what the upstream said', () => {
    const assembler = assemblerOf();
    chatCodec.decodeResponse(body, anyTools, (event) => assembler.accept(event));
    const answer: Json = JSON.parse(chatClientCodec.encodeReply(replyOf(assembler)));
    const given: Json = JSON.parse(body);
    const [choice] = answer.choices;
    const { message, finish_reason: finish, logprobs } = given.choices[0];
    expect(choice.finish_reason).toBe(finish === 'model_length' ? 'length' : finish);
    expect(choice.message.content ?? '').toBe(message.content ?? '');
    expect(choice.message.refusal).toBe(message.refusal ?? null);
    const reasoning = message.reasoning_content ?? message.reasoning;
    expect(choice.message.reasoning_content).toBe(reasoning === '' || reasoning === null ? undefined : reasoning);
    const calls = (message.tool_calls ?? []).map(({ id, function: spec }: Json) => [id, spec.name, spec.arguments]);
    expect((choice.message.tool_calls ?? []).map(({ id, function: s }: Json) => [id, s.name, s.arguments])).toEqual(
      calls,
    );
    expect(choice.message.annotations ?? []).toEqual(message.annotations ?? []);
    expect(choice.logprobs?.content?.length).toBe(logprobs?.content?.length);
    expect(answer.usage.prompt_tokens).toBe(given.usage.prompt_tokens);
    expect(answer.usage.total_tokens).toBe(given.usage.total_tokens);
  });
});

const chunk = (delta: object, finish: string | null = null) =>
  JSON.stringify({ id: 'c', model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] });

describe('a stream', () => {
  const frames = [chunk({ role: 'assistant', content: '' }), chunk({ content: 'a' }), chunk({}, 'stop'), '[DONE]'];

  test('says nothing of the usage unless it is asked', () => {
    const { text } = streamed(frames, { stream_options: null });
    expect(text).not.toContain('usage');
    expect(collectChunks(text).completion.choices[0].message.content).toBe('a');
  });

  test('of no items at all has a role and an end', () => {
    const { text } = streamed([chunk({}, 'stop'), '[DONE]']);
    expect(collectChunks(text)).toMatchObject({
      done: true,
      completion: { choices: [{ message: { content: '' }, finish_reason: 'stop' }] },
    });
  });

  test.each(['failed', 'cancelled'] as const)('that is %s never looks whole', (status) => {
    const encoder = chatClientCodec.createStreamEncoder();
    const error = { code: 'server_error', message: 'It broke.' } as const;
    const reply = replyOf(undefined, { status, ...(status === 'failed' ? { error } : {}) });
    encoder.begin(reply);
    const text = encoder.end(reply);
    expect(text).not.toMatch(/DONE|finish_reason/);
    const failed = { message: 'It broke.', type: 'server_error', param: null, code: 'server_error' };
    expect(collectChunks(text).error).toEqual(status === 'failed' ? failed : undefined);
  });
});

test('messages of one answer stand apart, parts of one message do not, and citations know their place', () => {
  const cited = (start: number) => ({ type: 'url_citation', url: 'u', title: 't', start_index: start, end_index: 9 });
  const text = (said: string, start: number) => ({ type: 'output_text', text: said, annotations: [cited(start)] });
  const message = (...content: object[]) => ({ type: 'message', id: 'm', role: 'assistant', content });
  const search = { type: 'web_search_call', id: 'ws_1', status: 'completed', action: { type: 'search', query: 'q' } };
  const items: Json[] = [message(text('ab', 0), text('cd', 1)), search, message(text('ef', 0))];
  const reply = { ...replyOf(undefined), output: items.map((item) => ({ item, body: JSON.stringify(item) })) };
  const { message: plain } = JSON.parse(chatClientCodec.encodeReply(reply)).choices[0];
  expect(plain.content).toBe('abcd\n\nef');
  expect(plain.annotations.map(({ url_citation }: Json) => url_citation.start_index)).toEqual([0, 3, 6]);
  expect(plain.output_items).toEqual([search]);
  const again = collectChunks(replayReply(chatClientCodec.createStreamEncoder(), reply));
  expect(again.completion.choices[0].message).toEqual(plain);
});

test('a client that knows functions is told of a function, in a stream as well', () => {
  const functions = [{ name: 'f', parameters: { type: 'object', properties: {} } }];
  const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } };
  const { text, reply } = streamed([chunk({ tool_calls: [call] }), chunk({}, 'tool_calls'), '[DONE]'], { functions });
  const plain: Json = JSON.parse(chatClientCodec.encodeReply(reply));
  expect(plain.choices[0]).toMatchObject({
    message: { function_call: { name: 'f', arguments: '{"a":1}' } },
    finish_reason: 'function_call',
  });
  expect(plain.choices[0].message.tool_calls).toBeUndefined();
  expect(collectChunks(text).completion).toEqual(plain);
});
