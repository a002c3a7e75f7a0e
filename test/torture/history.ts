import type { Round } from './schedule.ts';

/** One step of a conversation, the same whichever protocol carried it. */
export type Step =
  | readonly ['user' | 'assistant' | 'thinking', text: string]
  | readonly ['call', id: string, name: string, input: string]
  | readonly ['output', id: string, text: string];

export const tenants = ['alpha', 'beta'] as const;
export type Tenant = (typeof tenants)[number];

/** A client's request, as its journal has it before it is sent. Its name is unique, and names the tenant: `alpha-03-000017`. */
export interface Sent {
  name: string;
  client: string;
  tenant: Tenant;
  node: string;
  action: 'create' | 'get' | 'delete';
  /** The id that is fetched or deleted, or gone on from. */
  target: string | undefined;
  /** The target is another tenant's. */
  trespass: boolean;
  create?: CreateSent;
}

export interface CreateSent {
  model: string;
  stream: boolean;
  store: boolean;
  /** The request whose response is gone on from. */
  parent: string | undefined;
  /** What this turn adds to the conversation. */
  input: Step[];
}

/** An event as it came: its data is parsed when it is looked at, a run has a great many. */
export interface StreamEvent {
  event: string;
  data: string;
}

/** What a client's journal says, in order. `lost`: the connection broke. `left`: the client hung up. */
export type JournalEvent =
  | { kind: 'sent'; sent: Sent }
  | { kind: 'status'; status: number; sessionId: string | null; requestId: string | null }
  | { kind: 'event'; event: StreamEvent }
  | { kind: 'body'; text: string }
  | { kind: 'lost'; why: string }
  | { kind: 'left' };

export type JournalEntry = { at: number; name: string } & JournalEvent;

/**
 * `done`: all that counts was sent, the stop reason and the tokens with it. `cut`: the upstream broke off. `refused`: it
 * was overloaded. `left`: the gateway was gone first.
 */
export type ServedEnd = 'done' | 'cut' | 'refused' | 'left';

/** A request that the upstream served, as its ledger has it. */
export interface Served {
  at: number;
  /** The request of the client that it was made for. */
  name: string;
  dialect: 'messages' | 'chat';
  stream: boolean;
  seen: Step[];
  /** What it answers, if it is `done`. */
  said: Step[];
  inputTokens: number;
  outputTokens: number;
  end: ServedEnd | undefined;
  endedAt: number;
}

/** For so long the store could not be counted on: a node may say 503, and a turn may be lost to its client. */
export interface Disturbance {
  /** Undefined: all of them. */
  node: string | undefined;
  from: number;
  to: number;
}

/** What the nemesis did, and what it saw. */
export interface Deed {
  at: number;
  node: string;
  what: string;
}

export interface TurnRow {
  tenant: string;
  id: string;
  parent: string | null;
  session_id: string;
  status: string;
  stored: number;
  key_id: string;
  end_user: string | null;
}

export interface AttemptRow {
  tenant: string;
  id: string;
  turn_id: string;
  number: number;
  status: string;
  input_tokens: number;
  output_tokens: number;
  estimated: number;
  cost_nano_usd: number | null;
  error_code: string | null;
}

export interface SpendLogRow {
  request_id: string;
  session_id: string;
  team_id: string;
  prompt_tokens: number;
  completion_tokens: number;
}

/** A budget, in nano-USD. */
export interface BudgetRow {
  id: string;
  limit: number;
  spent: number;
}

/** The store's tables, read when every node has ended. */
export interface Dump {
  turns: TurnRow[];
  attempts: AttemptRow[];
  spendLogs: SpendLogRow[];
  budgets: BudgetRow[];
  /** What is still leased or reserved of a budget. */
  held: { what: string; budget_id: string; owner: string }[];
}

/** A line of a node's log. */
export interface LogLine {
  node: string;
  text: string;
  /** Those that it names. */
  requestId?: string;
  responseId?: string;
}

/** How an id that a client has seen is answered in the end. */
export interface Found {
  status: number;
  text: string;
}

/** All that is known of a run. */
export interface History {
  seed: string;
  engine: string;
  nodes: string[];
  schedule: Round[];
  deeds: Deed[];
  disturbances: Disturbance[];
  journal: JournalEntry[];
  ledger: Served[];
  /** By response id. */
  found: Map<string, Found>;
  dump: Dump;
  /** Of all nodes, in no order. */
  log: LogLine[];
  /** What of the texts that must not be kept the store's files hold. */
  leaked: string[];
  /** What went wrong with a process or a file, in words. */
  faults: string[];
}

/** The text that stands for a request wherever it is said. */
export function canaryOf(name: string): string {
  return `kn-${name}`;
}

/** The names of the requests whose canaries a text holds, in order. */
export function namesIn(text: string): string[] {
  return Array.from(text.matchAll(/kn-((?:alpha|beta)-\d\d-\d{6})/g), ([, name]) => name ?? '');
}

/** As the client's `user`: it is kept even where the content is not, so it is not the canary. */
export function userOf(name: string): string {
  return `user-${name}`;
}

/** The client whose turns the upstream always answers whole. */
export const proberNumber = 99;

/**
 * The key whose budget is spent, as fast as it may be, by calls that are in no journal: what they cost stands in the upstream's
 * ledger, under no name. Also the end user of their turns, and the model group.
 */
export const spender = 'spender';
/** Of one of its calls, at most. Its input costs nothing. */
export const spenderTokens = 505;
export const spenderNanoUsdPerToken = 5000;
/** In calls that write as much as they may. */
export const spenderBudget = 60;

/** The client that fetches what a stopped node has begun. */
export const readerNumber = 98;

/** The request goes on from a turn at the end of a run, to see that it can. */
export function isProbe({ client }: Sent): boolean {
  return client.endsWith(`-${proberNumber}`);
}

export function requestName(tenant: Tenant, client: number, count: number): string {
  return `${tenant}-${String(client).padStart(2, '0')}-${String(count).padStart(6, '0')}`;
}

export function tenantOf(name: string): Tenant {
  return name.startsWith('alpha') ? 'alpha' : 'beta';
}
