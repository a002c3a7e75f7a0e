import type { ContextItem } from '../core/items.ts';
import { createPace } from '../core/pace.ts';
import type { TurnRequest } from '../core/request.ts';
import type { FoundContext, TenantStore } from '../store/store.ts';
import {
  beginChain,
  type ContextChain,
  endChain,
  endDetails,
  extendChain,
  isOutput,
  waysToTell,
} from './context-hash.ts';
import { keepsContent, type LedgerRule } from './keeps-content.ts';

/** Whose turns a request's own history can go on from. */
export interface Linker {
  keyId: string;
  endUser: string | undefined;
  /** The session that the client names. */
  sessionId: string | undefined;
}

/** What is known of a context by its content. */
export interface Linked {
  /** The context that the turn's output goes on from. */
  chain: ContextChain;
  /** The turn whose context the input starts with; undefined: there is none. */
  link: HistoryLink | undefined;
}

/** A parent that no one has named. What the model sees is the client's own input all the same. */
export interface HistoryLink {
  found: FoundContext;
  /** Where the parent's context ends in the input. */
  end: number;
  /** How many items of the input the parent's context stands for: none where the client has another one's details. */
  items: number;
  /** The client has left out the reasoning of the parent's own output. */
  dropsReasoning: boolean;
}

/** A place in the input where a stored context may end. */
interface End {
  said: string;
  /** Items up to there. */
  items: number;
}

/**
 * Finds the turn whose whole context is the longest beginning of the input: of the same key, for the same end user, stored as
 * this one is to be. It ends in something that a model put out, so that two who begin with the same words are not one.
 */
export async function linkHistory(
  store: TenantStore,
  context: readonly ContextItem[],
  { store: stored, input }: TurnRequest,
  { keyId, endUser }: Linker,
): Promise<Linked> {
  let hashed = 0;
  const hash = (text: string) => {
    hashed += text.length;
    return store.contextHash(text);
  };
  const pace = createPace();
  const given = new Set(input.map(({ id }) => id));
  let chain = beginChain(hash, [keyId, endUser ?? null, stored]);
  const chains = [chain];
  const ends: End[] = [];
  for (const [index, entry] of context.entries()) {
    const { item } = entry;
    chain = extendChain(hash, chain, entry, [{ id: given.has(item.id), reasoning: true }]);
    chains.push(chain);
    if (item.type !== 'reasoning' && isOutput(item)) ends.push({ said: endChain(hash, chain), items: index + 1 });
    const pause = pace.after(hashed);
    hashed = 0;
    if (pause !== undefined) await pause;
  }
  if (ends.length === 0) return { chain, link: undefined };
  ends.reverse();
  const found = await store.findContext(ends.map(({ said }) => said));
  const place = ends.find(({ said }) => said === found?.said);
  if (found === undefined || place === undefined) return { chain, link: undefined };
  const end = behindReasoning(context, place.items);
  const { [end]: there = chain } = chains;
  const [details = ''] = endDetails(there);
  const way = found.details.indexOf(details);
  // What is stored stands for nothing that the client has said otherwise.
  const items = way < 0 ? 0 : end;
  return { chain, link: { found, end, items, dropsReasoning: waysToTell[way]?.reasoning === false } };
}

/** Reasoning that a turn's output ends with stands in its context too. */
function behindReasoning(context: readonly ContextItem[], from: number): number {
  let at = from;
  while (context[at]?.item.type === 'reasoning') at += 1;
  const next = context[at]?.item;
  return next === undefined || !isOutput(next) ? at : from;
}

/** Undefined: nothing of the turn is to be found by its content. */
export function linkerOf(
  rule: LedgerRule,
  { request, keyId, sessionId }: { request: TurnRequest; keyId: string; sessionId: string | undefined },
): Linker | undefined {
  if (!request.generate || !keepsContent(rule, request)) return undefined;
  return { keyId, endUser: endUserOf(request), sessionId };
}

export function endUserOf({ safetyIdentifier, user }: TurnRequest): string | undefined {
  return safetyIdentifier ?? user;
}
