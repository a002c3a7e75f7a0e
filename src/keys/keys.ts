import { hash, timingSafeEqual } from 'node:crypto';
import { keyBudgetId, teamBudgetId } from '../store/budget-store.ts';
import { hashDigest } from './hash-key.ts';
import { isVirtualKey } from './virtual-key.ts';

/** Who asks. */
export interface Principal {
  /** Stable: what spend is booked on. */
  keyId: string;
  keyName: string;
  /** Whose objects the key reaches. */
  tenant: string;
  isMaster: boolean;
  /** What its calls cost counts in these, the key's before the team's. Absent: in none. */
  budgetIds?: readonly string[] | undefined;
}

export interface KeyringOptions {
  /** Undefined: there is none. */
  masterKey: string | undefined;
  keys: readonly ConfiguredKey[];
  /** Teams whose keys have a budget together. */
  teamsWithBudget?: ReadonlySet<string>;
  /** Secret of the installation: a stolen table of hashes tells nothing without it. */
  pepper: Buffer;
  /** Keys that are made while the gateway runs; undefined: there are none. */
  stored?: StoredKeys;
  /** True: the gateway is not open, even where no key is configured. */
  closed?: boolean;
}

interface ConfiguredKey {
  name: string;
  key: string;
  team: string | undefined;
  hasBudget?: boolean;
}

/** Virtual keys, each by two names: `digest`, sha256 of the key in hex, and `hash`, what is stored of it. */
export interface StoredKeys {
  /** Undefined: `find` must be asked. */
  recall(digest: string): Principal | undefined;
  /** Undefined: no such key, or it is blocked or has expired. Rejects where the store does not answer. */
  find(digest: string, hash: string): Principal | undefined | Promise<Principal | undefined>;
  /** What this process has changed counts at once. */
  readonly forget: () => void;
}

export interface Keyring {
  /** No key is configured: everybody is the default principal. The gateway then listens on loopback only. */
  readonly open: boolean;
  /**
   * Undefined: no such key. Takes the same steps for every token that is no key. A promise only where the store must be
   * asked; it rejects where the store does not answer.
   */
  authenticate(token: string | undefined): Principal | undefined | Promise<Principal | undefined>;
}

interface Entry {
  hash: Buffer;
  principal: Principal;
}

const defaultTenant = 'default';
const keyIdPrefix = 'key_';

/** Of a key of the configuration. */
export const configuredKeyId = (name: string): string => keyIdPrefix + name;

const master: Principal = { keyId: 'master', keyName: 'master', tenant: defaultTenant, isMaster: true };
const anybody: Principal = { keyId: 'none', keyName: 'none', tenant: defaultTenant, isMaster: false };

/** By its id. Whether it has a budget is known to the store only. */
export const isStoredTeam = (team: string): boolean => team.startsWith('team_');

function principalOf({ name, team, hasBudget = false }: ConfiguredKey, teams: ReadonlySet<string>): Principal {
  if (team === '' || team === defaultTenant || team?.startsWith(keyIdPrefix)) {
    throw new Error(`a team can't be named '${team}': the name stands for another tenant`);
  }
  const keyId = configuredKeyId(name);
  const budgetIds = hasBudget ? [keyBudgetId(keyId)] : [];
  if (team !== undefined && (teams.has(team) || isStoredTeam(team))) budgetIds.push(teamBudgetId(team));
  return { keyId, keyName: name, tenant: team ?? keyId, isMaster: false, budgetIds };
}

/**
 * The keys of the configuration, then those of the store. A configured key's id, and where it has no team its tenant, is
 * `key_` and its name, so that it can be replaced without losing what it made. What is kept of a key is
 * HMAC-SHA256(pepper, sha256(key)).
 * @throws Error for an empty key, a key or name given twice, and a team whose name is another tenant's.
 */
export function createKeyring(options: KeyringOptions): Keyring {
  const { masterKey, keys, teamsWithBudget = new Set(), pepper, stored, closed = false } = options;
  const entries = new Map<string, Entry>();
  const names = new Set<string>();
  /** By sha256 of the token, so that a key in use costs one hash. Only keys are remembered: it can't outgrow `entries`. */
  const remembered = new Map<string, Principal>();

  const peppered = (digest: string): Buffer => hashDigest(pepper, digest);
  const nobody: Entry = { hash: peppered('00'), principal: anybody };

  function add(key: string, principal: Principal): void {
    if (key.trim() === '') throw new Error(`the key '${principal.keyName}' is empty`);
    const hashed = peppered(hash('sha256', key));
    const id = hashed.toString('hex');
    if (entries.has(id)) throw new Error(`the key '${principal.keyName}' is another one's too`);
    entries.set(id, { hash: hashed, principal });
  }

  if (masterKey !== undefined) add(masterKey, master);
  for (const configured of keys) {
    const { name, key } = configured;
    if (names.has(name)) throw new Error(`there are two keys with the name '${name}'`);
    names.add(name);
    add(key, principalOf(configured, teamsWithBudget));
  }

  function lookUp(hashed: Buffer): Principal | undefined {
    const entry = entries.get(hashed.toString('hex')) ?? nobody;
    return timingSafeEqual(hashed, entry.hash) && entry !== nobody ? entry.principal : undefined;
  }

  const open = entries.size === 0 && !closed;

  return {
    open,
    authenticate(token) {
      if (open) return anybody;
      if (token === undefined) return undefined;
      const digest = hash('sha256', token);
      const known = remembered.get(digest) ?? stored?.recall(digest);
      if (known !== undefined) return known;
      const hashed = peppered(digest);
      const principal = lookUp(hashed);
      if (principal === undefined)
        return isVirtualKey(token) ? stored?.find(digest, hashed.toString('hex')) : undefined;
      remembered.set(digest, principal);
      return principal;
    },
  };
}
