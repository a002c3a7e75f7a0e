import { GatewayError } from '../core/errors.ts';
import type { UpstreamCodec } from '../protocols/codec.ts';
import type { Deployment, Provider } from '../providers/provider.ts';
import type { Router } from './router.ts';

/**
 * The same groups, aliases, fallbacks and cooldowns, for turns that are embeddings: their deployments are asked in the words
 * of embeddings, and those that make none are left out.
 */
export function createEmbeddingsRouter(router: Router, codec: UpstreamCodec): Router {
  const originals = new WeakMap<Deployment, Deployment>();
  const originalOf = (deployment: Deployment) => originals.get(deployment) ?? deployment;

  function asEmbedder(original: Deployment): Deployment | undefined {
    const { provider } = original;
    const { name, transport, defaultBaseUrl } = provider;
    if (provider.buildEmbeddingsRequest === undefined) return undefined;
    // Without what a provider learns of a model from its refusals: that is of another API.
    const embedder: Provider = {
      name,
      codec,
      transport,
      defaultBaseUrl,
      priceProviderIdOf: (deployment) => provider.priceProviderIdOf(deployment),
      profileOf: (model) => provider.profileOf(model),
      buildRequest(deployment, body) {
        const request = provider.buildEmbeddingsRequest?.(deployment, body);
        if (request === undefined) throw new Error(`${name} makes no embeddings`);
        return request;
      },
    };
    const deployment = { ...original, provider: embedder };
    originals.set(deployment, original);
    return deployment;
  }

  return {
    route(model) {
      const [first, ...others] = router.route(model).flatMap((each) => asEmbedder(each) ?? []);
      if (first !== undefined) return [first, ...others];
      const message = "No provider of this model makes embeddings: 'openai', 'openai-compatible' and 'gemini' do.";
      throw new GatewayError('unsupported_value', message, { param: 'model' });
    },
    names: () => router.names(),
    failed: (deployment, error) => router.failed(originalOf(deployment), error),
    succeeded: (deployment) => router.succeeded(originalOf(deployment)),
  };
}
