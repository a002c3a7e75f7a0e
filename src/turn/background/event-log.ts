import { GatewayError } from '../../core/errors.ts';
import { keepAliveComment, sseDone } from '../../sse/write.ts';
import type { EventBatch } from '../../store/event-batch.ts';
import type { BackgroundRun, TurnSink } from '../turn.ts';

export interface EventLogOptions {
  /** Of the first event that is written. */
  firstSequence: number;
  /** Stores a batch for every reader; false: the run has ended, or is somebody else's. Rejects where the store does not answer. */
  append: (batch: EventBatch) => Promise<boolean>;
  /** A batch is stored. */
  onAppended: () => void;
  limits: EventLogLimits;
}

export interface EventLogLimits {
  /** How long an event waits for others at most. */
  batchMs: number;
  /** Events that are as long together do not wait. */
  batchBytes: number;
  /** More than this is not held for the store: the upstream waits. */
  maxWaitingBytes: number;
  /** Of all events of a run. */
  maxBytes: number;
}

export interface EventLog extends TurnSink, BackgroundRun {
  /** Ends the turn with this error, at whatever it is. */
  fail(error: GatewayError): void;
  /** The turn has been ended by others, or is to be: nothing more is written, and the upstream is hung up on. */
  cancel(): void;
}

/** The sink of a background turn with a stream: its events are appended to the store in batches, one at a time. */
export function createEventLog({ firstSequence, append, onAppended, limits }: EventLogOptions): EventLog {
  let next = firstSequence;
  let waiting = '';
  let waitingEvents = 0;
  /** Sent to the store, and not known to be there. */
  let sent: EventBatch | undefined;
  let sending: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let written = 0;
  let isTooLong = false;
  let closed = false;

  const failing = createFailing(() => log.onClose());
  const hasRoom = () => waiting.length + (sent?.data.length ?? 0) < limits.maxWaitingBytes;

  function take(): EventBatch | undefined {
    if (waitingEvents === 0) return undefined;
    const batch = { firstSequence: next, lastSequence: next + waitingEvents - 1, data: waiting };
    next += waitingEvents;
    waiting = '';
    waitingEvents = 0;
    return batch;
  }

  async function send(batch: EventBatch): Promise<void> {
    let wasAppended: boolean;
    try {
      wasAppended = await append(batch);
    } catch {
      // The very same again, since nobody knows whether it is there.
      return;
    }
    sent = undefined;
    if (wasAppended) onAppended();
    else log.cancel();
  }

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (sending !== undefined || closed) return;
    sent ??= take();
    if (sent === undefined) return;
    sending = send(sent).finally(() => {
      sending = undefined;
      if (closed) return;
      schedule();
      if (hasRoom()) log.onDrain();
    });
  }

  function schedule(): void {
    if (sending !== undefined || closed) return;
    if (sent === undefined && waiting.length >= limits.batchBytes) flush();
    else if (sent !== undefined || waitingEvents > 0) timer ??= setTimeout(flush, limits.batchMs);
  }

  const log: EventLog = {
    eventsWritten: firstSequence,
    get closed() {
      return closed;
    },
    start() {},
    write(text) {
      if (closed || text === keepAliveComment) return true;
      waiting += text;
      waitingEvents += countEvents(text);
      written += text.length;
      if (written > limits.maxBytes && !isTooLong) {
        isTooLong = true;
        const message = 'The response has more events than the gateway keeps for one.';
        log.fail(new GatewayError('upstream_invalid_response', message));
      }
      schedule();
      return hasRoom();
    },
    end() {
      closed = true;
    },
    onClose: () => {},
    onDrain: () => {},
    fail: failing.fail,
    get onFail() {
      return failing.listener;
    },
    set onFail(listener) {
      failing.listen(listener);
    },
    async seal(text) {
      const last = text.endsWith(sseDone) ? text.slice(0, -sseDone.length) : text;
      waiting += last;
      waitingEvents += countEvents(last);
      closed = true;
      clearTimeout(timer);
      await sending;
      return [sent, take()].filter((batch) => batch !== undefined);
    },
    cancel() {
      closed = true;
      clearTimeout(timer);
      log.onClose();
    },
  };
  return log;
}

/** The sink of a background turn whose events nobody can ask for. */
export function createDeafLog(): EventLog {
  let closed = false;
  const failing = createFailing(() => log.onClose());
  const log: EventLog = {
    eventsWritten: 0,
    get closed() {
      return closed;
    },
    start() {},
    write: () => true,
    end() {
      closed = true;
    },
    onClose: () => {},
    onDrain: () => {},
    fail: failing.fail,
    get onFail() {
      return failing.listener;
    },
    set onFail(listener) {
      failing.listen(listener);
    },
    seal() {
      closed = true;
      return Promise.resolve([]);
    },
    cancel() {
      closed = true;
      log.onClose();
    },
  };
  return log;
}

type FailureListener = (error: GatewayError) => void;

interface Failing {
  fail: FailureListener;
  listen(listener: FailureListener): void;
  readonly listener: FailureListener;
}

/** @param hangUp on what runs before anybody listens, a summary say. Whoever listens from then on is told at once. */
function createFailing(hangUp: () => void): Failing {
  let failure: GatewayError | undefined;
  let listener: FailureListener = hangUp;
  return {
    fail(error) {
      failure ??= error;
      listener(failure);
    },
    listen(next) {
      listener = next;
      if (failure !== undefined) listener(failure);
    },
    get listener() {
      return listener;
    },
  };
}

/** Each event ends with an empty line, and none has another: JSON has no line ends. */
export function countEvents(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n\n'); at !== -1; at = text.indexOf('\n\n', at + 2)) count += 1;
  return count;
}

/** The events of a batch whose numbers are above `after`. */
export function eventsAfter({ firstSequence, data }: EventBatch, after: number): string {
  let at = 0;
  for (let skipped = firstSequence; skipped <= after; skipped++) {
    const end = data.indexOf('\n\n', at);
    if (end === -1) return '';
    at = end + 2;
  }
  return data.slice(at);
}
