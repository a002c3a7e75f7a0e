/* oxlint-disable vitest/no-standalone-expect -- a table's checks are run by the tests of faults.test.ts */
import { expect } from 'vitest';
import { frame } from '../support/fake-upstream.ts';
import { sendBody, sendStream } from '../support/raw-upstream.ts';
import { framesOf, plainOf } from '../support/upstream-replies.ts';
import type { FaultCase } from './cases.ts';
import { answerWell, type Ending, type Outcome, type Script, upstreamKey } from './harness.ts';

const stream =
  (text: string): Script =>
  (call) =>
    sendStream(call, text);

const frames = framesOf('responses');
const begun = frames.slice(0, 2).join('');
const half = frames.slice(0, frames.findIndex((each) => each.includes('output_text.delta')) + 1).join('');
const ended = (status: string, fields: object) =>
  frame({ type: `response.${status}`, response: { id: 'resp_u', status, output: [], ...fields } } as { type: string });
const error = (fields: object) => frame({ type: 'error', ...fields });

function expectHalf({ response }: Outcome): void {
  expect(response.output).toMatchObject([{ status: 'incomplete', content: [{ text: 'It is 18 °C ' }] }]);
}

const inTheMiddle: FaultCase[] = [
  error({ error: { type: 'server_error', code: 'server_error', message: 'canary', param: null } }),
  error({ code: 'server_error', message: 'canary', param: null }),
  error({}),
  'data: {"error":"boom"}\n\n',
  ended('failed', { error: { code: 'server_error', message: 'canary' } }),
  ended('cancelled', {}),
].map((said) => ({
  name: `F-21, F-23 ${said.slice(0, 80).replaceAll('\n', ' ')} in the middle`,
  dialect: 'responses',
  script: () => stream(half + said),
  stream: 'failed',
  attempts: 1,
  check(outcome) {
    expectHalf(outcome);
    expect(outcome.text).not.toContain('canary');
  },
}));

const unreadable: FaultCase[] = [
  {
    name: 'text of an item that never began',
    said: { type: 'response.output_text.delta', output_index: 7, delta: 'x' },
  },
  { name: 'an item twice', said: { type: 'response.output_item.added', output_index: 0, item: { type: 'message' } } },
  { name: 'an item that is none', said: { type: 'response.output_item.added', output_index: 1, item: 7 } },
  { name: 'a delta that is no text', said: { type: 'response.output_text.delta', output_index: 0, delta: 7 } },
  { name: 'an end without a response', said: { type: 'response.completed' } },
].map(({ name, said }) => ({
  name: `F-34 ${name}`,
  dialect: 'responses',
  script: () => stream(half + frame(said)),
  stream: 'failed',
  attempts: 1,
  check: expectHalf,
}));

/** Before anything was shown: the next attempt is made, or none is. */
const atTheBeginning: FaultCase[] = [
  { code: 'server_error', retried: true },
  { code: 'rate_limit_exceeded', retried: false },
  { code: 'insufficient_quota', retried: false },
  { code: 'invalid_prompt', retried: false },
].map(({ code, retried }) => ({
  name: `F-20 ${code} before anything was said`,
  dialect: 'responses',
  script: () => (call, number) => {
    if (number > 1) answerWell('responses')(call, number);
    else sendStream(call, begun + ended('failed', { error: { code, message: 'No.' } }));
  },
  stream: retried ? 'completed' : 'failed',
  attempts: retried ? 2 : 1,
  check({ attempts }) {
    // An upstream that fails before it has said anything bills nothing.
    expect(attempts[0]).toMatchObject({ status: 'failed', input_tokens: 0, output_tokens: 0, cost_nano_usd: 0 });
  },
}));

const refused = (status: number, said: object, ending: Ending): FaultCase => ({
  name: `${status} ${JSON.stringify(said)}`,
  dialect: 'responses',
  script: () => (call) => sendBody(call, JSON.stringify({ error: said }), `${status} No`),
  stream: ending,
  plain: ending,
  attempts: 1,
});

const invalid = { message: 'No.', type: 'invalid_request_error', param: 'input' };
const replies: FaultCase[] = [
  refused(400, { ...invalid, code: 'unknown_parameter' }, { status: 400, code: 'upstream_rejected' }),
  refused(400, { ...invalid, code: 'context_length_exceeded' }, { status: 400, code: 'context_length_exceeded' }),
  refused(401, { message: `Incorrect API key: ${upstreamKey}.` }, { status: 502, code: 'upstream_auth' }),
  refused(429, { message: 'Pay.', code: 'insufficient_quota' }, { status: 429, code: 'rate_limit_exceeded' }),
];

export const responsesCases: FaultCase[] = [
  ...inTheMiddle,
  ...unreadable,
  ...atTheBeginning,
  ...replies,
  {
    name: 'F-13 the terminal event is missing',
    dialect: 'responses',
    script: () => stream(frames.slice(0, -1).join('')),
    stream: 'failed',
    attempts: 1,
    check: ({ response }) => expect(response.output).toMatchObject([{ status: 'completed' }]),
  },
  {
    name: 'F-24 the end marker of chat in place of the terminal event',
    dialect: 'responses',
    script: () => stream(`${half}data: [DONE]\n\n`),
    stream: 'failed',
    attempts: 1,
    check: expectHalf,
  },
  {
    name: 'F-32 events that are new, and pings',
    dialect: 'responses',
    script: () => stream(begun + 'event: ping\ndata: {"type":"keepalive"}\n\n' + frames.slice(2).join('')),
    stream: 'completed',
    attempts: 1,
  },
  {
    name: 'a plain reply that failed',
    dialect: 'responses',
    script: () => (call) =>
      sendBody(call, JSON.stringify({ ...(JSON.parse(plainOf('responses')) as object), status: 'failed', error: {} })),
    plain: { status: 502, code: 'upstream_error' },
    attempts: 2,
  },
  {
    name: 'a plain reply that is still in the queue',
    dialect: 'responses',
    script: () => (call) =>
      sendBody(call, JSON.stringify({ ...(JSON.parse(plainOf('responses')) as object), status: 'queued' })),
    plain: { status: 502, code: 'upstream_error' },
    attempts: 2,
  },
];
