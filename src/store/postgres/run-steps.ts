import type { Step } from '../run-sql.ts';
import type { Query } from './database.ts';

export async function runSteps(query: Query, steps: readonly Step[]): Promise<void> {
  for (const { sql, parameters } of steps) await query(sql, parameters);
}
