/** A table that belongs to the store, not to the processes that run on it. */
export interface CopiedTable {
  readonly name: string;
  /** The columns of its primary key. */
  readonly key: readonly string[];
}

/**
 * In the order in which they are copied: a turn comes after everything that it is made of, so that no id resolves in a half
 * of a copy with a half of its context. `nodes` stays behind: it says which processes run.
 */
export const copiedTables: readonly CopiedTable[] = [
  { name: 'secret', key: ['name'] },
  { name: 'teams', key: ['id'] },
  { name: 'keys', key: ['id'] },
  { name: 'envelopes', key: ['tenant', 'hash', 'bucket'] },
  { name: 'items', key: ['tenant', 'turn_id', 'position', 'bucket'] },
  { name: 'attempts', key: ['tenant', 'turn_id', 'id', 'bucket'] },
  { name: 'events', key: ['tenant', 'turn_id', 'first_sequence'] },
  { name: 'background_runs', key: ['tenant', 'turn_id'] },
  { name: 'turns', key: ['tenant', 'id', 'bucket'] },
  { name: 'conversations', key: ['tenant', 'id'] },
  { name: 'idempotency', key: ['tenant', 'key_hash'] },
  { name: 'budgets', key: ['tenant', 'id'] },
  { name: 'budget_leases', key: ['tenant', 'budget_id', 'owner'] },
  { name: 'reservations', key: ['tenant', 'attempt_id', 'budget_id'] },
  { name: 'budget_charges', key: ['tenant', 'attempt_id', 'budget_id'] },
  { name: 'file_usage', key: ['tenant'] },
  { name: 'file_chunks', key: ['tenant', 'file_id', 'position'] },
  { name: 'files', key: ['tenant', 'id'] },
];
