import { GatewayError } from '../core/errors.ts';
import type { Warning } from '../core/warning.ts';
import type { Reply, StreamEncoder } from '../protocols/codec.ts';
import { keepAliveComment } from '../sse/write.ts';
import type { EventBatch } from '../store/event-batch.ts';
import { move, turnLifecycle } from './lifecycle.ts';
import type { AttemptRun } from './send-attempt.ts';
import type { Turn, TurnCall, TurnDependencies } from './turn.ts';

const nothing = (): void => {};

/** The client's side of a turn: when the headers leave, what is written, and what keeps the line alive meanwhile. */
export interface Answer {
  /** Undefined: the client asked for a plain answer. */
  readonly encoder: StreamEncoder | undefined;
  /** Ties the client to the attempt that serves it: a client that leaves hangs up on it, one that reads slowly slows it. */
  follow(run: AttemptRun, warnings: Warning[]): void;
  /** Adds what the reply itself gave cause for. A stream's headers have left by then: it is told in a comment before the end. */
  warn(warnings: Warning[]): void;
  /** The reply ends in the upstream's own words: with what this gives, where it has ended well. */
  endWith(text: (reply: Reply) => string): void;
  /** Sends the headers and the beginning of the stream, if they have not left yet. */
  announce(): void;
  /** @returns false: the client can't take more now. */
  write(text: string, isPartOfItem: boolean): boolean;
  /** Of a background turn that has ended: the events that are to be stored with its end. */
  seal(): Promise<EventBatch[] | undefined>;
  /** @throws GatewayError the very error, where the client has got no headers yet. */
  finish(error: GatewayError | undefined): void;
  /** Stops the keep-alive and lets go of the client, however the turn ended. */
  release(): void;
}

/**
 * No function is written straight into a property here: V8 takes one for a method that will live long, and allocates it in its
 * old generation, from where it keeps the whole turn alive until the next full collection.
 * @see docs/decisions/2026-11-30-functions-in-properties.md
 */
export function createAnswer(
  { nowMs, limits, log }: TurnDependencies,
  { request, client, sink, background }: TurnCall,
  turn: Turn,
): Answer {
  const encoder = request.stream ? client.createStreamEncoder(background?.eventsWritten) : undefined;
  const openedAtMs = nowMs();
  let run: AttemptRun | undefined;
  let warnings: Warning[] = [];
  /** Those that came when the headers had left. */
  let late: Warning[] = [];
  let quiet = true;

  /** Warnings name parameters as the client spells them. */
  function named(given: Warning[]): Warning[] {
    return given.map(({ param, message }) => ({ param: client.paramName?.(param, request) ?? param, message }));
  }

  function announce(): void {
    if (encoder === undefined || turn.state !== 'begun') return;
    // What can go wrong does before the state says that the headers have left.
    const beginning = encoder.begin(turn.reply);
    sink.start(answerHeaders(turn, named(warnings), 'text/event-stream; charset=utf-8'));
    turn.state = move(turnLifecycle, turn.state, 'announce');
    turn.announced = true;
    sink.write(beginning);
  }

  function keepAlive(): void {
    if (encoder !== undefined) {
      if (turn.state === 'begun') announce();
      else if (quiet && turn.announced) sink.write(client.keepAlive ?? keepAliveComment);
      quiet = true;
    }
    const now = nowMs();
    if (run === undefined) return;
    if (now - run.lastEventAtMs() > limits.stallMs) run.fail(timedOut('The upstream stalled.'));
    else if (now - openedAtMs > limits.totalMs) run.fail(timedOut('The upstream took longer than the gateway waits.'));
  }

  const timer = setInterval(() => {
    try {
      keepAlive();
    } catch (cause) {
      // Nobody stands above a timer: a fault of ours ends the attempt, not the process.
      run?.fail(new GatewayError('internal_error', 'The gateway could not keep the answer going.', { cause }));
    }
  }, limits.keepAliveMs);
  timer.unref();

  const cancel = () => run?.cancel();
  const resume = () => run?.resume();
  sink.onClose = cancel;
  sink.onDrain = resume;
  let failure: GatewayError | undefined;
  let ownEnd: ((reply: Reply) => string) | undefined;
  if (background !== undefined) {
    const fail = (error: GatewayError) => {
      failure ??= error;
      run?.fail(failure);
    };
    background.onFail = fail;
  }

  return {
    encoder,
    follow(next, nextWarnings) {
      run = next;
      warnings = nextWarnings;
      // Its client has had an answer, and nobody waits for headers.
      if (background !== undefined) announce();
      if (failure !== undefined) next.fail(failure);
    },
    warn(more) {
      if (more.length === 0) return;
      warnings = [...warnings, ...more];
      if (!turn.announced) return;
      late = [...late, ...more];
      log.warn({ responseId: turn.id, warnings: more }, 'the reply could not be read whole');
    },
    endWith(text) {
      ownEnd = text;
    },
    announce,
    write(text, isPartOfItem) {
      if (text === '') return true;
      if (isPartOfItem) turn.state = move(turnLifecycle, turn.state, 'show');
      quiet = false;
      return sink.write(text);
    },
    seal: async () => background?.seal(encoder?.end(turn.reply) ?? ''),
    finish(error) {
      if (sink.closed) return;
      const { reply } = turn;
      const unsaid = error === undefined && ownEnd === undefined ? (client.unsaid?.(reply) ?? []) : [];
      if (turn.announced) {
        const end = error === undefined && ownEnd !== undefined ? ownEnd(reply) : (encoder?.end(reply, error) ?? '');
        sink.end(warningsComment(named([...late, ...unsaid])) + end);
        return;
      }
      if (error !== undefined) throw turn.spent ? error.asSpent() : error;
      const body = ownEnd?.(reply) ?? client.encodeReply(reply);
      const headers = answerHeaders(turn, named([...warnings, ...unsaid]), 'application/json; charset=utf-8');
      headers['content-length'] = String(Buffer.byteLength(body));
      sink.start(headers);
      sink.end(body);
    },
    release() {
      clearInterval(timer);
      sink.onClose = nothing;
      sink.onDrain = nothing;
    },
  };
}

/** What a header would have said, where every reader of event streams passes over it. */
function warningsComment(warnings: Warning[]): string {
  return warnings.length === 0 ? '' : `: x-turnpike-warnings: ${warningsHeader(warnings)}\n\n`;
}

function timedOut(message: string): GatewayError {
  return new GatewayError('upstream_timeout', message);
}

const maxWarningsHeaderLength = 4096;

export function answerHeaders(
  { sessionId }: Pick<Turn, 'sessionId'>,
  warnings: Warning[],
  contentType: string,
): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': contentType, 'x-turnpike-session-id': sessionId };
  if (contentType.startsWith('text/event-stream')) headers['cache-control'] = 'no-cache';
  if (warnings.length > 0) headers['x-turnpike-warnings'] = warningsHeader(warnings);
  return headers;
}

/** A JSON array in ASCII, since a header carries nothing else; what does not fit is counted. */
export function warningsHeader(warnings: Warning[]): string {
  const shown: string[] = [];
  // Each field that a client makes up is a warning: those that cannot fit are not even written.
  for (let length = 1; length <= maxWarningsHeaderLength && shown.length < warnings.length;) {
    const text = asciiJson(warnings[shown.length]);
    length += text.length + 1;
    shown.push(text);
  }
  for (;;) {
    const rest = warnings.length - shown.length;
    const listed = rest === 0 ? shown : [...shown, asciiJson({ param: '', message: `${rest} more` })];
    const text = `[${listed.join(',')}]`;
    if (text.length <= maxWarningsHeaderLength || shown.length === 0) return text;
    shown.pop();
  }
}

function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
