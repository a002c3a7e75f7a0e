/** A cap on what is spent, in nano-USD. */
export interface Budget {
  /** `keyBudgetId` or `teamBudgetId`. */
  id: string;
  limitNanoUsd: number;
  /** By calls that have ended. */
  spentNanoUsd: number;
  /** For calls that run. */
  reservedNanoUsd: number;
}

export const keyBudgetId = (keyId: string): string => `key:${keyId}`;
export const isKeyBudget = (id: string): boolean => id.startsWith(keyBudgetId(''));
export const teamBudgetId = (teamId: string): string => `team:${teamId}`;

/** What a process wants of a budget: its lease as it is to be from now on, whatever it was. */
export interface LeaseAsk {
  budgetId: string;
  owner: string;
  /** Reserved by the process for calls whose end it does not know to be stored. The lease is never less. */
  heldNanoUsd: number;
  /** The call that waits first. 0: none does. */
  needNanoUsd: number;
  /** All calls that wait, with the first. */
  waitingNanoUsd: number;
  /** False: what is neither held nor needed is given back. */
  keepsSlice: boolean;
  /** True: the answer says which of the owner's attempts hold a reservation. */
  listsOpen: boolean;
}

export interface Lease {
  /**
   * What became of the need. `unlimited`: there is no such budget, or it has no limit any more. `busy`: it does not fit beside
   * what other calls have reserved, or the key is another tenant's by now. `spent`: the limit has been reached.
   */
  verdict: 'granted' | 'unlimited' | 'busy' | 'spent';
  grantedNanoUsd: number;
  /** The part that is there for calls to come. */
  sliceNanoUsd: number;
  /** The largest need that would have been granted, where this one was not. */
  roomNanoUsd: number;
  /** Empty where not asked for. */
  openAttemptIds: string[];
}

/**
 * Budgets of one tenant, as its calls are under them, and what processes lease of them. Reservations are written with the attempts
 * they are for, by the tenant's store.
 * Every method rejects with GatewayError `store_unavailable` when the engine fails.
 */
export interface TenantBudgets {
  /**
   * A budget that another tenant has under this id is this tenant's from then on.
   * @param limitNanoUsd null: there is no limit any more. What was spent stays known.
   */
  setLimit(id: string, limitNanoUsd: number | null): Promise<void>;
  /** Undefined: it has no limit. */
  read(id: string): Promise<Budget | undefined>;
  /** Makes the lease what it is to be, and books what has ended of its calls as spent. Idempotent. */
  renewLease(ask: LeaseAsk): Promise<Lease>;
}

export interface BudgetStore {
  forTenant(tenant: string): TenantBudgets;
}
