import { answerHalf, callHalf } from '../core/call-pairs.ts';
import type { ContextItem, Item } from '../core/items.ts';
import type { Deployment } from '../providers/provider.ts';
import { deploymentName } from '../routing/deployment-name.ts';
import type { Router } from '../routing/router.ts';
import { callHash, isOutput } from './context-hash.ts';
import type { History } from './resolve-history.ts';
import type { Turn, TurnCall } from './turn.ts';

type Asked = Pick<TurnCall, 'request' | 'store' | 'keyId'>;
type Routed = [Deployment, ...Deployment[]];

/**
 * What to try, in order. While a tool loop is open, what opened it comes first: where no stored turn says what that was, it is
 * found by the calls themselves, which every client brings back as they were.
 */
export async function routeTurn(router: Router, asked: Asked, { pinned, shown }: History): Promise<Routed> {
  const { request, store } = asked;
  const deployments = router.route(request.model, pinned);
  if (pinned !== undefined || !isShared(deployments)) return deployments;
  const hashes = answeredCalls(shown).map((item) => hashOf(asked, item));
  const opener = hashes.length === 0 ? undefined : await store.findOpener(hashes);
  return opener === undefined ? deployments : router.route(request.model, opener);
}

/** What the turn's last call is found by; undefined: it made none, or nobody else could have made it. */
export function openCallsOf(
  asked: Asked,
  { reply }: Pick<Turn, 'reply'>,
  tried: readonly Deployment[],
): string | undefined {
  if (!isShared(tried)) return undefined;
  const last = reply.output.findLast(({ item }) => callHalf(item) !== undefined);
  return last && hashOf(asked, last.item);
}

function hashOf({ store, keyId }: Asked, call: Item): string {
  return callHash((text) => store.contextHash(text), keyId, call);
}

function isShared([first, ...others]: readonly Deployment[]): boolean {
  // Most are the first once more.
  return first !== undefined && others.some((each) => each !== first && deploymentName(each) !== deploymentName(first));
}

/** The calls whose outputs are what the context ends with, the newest first. */
function answeredCalls(context: readonly ContextItem[]): Item[] {
  const from = context.findLastIndex(({ item }) => isOutput(item)) + 1;
  const answered = new Set(context.slice(from).flatMap(({ item }) => answerHalf(item)?.id ?? []));
  if (answered.size === 0) return [];
  const isAnswered = ({ item }: ContextItem) => answered.delete(callHalf(item)?.id ?? '');
  return context
    .slice(0, from)
    .toReversed()
    .filter(isAnswered)
    .map(({ item }) => item);
}
