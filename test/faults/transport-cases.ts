/* oxlint-disable vitest/no-standalone-expect -- a table's checks are run by the tests of faults.test.ts */
import { gzipSync } from 'node:zlib';
import { expect } from 'vitest';
import {
  beginStream,
  chunkOf,
  headOf,
  lastChunk,
  type RawCall,
  sendBody,
  sendStream,
} from '../support/raw-upstream.ts';
import { callArguments, type Dialect, framesOf, plainOf, said, type Shape } from '../support/upstream-replies.ts';
import type { FaultCase } from './cases.ts';
import { answerWell, type Outcome, type Script, upstreamKey } from './harness.ts';

const timedOut = { status: 504, code: 'upstream_timeout' };
const broken = { status: 502, code: 'upstream_stream_broken' };
const invalid = { status: 502, code: 'upstream_invalid_response' };
const failed = { status: 502, code: 'upstream_error' };
const overloaded = { status: 503, code: 'upstream_overloaded' };
const limited = { status: 429, code: 'rate_limit_exceeded' };

/** Frames of a good stream up to the one that holds `last`, and a little more. */
function until(dialect: Dialect, last: string, shape: Shape = 'text'): string {
  const frames = framesOf(dialect, shape);
  return frames.slice(0, frames.findIndex((each) => each.includes(last)) + 1).join('');
}

const firstHalf = said.slice(0, said.length >> 1);
const firstArguments = JSON.stringify(callArguments.slice(0, callArguments.length >> 1)).slice(1, -1);

/** Writes byte by byte, each in its own turn of the event loop. */
function drip({ socket }: RawCall, bytes: Buffer): void {
  let at = 0;
  socket.setNoDelay(true);
  const next = (): void => {
    if (at === bytes.length || socket.destroyed) return;
    socket.write(bytes.subarray(at, (at += 1)));
    setImmediate(next);
  };
  next();
}

function expectSaid({ response }: Outcome): void {
  expect(response.output).toMatchObject([{ type: 'message', status: 'completed', content: [{ text: said }] }]);
}

function expectPartial({ response, attempts }: Outcome): void {
  if (response === undefined) return;
  expect(response.output).toMatchObject([{ status: 'incomplete', content: [{ text: firstHalf }] }]);
  expect(response.error.code).toBe('server_error');
  expect(attempts.at(-1)).toMatchObject({ estimated: 1 });
  expect(response.usage.output_tokens).toBe(attempts.at(-1)?.output_tokens);
}

/** A refusal is free of charge. */
function expectFree({ attempts }: Outcome): void {
  expect(attempts.map(({ cost_nano_usd }) => cost_nano_usd)).toEqual(attempts.map(() => 0));
}

function expectRetryAfter(seconds: string | null): (outcome: Outcome) => void {
  return (outcome) => {
    expect(outcome.headers.get('retry-after')).toBe(seconds);
    expectFree(outcome);
  };
}

const errorBody = (message: string, type = 'api_error') =>
  JSON.stringify({ type: 'error', error: { type, message, code: null } });

const refuse =
  (status: string, body: string, headers: Record<string, string> = {}): Script =>
  (call) =>
    sendBody(call, body, status, headers);

/** Streamed and plain alike: the upstream's answer comes before anything was shown. */
const both = (ending: { status: number; code: string | null }) => ({ stream: ending, plain: ending });

const tomorrow = 'Thu, 22 Oct 2026 07:28:00 GMT';
const today = 'Wed, 21 Oct 2026 07:28:00 GMT';

const retryAfterCases: FaultCase[] = [
  { header: '1', seconds: '1' },
  { header: tomorrow, seconds: '3600' },
  { header: '999999', seconds: '3600' },
  { header: '-1', seconds: null },
  { header: 'abc', seconds: null },
].map(({ header, seconds }) => ({
  name: `F-25 429 with retry-after: ${header}`,
  script: () => refuse('429 Too Many Requests', errorBody('slow down'), { 'retry-after': header, date: today }),
  ...both(limited),
  attempts: 1,
  check: expectRetryAfter(seconds),
}));

const page = '<html><body>502 Bad Gateway canary</body></html>';

const statusCases: FaultCase[] = [
  { status: '429 Too Many Requests', body: errorBody('x'), ending: limited, attempts: 1 },
  { status: '529 Overloaded', body: errorBody('x', 'overloaded_error'), ending: overloaded, attempts: 2 },
  { status: '503 Service Unavailable', body: page, ending: overloaded, attempts: 2 },
  { status: '500 Internal Server Error', body: errorBody('canary'), ending: failed, attempts: 2 },
  { status: '502 Bad Gateway', body: page, ending: failed, attempts: 2 },
  { status: '500 Internal Server Error', body: '', ending: failed, attempts: 2 },
].map(({ status, body, ending, attempts }) => ({
  name: `F-26 ${status} with ${body === '' ? 'nothing' : body.startsWith('<') ? 'HTML' : 'an error'}`,
  script: () => refuse(status, body),
  ...both(ending),
  attempts,
  check(outcome) {
    expect(outcome.text).not.toMatch(/canary|</);
    expectFree(outcome);
  },
}));

const emptySuccesses: FaultCase[] = [
  '{"error":{"message":"boom","type":"server_error"}}',
  '{"type":"error","error":{"type":"api_error","message":"boom"}}',
  '{}',
  'null',
  '[]',
  '',
  '"ok"',
  '<html>log in</html>',
].map((body) => ({
  name: `F-29 200 with ${body === '' ? 'an empty body' : body}`,
  script: () => refuse('200 OK', body),
  ...both(invalid),
}));

const redirects: FaultCase[] = ['302 Found', '307 Temporary Redirect'].map((status) => ({
  name: `F-31 ${status}`,
  script: (_, { trap }) => refuse(status, '', { location: `${trap.url}/v1/messages` }),
  ...both(failed),
  attempts: 1,
}));

const streamRules: FaultCase[] = [
  { name: 'no space after the colon', edit: (text: string) => text.replaceAll('data: ', 'data:') },
  { name: 'CR line ends', edit: (text: string) => text.replaceAll('\n', '\r') },
  { name: 'CRLF line ends', edit: (text: string) => text.replaceAll('\n', '\r\n') },
  { name: 'a BOM first', edit: (text: string) => `\ufeff${text}` },
  {
    name: 'comments, ids, retries and fields that nobody knows',
    edit: (text: string) => text.replaceAll('data: ', ': note\nid: 7\nretry: 0\nfoo: bar\nbaz\ndata: '),
  },
  {
    name: 'data in several lines',
    edit: (text: string) => text.replaceAll(/^data: \{/gm, 'data: {\ndata: '),
  },
  {
    name: 'the event after its data',
    edit: (text: string) => text.replaceAll(/^(event: .*)\n(data: .*)$/gm, '$2\n$1'),
  },
].map(({ name, edit }) => ({
  name: `F-32 ${name}`,
  script: (dialect) => (call) => sendStream(call, edit(framesOf(dialect).join(''))),
  stream: 'completed',
  attempts: 1,
  check: expectSaid,
}));

const strangeHeads: FaultCase[] = [
  {
    name: 'F-42 a header of 100 KB',
    script: () => (call) => call.socket.write(headOf('200 OK', { 'x-big': 'a'.repeat(100_000) })),
    ...both(invalid),
  },
  {
    name: 'F-42 100 informational responses',
    script: () => (call) => call.socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(100)),
    ...both(invalid),
  },
  {
    name: 'F-42 noise in place of HTTP',
    script: () => (call) => call.socket.write('220 mail.example ESMTP\r\n\r\n'),
    ...both(invalid),
  },
  {
    name: 'F-42 chunks inside another transfer coding',
    script: () => (call) =>
      call.socket.end(
        'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n\r\n',
      ),
    ...both(broken),
  },
  {
    name: 'F-42 a bare line feed in a header value',
    script: () => (call) => call.socket.write('HTTP/1.1 200 OK\r\nx-a: b\nset-cookie c\r\ncontent-length: 0\r\n\r\n'),
    ...both(invalid),
  },
  {
    name: 'F-42 headers of the upstream go no further',
    script: (dialect) => (call) => {
      const headers = { 'set-cookie': 'canary=1', 'x-canary': '1', 'x-request-id': 'canary', server: 'canary' };
      if (call.body.stream !== true) return sendBody(call, plainOf(dialect), '200 OK', headers);
      const frames = framesOf(dialect).join('');
      const head = { 'content-type': 'text/event-stream; charset=utf-8', connection: 'close', ...headers };
      call.socket.end(headOf('200 OK', head) + frames);
    },
    stream: 'completed',
    plain: 'completed',
    attempts: 1,
    check(outcome) {
      expectSaid(outcome);
      expect(JSON.stringify([...outcome.headers])).not.toContain('canary');
    },
  },
];

/** What can go wrong below the protocols, or alike in both. */
export const transportCases: FaultCase[] = [
  {
    name: 'F-05 no headers come',
    script: () => () => undefined,
    impatience: 'first-byte',
    ...both(timedOut),
    attempts: 2,
    check: ({ attempts }) => expect(attempts.map(({ estimated }) => estimated)).toEqual([1, 1]),
  },
  {
    name: 'F-06 headers, then nothing',
    script: () => (call) => beginStream(call),
    impatience: 'idle',
    ...both(timedOut),
    attempts: 2,
  },
  {
    name: 'F-07, F-17 the upstream falls silent in the middle',
    script: (dialect) => (call) => {
      if (call.body.stream === true) return beginStream(call, until(dialect, firstHalf));
      const body = plainOf(dialect);
      const head = headOf('200 OK', { 'content-type': 'application/json', 'content-length': String(body.length) });
      call.socket.write(head + body.slice(0, 40));
    },
    impatience: 'idle',
    stream: 'failed',
    plain: timedOut,
    attempts: 1,
    check(outcome) {
      expectPartial(outcome);
      expect(outcome.attempts[0]).toMatchObject({ error_code: 'upstream_timeout', estimated: 1 });
    },
  },
  {
    name: 'F-09 one byte at a time',
    script: (dialect) => (call) => {
      const isStream = call.body.stream === true;
      const bytes = Buffer.from(isStream ? framesOf(dialect).join('') : plainOf(dialect));
      const head = headOf('200 OK', {
        'content-type': isStream ? 'text/event-stream' : 'application/json',
        'content-length': String(bytes.length),
      });
      drip(call, Buffer.concat([Buffer.from(head), bytes]));
    },
    stream: 'completed',
    plain: 'completed',
    attempts: 1,
    check: expectSaid,
  },
  {
    name: 'F-10 ten thousand deltas in one write',
    script: (dialect) => (call) => {
      const frames = framesOf(dialect);
      const at = frames.findIndex((each) => each.includes(firstHalf));
      sendStream(call, [...frames.slice(0, at), ...Array(10_000).fill(frames[at]), ...frames.slice(at + 1)].join(''));
    },
    stream: 'completed',
    attempts: 1,
    check: ({ response }) => expect(response.output[0].content[0].text).toBe(firstHalf.repeat(9_999) + said),
  },
  {
    name: 'F-11 the connection is closed inside an event',
    script: (dialect) => (call) => sendStream(call, `${until(dialect, firstHalf)}event: x\ndata: {"type":"content_blo`),
    stream: 'failed',
    attempts: 1,
    check: expectPartial,
  },
  {
    name: 'F-12 the connection is closed well between two events',
    script: (dialect) => (call) => sendStream(call, until(dialect, firstHalf)),
    stream: 'failed',
    attempts: 1,
    check: expectPartial,
  },
  {
    name: 'F-13 all that counts was said, but the terminal marker is missing',
    // Their last event is where the reply says how it ended, and what it used.
    except: ['responses', 'gemini'],
    script: (dialect) => (call) => sendStream(call, framesOf(dialect).slice(0, -1).join('')),
    stream: 'completed',
    attempts: 1,
    check: expectSaid,
  },
  {
    name: 'F-13 the connection breaks before the terminal marker',
    script: (dialect) => (call) => {
      beginStream(call, framesOf(dialect).slice(0, -1).join(''));
      call.socket.end();
    },
    stream: 'failed',
    attempts: 1,
    check: ({ attempts }) => expect(attempts[0]?.error_code).toBe('upstream_stream_broken'),
  },
  {
    name: 'F-14 a chunk that is shorter than it says',
    script: (dialect) => (call) => {
      beginStream(call, until(dialect, firstHalf));
      call.socket.end('1f4\r\ndata: 12345678901234');
    },
    stream: 'failed',
    attempts: 1,
    check: expectPartial,
  },
  {
    name: 'F-15 a body that is shorter than it says',
    script: (dialect) => (call) => {
      const head = headOf('200 OK', { 'content-type': 'application/json', 'content-length': '5000' });
      call.socket.end(head + plainOf(dialect).slice(0, 120));
    },
    ...both(broken),
  },
  {
    name: 'F-18 the stream is cut inside tool arguments',
    // Google's arguments come whole.
    except: ['gemini'],
    script: (dialect) => (call) => sendStream(call, until(dialect, firstArguments, 'call')),
    stream: 'failed',
    attempts: 1,
    check: ({ response }) =>
      expect(response.output).toMatchObject([
        { type: 'function_call', status: 'incomplete', arguments: callArguments.slice(0, callArguments.length >> 1) },
      ]),
  },
  ...retryAfterCases,
  ...statusCases,
  ...['401 Unauthorized', '403 Forbidden'].map((status) => ({
    name: `F-27 ${status}: the credential is the gateway's, not the client's`,
    script: () => refuse(status, errorBody(`invalid x-api-key ${upstreamKey}`, 'authentication_error')),
    ...both({ status: 502, code: 'upstream_auth' }),
    attempts: 1,
    check: expectFree,
  })),
  ...emptySuccesses,
  {
    name: 'F-30 a stream was asked for, and a whole answer came',
    script: (dialect) => (call) => sendBody(call, plainOf(dialect)),
    stream: 'completed',
    attempts: 1,
    check: expectSaid,
  },
  {
    name: 'F-30 a whole answer was asked for, and a stream came',
    script: (dialect) => (call) => sendStream(call, framesOf(dialect).join('')),
    plain: 'completed',
    attempts: 1,
    check: expectSaid,
  },
  ...redirects,
  ...streamRules,
  {
    name: 'F-32 data that is not JSON',
    script: (dialect) => (call) => sendStream(call, `${until(dialect, firstHalf)}data: not json\n\ndata: nor this\n\n`),
    stream: 'failed',
    attempts: 1,
    check(outcome) {
      expectPartial(outcome);
      expect(outcome.text).not.toContain('not json');
    },
  },
  {
    name: 'F-36 everything comes twice',
    // There is no marker that what comes after it could be told by.
    except: ['gemini'],
    script: (dialect) => (call) => sendStream(call, framesOf(dialect).join('').repeat(2)),
    stream: 'completed',
    attempts: 1,
    check: expectSaid,
  },
  {
    name: 'F-41 compressed without being asked',
    script: (dialect) => (call) => {
      const isStream = call.body.stream === true;
      const body = gzipSync(isStream ? framesOf(dialect).join('') : plainOf(dialect));
      const head = headOf('200 OK', {
        'content-type': isStream ? 'text/event-stream' : 'application/json',
        'content-encoding': 'gzip',
        'content-length': String(body.length),
      });
      call.socket.write(Buffer.concat([Buffer.from(head), body]));
    },
    ...both(invalid),
  },
  {
    name: 'F-41 64 MB of zeros, compressed',
    script: () => (call) => {
      const body = gzipSync(Buffer.alloc(64 * 1024 * 1024));
      const head = headOf('200 OK', { 'content-encoding': 'gzip', 'content-length': String(body.length) });
      call.socket.write(Buffer.concat([Buffer.from(head), body]));
    },
    ...both(invalid),
  },
  ...strangeHeads,
  {
    name: 'a first attempt that fails before anything was shown is made good by the second',
    script: (dialect) => (call, number) => {
      if (number === 1) refuse('529 Overloaded', errorBody('x', 'overloaded_error'))(call, number);
      else answerWell(dialect)(call, number);
    },
    stream: 'completed',
    plain: 'completed',
    attempts: 2,
    check: expectSaid,
  },
  {
    name: 'a stream that ends after its beginning is tried again under the same id',
    // Google's first chunk is the first of the answer.
    except: ['gemini'],
    script: (dialect) => (call, number) => {
      if (number === 1) sendStream(call, framesOf(dialect)[0] ?? '');
      else answerWell(dialect)(call, number);
    },
    stream: 'completed',
    attempts: 2,
    check: expectSaid,
  },
  {
    name: 'F-09 a stream whose chunks split lines, characters and CRLF pairs',
    script: (dialect) => (call) => {
      beginStream(call);
      const bytes = Buffer.from(framesOf(dialect).join('').replaceAll('\n', '\r\n'));
      const pieces: Buffer[] = [];
      for (let at = 0; at < bytes.length; at += 3) pieces.push(chunkOf(bytes.subarray(at, at + 3)));
      call.socket.write(Buffer.concat([...pieces, Buffer.from(lastChunk)]));
    },
    stream: 'completed',
    attempts: 1,
    check: expectSaid,
  },
];
