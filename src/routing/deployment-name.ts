import type { Deployment } from '../providers/provider.ts';

/**
 * What tells a deployment from others wherever it is configured, without its credential: two keys of one vendor for one
 * model are one to a conversation. The store names what an attempt was made on in the same way.
 */
export function deploymentName({
  provider,
  baseUrl,
  model,
}: Pick<Deployment, 'provider' | 'baseUrl' | 'model'>): string {
  return `${provider.name} ${baseUrl} ${model}`;
}
