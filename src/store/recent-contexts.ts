import type { ContextChain } from './context-of.ts';

/** Contexts that were read last, of all tenants. */
export interface RecentContexts {
  find(tenant: string, turnId: string): ContextChain | undefined;
  /** @param parent whose context the chain goes on from, and which is not likely to be asked for again. */
  remember(tenant: string, turnId: string, chain: ContextChain, parent: string | undefined): void;
  forget(tenant: string, turnId: string): void;
  clear(): void;
}

/**
 * Remembers what ended turns' contexts are made of, which nothing changes but what takes content away: whoever does that says so.
 * A chain grows at its end, so the context that one is built on gives its place to it.
 * @param maxCharacters of bodies and origins. A context of more than a quarter of that is not remembered.
 */
export function createRecentContexts(maxCharacters: number): RecentContexts {
  const chains = new Map<string, { chain: ContextChain; characters: number }>();
  let held = 0;
  const keyOf = (tenant: string, turnId: string) => `${turnId} ${tenant}`;
  const drop = (key: string) => {
    held -= chains.get(key)?.characters ?? 0;
    chains.delete(key);
  };
  return {
    find(tenant, turnId) {
      const key = keyOf(tenant, turnId);
      const found = chains.get(key);
      if (found === undefined) return undefined;
      chains.delete(key);
      chains.set(key, found);
      return found.chain;
    },
    remember(tenant, turnId, chain, parent) {
      let characters = 0;
      for (const { body, origin } of chain.items) characters += body.length + (origin?.length ?? 0);
      if (parent !== undefined) drop(keyOf(tenant, parent));
      if (characters > maxCharacters / 4) return;
      const key = keyOf(tenant, turnId);
      drop(key);
      chains.set(key, { chain, characters });
      held += characters;
      for (const oldest of chains.keys()) {
        if (held <= maxCharacters) return;
        drop(oldest);
      }
    },
    forget: (tenant, turnId) => drop(keyOf(tenant, turnId)),
    clear() {
      chains.clear();
      held = 0;
    },
  };
}
