import { type ErrorCode, errorKinds, GatewayError } from '../core/errors.ts';
import { endPatience } from '../store/patience.ts';
import type { Reply } from '../protocols/codec.ts';
import { keepAliveComment } from '../sse/write.ts';
import type { KeyHolder, StoredResponse } from '../store/store.ts';
import { answerHeaders } from './answer.ts';
import { type BegunSink, begunSink } from './begun-sink.ts';
import { inClientsWords } from './in-clients-words.ts';
import { claimOf } from './open-turn.ts';
import { replayReply, storedReply } from './replay-reply.ts';
import type { Turn, TurnCall, TurnDependencies } from './turn.ts';

/** How the turn that holds the key ended. `freed`: without an answer to keep, so that the key is free again. */
type HeldEnd = HeldAnswer | 'freed';

interface HeldAnswer {
  reply: Reply;
  sessionId: string;
  /** What a client without headers was told. */
  error: GatewayError | undefined;
}

export const replayHeader = { 'x-turnpike-idempotent-replay': 'true' };

/**
 * Answers with the response of the turn that holds the call's idempotency key, once that has ended.
 * @param again runs the call, where the key has been freed meanwhile.
 * @throws GatewayError 400 where the key belongs to another request, or its answer was not kept.
 */
export async function answerAgain(
  dependencies: TurnDependencies,
  call: TurnCall,
  { turnId, bodyHash }: KeyHolder,
  again: (dependencies: TurnDependencies, call: TurnCall) => Promise<void>,
): Promise<void> {
  const { request, client, sink, idempotency } = call;
  if (bodyHash !== idempotency?.bodyHash) throw keyMismatch();
  endPatience();
  const encoder = request.stream ? client.createStreamEncoder() : undefined;
  let begun: BegunSink | undefined;
  const timer = setInterval(() => {
    if (encoder === undefined || begun?.started === true) return;
    if (begun === undefined) {
      sink.start({ ...streamHeaders, ...replayHeader });
      begun = begunSink(sink);
    }
    sink.write(client.keepAlive ?? keepAliveComment);
  }, dependencies.limits.keepAliveMs);
  timer.unref();
  try {
    const end = await endOf(dependencies, call, turnId);
    if (end === undefined || sink.closed) return;
    const line = begun ?? sink;
    if (end === 'freed') {
      // A stream that lives goes on to say so, until the run does.
      if (begun === undefined) clearInterval(timer);
      await again(dependencies, { ...call, sink: line });
      return;
    }

    const { reply, sessionId, error } = end;
    const isStreamed = encoder !== undefined && (begun !== undefined || reply.output.length > 0);
    if (error !== undefined && !isStreamed) throw error;
    const body = encoder === undefined ? client.encodeReply(reply) : replayReply(encoder, reply);
    const contentType = encoder === undefined ? 'application/json' : 'text/event-stream';
    const headers = answerHeaders({ sessionId }, [], `${contentType}; charset=utf-8`);
    if (encoder === undefined) headers['content-length'] = String(Buffer.byteLength(body));
    line.start({ ...headers, ...replayHeader });
    line.end(body);
  } catch (thrown) {
    // Its client has been told 200, and nothing since: what would have been an answer of its own is the end of the stream.
    const isUntold = encoder !== undefined && begun?.started === false;
    if (!isUntold) throw thrown;
    const error = thrown instanceof GatewayError ? thrown : unforeseen(dependencies, turnId, thrown);
    sink.end(encoder.error(inClientsWords(error, call)));
  } finally {
    clearInterval(timer);
  }
}

/** @param turnId of the turn that was waited for: the client knows no other id. */
function unforeseen({ log }: TurnDependencies, turnId: string, cause: unknown): GatewayError {
  log.error({ responseId: turnId, err: cause }, 'a repeated request failed for an unforeseen reason');
  const message = `The gateway failed on this request. Its log tells why, under ${turnId}.`;
  return new GatewayError('internal_error', message, { cause });
}

/**
 * What is wrong with a request may be that it comes again: its first coming has moved its conversation on, or is writing to it, has
 * spent the budget, or waits in a queue that is full with it. Or what it named has been deleted since.
 * @returns who holds the call's idempotency key.
 * @throws the error, where nobody does.
 */
export async function holderBehind(
  { nowMs }: TurnDependencies,
  call: Pick<TurnCall, 'store' | 'idempotency'>,
  error: unknown,
): Promise<KeyHolder> {
  const claim = claimOf(call, nowMs());
  const isRefused = error instanceof GatewayError && error.status < 500;
  if (!isRefused || claim === undefined) throw error;
  const holder = await call.store.readKeyHolder(claim);
  if (holder === undefined) throw error;
  return holder;
}

const streamHeaders = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };

const firstPauseMs = 50;
const longestPauseMs = 500;

/**
 * From memory where the turn runs in this process, else from the store, which is asked until it knows.
 * @returns undefined where nobody waits for it any more.
 */
async function endOf(
  { nowMs, limits }: TurnDependencies,
  { request, store, sink, idempotency }: TurnCall,
  turnId: string,
): Promise<HeldEnd | undefined> {
  const turn = await idempotency?.find(turnId);
  if (turn?.state === 'committed' || turn?.state === 'lost') return endOfTurn(turn);
  const giveUpAtMs = nowMs() + limits.totalMs;
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    const stored = await store.readResponse(turnId);
    if (stored === undefined) throw resultNotKept();
    if (stored.status !== 'in_progress') {
      return stored.status === 'cancelled' ? 'freed' : endOfStored(storedReply(request, stored), stored);
    }
    if (sink.closed) return undefined;
    if (nowMs() >= giveUpAtMs) {
      throw new GatewayError('upstream_timeout', 'The request with the same Idempotency-Key has not ended in time.');
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

function endOfTurn({ reply, sessionId, error, spent }: Turn): HeldEnd {
  if (reply.state.status === 'cancelled') return 'freed';
  return { reply, sessionId, error: spent ? error?.asSpent() : error };
}

function endOfStored(reply: Reply, { sessionId, status, head, errorCode }: StoredResponse): HeldEnd {
  if (status !== 'failed') return { reply, sessionId, error: undefined };
  if (errorCode === undefined || errorCode === null) return 'freed';
  const code = isErrorCode(errorCode) ? errorCode : 'internal_error';
  const { usage } = JSON.parse(head) as { usage: unknown };
  const message = reply.state.error?.message ?? 'The response failed.';
  return { reply, sessionId, error: new GatewayError(code, message, { spent: usage !== null }) };
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorKinds, code);
}

export function keyMismatch(): GatewayError {
  const message = 'This Idempotency-Key was used with another request. Use a new key for a new request.';
  return new GatewayError('idempotency_key_mismatch', message, { param: 'Idempotency-Key', spent: true });
}

export function resultNotKept(): GatewayError {
  const message =
    'The request with this Idempotency-Key was made, and its response is not kept (store: false, or deleted).';
  return new GatewayError('idempotency_result_not_kept', message, { param: 'Idempotency-Key', spent: true });
}
