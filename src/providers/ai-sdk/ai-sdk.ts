import type { ModelProfile, UpstreamCodec } from '../../protocols/codec.ts';
import type { Deployment, Provider, Transport, UpstreamRequest } from '../provider.ts';
import type { ModelAddress } from './transport.ts';

const profile: ModelProfile = {
  maxOutputTokens: undefined,
  reasoning: 'effort',
  reasoningField: 'none',
  midConversationSystem: false,
  maxTokensField: 'max_tokens',
  jsonSchemaOutput: true,
  customTools: false,
};

/** What the price source calls the vendors of packages that are named otherwise. */
const priceIds: Readonly<Record<string, string>> = { 'amazon-bedrock': 'aws', 'google-vertex': 'google', xai: 'x-ai' };

/**
 * Any vendor that the AI SDK has a package for: the package runs in this process, and is called as its specification says.
 * @see https://ai-sdk.dev/providers/ai-sdk-providers
 */
export function createAiSdkProvider(codec: UpstreamCodec, transport: Transport): Provider {
  return {
    name: 'ai-sdk',
    codec,
    transport,
    defaultBaseUrl: undefined,
    priceProviderIdOf({ options }) {
      const name = options?.package?.replace(/^@[^/]*\//, '');
      return name === undefined ? undefined : (priceIds[name] ?? name);
    },
    profileOf: () => profile,
    buildRequest,
  } satisfies Provider;
}

/** Nothing of it goes over a wire: the headers hold what the package is made with, the credential among it. */
function buildRequest(deployment: Deployment, body: string, stream: boolean): UpstreamRequest {
  const { model, apiKey, baseUrl, headers, options: { package: name = '', factory, settings } = {} } = deployment;
  const address: ModelAddress = { package: name, factory, model };
  const given = {
    ...settings,
    ...(apiKey === undefined ? {} : { apiKey }),
    ...(baseUrl === '' ? {} : { baseURL: baseUrl }),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
  };
  return {
    origin: 'ai-sdk:',
    path: stream ? 'doStream' : 'doGenerate',
    headers: { model: JSON.stringify(address), settings: JSON.stringify(given) },
    body,
    timeouts: deployment.timeouts,
  };
}
