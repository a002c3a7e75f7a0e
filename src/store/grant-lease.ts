import type { Lease, LeaseAsk } from './budget-store.ts';

/** A budget at the moment of a grant: its row is locked, and what the asking process has settled is among what is spent. */
export interface BudgetState {
  limitNanoUsd: number;
  spentNanoUsd: number;
  /** By other processes. */
  elsewhere: {
    leasedNanoUsd: number;
    /** The part of it that calls hold or have spent. */
    usedNanoUsd: number;
    /** The part of that which calls that have ended have spent. */
    settledNanoUsd: number;
    callsInFlight: number;
  };
}

/** A slice for calls to come is one part in so many of what remains, all processes together. */
const partsOfRest = 10;

/**
 * How much of a budget a process may have. What is spent and leased stays within the limit, but for one call that may pass it
 * while nothing else runs: a limit that is less than the dearest possible reply would else admit nothing.
 */
export function grantLease(ask: LeaseAsk, { limitNanoUsd, spentNanoUsd, elsewhere }: BudgetState): GrantedLease {
  const { heldNanoUsd, needNanoUsd, waitingNanoUsd, keepsSlice } = ask;
  const room = limitNanoUsd - spentNanoUsd - elsewhere.leasedNanoUsd - heldNanoUsd;
  if (needNanoUsd <= Math.max(room, 0)) {
    const waiting = Math.max(needNanoUsd, Math.min(waitingNanoUsd, room));
    const idleElsewhere = Math.max(0, elsewhere.leasedNanoUsd - elsewhere.usedNanoUsd);
    const slice = keepsSlice ? Math.max(0, Math.floor((room - waiting) / partsOfRest) - idleElsewhere) : 0;
    return {
      verdict: 'granted',
      grantedNanoUsd: heldNanoUsd + waiting + slice,
      sliceNanoUsd: slice,
      roomNanoUsd: room,
    };
  }
  const refused = { grantedNanoUsd: heldNanoUsd, sliceNanoUsd: 0, roomNanoUsd: Math.max(room, 0) };
  if (spentNanoUsd + elsewhere.settledNanoUsd >= limitNanoUsd) return { ...refused, verdict: 'spent' };
  const isAlone = heldNanoUsd === 0 && elsewhere.callsInFlight === 0;
  // A second call could pass the limit beside one that was let past it and is not in flight yet, or not booked yet.
  const isWithinLimit = spentNanoUsd + elsewhere.leasedNanoUsd <= limitNanoUsd;
  if (isAlone && isWithinLimit) return { ...refused, verdict: 'granted', grantedNanoUsd: needNanoUsd };
  return { ...refused, verdict: 'busy' };
}

export type GrantedLease = Omit<Lease, 'openAttemptIds'>;
