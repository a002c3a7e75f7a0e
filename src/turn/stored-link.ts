import { GatewayError } from '../core/errors.ts';
import type { ContextHashes, TenantStore } from '../store/store.ts';
import { type ContextChain, endChain, endDetails, extendChain, waysToTell } from './context-hash.ts';
import type { History } from './resolve-history.ts';
import type { Turn } from './turn.ts';

/** Where nothing is kept of a parent it need not be there. */
const nowhere = -1;

/**
 * What is stored of a turn: its parent, and what of its input is new. A context lies in one bucket, so that in the first turn of
 * a week all of it is.
 */
export function storedLink(
  { parent, input, linked }: Pick<History, 'parent' | 'input' | 'linked'>,
  createdAtMs: number,
): Pick<History, 'parent' | 'input'> {
  if (linked?.link === undefined) return { parent, input };
  const { found, items, dropsReasoning } = linked.link;
  const { id, bucket, anchor, depth, length } = found;
  const [from, until] = found.bucketSpanMs;
  if (items === 0 || createdAtMs < from || createdAtMs >= until) {
    return { parent: { id, bucket: nowhere, keep: 0, items: [], anchor: id, depth: 0 }, input };
  }
  const link = { id, bucket, keep: length, dropsReasoning, items: [], anchor, depth: depth + 1 };
  return { parent: link, input: input.slice(items) };
}

/** What the turn's own context is found by, once it has ended. */
export function contextBehind(
  store: TenantStore,
  { history: { linked }, reply, storedOutput }: Pick<Turn, 'history' | 'reply' | 'storedOutput'>,
): ContextHashes | undefined {
  const { status } = reply.state;
  if (linked === undefined || (status !== 'completed' && status !== 'incomplete')) return undefined;
  const hash = (text: string) => store.contextHash(text);
  const output = reply.output.slice(reply.output.length - storedOutput.length);
  const begun: ContextChain = { ...linked.chain, details: waysToTell.flatMap(() => linked.chain.details) };
  const chain = output.reduce((before, entry) => extendChain(hash, before, entry, waysToTell), begun);
  const said = endChain(hash, chain);
  // What has put out nothing is found by nobody: it would be found by whoever begins with the same words.
  return said === endChain(hash, begun) ? undefined : { said, details: endDetails(chain) };
}

/**
 * A parent that nobody has named may go while the turn begins: the turn is then stored without it.
 * @returns whether it was so.
 */
export function losesLink(error: unknown, turn: Turn): boolean {
  const { linked } = turn.history;
  const isGone = error instanceof GatewayError && error.code === 'previous_response_not_found';
  if (!isGone || linked?.link === undefined) return false;
  turn.history = { ...turn.history, linked: { ...linked, link: undefined } };
  return true;
}
