import { GatewayError } from '../core/errors.ts';
import type { LedgerContent } from '../core/ledger-content.ts';
import type { TurnRequest } from '../core/request.ts';
import type { StoredItem } from '../store/store.ts';

/** What the operator has said. */
export interface LedgerRule {
  ledger: LedgerContent;
}

/**
 * A request under the operator's rule: where no content is to be kept but what clients store through the API, a turn of a
 * protocol that has no such state is not stored; where none is to be kept at all, nothing is.
 * @param isAtHand whether the connection itself has a response of this id.
 * @throws GatewayError 400 where none is kept, for what goes on from something that is, or is fetched later.
 */
export function underLedger(
  request: TurnRequest,
  ledger: LedgerContent,
  isAtHand: (responseId: string) => boolean = () => false,
): TurnRequest {
  if (ledger === 'none') {
    const { previousResponseId: parent, conversationId, background } = request;
    if (parent !== undefined && !isAtHand(parent)) throw notRetained('Previous response', 'previous_response_id');
    if (conversationId !== undefined) throw notRetained('Conversation', 'conversation');
    if (background) throw notRetained('Background', 'background');
    return { ...request, store: false };
  }
  return ledger === 'never' && request.protocol !== 'responses' ? { ...request, store: false } : request;
}

/** In OpenAI's words. */
function notRetained(what: string, param: string): GatewayError {
  const message = `${what} cannot be used for this organization due to Zero Data Retention.`;
  return new GatewayError('unsupported_parameter', message, { param });
}

/**
 * Whether content of the turn is kept, for its client or to be looked at. In a conversation its items are that one's; vectors
 * are nothing to look at.
 */
export function keepsContent(
  { ledger }: LedgerRule,
  { protocol, store, conversationId }: Pick<TurnRequest, 'protocol' | 'store' | 'conversationId'>,
): boolean {
  return store || (ledger === 'always' && conversationId === undefined && protocol !== 'embeddings');
}

/**
 * What is written of a turn's items. Where they came from is for who goes on from them: of what is kept only to be looked at it
 * is left out, where a reasoning item's client carries it too.
 */
export function keptItems(
  rule: LedgerRule,
  request: Pick<TurnRequest, 'protocol' | 'store' | 'conversationId'>,
  items: StoredItem[],
): StoredItem[] {
  if (request.store || request.conversationId !== undefined) return items;
  return keepsContent(rule, request) ? items.map((item) => ({ ...item, origin: null })) : [];
}
