/* oxlint-disable vitest/no-standalone-expect -- a table's checks are run by the tests of faults.test.ts */
import { expect } from 'vitest';
import { googleError } from '../support/gemini-upstream.ts';
import { sendBody, sendStream } from '../support/raw-upstream.ts';
import { framesOf, geminiFrame, geminiFrames, plainOf } from '../support/upstream-replies.ts';
import type { FaultCase } from './cases.ts';
import { answerWell, type Ending, type Script, upstreamKey } from './harness.ts';

const stream =
  (text: string): Script =>
  (call) =>
    sendStream(call, text);

const chunk = (candidate: object, more: object = {}) => geminiFrame({ candidates: [candidate], ...more });
const said = (...parts: object[]) => chunk({ content: { role: 'model', parts } });
const ended = (finishReason: string, more: object = {}) => chunk({ finishReason }, more);
const half = said({ text: 'half' });
const overloaded = googleError(503, 'UNAVAILABLE', 'The model is overloaded, canary.');

const errorShapes: FaultCase[] = [
  overloaded,
  googleError(500, 'INTERNAL', 'canary'),
  [overloaded],
  { error: 'canary' },
  { error: {} },
].map((error) => ({
  name: `F-21, F-23 ${JSON.stringify(error).slice(0, 60)} in the middle`,
  dialect: 'gemini',
  script: () => stream(half + geminiFrame(error)),
  stream: 'failed',
  attempts: 1,
  check({ response, text }) {
    expect(response.output).toMatchObject([{ status: 'incomplete', content: [{ text: 'half' }] }]);
    expect(text).not.toContain('canary');
  },
}));

const unreadable: FaultCase[] = [
  { name: 'candidates that are no list', text: geminiFrame({ candidates: {} }) },
  { name: 'a candidate that is no object', text: geminiFrame({ candidates: ['x'] }) },
  { name: 'content that is no object', text: chunk({ content: 7 }) },
  { name: 'a call without a name', text: said({ functionCall: { args: {} } }) },
  {
    name: 'pieces of arguments at no place',
    text: said({ functionCall: { name: 'f', partialArgs: [{ jsonPath: '$' }] } }),
  },
  { name: 'an event that is no object', text: 'data: 7\n\n' },
].map(({ name, text }) => ({
  name: `F-34 ${name}`,
  dialect: 'gemini',
  script: () => stream(half + text + ended('STOP')),
  stream: 'failed',
  attempts: 1,
  check: ({ attempts }) => expect(attempts[0]?.error_code).toBe('upstream_invalid_response'),
}));

const finishReasons: FaultCase[] = (
  [
    ['MAX_TOKENS', 'incomplete', 'max_output_tokens'],
    ['SAFETY', 'incomplete', 'content_filter'],
    ['RECITATION', 'incomplete', 'content_filter'],
    ['NEW_REASON', 'completed', undefined],
    ['MALFORMED_FUNCTION_CALL', 'failed', undefined],
    ['OTHER', 'failed', undefined],
  ] satisfies [string, Ending, string | undefined][]
).map(([reason, ending, why]) => ({
  name: `F-45 the finish reason ${reason}`,
  dialect: 'gemini',
  script: () => stream(half + ended(reason)),
  stream: ending,
  attempts: 1,
  check: ({ response }) => expect(response.incomplete_details?.reason).toBe(why),
}));

const usages: FaultCase[] = [
  { name: 'none', usage: undefined, estimated: 1 },
  { name: 'null', usage: null, estimated: 1 },
  { name: 'negative', usage: { promptTokenCount: -25, candidatesTokenCount: -7 }, estimated: 1 },
  { name: '1e18', usage: { promptTokenCount: 1e18, candidatesTokenCount: 1e18 }, estimated: 1 },
  { name: 'strings', usage: { promptTokenCount: '25', candidatesTokenCount: '7' }, estimated: 1 },
  { name: 'a total only', usage: { totalTokenCount: 32 }, estimated: 1 },
  { name: 'zeros', usage: { promptTokenCount: 0, candidatesTokenCount: 0 }, estimated: 1 },
].map(({ name, usage, estimated }) => ({
  name: `F-37 usage: ${name}`,
  dialect: 'gemini',
  script: () => stream(half + ended('STOP', { usageMetadata: usage })),
  stream: 'completed',
  attempts: 1,
  check({ attempts: [attempt], response }) {
    expect(attempt?.estimated).toBe(estimated);
    expect(attempt?.input_tokens).toBeGreaterThan(0);
    expect(response.usage).toMatchObject({
      input_tokens: attempt?.input_tokens,
      output_tokens: attempt?.output_tokens,
    });
  },
}));

const callIds: FaultCase[] = [
  { name: 'one id for two calls', ids: ['call_0', 'call_0'] },
  { name: 'no ids', ids: [undefined, undefined] },
  { name: 'ids of 200 characters', ids: ['a'.repeat(200), `${'a'.repeat(199)}b`] },
].map(({ name, ids }) => ({
  name: `F-35 ${name}`,
  dialect: 'gemini',
  script: () => (call) => {
    const parts = ids.map((id, at) => ({ functionCall: { id, name: 'get_weather', args: { at } } }));
    if (call.body.stream === true) return sendStream(call, geminiFrames({ parts }).join(''));
    const reply = JSON.parse(plainOf('gemini', 'parallel'));
    reply.candidates[0].content.parts = parts;
    sendBody(call, JSON.stringify(reply));
  },
  stream: 'completed',
  plain: 'completed',
  attempts: 1,
  check({ response, next }) {
    const given = response.output.map((item: { call_id: string }) => item.call_id);
    expect(new Set(given).size).toBe(2);
    for (const id of given) expect(id.length).toBeLessThanOrEqual(64);
    // Google gets the ids that it gave, on the calls and on their results.
    const parts: { functionCall?: { id?: string }; functionResponse?: { id?: string } }[] = next?.body.contents.flatMap(
      (content: { parts: object[] }) => content.parts,
    );
    expect(parts.flatMap(({ functionCall }) => (functionCall === undefined ? [] : [functionCall.id]))).toEqual(ids);
    expect(parts.flatMap(({ functionResponse: said_ }) => (said_ === undefined ? [] : [said_.id]))).toEqual(ids);
  },
}));

/** What an upstream does wrong in Google's words. */
export const geminiCases: FaultCase[] = [
  {
    name: 'F-20 overloaded before anything was said',
    dialect: 'gemini',
    script: () => stream(geminiFrame(overloaded)),
    stream: { status: 503, code: 'upstream_overloaded' },
    attempts: 2,
  },
  {
    name: 'F-20 overloaded before anything was said, then well',
    dialect: 'gemini',
    script: () => (call, number) =>
      number === 1 ? sendStream(call, geminiFrame(overloaded)) : answerWell('gemini')(call, number),
    stream: 'completed',
    attempts: 2,
  },
  ...errorShapes,
  ...unreadable,
  ...finishReasons,
  ...usages,
  ...callIds,
  {
    name: 'F-25 429 with a delay in its body',
    dialect: 'gemini',
    script: () => (call) => {
      const info = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.4s' };
      const body = googleError(429, 'RESOURCE_EXHAUSTED', 'You exceeded your current quota.', [info]);
      sendBody(call, JSON.stringify(body), '429 Too Many Requests');
    },
    stream: { status: 429, code: 'rate_limit_exceeded' },
    plain: { status: 429, code: 'rate_limit_exceeded' },
    attempts: 1,
    check: ({ headers }) => expect(headers.get('retry-after')).toBe('35'),
  },
  {
    name: 'F-27 400 for a wrong key',
    dialect: 'gemini',
    script: () => (call) => {
      const message = `API key not valid: ${upstreamKey}. Please pass a valid API key.`;
      const details = [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }];
      sendBody(call, JSON.stringify(googleError(400, 'INVALID_ARGUMENT', message, details)), '400 Bad Request');
    },
    stream: { status: 502, code: 'upstream_auth' },
    plain: { status: 502, code: 'upstream_auth' },
    attempts: 1,
  },
  {
    name: 'the input is refused by a filter',
    dialect: 'gemini',
    script: () => stream(geminiFrame({ promptFeedback: { blockReason: 'SAFETY' } })),
    stream: { status: 400, code: 'upstream_rejected' },
    plain: { status: 400, code: 'upstream_rejected' },
    attempts: 1,
  },
  {
    name: 'F-37 the input is refused by a filter, and paid for',
    dialect: 'gemini',
    script: () => (call) => {
      const reply = { promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 25 } };
      if (call.body.stream === true) sendStream(call, geminiFrame(reply));
      else sendBody(call, JSON.stringify(reply));
    },
    stream: { status: 400, code: 'upstream_rejected' },
    plain: { status: 400, code: 'upstream_rejected' },
    attempts: 1,
    check: ({ attempts: [attempt] }) =>
      expect(attempt).toMatchObject({ input_tokens: 25, output_tokens: 0, cost_nano_usd: 25_000, estimated: 0 }),
  },
  {
    name: 'F-37 a 200 without an answer, and its usage',
    dialect: 'gemini',
    script: () => (call) => sendBody(call, JSON.stringify({ usageMetadata: { promptTokenCount: 25 } })),
    stream: { status: 502, code: 'upstream_invalid_response' },
    plain: { status: 502, code: 'upstream_invalid_response' },
    attempts: 2,
    check: ({ attempts: [attempt] }) =>
      expect(attempt).toMatchObject({ input_tokens: 25, output_tokens: 0, cost_nano_usd: 25_000, estimated: 0 }),
  },
  {
    name: 'F-36 an error after the end',
    dialect: 'gemini',
    script: () => stream(framesOf('gemini').join('') + geminiFrame(overloaded)),
    stream: 'completed',
    attempts: 1,
  },
  {
    name: 'F-45 MAX_TOKENS in the middle of arguments',
    dialect: 'gemini',
    script: () =>
      stream(
        said({ functionCall: { name: 'get_weather', willContinue: true } }) +
          said({
            functionCall: {
              partialArgs: [{ jsonPath: '$.path', stringValue: '/et', willContinue: true }],
              willContinue: true,
            },
          }) +
          ended('MAX_TOKENS'),
      ),
    stream: 'incomplete',
    attempts: 1,
    check({ response, next }) {
      expect(response.output).toMatchObject([
        { type: 'function_call', status: 'incomplete', arguments: '{"path":"/et"}' },
      ]);
      expect(next?.text).not.toContain('/et');
    },
  },
];
