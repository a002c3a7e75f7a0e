import { keptBucket } from './bucket.ts';
import { columnText, exactJson } from './column-text.ts';
import { isDeleted } from './context-of.ts';
import { conversationReads as reads, type ConversationWrite } from './conversation-sql.ts';
import type {
  AppendedItems,
  Conversation,
  ConversationContext,
  ConversationHead,
  ConversationStore,
} from './conversation-store.ts';
import { itemValues, type SqlValue } from './rows.ts';
import type { StoredContextItem, StoredItem } from './store.ts';
import { wholeItem } from './stored-body.ts';
import { unavailable } from './unavailable.ts';

/** A turn of items, as an engine writes it. */
export interface AppendWrite {
  tenant: string;
  conversation: string;
  /** Parameters of `insert` where the conversation is made with it. */
  create: SqlValue[] | undefined;
  /** Who must have written last. */
  writer: string | null;
  turnId: string;
  /** Parameters of `insertAppended`. */
  turn: SqlValue[];
  /** `itemValues`. */
  items: SqlValue[];
}

/** What the engines do each in their own way. */
export interface ConversationEngine {
  /** Runs a statement; `Row` names the columns that it selects. */
  all: <Row>(sql: string, ...parameters: SqlValue[]) => Row[] | Promise<Row[]>;
  /** Runs a statement of `conversationWrites` and says whether it changed a row. */
  write: (statement: ConversationWrite, parameters: SqlValue[]) => Promise<boolean>;
  /** False: somebody else has written meanwhile, and nothing was written. True also where it was made with the same items before. */
  append: (append: AppendWrite) => Promise<boolean>;
}

interface ConversationRow {
  id: string;
  created_at_ms: number;
  session_id: string;
  metadata: string;
}

/** The head's columns are null where nothing was appended yet. */
interface TipRow {
  session_id: string;
  writer: string | null;
  locked: number;
  head: string | null;
  anchor: string | null;
  depth: number | null;
  length: number | null;
  deployment: string | null;
}

interface ContextRow extends TipRow {
  turn_id: string | null;
  turn_depth: number | null;
  envelope_hash: string | null;
  position: number | null;
  id: string | null;
  type: string | null;
  body: string | null;
  origin: string | null;
}

/** Of those who append at once one comes first each time: many of them are not to keep the store from everybody else. */
const maxAppendTries = 10;

export function createConversationStore(tenant: string, { all, write, append }: ConversationEngine): ConversationStore {
  const appendWrite = (
    id: string,
    { turnId, createdAtMs, keyId, items }: AppendedItems,
    { sessionId, writer, head }: Pick<ConversationContext, 'sessionId' | 'writer' | 'head'>,
    create?: SqlValue[],
  ): AppendWrite => {
    const place = head === undefined ? [null, 0, turnId, 0] : [head.id, head.length, head.anchor, head.depth + 1];
    const turn = [tenant, turnId, createdAtMs, ...place, columnText(sessionId), columnText(keyId), id, items.length];
    return { tenant, conversation: id, create, writer, turnId, turn, items: itemValues(items) };
  };

  const readTip = (id: string, turnId: string) =>
    all<TipRow & { appended: number | boolean }>(reads.selectTip, tenant, id, turnId);

  return {
    async create({ id, createdAtMs, sessionId, metadata }, appended) {
      const row = [tenant, id, createdAtMs, columnText(sessionId), exactJson(metadata), appended?.turnId ?? null];
      if (appended === undefined) await write('insert', row);
      else await append(appendWrite(id, appended, { sessionId, writer: null, head: undefined }, row));
    },

    async read(id) {
      const [row] = await all<ConversationRow>(reads.select, tenant, columnText(id));
      return row && conversationOf(row);
    },

    setMetadata: (id, metadata) => write('setMetadata', [tenant, columnText(id), exactJson(metadata)]),

    delete: (id, nowMs) => write('delete', [tenant, columnText(id), nowMs]),

    async readContext(id) {
      return contextOf(await all<ContextRow>(reads.selectContext, tenant, columnText(id)));
    },

    async append(id, appended) {
      const conversation = columnText(id);
      for (let triesLeft = maxAppendTries; ; triesLeft -= 1) {
        const [row] = await readTip(conversation, appended.turnId);
        if (row === undefined) return 'not-found';
        // This very append, of which nobody knew whether it had been done.
        if (row.appended) return 'appended';
        const tip = tipOf(row);
        if (tip.locked || triesLeft === 0) return 'locked';
        // Where somebody else comes between, it goes behind what he wrote.
        if (await append(appendWrite(conversation, appended, tip))) return 'appended';
      }
    },

    async listItems(id, { limit, order, after }) {
      const conversation = columnText(id);
      let place: { depth: number; position: number } | undefined;
      if (after !== undefined) {
        [place] = await all<{ depth: number; position: number }>(
          reads.selectPlace,
          tenant,
          conversation,
          columnText(after),
        );
        if (place === undefined) return undefined;
      }
      const statement = order === 'asc' ? reads.selectOldest : reads.selectNewest;
      const { depth = null, position = null } = place ?? {};
      const rows = await all<StoredItem>(statement, tenant, conversation, depth, position, limit + 1);
      return rows.map(wholeItem);
    },

    async readItem(id, itemId) {
      const [row] = await all<StoredItem>(reads.selectItem, tenant, columnText(id), columnText(itemId));
      return row && wholeItem(row);
    },

    deleteItem: (id, itemId) => write('deleteItem', [tenant, columnText(id), columnText(itemId)]),
  };
}

function conversationOf(row: ConversationRow): Conversation {
  return { id: row.id, createdAtMs: row.created_at_ms, sessionId: row.session_id, metadata: row.metadata };
}

function tipOf(row: TipRow): Omit<ConversationContext, 'items'> {
  return { sessionId: row.session_id, writer: row.writer, locked: row.locked === 1, head: headOf(row) };
}

function headOf({ head: id, anchor, depth, length, deployment }: TipRow): ConversationHead | undefined {
  return id === null || anchor === null || depth === null || length === null
    ? undefined
    : { id, bucket: keptBucket, anchor, depth, length, deployment: deployment ?? undefined };
}

/** @throws GatewayError `store_unavailable` where items are missing: a shorter history is never passed off as the whole. */
function contextOf(rows: ContextRow[]): ConversationContext | undefined {
  const [first] = rows;
  if (first === undefined) return undefined;
  rows.sort((a, b) => (a.turn_depth ?? 0) - (b.turn_depth ?? 0) || (a.position ?? 0) - (b.position ?? 0));
  const tip = tipOf(first);
  const items: StoredContextItem[] = [];
  for (const { id, type, body, origin, turn_id: turnId, envelope_hash: envelope } of rows) {
    if (id === null || type === null || body === null || turnId === null) continue;
    items.push(wholeItem({ id, type, body, origin, turnId, envelope }));
  }
  const { length = 0 } = tip.head ?? {};
  if (items.length !== length) {
    const cause = new Error(`a conversation has ${length} items, ${items.length} were found`);
    throw unavailable('a stored conversation is incomplete', cause);
  }
  return { ...tip, items: items.some(isDeleted) ? items.filter((item) => !isDeleted(item)) : items };
}
