import type { ModelProfile, UpstreamCodec } from '../../protocols/codec.ts';
import { createAnthropicProvider } from '../anthropic.ts';
import type { PriceOverride, Provider, Transport } from '../provider.ts';
import { maxOutputTokens } from './check-request.ts';

/** What a model that costs nothing would cost, so that costs can be seen. */
export const simulatorPrices: PriceOverride = { input: 1, output: 5, cacheRead: 0.1, cacheWrite: 1.25 };

/** Not a secret: the simulator asks for a key as Anthropic does, and takes any. */
const placeholderKey = 'simulator';

const profile: ModelProfile = {
  maxOutputTokens,
  reasoning: 'adaptive',
  reasoningField: 'none',
  midConversationSystem: true,
  maxTokensField: 'max_tokens',
  jsonSchemaOutput: true,
  customTools: false,
  samplingParameters: true,
  minCachedTokens: 1024,
  computerTool: 'computer_20251124',
  nativeCompaction: 'readable',
};

/**
 * A model that is there without a key, a network or a bill: Anthropic's provider in front of a transport that answers
 * in-process. Any name is a model of it.
 */
export function createSimulatorProvider(codec: UpstreamCodec, transport: Transport): Provider {
  // It has no counter: that estimates are made can be tried on it.
  const { counter: _counter, ...anthropic } = createAnthropicProvider(codec, transport);
  return {
    ...anthropic,
    name: 'simulator',
    defaultBaseUrl: 'http://simulator.invalid',
    priceProviderIdOf: () => undefined,
    profileOf: () => profile,
    buildRequest: (deployment, body, stream) =>
      anthropic.buildRequest({ ...deployment, apiKey: deployment.apiKey ?? placeholderKey }, body, stream),
  } satisfies Provider;
}
