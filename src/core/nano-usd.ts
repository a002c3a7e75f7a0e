/** The most that is sure to be exact when it is added up. */
export const maxUsd = 9_000_000;

/** An amount of USD as a person writes it, in whole nano-USD. */
export function nanoUsdOf(usd: number): number {
  return Math.round(usd * 1e9);
}
