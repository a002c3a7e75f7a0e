import type { ResponseStatus } from '../core/response.ts';

/** A state machine written down: every state names what every event does to it; null is an illegal move. */
export type Lifecycle<State extends string, Event extends string> = Record<State, Record<Event, State | null>>;

/** @throws Error on an illegal move: a fault of ours, found here and not by the client's parser. */
export function move<State extends string, Event extends string>(
  lifecycle: Lifecycle<State, Event>,
  state: State,
  event: Event,
): State {
  const next = lifecycle[state][event];
  if (next === null) throw new Error(`illegal move: ${event} while ${state}`);
  return next;
}

export type ResponseEvent = 'start' | 'complete' | 'cut' | 'fail' | 'cancel';

/** A response ends once. `cut`: stopped by a limit or a filter, with what there is. Background responses begin queued. */
export const responseLifecycle: Lifecycle<ResponseStatus, ResponseEvent> = {
  queued: { start: 'in_progress', complete: null, cut: null, fail: 'failed', cancel: 'cancelled' },
  in_progress: { start: null, complete: 'completed', cut: 'incomplete', fail: 'failed', cancel: 'cancelled' },
  completed: { start: null, complete: null, cut: null, fail: null, cancel: null },
  incomplete: { start: null, complete: null, cut: null, fail: null, cancel: null },
  failed: { start: null, complete: null, cut: null, fail: null, cancel: null },
  cancelled: { start: null, complete: null, cut: null, fail: null, cancel: null },
};

export type ItemState = 'open' | 'writing' | 'done';
export type ItemEvent = 'part-start' | 'delta' | 'annotation' | 'part-end' | 'event' | 'end';

/** Messages and reasoning: text is written into parts, one at a time. */
export const partedItemLifecycle: Lifecycle<ItemState, ItemEvent> = {
  open: { 'part-start': 'writing', delta: null, annotation: null, 'part-end': null, event: 'open', end: 'done' },
  writing: {
    'part-start': null,
    delta: 'writing',
    annotation: 'writing',
    'part-end': 'open',
    event: 'writing',
    end: null,
  },
  done: { 'part-start': null, delta: null, annotation: null, 'part-end': null, event: null, end: null },
};

/** Calls, extensions and native items: one run of text or events, no parts. */
export const plainItemLifecycle: Lifecycle<ItemState, ItemEvent> = {
  open: { 'part-start': null, delta: 'writing', annotation: null, 'part-end': null, event: 'writing', end: 'done' },
  writing: { 'part-start': null, delta: 'writing', annotation: null, 'part-end': null, event: 'writing', end: 'done' },
  done: { 'part-start': null, delta: null, annotation: null, 'part-end': null, event: null, end: null },
};

export type TurnState = 'begun' | 'announced' | 'shown' | 'ended' | 'committed' | 'lost';
export type TurnEvent = 'announce' | 'show' | 'retry' | 'end' | 'commit' | 'lose';

/**
 * A turn from its intent on. `announced`: the client has the headers and the response's id, and another attempt may still
 * be made; `shown`: it has seen part of an item, and none may. `lost`: the store did not take the end.
 */
export const turnLifecycle: Lifecycle<TurnState, TurnEvent> = {
  begun: { announce: 'announced', show: null, retry: 'begun', end: 'ended', commit: null, lose: null },
  announced: { announce: null, show: 'shown', retry: 'announced', end: 'ended', commit: null, lose: null },
  shown: { announce: null, show: 'shown', retry: null, end: 'ended', commit: null, lose: null },
  ended: { announce: null, show: null, retry: null, end: null, commit: 'committed', lose: 'lost' },
  committed: { announce: null, show: null, retry: null, end: null, commit: null, lose: null },
  lost: { announce: null, show: null, retry: null, end: null, commit: null, lose: null },
};
