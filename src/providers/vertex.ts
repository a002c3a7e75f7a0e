import { objectMembers, printMembers } from '../core/json-slice.ts';
import type { UpstreamCodec } from '../protocols/codec.ts';
import { anthropicProfile } from './anthropic.ts';
import { commonHeaders, requestTo } from './endpoint.ts';
import { geminiProfile } from './gemini.ts';
import { createGoogleTokenTransport } from './google-token.ts';
import type { Deployment, Provider, ProviderOptions, Transport, UpstreamRequest } from './provider.ts';

/** What both have in common: an `api_key` is an access token; without one the machine's default credentials give them. */
function onVertex(
  transport: Transport,
): Pick<Provider, 'transport' | 'defaultBaseUrl' | 'addressIn' | 'priceProviderIdOf'> {
  return {
    transport: createGoogleTokenTransport(transport),
    defaultBaseUrl: undefined,
    addressIn: vertexAddress,
    priceProviderIdOf: () => 'google',
  };
}

/**
 * Anthropic's models on Google's Vertex AI, in Anthropic's own words.
 * @see https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai
 */
export function createVertexProvider(codec: UpstreamCodec, transport: Transport): Provider {
  return {
    ...onVertex(transport),
    name: 'vertex',
    codec,
    profileOf: (model) => ({
      ...anthropicProfile(model),
      midConversationSystem: false,
      computerTool: undefined,
      nativeCompaction: undefined,
      hostedTools: ['web_search'],
    }),
    buildRequest(deployment, body, stream) {
      const members = new Map([['anthropic_version', '"vertex-2023-10-16"'], ...(objectMembers(body) ?? [])]);
      members.delete('model');
      const method = stream ? 'streamRawPredict' : 'rawPredict';
      return vertexRequest(
        deployment,
        `anthropic/models/${modelIn(deployment)}:${method}`,
        printMembers(members),
        stream,
      );
    },
  } satisfies Provider;
}

/**
 * Google's own models there, in the words of its Gemini API.
 * @see https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
 */
export function createVertexGeminiProvider(codec: UpstreamCodec, transport: Transport): Provider {
  return {
    ...onVertex(transport),
    name: 'vertex-gemini',
    codec,
    profileOf: geminiProfile,
    buildRequest(deployment, body, stream) {
      const method = stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
      return vertexRequest(deployment, `google/models/${modelIn(deployment)}:${method}`, body, stream);
    },
  } satisfies Provider;
}

const modelIn = ({ model }: Deployment) => encodeURIComponent(model);

/** @param resource of the publisher: `google/models/NAME:method`. */
function vertexRequest(deployment: Deployment, resource: string, body: string, stream: boolean): UpstreamRequest {
  const { apiKey, options: { region, project } = {} } = deployment;
  const headers = commonHeaders(stream);
  if (apiKey !== undefined) headers['authorization'] = `Bearer ${apiKey}`;
  const path = `/v1/projects/${project}/locations/${region}/publishers/${resource}`;
  return requestTo(deployment, path, headers, body);
}

/** @see https://cloud.google.com/vertex-ai/docs/reference/rest#service-endpoint */
function vertexAddress({ region = 'global' }: ProviderOptions): string {
  if (region === 'global') return 'https://aiplatform.googleapis.com';
  if (region === 'us' || region === 'eu') return `https://aiplatform.${region}.rep.googleapis.com`;
  return `https://${region}-aiplatform.googleapis.com`;
}
