import { objectMembers, printMembers } from '../core/json-slice.ts';
import type { UpstreamCodec } from '../protocols/codec.ts';
import { anthropicProfile } from './anthropic.ts';
import { signedHeaders } from './aws-signature.ts';
import { commonHeaders, requestTo } from './endpoint.ts';
import { asAnthropicError, createEventStreamTransport } from './event-stream-transport.ts';
import type { Deployment, Provider, Transport, UpstreamRequest } from './provider.ts';

/**
 * Anthropic's models on Amazon Bedrock, in Anthropic's own words: those of InvokeModel. Other models of Bedrock's speak
 * Converse, which is the AI SDK's.
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
 */
export function createBedrockProvider(codec: UpstreamCodec, transport: Transport, nowMs: () => number): Provider {
  return {
    name: 'bedrock',
    codec: {
      ...codec,
      decodeError: (status, headers, body) => codec.decodeError(status, headers, asAnthropicError(body)),
    },
    transport: createEventStreamTransport(transport),
    defaultBaseUrl: undefined,
    addressIn: ({ region }) => `https://bedrock-runtime.${region}.amazonaws.com`,
    priceProviderIdOf: () => 'aws',
    profileOf: (model) => ({
      ...anthropicProfile(model),
      midConversationSystem: false,
      byValueOnly: true,
      computerTool: undefined,
      nativeCompaction: undefined,
      hostedTools: [],
    }),
    buildRequest: (deployment, body, stream) => bedrockRequest(deployment, body, stream, nowMs()),
  } satisfies Provider;
}

function bedrockRequest(deployment: Deployment, body: string, stream: boolean, atMs: number): UpstreamRequest {
  const { model, apiKey, options: { region = '', aws } = {} } = deployment;
  const { 'anthropic-beta': betas, ...headers } = lowerCase(deployment.headers);
  const path = `/model/${encodeURIComponent(model)}/${stream ? 'invoke-with-response-stream' : 'invoke'}`;
  const accept = stream ? 'application/vnd.amazon.eventstream' : 'application/json';
  const own: Record<string, string> = { ...commonHeaders(stream), accept };
  if (apiKey !== undefined) own['authorization'] = `Bearer ${apiKey}`;
  const request = requestTo({ ...deployment, headers }, path, own, invokeBody(body, betas));
  if (aws === undefined) return request;
  return {
    ...request,
    headers: { ...request.headers, ...signedHeaders({ ...request, region, service: 'bedrock', atMs }, aws) },
  };
}

/** What the address and the method say is not said again; what is a header at Anthropic's is a field. */
function invokeBody(body: string, betas: string | undefined): string {
  const members = new Map([['anthropic_version', '"bedrock-2023-05-31"']]);
  const names =
    betas
      ?.split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '') ?? [];
  if (names.length > 0) members.set('anthropic_beta', JSON.stringify(names));
  for (const [name, value] of objectMembers(body) ?? []) {
    if (name !== 'model' && name !== 'stream') members.set(name, value);
  }
  return printMembers(members);
}

function lowerCase(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
