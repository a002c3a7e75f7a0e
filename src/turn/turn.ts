import type { GatewayError } from '../core/errors.ts';
import type { IdMint } from '../core/ids.ts';
import type { LedgerContent } from '../core/ledger-content.ts';
import type { Log } from '../core/log.ts';
import type { TurnRequest } from '../core/request.ts';
import type { Usage } from '../core/usage.ts';
import type {
  ClientCodec,
  EncodedRequest,
  ModelProfile,
  Reply,
  UpstreamCodec,
  VerbatimLane,
} from '../protocols/codec.ts';
import type { Deployment, UpstreamRequest } from '../providers/provider.ts';
import type { Router } from '../routing/router.ts';
import type { EventBatch } from '../store/event-batch.ts';
import type { BudgetBook, BudgetHold } from '../spend/budget-book.ts';
import type { AttemptStart, StoredItem, TenantStore } from '../store/store.ts';
import type { Assembler } from './assembler.ts';
import type { ClientCredential } from './lend-credential.ts';
import type { TurnState } from './lifecycle.ts';
import type { LocalParents } from './read-past.ts';
import type { History } from './resolve-history.ts';

/** What every turn of this process shares. */
export interface TurnDependencies {
  router: Router;
  ids: IdMint;
  nowMs: () => number;
  /** This process, as turns name their owner. */
  owner: string;
  budgets: BudgetBook;
  log: Log;
  limits: TurnLimits;
  ledger: LedgerContent;
}

export interface TurnLimits {
  /** A stream is never silent for longer than twice this, from its intent on: headers first, then keep-alive comments. */
  keepAliveMs: number;
  /** An upstream that sends signs of life and nothing else is given up after this long. */
  stallMs: number;
  /** A turn's upstreams are given up after this long, all attempts together, whatever they send. */
  totalMs: number;
  /** How long a commit whose outcome is unknown is run again before the client is told that it failed. */
  commitMs: number;
}

/** One request of a client, decoded: steps 1 to 3 of its path are behind it. */
export interface TurnCall {
  request: TurnRequest;
  client: ClientCodec;
  /** The request's JSON text, where the client's protocol has a verbatim lane. */
  bodyText?: string | undefined;
  store: TenantStore;
  keyId: string;
  /** The budgets that its cost counts in, the key's before the team's. Absent: none. */
  budgetIds?: readonly string[] | undefined;
  /** What the caller lends to deployments that want it. Absent: nothing. */
  credential?: ClientCredential | undefined;
  /** The client's session header; undefined: none. */
  sessionId: string | undefined;
  /** What the connection remembers; absent: nothing. */
  local?: LocalChain | undefined;
  /** Absent: the client sent no idempotency key. */
  idempotency?: KeyedRun | undefined;
  sink: TurnSink;
  /** Undefined: the client waits for the answer. */
  background?: BackgroundRun | undefined;
}

/** What a background turn has beside others. Its sink is no socket: what is written there is stored, or nobody's. */
export interface BackgroundRun {
  /** Events of its stream that were written when it was queued. */
  readonly eventsWritten: number;
  /** What is left of its events, this text the last of it, to be stored with the end. From then on the sink is closed. */
  seal(text: string): Promise<EventBatch[]>;
  /** To be called when a limit is passed, or the process stops: the attempt ends with this error, and so does any other. */
  onFail: (error: GatewayError) => void;
}

/**
 * What one connection remembers of its newest response, so that a chain that is not stored (`store: false`) can go on
 * there and nowhere else.
 * @see https://www.openresponses.org/specification (WebSocket continuation)
 */
export interface LocalChain extends LocalParents {
  /** The turn has ended well; what the connection remembered before is forgotten. @param deployment that it was made on. */
  remember(turn: Turn, deployment: string | undefined): void;
  /** A turn that was to go on from this response has failed. */
  evict(responseId: string): void;
}

/** Where an answer goes. Knows HTTP; the turn does not. */
export interface TurnSink {
  /** The client has gone: nothing will be read any more. */
  readonly closed: boolean;
  /** Sends status 200 and the headers. Once, before the first write. */
  start(headers: Record<string, string>): void;
  /** False: the client reads slower than we write; `onDrain` tells when it has caught up. */
  write(text: string): boolean;
  end(text: string): void;
  /** Each is called any number of times, until `end`. */
  onClose: () => void;
  onDrain: () => void;
}

/** A turn under way: its identity, and the reply as it grows. */
export interface Turn {
  id: string;
  sessionId: string;
  history: History;
  reply: Reply;
  state: TurnState;
  /** The headers have left: from here on an error is an event of the stream. */
  announced: boolean;
  /** What the calls have used that this response goes on from (see `continue-attempt.ts`); undefined: it has not paused. */
  usageBefore: Usage | undefined;
  /** An upstream was paid, whichever attempt it served. */
  spent: boolean;
  /** What ended it, where it failed. */
  error: GatewayError | undefined;
  /** The output with where it came from; filled when the turn ends. */
  storedOutput: StoredItem[];
}

/** A request with an idempotency key, from its first byte to the end of its answer. */
export interface KeyedRun {
  readonly keyHash: string;
  /** sha256 of the request's endpoint and bytes: one body may be a request to several. */
  readonly bodyHash: string;
  /** From here on calls with the same key can wait for this turn. */
  start(turn: Turn): void;
  /** Resolves when the turn is over. Undefined: it does not run in this process. */
  find(turnId: string): Promise<Turn> | undefined;
  close(): void;
}

/** One try on one deployment, encoded and ready to go. */
export interface PreparedAttempt {
  deployment: Deployment;
  codec: UpstreamCodec;
  /** Undefined: request and reply go through the neutral model. */
  lane: VerbatimLane | undefined;
  encoded: EncodedRequest;
  /** Undefined unless the upstream is asked to compact the context: its last item, which asks for a summary, was not sent. */
  compactsAs: ModelProfile['nativeCompaction'];
  upstream: UpstreamRequest;
  start: AttemptStart;
  /** As far as is known: nothing, from the moment that it is sent our estimate, in the end what came of it. */
  usage: Usage;
  /** What it holds of the call's budgets. Absent: nothing. */
  hold?: BudgetHold | undefined;
}

/** How the upstream's side of an attempt ended. */
export interface AttemptResult {
  outcome: 'ended' | 'failed' | 'cancelled';
  /** The request may have reached the upstream. */
  sent: boolean;
  /** The upstream began to answer well: it bills for what it said, whatever came of it. */
  answered: boolean;
  error: GatewayError | undefined;
  firstTokenAtMs: number | undefined;
  /** The end of the upstream's raw reply, at most 64 KB. */
  rawReply: string;
  /** The upstream's whole plain reply; undefined: it streamed, or failed. */
  body: string | undefined;
}

/** An attempt that is over, with what came of it. */
export interface AttemptOutcome extends AttemptResult {
  assembler: Assembler;
  usage: Usage;
}
