import { GatewayError } from '../core/errors.ts';
import { itemMarks } from './sql.ts';
import { wholeBody } from './stored-body.ts';
import type { StoredContext, StoredContextItem, TurnStatus } from './store.ts';

/**
 * A row of `selectContext`: a list, since an object of so many fields for each item would cost more than to read it. The
 * item's fields are null for a turn without items; the turn's that come after them are null above hop 0.
 */
export type ContextRow = [
  /** Turns between this row's turn and the one that was asked for. */
  hop: number,
  turnId: string,
  keep: number,
  /** How many of the rows are the turn's own copy of what it keeps. */
  keptCount: number,
  dropsReasoning: number,
  envelope: string | null,
  position: number | null,
  output: number | null,
  id: string | null,
  type: string | null,
  body: string | null,
  origin: string | null,
  status: TurnStatus | null,
  sessionId: string | null,
  anchor: string | null,
  depth: number | null,
  deployment: string | null,
  parent: string | null,
];

/** What a context is made of, as its children keep it. */
export interface ContextChain {
  /** Those that were deleted have their places. */
  items: readonly StoredContextItem[];
  /** Where the output of the newest turn begins; Infinity: it has none. */
  saidFrom: number;
}

/**
 * `context(turn) = context(parent)[0..keep] ++ input(turn) ++ output(turn)`, from the rows of a chain; what the parent put out may
 * be kept without its reasoning. Put in order here, because an engine would copy every body to sort them.
 * @param withOutput false: leaves out the turn's own output.
 * @param base of the parent of the oldest turn that there are rows of; absent: that one keeps nothing.
 * @throws GatewayError `store_unavailable` where ancestors' items are missing: a shorter history is never passed off as the whole.
 */
export function chainOf(rows: ContextRow[], withOutput: boolean, base?: ContextChain): ContextChain {
  rows.sort(([hopA, , , , , , a], [hopB, , , , , , b]) => hopB - hopA || (a ?? 0) - (b ?? 0));
  const items = base === undefined ? [] : [...base.items];
  let lastHop: number | undefined;
  // Where the output of the turn before begins.
  let saidFrom = base?.saidFrom ?? Infinity;
  for (const row of rows) {
    const [hop, turnId, keep, keptCount, dropsReasoning, envelope, position, output, id, type, body, origin] = row;
    if (hop !== lastHop) {
      lastHop = hop;
      if (items.length < keep) throw incomplete(turnId, keep, items.length);
      // An anchor's copies come before its input: the first of them is where it should be, or they are gone.
      if (keptCount > 0 && position !== -keptCount) throw incomplete(turnId, keptCount, 0);
      items.length = keep;
      if (dropsReasoning === 1) {
        for (const [at, item] of items.entries())
          if (at >= saidFrom && item.type === 'reasoning') items[at] = { ...item, body: '' };
      }
      saidFrom = Infinity;
    }
    if (id === null || type === null || body === null) continue;
    if (output === itemMarks.output) saidFrom = Math.min(saidFrom, items.length);
    if (withOutput || hop > 0 || output !== itemMarks.output)
      items.push({ id, type, body: wholeBody(id, type, body), origin, turnId, envelope, entry: undefined });
  }
  return { items, saidFrom };
}

/**
 * @param own a row of the turn itself.
 * @param bucket in which all of it lies.
 */
export function contextOf(own: ContextRow, { items }: ContextChain, bucket: number): StoredContext | undefined {
  const [, turnId, , , , , , , , , , , status, sessionId, anchor, depth, deployment] = own;
  if (status === null || sessionId === null) return undefined;
  return {
    bucket,
    status,
    sessionId,
    anchor: anchor ?? turnId,
    depth: depth ?? 0,
    deployment: deployment ?? undefined,
    length: items.length,
    items: items.some(isDeleted) ? items.filter((item) => !isDeleted(item)) : items,
  };
}

/** Undefined: the turn keeps nothing of any. */
export function parentOf([, , keep, , , , , , , , , , , , , , , parent]: ContextRow): string | undefined {
  return keep > 0 && parent !== null ? parent : undefined;
}

/** An item that was deleted from its conversation, or dropped, keeps its place, so that the counts of those who keep it hold. */
export function isDeleted({ body }: { body: string }): boolean {
  return body === '';
}

function incomplete(turnId: string, kept: number, found: number): GatewayError {
  return new GatewayError('store_unavailable', 'The stored history of this response is incomplete.', {
    cause: new Error(`turn ${turnId} keeps ${kept} items of its parent, ${found} were found`),
  });
}
