import { GatewayError } from '../core/errors.ts';
import type { StoredContextItem, StoredItem } from './stored-item.ts';

/** A conversation: a name for the end of a chain, which moves on with every turn that ends well. */
export interface Conversation {
  /** `conv_…` */
  id: string;
  createdAtMs: number;
  /** Of all its turns. */
  sessionId: string;
  /** JSON object. */
  metadata: string;
}

/** What a turn must find unchanged to be begun in a conversation. */
export interface ConversationLink {
  id: string;
  /** The turn that wrote to it last, and has ended; null: none. */
  writer: string | null;
}

/** A conversation as a turn goes on from it. */
export interface ConversationContext {
  sessionId: string;
  writer: string | null;
  /** A turn is writing to it. */
  locked: boolean;
  /** Undefined: nothing was appended yet. */
  head: ConversationHead | undefined;
  /** Oldest first. */
  items: StoredContextItem[];
}

/** The last turn of a conversation. */
export interface ConversationHead {
  id: string;
  /** As in `StoredContext`. */
  bucket: number;
  anchor: string;
  depth: number;
  /** As in `StoredContext`. */
  length: number;
  /** As in `StoredContext`. */
  deployment: string | undefined;
}

/** Items that a client puts into a conversation itself: a turn without a model, whose id nobody is told. */
export interface AppendedItems {
  turnId: string;
  createdAtMs: number;
  keyId: string;
  items: StoredItem[];
}

export interface ItemPage {
  limit: number;
  order: 'asc' | 'desc';
  /** Id of the last item of the page before. */
  after: string | undefined;
}

/**
 * The conversations of one tenant. A deleted one is unknown; its items are not deleted with it. Time takes nothing of them.
 * Every method rejects with GatewayError `store_unavailable` when the engine fails; the same write may then be run again, and
 * is made once. Writes are durable when they resolve.
 */
export interface ConversationStore {
  /** @param appended its first items; undefined: none. */
  create(conversation: Conversation, appended: AppendedItems | undefined): Promise<void>;
  read(id: string): Promise<Conversation | undefined>;
  /** False: there is no such conversation. */
  setMetadata(id: string, metadata: string): Promise<boolean>;
  /** False: there is no such conversation. */
  delete(id: string, nowMs: number): Promise<boolean>;
  /** All that a turn in the conversation needs to know, in one reading. Undefined: there is no such conversation. */
  readContext(id: string): Promise<ConversationContext | undefined>;
  /** `locked`: somebody else writes, or has written meanwhile. */
  append(id: string, appended: AppendedItems): Promise<'appended' | 'locked' | 'not-found'>;
  /** One item more than the limit where there is more. Undefined: no item of the conversation has the id `after`. */
  listItems(id: string, page: ItemPage): Promise<StoredItem[] | undefined>;
  readItem(id: string, itemId: string): Promise<StoredItem | undefined>;
  /** Empties the item for good, wherever the conversation is read from. False: there is no such item in it. */
  deleteItem(id: string, itemId: string): Promise<boolean>;
}

/** @param param the client's name for the id. */
export function conversationNotFound(id: string, param: 'conversation' | 'conversation_id'): GatewayError {
  return new GatewayError('conversation_not_found', `Conversation with id '${id.slice(0, 256)}' not found.`, { param });
}

export function conversationLocked(): GatewayError {
  const message = 'Another process is currently operating on this conversation. Please retry in a few seconds.';
  return new GatewayError('conversation_locked', message, { param: 'conversation' });
}
