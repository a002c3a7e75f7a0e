import { GatewayError } from '../core/errors.ts';
import type { StoredContext, StoredContextItem, TurnStatus } from './store.ts';

/** A row of `sql.selectContext`. Item columns are null for a turn without items; turn columns above hop 0 are null. */
export interface ContextRow {
  /** Turns between this row's turn and the one that was asked for. */
  hop: number;
  turn_id: string;
  keep: number;
  status: TurnStatus | null;
  session_id: string | null;
  anchor: string | null;
  depth: number | null;
  position: number | null;
  output: number | null;
  id: string | null;
  type: string | null;
  body: string | null;
  origin: string | null;
}

/**
 * `context(turn) = context(parent)[0..keep] ++ input(turn) ++ output(turn)`, from the rows of a chain. Sorted here, because
 * an engine would copy every body to sort them.
 * @param withOutput false: leaves out the turn's own output.
 * @throws GatewayError `store_unavailable` where ancestors' items are missing: a shorter history is never passed off as the whole.
 */
export function contextOf(rows: ContextRow[], withOutput: boolean): StoredContext | undefined {
  rows.sort((a, b) => b.hop - a.hop || (a.position ?? 0) - (b.position ?? 0));
  let items: StoredContextItem[] = [];
  let turnId: string | undefined;
  for (const row of rows) {
    if (row.turn_id !== turnId) {
      turnId = row.turn_id;
      if (items.length < row.keep) {
        throw new GatewayError('store_unavailable', 'The stored history of this response is incomplete.', {
          cause: new Error(`turn ${turnId} keeps ${row.keep} items of its parent, ${items.length} were found`),
        });
      }
      items.length = row.keep;
    }
    const { id, type, body, origin } = row;
    if (id === null || type === null || body === null) continue;
    if (withOutput || row.hop > 0 || row.output === 0) items.push({ id, type, body, origin, turnId });
  }
  const { length } = items;
  if (items.some(isDeleted)) items = items.filter((item) => !isDeleted(item));
  const own = rows.at(-1);
  if (own === undefined || own.status === null || own.session_id === null) return undefined;
  return {
    status: own.status,
    sessionId: own.session_id,
    anchor: own.anchor ?? own.turn_id,
    depth: own.depth ?? 0,
    length,
    items,
  };
}

/** An item that was deleted from its conversation keeps its place, so that the counts of those who keep it hold. */
export function isDeleted({ body }: { body: string }): boolean {
  return body === '';
}
