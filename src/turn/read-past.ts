import { GatewayError } from '../core/errors.ts';
import type { Tool, TurnRequest } from '../core/request.ts';
import { type ConversationLink, conversationLocked, conversationNotFound } from '../store/conversation-store.ts';
import type { ParentLink, StoredContext, StoredContextItem, TenantStore } from '../store/store.ts';

/** A response that is kept by one connection alone. */
export interface LocalResponse {
  context: StoredContext;
  /** Those of the newest turn that brought any. */
  tools: Tool[];
}

/** Parents that the store does not hold. */
export interface LocalParents {
  find(responseId: string): LocalResponse | undefined;
}

/** What the turn goes on from. */
export interface Past {
  items: readonly StoredContextItem[];
  parent: ParentLink | undefined;
  conversation: ConversationLink | undefined;
  sessionId: string | undefined;
  /** What the newest turn was made on. */
  deployment: string | undefined;
  /** Those that are inherited, where the store does not know. */
  tools?: Tool[];
}

/** @throws GatewayError for a parent or a conversation that is not there, or that a turn cannot go on from. */
export async function readPast(
  store: TenantStore,
  request: TurnRequest,
  local: LocalParents | undefined,
): Promise<Past> {
  const { previousResponseId, conversationId } = request;
  if (conversationId !== undefined) return readConversation(store, conversationId);
  if (previousResponseId === undefined) {
    return { items: [], parent: undefined, conversation: undefined, sessionId: undefined, deployment: undefined };
  }
  const kept = local?.find(previousResponseId);
  if (kept !== undefined && request.store) throw notStored(previousResponseId);
  return kept === undefined ? readParent(store, previousResponseId) : localPast(previousResponseId, kept);
}

/** A conversation is a name for the end of a chain: its head is the parent. */
async function readConversation(store: TenantStore, id: string): Promise<Past> {
  const found = await store.conversations.readContext(id);
  if (found === undefined) throw conversationNotFound(id, 'conversation');
  const { items, head, writer, locked, sessionId } = found;
  if (locked) throw conversationLocked();
  return {
    items,
    parent: head && {
      id: head.id,
      bucket: head.bucket,
      keep: head.length,
      items,
      anchor: head.anchor,
      depth: head.depth + 1,
    },
    conversation: { id, writer },
    sessionId,
    deployment: head?.deployment,
  };
}

async function readParent(store: TenantStore, id: string): Promise<Past> {
  const parent = await store.readContext(id);
  if (parent === undefined) {
    const message = `Previous response with id '${id.slice(0, 256)}' not found.`;
    throw new GatewayError('previous_response_not_found', message, { param: 'previous_response_id' });
  }
  if (parent.status !== 'completed' && parent.status !== 'incomplete') {
    const message = `Previous response with id '${id}' cannot be continued: its status is '${parent.status}'.`;
    throw new GatewayError('previous_response_not_found', message, { param: 'previous_response_id' });
  }
  const { bucket, items, length, anchor, depth, sessionId, deployment } = parent;
  const link = { id, bucket, keep: length, items, anchor, depth: depth + 1 };
  return { items, parent: link, conversation: undefined, sessionId, deployment };
}

/** Of a parent that is not stored nothing is kept in the store: its child, which is not stored either, only names it. */
function localPast(id: string, { context, tools }: LocalResponse): Past {
  const { bucket, items, anchor, sessionId, deployment } = context;
  const parent = { id, bucket, keep: 0, items: [], anchor, depth: 0 };
  return { items, parent, conversation: undefined, sessionId, deployment, tools };
}

function notStored(id: string | undefined): GatewayError {
  const message = `Response '${id}' is not stored: it can be continued with 'store' set to false only.`;
  return new GatewayError('unsupported_value', message, { param: 'store' });
}
