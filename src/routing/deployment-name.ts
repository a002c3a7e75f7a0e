import { isDeepStrictEqual } from 'node:util';
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

/** Whether one of them would be asked the very same in the very same way: its credential may be a key, a header or an option. */
export function isAmong(asked: readonly Deployment[], next: Deployment): boolean {
  return asked.some(
    (each) =>
      each === next ||
      (deploymentName(each) === deploymentName(next) &&
        each.apiKey === next.apiKey &&
        isDeepStrictEqual([each.headers, each.options], [next.headers, next.options])),
  );
}
