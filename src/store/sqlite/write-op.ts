import type { ClaimOutcome } from '../begin-outcome.ts';
import type { LeaseHolder } from '../budget-script.ts';
import type { Lease, LeaseAsk } from '../budget-store.ts';
import type { ConversationWrite } from '../conversation-sql.ts';
import type { AppendWrite } from '../create-conversation-store.ts';
import type { KeyWrite } from '../key-sql.ts';
import type { ConversationLink } from '../conversation-store.ts';
import type { SqlValue } from '../rows.ts';
import type { Step } from '../run-sql.ts';
import type { CommitOutcome, TurnStatus } from '../store.ts';
import type { EngineFailure } from './store-error.ts';

/**
 * What the writer thread can be asked for: flat rows, since every object is copied between the threads. Row fields are
 * parameters of the statement of the same name in sql.ts.
 */
export type WriteOp =
  | {
      kind: 'begin';
      /** Undefined: nothing of a parent is kept. */
      parent: { id: string; bucket: number; keep: number } | undefined;
      bucket: number;
      expiryMs: number;
      nowMs: number;
      /** Parameters of `claim`; undefined: the client sent no key. */
      claim: SqlValue[] | undefined;
      /** Undefined: the turn is in none. */
      conversation: ConversationLink | undefined;
      turn: SqlValue[];
      /** Undefined: none, or written before. */
      envelope: SqlValue[] | undefined;
      /** Hashes of the envelopes that come along from the parent's bucket. */
      envelopes: string[];
      /** Undefined: it is queued, and none begins. */
      attempt: SqlValue[] | undefined;
      /** What is written of a queued turn in addition. */
      steps: Step[];
      /** `keptValues`. */
      kept: SqlValue[];
      /** `itemValues`; empty where the turn is not stored. */
      items: SqlValue[];
      tenant: string;
      id: string;
      /** Undefined: the turn is under no budget. */
      reservation: ReservationOp | undefined;
    }
  | {
      kind: 'next-attempt';
      tenant: string;
      id: string;
      ended: SqlValue[];
      started: SqlValue[];
      settles: SettleOp | undefined;
      reservation: ReservationOp | undefined;
    }
  | {
      kind: 'commit';
      tenant: string;
      id: string;
      owner: string;
      epoch: number;
      status: TurnStatus;
      head: string;
      /** `hashValues`. */
      hashes: SqlValue[];
      expiryMs: number;
      items: SqlValue[];
      attempt: SqlValue[];
      /** What ends a background turn in addition. */
      steps: Step[];
      settles: SettleOp | undefined;
    }
  /** Where the first step gives no row, nothing is done. */
  | { kind: 'steps'; steps: Step[]; survivesPowerCut: boolean }
  | { kind: 'delete'; tenant: string; id: string; expiryMs: number; nowMs: number }
  | {
      kind: 'fail';
      tenant: string;
      id: string;
      owner: string;
      epoch: number;
      head: string;
      expiryMs: number;
      nowMs: number;
      error: { code: string; message: string };
    }
  | { kind: 'renew-lease'; tenant: string; ask: LeaseAsk }
  | { kind: 'release-lease'; lease: LeaseHolder; nowMs: number }
  | { kind: 'set-limit'; tenant: string; id: string; limitNanoUsd: number | null; nowMs: number }
  | { kind: 'keys'; statement: KeyWrite; parameters: SqlValue[] }
  | { kind: 'conversations'; statement: ConversationWrite; parameters: SqlValue[] }
  | ({ kind: 'append' } & AppendWrite)
  | { kind: 'end-attempt'; tenant: string; ended: SqlValue[]; settles: SettleOp }
  /** Takes away some of what is too old. */
  | { kind: 'expire'; contentBeforeMs: number; rowsBeforeMs: number; nowMs: number }
  | { kind: 'check' };

/** What an attempt reserves. */
export interface ReservationOp {
  attemptId: string;
  budgetIds: string[];
  owner: string;
  nanoUsd: number;
}

/** Which reservation is settled, and at what cost; null: it is not known. */
export interface SettleOp {
  attemptId: string;
  costNanoUsd: number | null;
}

export interface WriteResults {
  begin: ClaimOutcome;
  /** False: the turn is not running any more, and no attempt was begun. */
  'next-attempt': boolean;
  commit: CommitOutcome;
  delete: boolean;
  fail: boolean;
  /** Whether they were done. */
  steps: boolean;
  'renew-lease': Lease;
  'release-lease': true;
  'set-limit': true;
  /** Whether a row was changed. */
  keys: boolean;
  conversations: boolean;
  /** False: somebody else has written to the conversation meanwhile. */
  append: boolean;
  'end-attempt': true;
  /** Whether there may be more. */
  expire: boolean;
  check: true;
}

export type WriteResult = WriteResults[WriteOp['kind']];

/** What the thread says: once that it stands (or why not), then one answer for each group, in order. */
export type WriterMessage =
  | { type: 'ready' }
  | { type: 'refused'; failure: EngineFailure }
  | { type: 'done'; results: (WriteResult | EngineFailure)[] };

export type WriterRequest = WriteOp[] | 'close';

export interface WriterData {
  path: string;
  pragmas: Record<string, string | number>;
}
