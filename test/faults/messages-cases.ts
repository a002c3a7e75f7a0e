/* oxlint-disable vitest/no-standalone-expect -- a table's checks are run by the tests of faults.test.ts */
import { expect } from 'vitest';
import { frame, messageEvents } from '../support/fake-upstream.ts';
import { sendBody, sendStream } from '../support/raw-upstream.ts';
import { callArguments, framesOf, plainOf, said, type Shape } from '../support/upstream-replies.ts';
import type { FaultCase } from './cases.ts';
import { answerWell, type Ending, type Outcome, type Script } from './harness.ts';

const firstHalf = said.slice(0, said.length >> 1);
const event = (type: string, fields: object = {}) => frame({ type, ...fields });
const overloadedEvent = event('error', {
  error: { details: null, type: 'overloaded_error', message: 'Overloaded canary' },
  request_id: 'req_x',
});

/** A good stream up to and with the first delta. */
function begun(shape: Shape = 'text'): string {
  const frames = framesOf('messages', shape);
  const first = frames.findIndex((each) => /"(text|partial_json)":"[^"]/.test(each));
  return frames.slice(0, first + 1).join('');
}

const stream =
  (text: string): Script =>
  (call) =>
    sendStream(call, text);

const start = framesOf('messages')[0] ?? '';
const textStart = (index: number) => event('content_block_start', { index, content_block: { type: 'text', text: '' } });
const textDelta = (index: number, text: string) =>
  event('content_block_delta', { index, delta: { type: 'text_delta', text } });
const stop = (index: number) => event('content_block_stop', { index });
const usageAtEnd = { output_tokens: 7 };
const ended = (stopReason: string | null, usage: unknown, more: object = {}) =>
  event('message_delta', { delta: { stop_reason: stopReason, stop_sequence: null, ...more }, usage }) +
  event('message_stop');
const block = (index: number, text: string) => textStart(index) + textDelta(index, text) + stop(index);
const toolStart = (index: number, id: string) =>
  event('content_block_start', { index, content_block: { type: 'tool_use', id, name: 'get_weather', input: {} } });
const toolDelta = (index: number, text: string) =>
  event('content_block_delta', { index, delta: { type: 'input_json_delta', partial_json: text } });
const tool = (index: number, id: string, text: string = callArguments) =>
  toolStart(index, id) + toolDelta(index, text) + stop(index);

const errorShapes: FaultCase[] = [
  'data: {"error":"boom canary"}\n\n',
  'data: {"type":"error"}\n\n',
  'data: {"type":"error","error":null}\n\n',
  'event: error\ndata: {}\n\n',
  'data: {"type":"error","error":{"type":7,"message":[]}}\n\n',
].map((said) => ({
  name: `F-23 ${said.trim()} in the middle`,
  dialect: 'messages',
  script: () => stream(begun() + said),
  stream: 'failed',
  attempts: 1,
  check: ({ text }) => expect(text).not.toContain('canary'),
}));

/** Before any block the turn is tried again; after one it is over. */
const indexChaos: FaultCase[] = [
  { name: 'a delta for an index that never started', text: start + textDelta(0, 'x'), attempts: 2 },
  { name: 'a stop for an index that never started', text: start + stop(0), attempts: 2 },
  { name: 'two starts for one index', text: start + textStart(0) + textStart(0), attempts: 1 },
  { name: 'one index again after its stop', text: start + block(0, 'x') + block(0, 'y'), attempts: 1 },
  { name: 'a stop twice', text: start + block(0, 'x') + stop(0), attempts: 1 },
  { name: 'blocks inside one another', text: start + textStart(0) + textStart(2) + textDelta(0, 'x'), attempts: 1 },
  { name: 'a delta after its stop', text: start + block(0, 'x') + textDelta(0, 'y'), attempts: 1 },
  { name: 'an index that is no number', text: start + event('content_block_start', { index: '0' }), attempts: 2 },
  { name: 'the beginning twice', text: begun() + start, attempts: 1 },
].map(({ name, text, attempts }) => ({
  name: `F-34 ${name}`,
  dialect: 'messages',
  script: () => stream(text + ended('end_turn', usageAtEnd)),
  stream: 'failed',
  attempts,
  check: (outcome) => expect(outcome.attempts.at(-1)?.error_code).toBe('upstream_invalid_response'),
}));

const callIds: FaultCase[] = [
  { name: 'one id for two calls', ids: ['toolu_1', 'toolu_1'] },
  { name: 'empty ids', ids: ['', ''] },
  { name: 'ids of 200 characters', ids: ['a'.repeat(200), `${'a'.repeat(199)}b`] },
  { name: 'ids with characters that no upstream takes', ids: ['a b\n"', 'é:1'] },
].map(({ name, ids }) => ({
  name: `F-35 ${name}`,
  dialect: 'messages',
  script: () => stream(start + ids.map((id, index) => tool(index, id)).join('') + ended('tool_use', usageAtEnd)),
  stream: 'completed',
  attempts: 1,
  check({ response, next }) {
    const given = response.output.map((item: { call_id: string }) => item.call_id);
    expect(new Set(given).size).toBe(2);
    for (const id of given) expect(id.length).toBeLessThanOrEqual(64);
    const blocks = next?.body.messages.flatMap(({ content }: { content: object[] }) => content);
    const used = blocks.flatMap((each: { type: string; id: string }) => (each.type === 'tool_use' ? each.id : []));
    const answered = blocks.flatMap((each: { tool_use_id?: string }) => each.tool_use_id ?? []);
    expect(new Set(used).size).toBe(2);
    expect(answered).toEqual(used);
    for (const id of used) expect(id).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
  },
}));

const usages: FaultCase[] = [
  { name: 'none', started: undefined, said: undefined, estimated: 1 },
  { name: 'null', started: null, said: null, estimated: 1 },
  { name: 'negative', started: { input_tokens: -5 }, said: { output_tokens: -7 }, estimated: 1 },
  { name: '1e18', started: { input_tokens: 1e18 }, said: { output_tokens: 1e18 }, estimated: 1 },
  { name: 'strings', started: { input_tokens: '25' }, said: { output_tokens: '7' }, estimated: 1 },
  { name: 'fractions', started: { input_tokens: 2.5 }, said: { output_tokens: 0.5 }, estimated: 1 },
  {
    name: 'zeros',
    started: { input_tokens: 0, output_tokens: 0 },
    said: { input_tokens: 0, output_tokens: 0 },
    estimated: 1,
  },
  { name: 'none at the end', started: { input_tokens: 25, output_tokens: 1 }, said: undefined, estimated: 1 },
  {
    name: 'only at the end',
    started: undefined,
    said: { input_tokens: 25, output_tokens: 7 },
    estimated: 0,
  },
  {
    name: 'decreasing',
    started: { input_tokens: 25, output_tokens: 9 },
    said: { input_tokens: 0, output_tokens: 7 },
    estimated: 0,
  },
].map(({ name, started, said: atEnd, estimated }) => ({
  name: `F-37 usage: ${name}`,
  dialect: 'messages',
  script: () => {
    const message = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', content: [], usage: started };
    return stream(event('message_start', { message }) + block(0, said) + ended('end_turn', atEnd));
  },
  stream: 'completed',
  attempts: 1,
  check: ({ attempts: [attempt], response }) => {
    expect(attempt?.estimated).toBe(estimated);
    expect(attempt?.input_tokens).toBeGreaterThan(0);
    expect(attempt?.output_tokens).toBeGreaterThan(0);
    expect(response.usage).toMatchObject({
      input_tokens: attempt?.input_tokens,
      output_tokens: attempt?.output_tokens,
    });
  },
}));

const plainEnd = (stopReason: string | null) => {
  const { stop_reason: _, ...message } = JSON.parse(plainOf('messages'));
  return JSON.stringify({ ...message, stop_reason: stopReason });
};

const stopReasons: FaultCase[] = (
  [
    ['max_tokens', 'incomplete', 'max_output_tokens'],
    ['model_context_window_exceeded', 'incomplete', 'max_output_tokens'],
    ['refusal', 'incomplete', 'content_filter'],
    [null, 'completed', undefined],
    ['new_reason', 'completed', undefined],
    ['__proto__', 'completed', undefined],
  ] satisfies [string | null, Ending, string | undefined][]
).map(([reason, ending, why]) => ({
  name: `F-45 the stop reason ${String(reason)}`,
  dialect: 'messages',
  script: () => (call, number) =>
    call.body.stream === true
      ? stream(start + block(0, said) + ended(reason, usageAtEnd))(call, number)
      : sendBody(call, plainEnd(reason)),
  stream: ending,
  plain: ending,
  attempts: 1,
  check: ({ response }) => expect(response.incomplete_details?.reason).toBe(why),
}));

function expectCallCut({ response, next }: Outcome): void {
  expect(response.output).toMatchObject([{ type: 'function_call', status: 'incomplete', arguments: '{"path":"/et' }]);
  if (next !== undefined) expect(next.text).not.toContain('/et');
}

/** What an upstream does wrong in Anthropic's words. */
export const messagesCases: FaultCase[] = [
  {
    name: 'F-19 tool arguments that never become JSON',
    dialect: 'messages',
    script: () => stream(start + tool(0, 'toolu_1', '{"a":') + ended('tool_use', usageAtEnd)),
    stream: 'completed',
    attempts: 1,
    check({ response, next }) {
      expect(response.output).toMatchObject([{ type: 'function_call', status: 'completed', arguments: '{"a":' }]);
      const blocks = next?.body.messages.flatMap(({ content }: { content: object[] }) => content);
      expect(blocks.find(({ type }: { type: string }) => type === 'tool_use').input).toEqual({ arguments: '{"a":' });
    },
  },
  {
    name: 'F-20 overloaded before anything was said',
    dialect: 'messages',
    script: () => stream(overloadedEvent),
    stream: { status: 503, code: 'upstream_overloaded' },
    attempts: 2,
  },
  {
    name: 'F-20 overloaded before anything was said, then well',
    dialect: 'messages',
    script: () => (call, number) =>
      number === 1 ? sendStream(call, overloadedEvent) : answerWell('messages')(call, number),
    stream: 'completed',
    attempts: 2,
    check: ({ attempts }) => expect(attempts[0]?.error_code).toBe('upstream_overloaded'),
  },
  {
    name: 'F-21 overloaded in the middle of a text',
    dialect: 'messages',
    script: () => stream(begun() + overloadedEvent),
    stream: 'failed',
    attempts: 1,
    check({ response, attempts, text }) {
      expect(response.output).toMatchObject([{ status: 'incomplete', content: [{ text: firstHalf }] }]);
      expect(attempts[0]).toMatchObject({ error_code: 'upstream_overloaded', estimated: 1 });
      expect(text).not.toContain('canary');
    },
  },
  {
    name: 'F-22 overloaded in the middle of tool arguments',
    dialect: 'messages',
    script: () => stream(start + toolStart(0, 'toolu_1') + toolDelta(0, '{"path":"/et') + overloadedEvent),
    stream: 'failed',
    attempts: 1,
    check: expectCallCut,
  },
  ...errorShapes,
  {
    name: 'F-32 events of kinds that nobody knows',
    dialect: 'messages',
    script: () =>
      stream(
        start +
          event('new_event', { index: 9 }) +
          block(0, said) +
          'event: x\ndata: {}\n\n' +
          ended('end_turn', usageAtEnd),
      ),
    stream: 'completed',
    attempts: 1,
    check: ({ response }) => expect(response.output[0].content[0].text).toBe(said),
  },
  ...indexChaos,
  {
    name: 'F-34 gaps between the indexes are tolerated',
    dialect: 'messages',
    script: () => stream(start + block(3, said) + tool(7, 'toolu_1') + ended('tool_use', usageAtEnd)),
    stream: 'completed',
    attempts: 1,
    check: ({ response }) => expect(response.output).toHaveLength(2),
  },
  ...callIds,
  {
    name: 'F-36 a delta and an error after the end',
    dialect: 'messages',
    script: () => stream(framesOf('messages').join('') + textDelta(0, 'more') + overloadedEvent),
    stream: 'completed',
    attempts: 1,
    check: ({ response }) => expect(response.output[0].content[0].text).toBe(said),
  },
  ...usages,
  {
    name: 'F-38 another model and a strange id',
    dialect: 'messages',
    script: () =>
      stream(
        messageEvents([{ type: 'text', text: said }], { model: 'other', id: '' })
          .map(frame)
          .join(''),
      ),
    stream: 'completed',
    attempts: 1,
    check({ response }) {
      expect(response.id).toMatch(/^resp_/);
      expect(response.model).toMatch(/^messages\/case-/);
    },
  },
  ...stopReasons,
  {
    name: 'F-45 the stop reason pause_turn after plain text, where there is nothing to go on from',
    dialect: 'messages',
    script: () => (call, number) =>
      call.body.stream === true
        ? stream(start + block(0, said) + ended('pause_turn', usageAtEnd))(call, number)
        : sendBody(call, plainEnd('pause_turn')),
    stream: 'failed',
    plain: { status: 502, code: 'upstream_error' },
    attempts: 1,
    check: ({ attempts }) => expect(attempts[0]).toMatchObject({ estimated: 0, output_tokens: 7 }),
  },
  {
    name: 'F-45 max_tokens in the middle of tool arguments',
    dialect: 'messages',
    script: () =>
      stream(
        start + toolStart(0, 'toolu_1') + toolDelta(0, '{"path":"/et') + stop(0) + ended('max_tokens', usageAtEnd),
      ),
    stream: 'incomplete',
    attempts: 1,
    check: expectCallCut,
  },
  {
    name: 'F-45 a refusal is not shown to the model again',
    dialect: 'messages',
    script: () => stream(start + block(0, 'Forbidden canary') + ended('refusal', usageAtEnd)),
    stream: 'incomplete',
    attempts: 1,
    check: ({ next }) => expect(next?.text).not.toContain('canary'),
  },
];
