import type { ModelProfile, UpstreamCodec } from '../protocols/codec.ts';
import { baseOf, commonHeaders, requestTo } from './endpoint.ts';
import type { Deployment, Provider, Transport, UpstreamRequest } from './provider.ts';
import { traitsOf, type Vendor, vendorNames, type VendorName, vendors } from './vendors.ts';

/**
 * OpenAI's own reasoning models: they refuse `max_tokens`, and neither show nor take back reasoning on this API.
 * @see https://platform.openai.com/docs/guides/reasoning
 */
const openAiReasoning = /(?:^|\/)(?:o[134](?:-|$)|gpt-(?:[5-9]|\d\d)(?!\d)(?!-chat))/;

/** Of these, the ones that refuse a temperature however they are asked to think; later ones take it when they do not. */
const refusesSampling = /(?:^|\/)(?:o[134](?:-|$)|gpt-5(?![.\d])(?!-chat))/;

/** Other vendors' models that take `reasoning_effort`. */
const otherReasoning = /(?:^|\/)(?:gpt-oss|grok-3-mini|gemini-(?:2\.5|[3-9]))/;

/** Anything that speaks Chat Completions below a base URL (`https://host/v1`). A server without a key needs none. */
export function createOpenAiCompatibleProvider(codec: UpstreamCodec, transport: Transport): Provider {
  return {
    name: 'openai-compatible',
    codec,
    transport,
    defaultBaseUrl: undefined,
    priceProviderIdOf: (deployment) => (baseOf(deployment)?.host === 'api.openai.com' ? 'openai' : undefined),
    profileOf: openAiCompatibleProfile,
    buildRequest: (deployment, body, stream) => compatibleRequest(deployment, '/chat/completions', body, stream),
    buildEmbeddingsRequest: (deployment, body) => compatibleRequest(deployment, '/embeddings', body, false),
  } satisfies Provider;
}

function compatibleRequest(deployment: Deployment, path: string, body: string, stream: boolean): UpstreamRequest {
  const headers = commonHeaders(stream);
  if (deployment.apiKey !== undefined) headers['authorization'] = `Bearer ${deployment.apiKey}`;
  return requestTo(deployment, path, headers, body);
}

/** The same, as a vendor of the table speaks it. */
export function createVendorProvider(name: VendorName, codec: UpstreamCodec, transport: Transport): Provider {
  const vendor: Vendor = vendors[name];
  return {
    ...createOpenAiCompatibleProvider(codec, transport),
    name,
    defaultBaseUrl: vendor.baseUrl,
    priceProviderIdOf: () => vendor.priceProviderId,
    profileOf: (model) => ({ ...openAiCompatibleProfile(model), ...traitsOf(vendor, model) }),
  } satisfies Provider;
}

/** All of them, by their names in the configuration. */
export function createVendorProviders(codec: UpstreamCodec, transport: Transport): Record<VendorName, Provider> {
  const entries = vendorNames.map((name) => [name, createVendorProvider(name, codec, transport)] as const);
  return Object.fromEntries(entries) as Record<VendorName, Provider>;
}

export function openAiCompatibleProfile(model: string): ModelProfile {
  const isOpenAiReasoning = openAiReasoning.test(model);
  return {
    maxOutputTokens: undefined,
    reasoning: isOpenAiReasoning || otherReasoning.test(model) ? 'effort' : 'none',
    reasoningField: isOpenAiReasoning ? 'none' : 'reasoning_content',
    midConversationSystem: false,
    maxTokensField: isOpenAiReasoning ? 'max_completion_tokens' : 'max_tokens',
    jsonSchemaOutput: true,
    customTools: false,
    samplingParameters: !refusesSampling.test(model),
  };
}
