/* oxlint-disable vitest/no-standalone-expect -- a table's checks are run by the tests of faults.test.ts */
import { expect } from 'vitest';
import { sendBody, sendStream } from '../support/raw-upstream.ts';
import {
  callArguments,
  chatCall,
  chatDone,
  chatFrame,
  chatUsage,
  chatUsageFrame,
  framesOf,
  plainOf,
  said,
} from '../support/upstream-replies.ts';
import type { FaultCase } from './cases.ts';
import { answerWell, type Ending, type Outcome, type Script } from './harness.ts';

const stream =
  (text: string): Script =>
  (call) =>
    sendStream(call, text);

const start = chatFrame({ role: 'assistant', content: '' });
const text = (content: string) => chatFrame({ content });
const more = (index: number, argumentsText: string) =>
  chatFrame({ tool_calls: [{ index, function: { arguments: argumentsText } }] });
const ended = (reason: string | null) => chatFrame({}, reason) + chatUsageFrame + chatDone;
const errorFrame = (error: unknown) => `data: ${JSON.stringify({ error })}\n\n`;
const overloaded = errorFrame({ message: 'Overloaded canary', type: 'overloaded_error', code: null });

const errorShapes: FaultCase[] = [
  errorFrame('boom'),
  errorFrame({}),
  errorFrame([]),
  'event: error\ndata: {"message":"boom"}\n\n',
  'data: {"object":"error","message":"boom"}\n\n',
  errorFrame({ message: 'x', type: 'server_error', code: null }) + chatDone,
].map((said) => ({
  name: `F-23, F-24 ${said.trim().replaceAll('\n', ' ')} in the middle`,
  dialect: 'chat',
  script: () => stream(start + text('half') + said),
  stream: 'failed',
  attempts: 1,
  check: ({ response }) =>
    expect(response.output).toMatchObject([{ status: 'incomplete', content: [{ text: 'half' }] }]),
}));

const unreadable: FaultCase[] = [
  { name: 'F-34 arguments of a call that never started', text: more(0, '{}') },
  {
    name: 'F-34 arguments of a call that was left when it had all of them',
    text: chatFrame(chatCall(0, 'a', '{}')) + chatFrame(chatCall(1, 'b', '{}')) + more(0, '}'),
  },
  { name: 'F-34 calls that are no list', text: chatFrame({ tool_calls: {} }) + chatFrame({ tool_calls: 'x' }) },
  { name: 'F-34 a call that is no object', text: chatFrame({ tool_calls: [7] }) },
  { name: 'F-34 content that is no text', text: chatFrame({ content: 7 }) },
  { name: 'F-34 choices that are no list', text: chatFrame({}, null, { choices: 'x' }) },
  { name: 'F-34 a delta that is no object', text: chatFrame({}, null, { choices: [{ index: 0, delta: 'x' }] }) },
  { name: 'F-34 an event that is no object', text: 'data: 7\n\n' },
].map(({ name, text: said }) => ({
  name,
  dialect: 'chat',
  script: () => stream(start + text('half') + said + ended('tool_calls')),
  stream: 'failed',
  attempts: 1,
  check: ({ attempts }) => expect(attempts[0]?.error_code).toBe('upstream_invalid_response'),
}));

/** @param estimated the reply had begun, and may have cost more. */
const expectBilled =
  (estimated: number) =>
  ({ attempts }: Outcome): void => {
    const billed = { status: 'failed', input_tokens: 25, output_tokens: 7, cost_nano_usd: 39_000, estimated };
    for (const attempt of attempts) expect(attempt).toMatchObject(billed);
  };

const invalid = { status: 502, code: 'upstream_invalid_response' };

/** Answers that are none, with what they cost: the last has begun as one. */
const billed: FaultCase[] = [
  { name: 'no choice', body: { choices: [] } },
  { name: 'an error', body: { error: { message: 'boom', code: 500 } } },
  { name: 'no message', body: { choices: [{ index: 0, message: null, finish_reason: 'stop' }] } },
  {
    name: 'content that is no text',
    body: { choices: [{ index: 0, message: { content: 7 }, finish_reason: 'stop' }] },
    ending: 'failed' as const,
    estimated: 1,
  },
].map(({ name, body, ending = invalid, estimated = 0 }) => ({
  name: `F-37 a 200 with ${name}, and its usage`,
  dialect: 'chat',
  script: () => (call) => sendBody(call, JSON.stringify({ id: 'c', model: 'm', ...body, usage: chatUsage })),
  stream: ending,
  plain: invalid,
  attempts: 2,
  check: expectBilled(estimated),
}));

const callIds: FaultCase[] = [
  { name: 'one id for two calls', ids: ['call_0', 'call_0'] },
  { name: 'empty ids', ids: ['', ''] },
  { name: 'ids of 200 characters', ids: ['a'.repeat(200), `${'a'.repeat(199)}b`] },
].map(({ name, ids }) => ({
  name: `F-35 ${name}`,
  dialect: 'chat',
  script: () => (call) => {
    const calls = ids.map((id, index) => chatCall(index, id, callArguments));
    if (call.body.stream === true) {
      sendStream(call, start + calls.map((delta) => chatFrame(delta)).join('') + ended('tool_calls'));
    } else {
      const reply = JSON.parse(plainOf('chat', 'parallel'));
      for (const [at, id] of ids.entries()) reply.choices[0].message.tool_calls[at].id = id;
      reply.choices[0].message.content = null;
      sendBody(call, JSON.stringify(reply));
    }
  },
  stream: 'completed',
  plain: 'completed',
  attempts: 1,
  check({ response, next }) {
    const given = response.output.map((item: { call_id: string }) => item.call_id);
    expect(given).toHaveLength(2);
    expect(new Set(given).size).toBe(2);
    for (const id of given) expect(id.length).toBeLessThanOrEqual(64);
    const messages: { tool_calls?: { id: string }[]; tool_call_id?: string }[] = next?.body.messages;
    const used = messages.flatMap(({ tool_calls = [] }) => tool_calls.map(({ id }) => id));
    expect(new Set(used).size).toBe(2);
    expect(messages.flatMap(({ tool_call_id }) => tool_call_id ?? [])).toEqual(used);
    for (const id of used) expect(id.length).toBeLessThanOrEqual(40);
  },
}));

/** Of servers that have the field and nothing to put into it. */
const noTokens = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };

const usages: FaultCase[] = [
  { name: 'none', frames: [], estimated: 1 },
  { name: 'null', frames: [null], estimated: 1 },
  { name: 'negative', frames: [{ prompt_tokens: -25, completion_tokens: -7 }], estimated: 1 },
  { name: '1e18', frames: [{ prompt_tokens: 1e18, completion_tokens: 1e18 }], estimated: 1 },
  { name: 'strings', frames: [{ prompt_tokens: '25', completion_tokens: '7' }], estimated: 1 },
  { name: 'one side only', frames: [{ prompt_tokens: 25 }], estimated: 1 },
  { name: 'decreasing', frames: [chatUsage, { prompt_tokens: 20, completion_tokens: 5 }], estimated: 0 },
  { name: 'zeros', frames: [noTokens], estimated: 1 },
  { name: 'zeros at the end', frames: [chatUsage, noTokens], estimated: 0, output: 7 },
].map(({ name, frames, estimated, output }) => ({
  name: `F-37 usage: ${name}`,
  dialect: 'chat',
  script: () => {
    const said = frames.map((usage) => chatFrame({}, null, { choices: [], usage })).join('');
    return stream(start + text('half') + chatFrame({}, 'stop') + said + chatDone);
  },
  stream: 'completed',
  attempts: 1,
  check({ attempts: [attempt], response }) {
    expect(attempt?.estimated).toBe(estimated);
    expect(attempt?.input_tokens).toBeGreaterThan(0);
    if (output !== undefined) expect(attempt?.output_tokens).toBe(output);
    expect(response.usage).toMatchObject({
      input_tokens: attempt?.input_tokens,
      output_tokens: attempt?.output_tokens,
    });
  },
}));

const finishReasons: FaultCase[] = (
  [
    ['length', 'incomplete', 'max_output_tokens'],
    ['content_filter', 'incomplete', 'content_filter'],
    ['new_reason', 'completed', undefined],
    ['__proto__', 'completed', undefined],
    ['error', 'failed', undefined],
    [null, 'failed', undefined],
  ] satisfies [string | null, Ending, string | undefined][]
).map(([reason, ending, why]) => ({
  name: `F-45 the finish reason ${String(reason)}`,
  dialect: 'chat',
  script: () => stream(start + text('half') + ended(reason)),
  stream: ending,
  attempts: 1,
  check: ({ response }) => expect(response.incomplete_details?.reason).toBe(why),
}));

function expectCallCut({ response, next }: Outcome): void {
  expect(response.output).toMatchObject([{ type: 'function_call', status: 'incomplete', arguments: '{"path":"/et' }]);
  if (next !== undefined) expect(next.text).not.toContain('/et');
}

/** What an upstream does wrong in OpenAI's words. */
export const chatCases: FaultCase[] = [
  {
    name: 'F-19 tool arguments that never become JSON',
    dialect: 'chat',
    script: () => stream(start + chatFrame(chatCall(0, 'call_1', '{"a":')) + ended('tool_calls')),
    stream: 'completed',
    attempts: 1,
    check({ response, next }) {
      expect(response.output).toMatchObject([{ type: 'function_call', status: 'completed', arguments: '{"a":' }]);
      const messages: { tool_calls?: { function: { arguments: unknown } }[] }[] = next?.body.messages;
      const [sent] = messages.flatMap(({ tool_calls = [] }) => tool_calls);
      expect(typeof sent?.function.arguments).toBe('string');
    },
  },
  {
    name: 'F-20 overloaded before anything was said',
    dialect: 'chat',
    script: () => stream(overloaded),
    stream: { status: 503, code: 'upstream_overloaded' },
    attempts: 2,
  },
  {
    name: 'F-20 overloaded before anything was said, then well',
    dialect: 'chat',
    script: () => (call, number) => (number === 1 ? sendStream(call, overloaded) : answerWell('chat')(call, number)),
    stream: 'completed',
    attempts: 2,
    check: ({ attempts }) => expect(attempts[0]?.error_code).toBe('upstream_overloaded'),
  },
  {
    name: 'F-21 overloaded in the middle of a text',
    dialect: 'chat',
    script: () => stream(start + text('half') + overloaded),
    stream: 'failed',
    attempts: 1,
    check({ response, attempts, text: sent }) {
      expect(response.output).toMatchObject([{ status: 'incomplete', content: [{ text: 'half' }] }]);
      expect(attempts[0]).toMatchObject({ error_code: 'upstream_overloaded', estimated: 1 });
      expect(sent).not.toContain('canary');
    },
  },
  {
    name: 'F-22 overloaded in the middle of tool arguments',
    dialect: 'chat',
    script: () => stream(start + chatFrame(chatCall(0, 'call_1', '{"path":"/et')) + overloaded),
    stream: 'failed',
    attempts: 1,
    check: expectCallCut,
  },
  ...errorShapes,
  ...unreadable,
  {
    name: 'F-34 indexes 0, 2, 1 are tolerated',
    dialect: 'chat',
    script: () =>
      stream(
        start +
          [0, 2, 1].map((index) => chatFrame(chatCall(index, `call_${index}`, '{}'))).join('') +
          ended('tool_calls'),
      ),
    stream: 'completed',
    attempts: 1,
    check: ({ response }) =>
      expect(response.output.map((item: { call_id: string }) => item.call_id)).toEqual(['call_0', 'call_2', 'call_1']),
  },
  ...callIds,
  {
    name: 'F-36 a delta and an error after the end',
    dialect: 'chat',
    script: () => stream(framesOf('chat').join('') + text('more') + overloaded),
    stream: 'completed',
    attempts: 1,
    check: ({ response }) => expect(response.output[0].content[0].text).toBe(said),
  },
  ...usages,
  ...billed,
  {
    name: 'F-37 usage: zeros of a reply that says nothing',
    dialect: 'chat',
    script: () => stream(start + chatFrame({}, 'content_filter', { usage: noTokens }) + chatDone),
    stream: 'incomplete',
    attempts: 1,
    check: ({ attempts: [attempt] }) => expect(attempt).toMatchObject({ input_tokens: 0, estimated: 0 }),
  },
  {
    name: 'F-37 an error in the middle, with its usage',
    dialect: 'chat',
    script: () => stream(start + text('half') + `data: ${JSON.stringify({ error: 'boom', usage: chatUsage })}\n\n`),
    stream: 'failed',
    attempts: 1,
    check: expectBilled(1),
  },
  {
    name: 'F-37 an error in the place of a stream, with its usage',
    dialect: 'chat',
    script: () => stream(`data: ${JSON.stringify({ error: 'boom', usage: chatUsage })}\n\n`),
    stream: { status: 502, code: 'upstream_error' },
    attempts: 2,
    check: expectBilled(0),
  },
  {
    name: 'F-37 a delta that cannot be read, with its usage',
    dialect: 'chat',
    script: () => stream(start + text('half') + chatFrame({ content: 7 }, null, { usage: chatUsage })),
    stream: 'failed',
    attempts: 1,
    check: expectBilled(1),
  },
  {
    name: 'F-38 another model and no id',
    dialect: 'chat',
    script: () => stream(framesOf('chat').join('').replaceAll('chat-test-1', 'other').replaceAll('chatcmpl-1', '')),
    stream: 'completed',
    attempts: 1,
    check({ response }) {
      expect(response.id).toMatch(/^resp_/);
      expect(response.model).toMatch(/^chat\/case-/);
    },
  },
  ...finishReasons,
  {
    name: 'F-45 length in the middle of tool arguments',
    dialect: 'chat',
    script: () => stream(start + chatFrame(chatCall(0, 'call_1', '{"path":"/et')) + ended('length')),
    stream: 'incomplete',
    attempts: 1,
    check: expectCallCut,
  },
];
