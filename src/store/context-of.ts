import { GatewayError } from '../core/errors.ts';
import { itemMarks } from './sql.ts';
import { wholeItem } from './stored-body.ts';
import type { StoredContext, StoredContextItem, TurnStatus } from './store.ts';

/** A row of `sql.selectContext`. Item columns are null for a turn without items; turn columns above hop 0 are null. */
export interface ContextRow {
  /** Turns between this row's turn and the one that was asked for. */
  hop: number;
  turn_id: string;
  bucket: number;
  keep: number;
  /** How many of the rows are the turn's own copy of what it keeps. */
  kept_count: number;
  status: TurnStatus | null;
  session_id: string | null;
  anchor: string | null;
  depth: number | null;
  deployment: string | null;
  position: number | null;
  output: number | null;
  id: string | null;
  type: string | null;
  body: string | null;
  origin: string | null;
  envelope_hash: string | null;
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
      if (items.length < row.keep) throw incomplete(turnId, row.keep, items.length);
      // An anchor's copies come before its input: the first of them is where it should be, or they are gone.
      if (row.kept_count > 0 && row.position !== -row.kept_count) throw incomplete(turnId, row.kept_count, 0);
      items.length = row.keep;
    }
    const { id, type, body, origin, envelope_hash: envelope } = row;
    if (id === null || type === null || body === null) continue;
    if (withOutput || row.hop > 0 || row.output !== itemMarks.output)
      items.push(wholeItem({ id, type, body, origin, turnId, envelope }));
  }
  const { length } = items;
  if (items.some(isDeleted)) items = items.filter((item) => !isDeleted(item));
  const own = rows.at(-1);
  if (own === undefined || own.status === null || own.session_id === null) return undefined;
  return {
    bucket: own.bucket,
    status: own.status,
    sessionId: own.session_id,
    anchor: own.anchor ?? own.turn_id,
    depth: own.depth ?? 0,
    deployment: own.deployment ?? undefined,
    length,
    items,
  };
}

/** An item that was deleted from its conversation keeps its place, so that the counts of those who keep it hold. */
export function isDeleted({ body }: { body: string }): boolean {
  return body === '';
}

function incomplete(turnId: string, kept: number, found: number): GatewayError {
  return new GatewayError('store_unavailable', 'The stored history of this response is incomplete.', {
    cause: new Error(`turn ${turnId} keeps ${kept} items of its parent, ${found} were found`),
  });
}
