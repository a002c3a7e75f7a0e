import type { Usage } from '../core/usage.ts';
import type { Deployment } from '../providers/provider.ts';
import { costNanoUsd } from '../spend/price.ts';

/** What a call to the deployment costs, in whole nano-USD; undefined where no price is known. */
export function costOf(usage: Usage, deployment: Deployment): number | undefined {
  const { provider, model, prices } = deployment;
  return costNanoUsd(usage, { providerId: provider.priceProviderIdOf(deployment), model, override: prices });
}
