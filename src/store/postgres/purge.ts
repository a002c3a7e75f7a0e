import { sql } from '../sql.ts';
import type { Query } from './database.ts';

/**
 * Deletes the items that no turn needs any more, of this turn and upwards. The chain is locked.
 * @returns whether the turn itself was among those whose items went.
 */
export async function purge(query: Query, tenant: string, id: string): Promise<boolean> {
  const gone = await query<{ id: string }>(sql.purgeTurns, [tenant, id]);
  for (const turn of gone) await query(sql.deleteItems, [tenant, turn.id]);
  return gone.some((turn) => turn.id === id);
}
