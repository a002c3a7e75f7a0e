import { weekOf, weekOfId } from './bucket.ts';
import { columnText } from './column-text.ts';
import { type ContextRow, contextOf, isDeleted } from './context-of.ts';
import { type ClaimRow, otherHolder, selectHolder } from './idempotency.ts';
import type { SqlValue } from './rows.ts';
import { sql } from './sql.ts';
import { wholeItem } from './stored-body.ts';
import type { StoredItem, TenantStore, TurnStatus } from './store.ts';
import { storedTurn, type TurnRow } from './stored-turn.ts';

type TenantReads = Pick<
  TenantStore,
  | 'readContext'
  | 'readInput'
  | 'readResponse'
  | 'readCost'
  | 'readEnvelope'
  | 'readItem'
  | 'readFollowing'
  | 'readKeyHolder'
  | 'listSession'
>;

interface ResponseRow {
  status: TurnStatus;
  session_id: string;
  head: string | null;
  envelope: string | null;
  error_code: string | null;
  id: string | null;
  type: string;
  body: string;
  origin: string | null;
}

/**
 * The reading half of a tenant's store, the same on every engine: one statement each. An id can be any text that a client
 * sent.
 * @param all runs a statement; `Row` names the columns that it selects.
 * @param expiresBeforeMs what was begun before is as if it had never been.
 */
export function createTenantReads(
  tenant: string,
  all: <Row>(sql: string, ...parameters: SqlValue[]) => Row[] | Promise<Row[]>,
  expiresBeforeMs: () => number,
): TenantReads {
  /** tenant, id, week, expiry. */
  const live = (responseId: string): SqlValue[] => [
    tenant,
    columnText(responseId),
    weekOfId(responseId),
    expiresBeforeMs(),
  ];
  const one = async (statement: string, itemId: string): Promise<StoredItem | undefined> => {
    const expiry = expiresBeforeMs();
    const [row] = await all<StoredItem>(statement, tenant, columnText(itemId), expiry, weekOf(expiry));
    return row && wholeItem(row);
  };

  return {
    async readContext(responseId) {
      return contextOf(await all<ContextRow>(sql.selectContext, ...live(responseId)), true);
    },

    async readInput(responseId) {
      return contextOf(await all<ContextRow>(sql.selectContext, ...live(responseId)), false)?.items;
    },

    async readResponse(responseId) {
      const rows = await all<ResponseRow>(sql.selectResponse, ...live(responseId));
      const [first] = rows;
      if (first === undefined) return undefined;
      const output: StoredItem[] = [];
      for (const { id, type, body, origin } of rows) {
        if (id !== null && !isDeleted({ body })) output.push(wholeItem({ id, type, body, origin }));
      }
      const { status, session_id: sessionId, head, envelope } = first;
      const response = { status, sessionId, head: head ?? '', envelope: envelope ?? '', output };
      return status === 'failed' ? { ...response, errorCode: first.error_code } : response;
    },

    async readCost(responseId) {
      const [row] = await all<{ cost_nano_usd: number | null }>(sql.selectCost, ...live(responseId));
      return row?.cost_nano_usd ?? undefined;
    },

    async readEnvelope(responseId, envelope) {
      const [row] = await all<{ body: string }>(sql.selectEnvelope, tenant, envelope, weekOfId(responseId));
      return row?.body;
    },

    readItem: (itemId) => one(sql.selectItem, itemId),

    readFollowing: (itemId) => one(sql.selectFollowing, itemId),

    async readKeyHolder({ keyHash, expiresBeforeMs }) {
      const [row] = await all<ClaimRow>(selectHolder, tenant, keyHash, expiresBeforeMs, weekOf(expiresBeforeMs));
      return otherHolder(row, '');
    },

    async listSession(sessionId) {
      return (await all<TurnRow>(sql.selectSession, tenant, columnText(sessionId))).map(storedTurn);
    },
  };
}
