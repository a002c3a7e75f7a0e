import type { FoundKey } from '../store/key-store.ts';
import type { Principal, StoredKeys } from './keys.ts';

export interface StoredKeysOptions {
  /** Rejects where the store does not answer. */
  findKey: (hash: string) => Promise<FoundKey | undefined>;
  nowMs: () => number;
}

interface Entry {
  /** When the store was asked. */
  askedAtMs: number;
  /** Undefined: there is no such key, as far as `answer` has come. */
  found: { principal: Principal; untilMs: number | undefined } | undefined;
  /** Undefined: the store has answered. */
  answer: Promise<void> | undefined;
}

const maxAgeMs = 2_000;
const maxEntries = 10_000;

/** The keys of the store, remembered for a moment: what another process revokes is refused here within `maxAgeMs`. */
export function createStoredKeys({ findKey, nowMs }: StoredKeysOptions): StoredKeys {
  const entries = new Map<string, Entry>();

  /** A clock that was set back makes an entry old, not young. */
  function freshEntry(digest: string): Entry | undefined {
    const entry = entries.get(digest);
    const ageMs = entry === undefined ? -1 : nowMs() - entry.askedAtMs;
    return ageMs >= 0 && ageMs < maxAgeMs ? entry : undefined;
  }

  function principalOf({ found }: Entry): Principal | undefined {
    if (found === undefined) return undefined;
    return found.untilMs === undefined || nowMs() < found.untilMs ? found.principal : undefined;
  }

  async function answerTo(entry: Entry, digest: string, hash: string): Promise<void> {
    try {
      const key = await findKey(hash);
      entry.answer = undefined;
      if (key === undefined) return;
      const { id: keyId, name: keyName, tenant, untilMs, budgetIds } = key;
      entry.found = { principal: { keyId, keyName, tenant, isMaster: false, budgetIds }, untilMs };
    } catch (error) {
      if (entries.get(digest) === entry) entries.delete(digest);
      throw error;
    }
  }

  function ask(digest: string, hash: string): Entry {
    const entry: Entry = { askedAtMs: nowMs(), found: undefined, answer: undefined };
    entry.answer = answerTo(entry, digest, hash);
    entries.delete(digest);
    entries.set(digest, entry);
    if (entries.size > maxEntries) {
      const [oldest] = entries.keys();
      if (oldest !== undefined) entries.delete(oldest);
    }
    return entry;
  }

  return {
    recall(digest) {
      const entry = freshEntry(digest);
      return entry === undefined ? undefined : principalOf(entry);
    },

    find(digest, hash) {
      const entry = freshEntry(digest) ?? ask(digest, hash);
      return entry.answer === undefined ? principalOf(entry) : entry.answer.then(() => principalOf(entry));
    },

    forget: () => entries.clear(),
  };
}
