import type { GatewayError } from '../core/errors.ts';

/** Remembers which deployments failed lately. It only puts them last: a deployment is never out. */
export interface Health<T> {
  failed(deployment: T, error: GatewayError): void;
  succeeded(deployment: T): void;
  /** It has not failed lately. */
  isWell(deployment: T): boolean;
  /** The healthy ones in their order, then the cooling ones, the soonest to be well first. */
  order(deployments: T[]): T[];
}

interface HealthOptions {
  nowMs: () => number;
  /** How long a failure counts, unless the upstream asks for more. */
  cooldownMs: number;
}

const maxCooldownMs = 300_000;

export function createHealth<T extends object>({ nowMs, cooldownMs }: HealthOptions): Health<T> {
  const coolUntilMs = new Map<T, number>();
  /** 0: it is well. */
  const untilMs = (deployment: T, now: number): number => {
    const ms = coolUntilMs.get(deployment) ?? 0;
    return ms > now ? ms : 0;
  };
  return {
    isWell: (deployment) => untilMs(deployment, nowMs()) === 0,
    failed(deployment, error) {
      // What refuses one model or one request may serve the next; a limit of rate or quota is for all.
      if (error.retryable !== true && error.code !== 'upstream_rate_limited') return;
      const askedMs = (error.retryAfterSeconds ?? 0) * 1000;
      coolUntilMs.set(deployment, nowMs() + Math.min(Math.max(askedMs, cooldownMs), maxCooldownMs));
    },
    succeeded(deployment) {
      coolUntilMs.delete(deployment);
    },
    order(deployments) {
      if (coolUntilMs.size === 0) return deployments;
      const now = nowMs();
      return deployments.toSorted((a, b) => untilMs(a, now) - untilMs(b, now));
    },
  };
}
