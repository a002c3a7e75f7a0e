import { noUsage } from '../core/usage.ts';
import type { AttemptEnd, AttemptStart } from './store.ts';

/** What a client read that was told 503: nothing was sent to an upstream, nothing is owed. */
export const neverBegun = {
  code: 'store_unavailable',
  message: 'The state store did not answer when this attempt began.',
};

/** One that nobody has ended, though its turn has. */
export interface ForgottenAttempt {
  tenant: string;
  turn_id: string;
  id: string;
  started_at_ms: number;
  epoch: number;
}

/**
 * Whether its process never knew that it had begun, so that nothing was sent. Where others have ended the turn, which moves its
 * epoch, it ran.
 */
export const isUnsent = ({ epoch }: ForgottenAttempt): boolean => epoch === 0;

/** How an attempt ended that no upstream ever heard of. */
export const unsentAttempt = ({
  id,
  startedAtMs,
  reservation,
}: Pick<AttemptStart, 'id' | 'startedAtMs' | 'reservation'>): AttemptEnd => ({
  id,
  status: 'failed',
  endedAtMs: startedAtMs,
  firstTokenAtMs: undefined,
  upstreamId: undefined,
  upstreamModel: undefined,
  usage: noUsage,
  costNanoUsd: 0,
  error: neverBegun,
  rawReply: undefined,
  settles: reservation !== undefined,
});
