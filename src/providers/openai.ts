import type { GatewayError } from '../core/errors.ts';
import type { ModelProfile, UpstreamCodec } from '../protocols/codec.ts';
import { parseJsonObject } from '../core/json-object.ts';
import { commonHeaders, pickFields, requestTo } from './endpoint.ts';
import type { Deployment, Provider, Transport, UpstreamRequest } from './provider.ts';

/**
 * Models that reason; of a name that is in neither table it is assumed, and unlearnt from the refusal.
 * @see https://platform.openai.com/docs/models
 */
const doesNotReason = /(?:^|[/:])(?:gpt-3|gpt-4|chatgpt-)|-chat(?:-|$)/;

/** Of those that reason, the ones that refuse a temperature however they are asked to think; later ones take it when they do not. */
const refusesSampling = /(?:^|[/:])(?:o[134](?:-|$)|gpt-5(?![.\d])(?!-chat))/;

const rememberedModels = 1000;

/** OpenAI's Responses API, at its own address or at one that speaks it. */
export function createOpenAiProvider(codec: UpstreamCodec, transport: Transport): Provider {
  /** Deployments whose upstream has refused to be asked for encrypted reasoning. A client may choose a model's name. */
  const withoutEncryptedReasoning = new Set<string>();
  const nameOf = ({ baseUrl, model }: Deployment) => `${baseUrl} ${model}`;
  return {
    name: 'openai',
    codec,
    transport,
    defaultBaseUrl: 'https://api.openai.com/v1',
    priceProviderIdOf: () => 'openai',
    profileOf: openAiProfile,
    buildRequest: (deployment, body, stream) => openAiRequest(deployment, '/responses', body, stream),
    counter: {
      buildRequest: (deployment, body) =>
        openAiRequest(deployment, '/responses/input_tokens', pickFields(body, counted), false),
      readCount: (body) => parseJsonObject(body)?.['input_tokens'],
    },
    profileNow(deployment) {
      if (!withoutEncryptedReasoning.has(nameOf(deployment))) return deployment.profile;
      return { ...deployment.profile, encryptedReasoning: false };
    },
    learn(deployment, error) {
      if (!refusesEncryptedReasoning(error) || withoutEncryptedReasoning.has(nameOf(deployment))) return false;
      if (withoutEncryptedReasoning.size === rememberedModels) withoutEncryptedReasoning.clear();
      withoutEncryptedReasoning.add(nameOf(deployment));
      return true;
    },
  } satisfies Provider;
}

function openAiRequest(deployment: Deployment, path: string, body: string, stream: boolean): UpstreamRequest {
  const headers = commonHeaders(stream);
  if (deployment.apiKey !== undefined) headers['authorization'] = `Bearer ${deployment.apiKey}`;
  return requestTo(deployment, path, headers, body);
}

/** @see https://platform.openai.com/docs/api-reference/responses/input-tokens */
const counted: ReadonlySet<string> = new Set([
  'model',
  'input',
  'instructions',
  'tools',
  'tool_choice',
  'text',
  'reasoning',
  'parallel_tool_calls',
  'truncation',
  'personality',
]);

/** "Encrypted content is not supported with this model." */
function refusesEncryptedReasoning({ code, message }: GatewayError): boolean {
  return code === 'upstream_rejected' && /encrypted.?content.* not supported/i.test(message);
}

export function openAiProfile(model: string): ModelProfile {
  return {
    maxOutputTokens: undefined,
    reasoning: doesNotReason.test(model) ? 'none' : 'effort',
    reasoningField: 'none',
    midConversationSystem: true,
    maxTokensField: 'max_completion_tokens',
    jsonSchemaOutput: true,
    customTools: true,
    samplingParameters: !refusesSampling.test(model),
  };
}
