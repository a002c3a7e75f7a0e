import { weekOfId } from '../bucket.ts';
import { sql } from '../sql.ts';
import type { Query } from './database.ts';

/**
 * Deletes the items that no turn needs any more, of this turn and upwards. The chain is locked.
 * @returns whether the turn itself was among those whose items went.
 */
export async function purge(query: Query, tenant: string, id: string, expiryMs: number): Promise<boolean> {
  const week = weekOfId(id);
  const gone = await query<{ id: string }>(sql.purgeTurns, [tenant, id, week, expiryMs]);
  for (const turn of gone) {
    await query(sql.suspectEnvelopes, [tenant, turn.id, week]);
    await query(sql.deleteItems, [tenant, turn.id, week]);
  }
  return gone.some((turn) => turn.id === id);
}
