import type { ErrorCode } from '../core/errors.ts';
import type { EventBatch } from './event-batch.ts';
import type { FileStore } from './file-store.ts';
import type { AttemptStart, KeyHolder, Store, TurnIntent, TurnStatus } from './store.ts';

/** A background turn that is to wait until a process has room for it. */
export interface QueuedIntent extends Omit<TurnIntent, 'attempt'> {
  run: {
    /** False: nobody can follow its stream, and its events are not kept. */
    streamed: boolean;
    /** JSON of the client's request, without its input, which the turn's items are. Kept until the run has ended. */
    body: string;
    events: EventBatch[];
  };
}

/** A queued turn with what is needed to run it, in any process. */
export interface StoredRun {
  /** Who queued it. */
  owner: string;
  epoch: number;
  createdAtMs: number;
  sessionId: string;
  keyId: string;
  /** Those of its key's and its team's budgets that have a limit now, whatever they had when it was queued. */
  budgetIds: string[];
  streamed: boolean;
  body: string;
  lastSequence: number;
  /** Its key was blocked or deleted since. */
  isRevoked: boolean;
}

export interface RunStart {
  id: string;
  /** As `StoredRun` has them: of several processes that start a run at once, one does. */
  queuedBy: string;
  epoch: number;
  /** Who runs it from now on. */
  owner: string;
  head: string;
  attempt: AttemptStart;
}

/** Why a queued turn could not be run. */
export interface QueuedFault {
  /** As its client reads it. */
  code: string;
  message: string;
  /** A code of our own table. There is no attempt whose row could say it. */
  reason: ErrorCode;
}

/** `synchronous`: the turn is not a background one. */
export type CancelOutcome = 'cancelled' | 'ended' | 'synchronous';

/** A part of a run's events. */
export interface EventPage {
  status: TurnStatus;
  sessionId: string;
  /** Undefined: not a background turn. */
  streamed: boolean | undefined;
  /** Undefined: it has not ended. */
  endedAtMs: number | undefined;
  /** The events are gone. */
  expired: boolean;
  /** Those that hold events after the one that was asked for, oldest first; some of them, where there are many. */
  batches: EventBatch[];
  /** More are there. */
  hasMore: boolean;
}

/** One tenant's background turns. An id that is somebody else's answers as one that does not exist. */
export interface TenantRuns {
  /** As `beginTurn`, for a turn that is to run later. Durable against power loss when it resolves. */
  queue(intent: QueuedIntent): Promise<KeyHolder | undefined>;
  /** How many turns wait, counted up to `atMost`. */
  countQueued(atMost: number): Promise<number>;
  /** Undefined: it is not queued, or not any more. */
  readQueued(id: string): Promise<StoredRun | undefined>;
  /** Begins the first attempt. False: somebody else has, or the turn was cancelled. */
  start(start: RunStart): Promise<boolean>;
  /** Ends a queued turn that cannot be run. False: it is not queued any more. */
  failQueued(id: string, run: StoredRun, fault: QueuedFault, nowMs: number): Promise<boolean>;
  /** Cancels a turn that waits and has become too old to be run. No client can ask for it any more. False: it is none. */
  cancelAged(id: string, nowMs: number): Promise<boolean>;
  /** May be repeated. False: the turn is not this owner's any more, or has ended, and nothing was written. */
  append(id: string, owner: string, batch: EventBatch): Promise<boolean>;
  /** Undefined: there is no such response. */
  cancel(id: string, nowMs: number): Promise<CancelOutcome | undefined>;
  /** An attempt has not ended: what it wrote may still come, though the turn has been cancelled. */
  isAtWork(id: string): Promise<boolean>;
  /** Events with a sequence number above `after`. Undefined: there is no such response. */
  readEvents(id: string, after: number): Promise<EventPage | undefined>;
}

/** Background turns of all tenants, for the process that runs them. */
export interface RunStore {
  forTenant(tenant: string): TenantRuns;
  /** The turn of each tenant that has waited longest. */
  listQueued(): Promise<{ tenant: string; id: string }[]>;
  /** Ids of the turns that this owner runs, as the store has it. */
  listRunning(owner: string): Promise<string[]>;
  /** Drops the events of some runs that ended before this time. @returns of how many. */
  expireEvents(endedBeforeMs: number): Promise<number>;
}

/** A store that holds background turns and files too. */
export interface FullStore extends Store {
  readonly runs: RunStore;
  readonly files: FileStore;
}
