import { keptBucket, weekOf, weekOfId } from './bucket.ts';
import { columnText } from './column-text.ts';
import { chainOf, type ContextRow, contextOf, isDeleted, parentOf } from './context-of.ts';
import { type ClaimRow, otherHolder, selectHolder } from './idempotency.ts';
import type { RecentContexts } from './recent-contexts.ts';
import type { Retention } from './retention.ts';
import type { SqlValue } from './rows.ts';
import { sql } from './sql.ts';
import { wholeItem } from './stored-body.ts';
import type { StoredContext, StoredItem, TenantStore, TurnStatus } from './store.ts';
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

/** More than any chain has. */
const allAncestors = 2 ** 31 - 1;

/**
 * The reading half of a tenant's store, the same on every engine: one statement each. An id can be any text that a client
 * sent.
 * @param all runs a statement; `Row` names the columns that it selects.
 * @param tuples the same, with a row as the list of its columns.
 * @param selectContext the engine's.
 * @param retention what was begun before its time is as if it had never been.
 * @param recent of the engine that can remember contexts.
 */
export function createTenantReads(
  tenant: string,
  all: <Row>(sql: string, ...parameters: SqlValue[]) => Row[] | Promise<Row[]>,
  tuples: <Row extends unknown[]>(sql: string, ...parameters: SqlValue[]) => Row[] | Promise<Row[]>,
  selectContext: string,
  { expiresBeforeMs, spans }: Retention,
  recent?: RecentContexts,
): TenantReads {
  /** tenant, id, week, expiry. */
  const live = (responseId: string): SqlValue[] => [
    tenant,
    columnText(responseId),
    weekOfId(responseId),
    expiresBeforeMs(),
  ];
  const one = async (statement: string, itemId: string): Promise<StoredItem | undefined> => {
    const id = columnText(itemId);
    for (const span of spans()) {
      const [row] = await all<StoredItem>(statement, tenant, id, expiresBeforeMs(), ...span);
      if (row !== undefined) return wholeItem(row);
    }
    return undefined;
  };

  /** Where contexts are remembered, the turn's own rows are read first: whether it is there, and whose context it goes on from. */
  const readChain = async (id: string, bucket: number, withOutput: boolean): Promise<StoredContext | undefined> => {
    const read = (ancestors: number) =>
      tuples<ContextRow>(selectContext, tenant, id, bucket, expiresBeforeMs(), ancestors);
    let rows = await read(recent === undefined ? allAncestors : 0);
    const [own] = rows;
    if (own === undefined) return undefined;
    const remembered = withOutput ? recent?.find(tenant, id) : undefined;
    if (remembered !== undefined) return contextOf(own, remembered, bucket);
    const parent = parentOf(own);
    const base = parent === undefined ? undefined : recent?.find(tenant, parent);
    if (recent !== undefined && parent !== undefined && base === undefined) rows = await read(allAncestors);
    const chain = chainOf(rows, withOutput, base);
    const newest = rows.at(-1);
    // It may have been deleted between the two.
    if (newest === undefined) return undefined;
    const context = contextOf(newest, chain, bucket);
    if (withOutput && (context?.status === 'completed' || context?.status === 'incomplete'))
      recent?.remember(tenant, id, chain, parent);
    return context;
  };

  /** All of a context lies in one bucket: one is asked at a time, and the one where things are kept seldom. */
  const readContext = async (responseId: string, withOutput: boolean): Promise<StoredContext | undefined> => {
    const id = columnText(responseId);
    for (const bucket of new Set([weekOfId(responseId), keptBucket])) {
      const context = await readChain(id, bucket, withOutput);
      if (context !== undefined) return context;
    }
    return undefined;
  };

  return {
    readContext: (responseId) => readContext(responseId, true),

    async readInput(responseId) {
      return (await readContext(responseId, false))?.items;
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
