import type { ClientProtocol } from '../core/items.ts';
import type { Usage } from '../core/usage.ts';
import type { ConversationLink, ConversationStore } from './conversation-store.ts';
import type { EventBatch } from './event-batch.ts';
import type { StoredContextItem, StoredItem } from './stored-item.ts';
import type { BudgetStore } from './budget-store.ts';
import type { TenantFiles } from './file-store.ts';
import type { KeyStore } from './key-store.ts';

export type { StoredContextItem, StoredItem } from './stored-item.ts';

/**
 * How a turn stands. `queued`: a background turn of which no attempt has begun. `in_progress` until its commit, or until a
 * sweep finds that its process is dead.
 */
export type TurnStatus = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

export interface TurnIntent {
  /** `resp_…`, minted in `turn/`; carries `createdAtMs`. */
  id: string;
  createdAtMs: number;
  /** True: belongs to something that time does not drop, as a conversation does. */
  kept: boolean;
  /** Undefined: the turn begins a chain. */
  parent: ParentLink | undefined;
  sessionId: string;
  /** Model group or alias, as the client named it. */
  model: string;
  /** The protocol that the client spoke. */
  protocol: ClientProtocol;
  /** False: the turn resolves for nobody. In a conversation input and output are kept all the same, as the conversation's. */
  store: boolean;
  /**
   * False: `head`, `input`, `envelope` and later `output` are not kept. True, where `store` is not: they are, to be looked at by
   * who runs the gateway. Always true where `store` is; never in a conversation where it is not.
   */
  keepsContent: boolean;
  keyId: string;
  endUser: string | undefined;
  /** Which process runs the turn, and how often it was taken over (0). The commit must find both unchanged. */
  owner: string;
  epoch: number;
  /** JSON object: the Response object without output and what the envelope holds. */
  head: string;
  /** JSON object: instructions, tools and text.format, stored once per tenant by keyed hash. Empty string where content is not kept. */
  envelope: string;
  /** This turn's new input, normalised, in order. */
  input: StoredItem[];
  attempt: AttemptStart;
  /** Undefined: the client sent no `Idempotency-Key`. */
  idempotency?: KeyClaim | undefined;
  /** Undefined: the turn is in none. Where it is, its parent is the conversation's head, of which it keeps all. */
  conversation?: ConversationLink | undefined;
}

/** A turn that is to be begun only where no other holds its client's key. */
export interface KeyClaim {
  keyHash: string;
  /** sha256 of the request's bytes. */
  bodyHash: string;
  /** Claims from before this time hold nothing any more. */
  expiresBeforeMs: number;
}

/** How long a claim holds its key. */
export const claimLifeMs = 24 * 60 * 60 * 1000;

/** The turn that holds an idempotency key already. */
export interface KeyHolder {
  turnId: string;
  bodyHash: string;
}

export interface ParentLink {
  id: string;
  /** As `StoredContext` has it. */
  bucket: number;
  /** How many items of the parent's context this turn keeps, counted from the oldest; all, for a chain. */
  keep: number;
  /** True: what the parent put out is kept without its reasoning, which takes its places all the same. */
  dropsReasoning?: boolean;
  /** The items that it keeps: a turn whose parent lies in another bucket takes them along and becomes an anchor. */
  items: readonly StoredContextItem[];
  /** Oldest turn that must be read for this turn's context; the turn's own id where it is an anchor itself. */
  anchor: string;
  /** Turns between the anchor and this one. */
  depth: number;
}

/** One try of a turn on one deployment. Each leaves exactly one spend row, keyed by `id`. */
export interface AttemptStart {
  id: string;
  /** From 1. */
  number: number;
  startedAtMs: number;
  provider: string;
  apiBase: string;
  upstreamModel: string;
  /** sha256 of the body sent and the codec's version, so that the request can be rebuilt and compared. */
  requestHash: string;
  codecVersion: string;
  /** Input tokens by our estimate: billed if the process dies before the upstream told the real ones. */
  estimatedInputTokens: number;
  /** Cost of the estimate in nano-USD; undefined where no price is known. */
  estimatedCostNanoUsd: number | undefined;
  /** Written with the attempt. Absent: the call is under no budget. */
  reservation?: Reservation | undefined;
}

/** What an attempt may cost at most, held in each budget that the call is under. */
export interface Reservation {
  budgetIds: readonly string[];
  /** Which process leases the budgets: the one that runs the turn. */
  owner: string;
  nanoUsd: number;
}

export interface AttemptEnd {
  id: string;
  /** `abandoned`: the client left. `crashed` is written by the sweep only. */
  status: 'completed' | 'failed' | 'cancelled';
  endedAtMs: number;
  firstTokenAtMs: number | undefined;
  upstreamId: string | undefined;
  /** As the upstream reported it. */
  upstreamModel: string | undefined;
  usage: Usage;
  /** Undefined: no price is known for the model. */
  costNanoUsd: number | undefined;
  /** Error code and message, for a failed attempt. */
  error: { code: string; message: string } | undefined;
  /** What its last call is found by, where it ended with calls that wait for outputs, and others could have made them. */
  openCalls?: string | undefined;
  /** The upstream's raw reply, of failed attempts only and where content may be kept, at most 64 KB. */
  rawReply: string | undefined;
  /** True: what was reserved for the attempt is settled at what it has cost, in the same transaction. */
  settles?: boolean | undefined;
}

export interface TurnCommit {
  id: string;
  owner: string;
  epoch: number;
  status: Exclude<TurnStatus, 'queued' | 'in_progress'>;
  /** The terminal Response object, as in `TurnIntent.head`. */
  head: string;
  /** Output in order; empty where the turn is not stored. */
  output: StoredItem[];
  attempt: AttemptEnd;
  /**
   * Of a background turn: the rest of its events, the terminal one among them; none, where its stream is not kept. `lost`:
   * whoever had them is gone, and the store writes the terminal one of a failed response.
   */
  events?: EventBatch[] | 'lost' | undefined;
  /** What the turn's whole context is found by. Undefined: it is not to be found so. */
  context?: ContextHashes | undefined;
  /** Id of the turn's conversation, as in its intent. It gets the turn's items where `status` is completed or incomplete. */
  conversation?: string | undefined;
}

/** What stands for a context, output included, where one is looked for that a request's own history goes on from. */
export interface ContextHashes {
  /** Of all that was said. */
  said: string;
  /**
   * Of the settings, ids and reasoning that stand in it, and where: of two contexts of which the same was said, these may differ.
   * One for each way in which a client may give back what the turn has put out.
   */
  details: string[];
}

/** A turn that was found by its context. */
export interface FoundContext
  extends ContextHashes, Pick<StoredContext, 'bucket' | 'sessionId' | 'anchor' | 'depth' | 'length' | 'deployment'> {
  id: string;
  /** Turns that begin from the first time on, and before the second, lie in the same bucket. */
  bucketSpanMs: readonly [from: number, until: number];
}

/** `fenced`: the turn was swept or taken over meanwhile; only its spend row was corrected. */
export type CommitOutcome = 'committed' | 'fenced';

export interface StoredContext {
  /** Where the turn and everything that its context is made of lie: the week of its id, or 0. */
  bucket: number;
  status: TurnStatus;
  sessionId: string;
  anchor: string;
  depth: number;
  /** What the turn's last attempt was made on: provider, address and the upstream's name of the model. Undefined: no attempt was. */
  deployment: string | undefined;
  /** How many items a child keeps that keeps all: those of a conversation that have been deleted have their place. */
  length: number;
  /** The turn's whole effective context, oldest first: its ancestors' items, its input, its output. */
  items: readonly StoredContextItem[];
}

export interface StoredResponse {
  status: TurnStatus;
  sessionId: string;
  head: string;
  envelope: string;
  output: StoredItem[];
  /** Of a failed one: what its last attempt failed with; null where its process died. */
  errorCode?: string | null;
}

/** A turn as the ledger shows it. */
export interface StoredTurn {
  id: string;
  parentId: string | undefined;
  sessionId: string;
  status: TurnStatus;
  model: string;
  inputItems: number;
  outputItems: number;
  usage: Usage;
  costNanoUsd: number;
}

/** What an envelope is for: one that was made for another purpose does not open. */
export type SealPurpose = 'reasoning' | 'compaction';

/** State that a client carries for one tenant: nobody but this installation, for this tenant, can read or make it. */
export interface Seal {
  /** @returns text without white space, some 4/3 as long; undefined: it is longer than an envelope may be. */
  seal(purpose: SealPurpose, text: string): string | undefined;
  /**
   * Undefined: it was not sealed for this purpose and tenant with this secret, or was changed since. Which of these it is
   * is not told, so that nobody learns whose it is.
   */
  open(purpose: SealPurpose, envelope: string): string | undefined;
}

/**
 * Everything that one tenant can reach. No method takes a tenant, and none reaches another tenant's rows: an id that is
 * somebody else's answers as an id that does not exist.
 * Every method rejects with GatewayError `store_unavailable` when the engine fails.
 */
export interface TenantStore {
  /** Whose it is. */
  readonly tenant: string;
  /** Envelopes for what a client of this tenant carries itself. */
  readonly seal: Seal;
  /**
   * Durable against SIGKILL when it resolves. @returns who holds its idempotency key already, or that the process has no lease
   * of a budget that it reserves in: nothing was written then.
   */
  beginTurn(intent: TurnIntent): Promise<KeyHolder | 'lease-lost' | undefined>;
  /** Ends one attempt and begins the next of the same turn. Rejects where it has no lease of a budget that it reserves in. */
  nextAttempt(turnId: string, ended: AttemptEnd, started: AttemptStart): Promise<void>;
  /** ONE transaction, durable against power loss when it resolves. Idempotent: the same commit twice is `committed` twice. */
  commitTurn(commit: TurnCommit): Promise<CommitOutcome>;
  /** Undefined: unknown, deleted, expired, not stored, or another tenant's. */
  readContext(responseId: string): Promise<StoredContext | undefined>;
  readResponse(responseId: string): Promise<StoredResponse | undefined>;
  /** In nano-USD, all attempts together. Undefined: one of them runs or has no known price, or there is no such turn. */
  readCost(responseId: string): Promise<number | undefined>;
  /** The turn's context without its own output: what the model saw. */
  readInput(responseId: string): Promise<readonly StoredContextItem[] | undefined>;
  /** The envelope that an item of this response's context names, whatever has become of the turn that brought it. */
  readEnvelope(responseId: string, envelope: string): Promise<string | undefined>;
  /** The newest item with this id in any turn that is not deleted. */
  readItem(itemId: string): Promise<StoredItem | undefined>;
  /** What the model said next in that turn; undefined: nothing, or it is no longer kept. */
  readFollowing(itemId: string): Promise<StoredItem | undefined>;
  /** Of some text, the same for nobody without this installation's secret, and for no other tenant. */
  contextHash(text: string): string;
  /** Of the turns with the first of these hashes (`ContextHashes.said`) that any has, the newest. */
  findContext(hashes: readonly string[]): Promise<FoundContext | undefined>;
  /** What the newest attempt was made on that ended with one of these (`AttemptEnd.openCalls`), whether or not its turn is kept. */
  findOpener(openCalls: readonly string[]): Promise<string | undefined>;
  /** Who holds an idempotency key now; undefined: nobody. */
  readKeyHolder(claim: KeyClaim): Promise<KeyHolder | undefined>;
  /** Hides the turn at once; its items stay while a live descendant needs them. False: nothing to delete. */
  deleteResponse(responseId: string, nowMs: number): Promise<boolean>;
  /** A session's turns, oldest first, without deleted ones. */
  listSession(sessionId: string): Promise<StoredTurn[]>;
  readonly conversations: ConversationStore;
  readonly files: TenantFiles;
}

export interface Store {
  /** @param tenant an explicit id: the key's team, else the key's own; the master key's and no key's is `default`. */
  forTenant(tenant: string): TenantStore;
  /** Virtual keys and teams, for the admin API and for whoever authenticates. */
  readonly keys: KeyStore;
  readonly budgets: BudgetStore;
  /**
   * Turns the intents of dead processes into failed turns with an estimated spend row, and takes back what they leased of
   * budgets. Returns how many turns.
   */
  sweep(nowMs: number): Promise<number>;
  /** Takes away what has become too old. Done from time to time by itself, too. */
  expire(): Promise<void>;
  /** Resolves when the engine answers; rejects with `store_unavailable`. */
  check(): Promise<void>;
  close(): Promise<void>;
}
