import { GatewayError } from '../../core/errors.ts';
import type { Transport, UpstreamCall, UpstreamListener, UpstreamRequest } from '../provider.ts';
import { answerTo } from './answer.ts';
import { checkRequest } from './check-request.ts';
import type { RefusedRequest } from './check-request.ts';
import { createSigner } from './signature.ts';
import type { Signer } from './signature.ts';
import { messageJson, streamFrames } from './stream.ts';

interface SimulatorOptions {
  /** Two simulators with different keys refuse one another's thinking. */
  signingKey?: string;
}

interface Reply {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** How long the reads are, in turn: many frames, one, a piece of one, a single byte; never where a frame happens to end. */
const readBytes = [211, 7, 503, 1, 96, 333, 64, 1021];

/**
 * Answers in-process as `api.anthropic.com` would over a socket: asynchronously, in several reads that end anywhere.
 * Everything it says follows from the request.
 */
export function createSimulatorTransport({ signingKey = 'turnpike-simulator' }: SimulatorOptions = {}): Transport {
  const signer = createSigner(signingKey);
  return {
    send: (request, listener) => deliver(() => replyTo(request, signer), listener),
    close: () => Promise.resolve(),
  };
}

function replyTo({ path, headers, body }: UpstreamRequest, signer: Signer): Reply {
  const lowerCase = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const checked = checkRequest({ path, headers: lowerCase, body }, signer);
  if (checked.refused !== undefined) return refusalReply(checked.refused);
  const answer = answerTo(checked.request, checked.turns, signer);
  const isStream = checked.request.stream === true;
  return {
    status: 200,
    headers: {
      'content-type': isStream ? 'text/event-stream; charset=utf-8' : 'application/json',
      'request-id': requestIdFor(answer.id),
    },
    body: Buffer.from(isStream ? streamFrames(answer).join('') : messageJson(answer)),
  };
}

function refusalReply({ status, type, message }: RefusedRequest): Reply {
  const requestId = requestIdFor('msg_01refused');
  const body = JSON.stringify({ type: 'error', error: { type, message }, request_id: requestId });
  return { status, headers: { 'content-type': 'application/json', 'request-id': requestId }, body: Buffer.from(body) };
}

function requestIdFor(messageId: string): string {
  return messageId.replace('msg_01', 'req_011');
}

/** Runs `reply` on a later turn of the event loop, then hands over one read a turn. */
function deliver(makeReply: () => Reply, listener: UpstreamListener): UpstreamCall {
  let isPaused = false;
  let isOver = false;
  let isScheduled = false;
  let reply: Reply | undefined;
  let offset = 0;
  let reads = 0;

  const schedule = (): void => {
    if (isPaused || isOver || isScheduled) return;
    isScheduled = true;
    setImmediate(step);
  };
  const step = (): void => {
    isScheduled = false;
    if (isPaused || isOver) return;
    if (reply === undefined) begin();
    else if (offset < reply.body.length) read(reply.body);
    else {
      isOver = true;
      listener.onEnd();
    }
    schedule();
  };
  const begin = (): void => {
    try {
      reply = makeReply();
    } catch (cause) {
      isOver = true;
      listener.onError(new GatewayError('internal_error', 'The simulator failed.', { cause }));
      return;
    }
    listener.onHeaders(reply.status, reply.headers);
  };
  const read = (body: Buffer): void => {
    const end = offset + (readBytes[reads % readBytes.length] ?? 1);
    const chunk = body.subarray(offset, end);
    offset = end;
    reads += 1;
    listener.onData(chunk);
  };

  schedule();
  return {
    pause() {
      isPaused = true;
    },
    resume() {
      isPaused = false;
      schedule();
    },
    abort() {
      isOver = true;
    },
  };
}
