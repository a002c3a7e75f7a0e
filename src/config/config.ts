import type { LedgerContent } from '../core/ledger-content.ts';
import type { ModelProfile } from '../protocols/codec.ts';
import type { PriceOverride, ProviderOptions, Timeouts } from '../providers/provider.ts';
import { vendorNames } from '../providers/vendors.ts';

export const providerNames = [
  'anthropic',
  'openai',
  'openai-compatible',
  'gemini',
  'azure',
  'azure-chat',
  'bedrock',
  'vertex',
  'vertex-gemini',
  'ai-sdk',
  'simulator',
  ...vendorNames,
] as const;
export type ProviderName = (typeof providerNames)[number];

/** Everything that an operator can decide, checked and with defaults filled in. Holds secrets: never logged or printed. */
export interface Config {
  /** The file that was read, as the user named it; undefined: none. */
  readonly file: string | undefined;
  readonly server: ServerConfig;
  readonly store: StoreConfig;
  readonly auth: AuthConfig;
  /** Never empty. Entries with one name form a group. */
  readonly models: readonly ModelConfig[];
  /** Other names of groups (or of aliases). Free of cycles. */
  readonly aliases: Readonly<Record<string, string>>;
  readonly routing: RoutingConfig;
  readonly retention: RetentionConfig;
  readonly ledger: LedgerConfig;
  readonly background: BackgroundConfig;
  readonly files: FilesConfig;
}

export interface ServerConfig {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** How long a stopping gateway waits for the requests that it is serving. */
  readonly drainSeconds: number;
  /** Undefined: the server's own limit. */
  readonly maxBodyBytes: number | undefined;
  /** Processes that serve the port together; more than 1 only on Postgres. */
  readonly workers: number;
}

export interface StoreConfig {
  /** `sqlite:PATH`, the path relative to the working directory; or `postgres://…`, which holds a password. */
  readonly url: string;
  /** 32 bytes; undefined: kept in a file beside the database. Never so on Postgres. */
  readonly secret: Buffer | undefined;
  /** Postgres only: how long a process may be silent before the others fail its turns. */
  readonly leaseSeconds: number;
  /** Postgres only: a database that says nothing for so long counts as away. */
  readonly timeoutMs: number;
}

export interface AuthConfig {
  readonly masterKey: string | undefined;
  readonly keys: readonly KeyConfig[];
  /** What is said of teams besides their names. */
  readonly teams: readonly TeamConfig[];
}

export interface KeyConfig {
  readonly name: string;
  readonly key: string;
  /** Keys of one team share a tenant; undefined: the key is a tenant of its own. */
  readonly team: string | undefined;
  /** Undefined: no limit. */
  readonly budgetNanoUsd: number | undefined;
}

export interface TeamConfig {
  readonly name: string;
  /** Of all its keys together. Undefined: no limit. */
  readonly budgetNanoUsd: number | undefined;
}

/** One deployment. */
export interface ModelConfig {
  /** The group's public name. One `*` at its end stands for any ending. */
  readonly name: string;
  readonly provider: ProviderName;
  /** The upstream's name; `*`: the name that the client asked for. */
  readonly model: string;
  /** Without a trailing slash; undefined: the provider's own. */
  readonly baseUrl: string | undefined;
  readonly apiKey: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeouts: Timeouts;
  readonly weight: number;
  /** Overrides of what the provider knows of the model. */
  readonly profile: Readonly<Partial<ModelProfile>>;
  readonly price: PriceOverride | undefined;
  readonly options: ProviderOptions;
}

/** In milliseconds; undefined: until it is deleted. */
export interface RetentionConfig {
  /** How old a response becomes, conversations left out. */
  readonly contentMs: number | undefined;
  /** How old its row of spend becomes. */
  readonly metadataMs: number | undefined;
}

export interface LedgerConfig {
  /** What content of turns is kept beside what clients store. */
  readonly content: LedgerContent;
}

export interface RoutingConfig {
  /** Further attempts after the first. */
  readonly retries: number;
  /** Groups to go on with when the group's own deployments have failed, in order. */
  readonly fallbacks: Readonly<Record<string, readonly string[]>>;
}

export interface BackgroundConfig {
  /** Background turns that a process runs at once; the others wait. */
  readonly maxRunning: number;
  /** Turns of one tenant that wait. */
  readonly maxQueued: number;
  /** How long a stream can be followed after its end. */
  readonly eventsKeptSeconds: number;
  /** Of one turn; more ends it as failed. */
  readonly maxEventBytes: number;
}

export interface FilesConfig {
  /** Of one file. */
  readonly maxFileBytes: number;
  /** Of all files of a tenant together. */
  readonly maxTotalBytes: number;
}

/**
 * A reasoning model that streams nothing while it thinks, or answers in one piece, is silent for minutes: a paid answer
 * lost to a short timeout costs more than a dead connection that is noticed late.
 */
export const defaultTimeouts: Timeouts = { connectMs: 5_000, firstByteMs: 600_000, idleMs: 300_000 };
