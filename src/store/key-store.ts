/** A team is a tenant: its id, which no renaming changes, owns what its keys make. */
export interface Team {
  /** `team_…` */
  id: string;
  /** No two teams have one. */
  name: string;
  createdAtMs: number;
}

/** A virtual key as it can be shown. The key itself is not stored. */
export interface StoredKey {
  /** `key_…` */
  id: string;
  name: string;
  /** Undefined: the key is a tenant of its own. */
  teamId: string | undefined;
  /** The team's id, else the key's own. */
  tenant: string;
  /** The end of the key, to tell it from others. */
  last4: string;
  createdAtMs: number;
  /** Undefined: it is not blocked. */
  blockedAtMs: number | undefined;
  /** Until when the key of before the last rotation is good too. Undefined: it is not. */
  previousUntilMs: number | undefined;
  /** Undefined: never. */
  expiresAtMs: number | undefined;
}

export interface NewKey {
  id: string;
  name: string;
  teamId: string | undefined;
  hash: string;
  last4: string;
  createdAtMs: number;
  expiresAtMs: number | undefined;
}

/** What is left out stays as it is. */
export interface KeyChanges {
  name?: string | undefined;
  blocked?: boolean | undefined;
  /** Null: never. */
  expiresAtMs?: number | null | undefined;
}

/** Whom a hash lets in. */
export interface FoundKey {
  id: string;
  name: string;
  tenant: string;
  /** When the hash ends to be good: the key expires, or the key that took its place is the only one. Undefined: never. */
  untilMs: number | undefined;
  /** The key's and its team's, where they have a limit. */
  budgetIds: string[];
}

export interface KeyPage {
  limit: number;
  /** Id of the last element of the page before. */
  after: string | undefined;
}

/**
 * Virtual keys and their teams, of all tenants: for the admin API and for whoever authenticates. Deleted keys are nowhere.
 * Every method rejects with GatewayError `store_unavailable` when the engine fails. Writes are durable when they resolve.
 */
export interface KeyStore {
  /** False: the name is taken. */
  createTeam(team: Team): Promise<boolean>;
  readTeam(id: string): Promise<Team | undefined>;
  /** Newest first. */
  listTeams(page: KeyPage): Promise<Team[]>;
  renameTeam(id: string, name: string): Promise<'renamed' | 'not-found' | 'name-taken'>;
  deleteTeam(id: string): Promise<'deleted' | 'not-found' | 'has-keys'>;
  /** False: there is no such team. */
  createKey(key: NewKey): Promise<boolean>;
  readKey(id: string): Promise<StoredKey | undefined>;
  /** Newest first. */
  listKeys(page: KeyPage): Promise<StoredKey[]>;
  /** False: there is no such key. */
  updateKey(id: string, changes: KeyChanges, nowMs: number): Promise<boolean>;
  /** @param previousUntilMs until when the hash of before is good too; undefined: it ends now. */
  rotateKey(id: string, hash: string, last4: string, previousUntilMs: number | undefined): Promise<boolean>;
  deleteKey(id: string, nowMs: number): Promise<boolean>;
  /** Undefined: no key has this hash, or it is blocked. An expired one is found, with its time. */
  findKey(hash: string): Promise<FoundKey | undefined>;
}
