import { GatewayError } from '../core/errors.ts';
import type { UpstreamEvent } from '../core/events.ts';
import { createPieces, type Pieces } from '../core/pieces.ts';
import { crashPoint } from '../crash-point.ts';
import type { StreamDecoder } from '../protocols/codec.ts';
import { createSseParser, type SseParser } from '../sse/parse.ts';
import type { UpstreamCall, UpstreamListener } from '../providers/provider.ts';
import type { Assembler } from './assembler.ts';
import { errorWithoutCredential, lentRefused, withoutCredential } from './lend-credential.ts';
import type { AttemptResult, PreparedAttempt } from './turn.ts';

/** Where the reply goes while it comes. */
export interface AttemptListener {
  onEvent(event: UpstreamEvent): void;
  /** The upstream has begun to answer well. Called at most once, before anything but its bill is assembled. */
  onBegin(): void;
  /** A frame of a stream was decoded and assembled. @param text as the parser gives it. */
  onFrame(event: string, data: string, text: string | undefined): void;
  /** Something of the reply was assembled. False: the client can't take more now; call `resume` when it can. */
  onProgress(): boolean;
}

export interface AttemptRun {
  /** Resolves when the upstream is done with, whatever became of it. Never rejects. */
  done: Promise<AttemptResult>;
  resume(): void;
  /** The client left: the upstream is hung up on. */
  cancel(): void;
  /** Ends the attempt with this error: a limit was passed. */
  fail(error: GatewayError): void;
  /** Time of the last event that was more than a sign of life. */
  lastEventAtMs(): number;
}

const maxReplyBytes = 256 * 1024 * 1024;
const maxRawReplyBytes = 64 * 1024;

/** A job of a promise costs a third of what `queueMicrotask` does, which makes a resource of it. */
const behindRead = Promise.resolve();

/**
 * Sends one attempt and tells of its reply as it comes: step 7 and 8 of a request's path.
 * @param assembler what the events are assembled by, which knows when they have said all.
 */
export function sendAttempt(
  { deployment, codec, encoded, upstream }: PreparedAttempt,
  assembler: Pick<Assembler, 'end'>,
  listener: AttemptListener,
  nowMs: () => number,
): AttemptRun {
  const { transport } = deployment.provider;
  const raw = createTail(maxRawReplyBytes);
  let settle: (result: AttemptResult) => void = () => {};
  const done = new Promise<AttemptResult>((resolve) => {
    settle = resolve;
  });
  let settled = false;
  let sent = true;
  let begun = false;
  let status = 0;
  let headers: Record<string, string | undefined> = {};
  let stream: { parser: SseParser; decoder: StreamDecoder } | undefined;
  let body: Pieces | undefined;
  /** Of a stream: what came and was not decoded yet. */
  let received: Buffer[] | undefined;
  let plainReply: string | undefined;
  let replyBytes = 0;
  let firstTokenAtMs: number | undefined;
  let receivedAtMs = nowMs();
  let lastEventAtMs = receivedAtMs;

  function finish(outcome: AttemptResult['outcome'], error?: GatewayError): void {
    if (settled) return;
    settled = true;
    const rawReply = error === undefined ? '' : withoutCredential(raw.text(), upstream, deployment);
    const safe = error && errorWithoutCredential(error, upstream, deployment);
    settle({ outcome, sent, answered: begun, error: safe, firstTokenAtMs, rawReply, body: plainReply });
  }

  function fail(error: GatewayError): void {
    call.abort();
    finish('failed', error);
  }

  function emit(event: UpstreamEvent): void {
    lastEventAtMs = receivedAtMs;
    // A usage alone is the bill of what is no answer.
    if (!begun && event.type !== 'error' && event.type !== 'usage') {
      begun = true;
      listener.onBegin();
      crashPoint('first-byte');
    }
    if (event.type === 'item-delta') firstTokenAtMs ??= lastEventAtMs;
    listener.onEvent(event);
  }

  /** Runs what decodes and assembles; a fault of ours in there ends the attempt, not the process. */
  function guarded(step: () => void): void {
    receivedAtMs = nowMs();
    try {
      step();
    } catch (cause) {
      fail(
        cause instanceof GatewayError
          ? cause
          : new GatewayError('internal_error', 'The gateway could not process the reply.', { cause }),
      );
    }
  }

  /** The reply has said its last word: what remains is to hear the connection out, which nobody needs to wait for. */
  function settleIfEnded(): void {
    const { end } = assembler;
    if (end === undefined) return;
    crashPoint('terminal-seen');
    if (end.error !== undefined) fail(end.error);
    else finish('ended');
  }

  function wholeBody(): string {
    const text = body?.whole().toString('utf8') ?? '';
    body = undefined;
    return text;
  }

  function beginStream(): void {
    const decoder = codec.createStreamDecoder(encoded.decode);
    const parser = createSseParser((event, data, text) => {
      if (settled) return;
      decoder.frame(event, data, emit);
      listener.onFrame(event, data, text);
    });
    stream = { parser, decoder };
  }

  /**
   * The frames that one read of the connection has brought come one by one, within one run of code. They are decoded
   * behind it, so that all that is written for them leaves at once.
   */
  function decodeReceived(): void {
    if (received === undefined || stream === undefined || settled) return;
    const { parser } = stream;
    const [first] = received;
    const bytes = received.length === 1 && first !== undefined ? first : Buffer.concat(received);
    received = undefined;
    guarded(() => {
      parser.push(bytes);
      const hasRoom = listener.onProgress();
      settleIfEnded();
      // Nobody would resume a reply that has ended: its connection would be held for ever.
      if (!hasRoom && !settled) call.pause();
    });
  }

  const replies: UpstreamListener = {
    onHeaders(receivedStatus, receivedHeaders) {
      status = receivedStatus;
      headers = receivedHeaders;
      const isStream = (headers['content-type'] ?? '').toLowerCase().startsWith('text/event-stream');
      if (status === 200 && isStream) beginStream();
    },
    onData(chunk) {
      if (settled) return;
      raw.push(chunk);
      replyBytes += chunk.length;
      if (replyBytes > maxReplyBytes) {
        fail(new GatewayError('upstream_invalid_response', 'The upstream sent more than the gateway takes.'));
        return;
      }
      if (stream === undefined) {
        body ??= createPieces();
        body.push(chunk);
        return;
      }
      if (received !== undefined) {
        received.push(chunk);
        return;
      }
      received = [chunk];
      void behindRead.then(decodeReceived);
    },
    onEnd() {
      decodeReceived();
      if (settled) return;
      guarded(() => {
        if (stream !== undefined) {
          stream.parser.end();
          stream.decoder.end(emit);
        } else if (status === 200) {
          plainReply = wholeBody();
          codec.decodeResponse(plainReply, encoded.decode, emit);
        } else {
          finish('failed', lentRefused(codec.decodeError(status, headers, wholeBody()), deployment));
          return;
        }
        listener.onProgress();
        settleIfEnded();
        if (settled) return;
        fail(new GatewayError('upstream_stream_broken', 'The upstream closed before its reply was complete.'));
      });
    },
    onError(error) {
      decodeReceived();
      finish('failed', error);
    },
  };

  let call: UpstreamCall = { pause() {}, resume() {}, abort() {} };
  try {
    call = transport.send(upstream, replies);
  } catch (cause) {
    // A proxy's address that is none, say. The turn has begun, and must end.
    sent = false;
    finish('failed', new GatewayError('internal_error', 'The upstream request failed inside the gateway.', { cause }));
  }
  crashPoint('upstream-sent');

  return {
    done,
    resume: () => call.resume(),
    cancel() {
      call.abort();
      finish('cancelled');
    },
    fail,
    lastEventAtMs: () => lastEventAtMs,
  };
}

/** Keeps a copy of the last bytes of a stream: a chunk holds what was read with it. */
function createTail(maxBytes: number): { push(chunk: Buffer): void; text(): string } {
  const pieces = createPieces(0);
  return {
    push(chunk) {
      pieces.push(chunk.length > maxBytes ? chunk.subarray(-maxBytes) : chunk);
      pieces.forgetBefore(maxBytes);
    },
    text: () => pieces.whole().subarray(-maxBytes).toString('utf8'),
  };
}
