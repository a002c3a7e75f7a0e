import { GatewayError } from '../core/errors.ts';
import { type Effort, efforts } from '../core/request.ts';
import { compactedNothing } from '../core/upstream-error.ts';
import type { ModelProfile, UpstreamCodec } from '../protocols/codec.ts';
import { parseJsonObject } from '../core/json-object.ts';
import { baseOf, commonHeaders, pickFields, requestTo } from './endpoint.ts';
import type { Deployment, Provider, Transport, UpstreamRequest } from './provider.ts';
import { createRemembered } from './remembered.ts';

/**
 * Models that reason; of a name that is in neither table it is assumed, and unlearnt from the refusal.
 * @see https://platform.openai.com/docs/models
 */
const doesNotReason = /(?:^|[/:])(?:gpt-3|gpt-4|chatgpt-)|-chat(?:-|$)/;

/** Of those that reason, the ones that refuse a temperature however they are asked to think; later ones take it when they do not. */
const refusesSampling = /(?:^|[/:])(?:o[134](?:-|$)|gpt-5(?![.\d])(?!-chat))/;

/** Where the API is, and how its users are known there. */
interface Place {
  name: string;
  baseUrl: string | undefined;
  priceProviderId: string;
  /** @param path as OpenAI has it: `/responses`. */
  request(deployment: Deployment, path: string, body: string, stream: boolean): UpstreamRequest;
}

/** OpenAI's API, at its own address or at one that speaks it: Responses, and Chat Completions for clients that speak those. */
export function createOpenAiProvider(codec: UpstreamCodec, chat: UpstreamCodec, transport: Transport): Provider {
  const baseUrl = 'https://api.openai.com/v1';
  return createProviderAt(
    { name: 'openai', baseUrl, priceProviderId: 'openai', request: openAiRequest },
    codec,
    chat,
    transport,
  );
}

/**
 * The same at a resource of Azure's (`https://RESOURCE.openai.azure.com`); a model is a deployment's name there.
 * @see https://learn.microsoft.com/en-us/azure/ai-foundry/openai/api-version-lifecycle
 */
export function createAzureProvider(codec: UpstreamCodec, chat: UpstreamCodec, transport: Transport): Provider {
  return createProviderAt(
    { name: 'azure', baseUrl: undefined, priceProviderId: 'azure', request: azureRequest },
    codec,
    chat,
    transport,
  );
}

/**
 * Azure's Chat Completions: for models that are not in its Responses API, and with an API version at the address that they
 * had before it.
 * @see https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference
 */
export function createAzureChatProvider(chat: UpstreamCodec, transport: Transport): Provider {
  return {
    name: 'azure-chat',
    codec: chat,
    transport,
    defaultBaseUrl: undefined,
    priceProviderIdOf: () => 'azure',
    profileOf: (model) => ({ ...openAiProfile(model), midConversationSystem: false }),
    buildRequest: (deployment, body, stream) => azureRequest(deployment, '/chat/completions', body, stream),
    buildEmbeddingsRequest: (deployment, body) => azureRequest(deployment, '/embeddings', body, false),
  } satisfies Provider;
}

function createProviderAt(place: Place, codec: UpstreamCodec, chat: UpstreamCodec, transport: Transport): Provider {
  /** Deployments whose upstream has refused to be asked for encrypted reasoning. */
  const withoutEncryptedReasoning = createRemembered();
  /** Deployments whose upstream does not know how to compact. */
  const withoutCompaction = createRemembered();
  /** Deployments that are not there in Chat Completions: OpenAI serves some models on Responses only. */
  const withoutChat = createRemembered();
  /** Deployments whose upstream has refused an effort. */
  const without = new Map(efforts.map((effort) => [effort, createRemembered()] as const));
  const chatCodec = { ...chat, decodeError: chatError(chat) };
  return {
    name: place.name,
    codec,
    transport,
    defaultBaseUrl: place.baseUrl,
    priceProviderIdOf: () => place.priceProviderId,
    profileOf: openAiProfile,
    buildRequest: (deployment, body, stream) => place.request(deployment, '/responses', body, stream),
    buildEmbeddingsRequest: (deployment, body) => place.request(deployment, '/embeddings', body, false),
    counter: {
      buildRequest: (deployment, body) =>
        place.request(deployment, '/responses/input_tokens', pickFields(body, counted), false),
      readCount: (body) => parseJsonObject(body)?.['input_tokens'],
    },
    profileNow(deployment) {
      const learnt: Partial<ModelProfile> = {};
      if (withoutEncryptedReasoning.has(deployment)) learnt.encryptedReasoning = false;
      if (withoutCompaction.has(deployment)) learnt.nativeCompaction = undefined;
      const refused = efforts.filter((effort) => without.get(effort)?.has(deployment));
      if (refused.length > 0) learnt.refusedEfforts = refused;
      return Object.keys(learnt).length === 0 ? deployment.profile : { ...deployment.profile, ...learnt };
    },
    dialect(deployment, protocol) {
      if (protocol !== 'chat' || withoutChat.has(deployment)) return undefined;
      return {
        codec: chatCodec,
        profile: { ...deployment.profile, midConversationSystem: false },
        buildRequest: (body, stream) => place.request(deployment, '/chat/completions', body, stream),
      };
    },
    learn(deployment, error, protocol, written) {
      if (protocol === 'chat') return error.message === notInChat && withoutChat.add(deployment);
      if (refusesCompaction(error)) return withoutCompaction.add(deployment);
      const refused = written === undefined ? [] : refusedEfforts(error);
      if (refused.length > 0) return refused.filter((effort) => without.get(effort)?.add(deployment)).length > 0;
      return refusesEncryptedReasoning(error) && withoutEncryptedReasoning.add(deployment);
    },
  } satisfies Provider;
}

const notInChat = 'The upstream does not serve the model in Chat Completions.';

/** "This model is only supported in v1/responses and not in v1/chat/completions." */
function chatError(chat: UpstreamCodec): UpstreamCodec['decodeError'] {
  return (status, headers, body) =>
    status === 404 || status === 405
      ? new GatewayError('upstream_error', notInChat, { cause: chat.decodeError(status, headers, body) })
      : chat.decodeError(status, headers, body);
}

function openAiRequest(deployment: Deployment, path: string, body: string, stream: boolean): UpstreamRequest {
  const headers = commonHeaders(stream);
  if (deployment.apiKey !== undefined) headers['authorization'] = `Bearer ${deployment.apiKey}`;
  return requestTo(deployment, path, headers, body);
}

/** A bearer token of Entra's is a header of the deployment's own, and needs no key. */
function azureRequest(deployment: Deployment, path: string, body: string, stream: boolean): UpstreamRequest {
  const headers = commonHeaders(stream);
  if (deployment.apiKey !== undefined) headers['api-key'] = deployment.apiKey;
  const version = deployment.options?.apiVersion;
  if (version !== undefined) {
    const target = `/openai/deployments/${encodeURIComponent(deployment.model)}${path}?api-version=${encodeURIComponent(version)}`;
    return requestTo(deployment, target, headers, body);
  }
  const isVersioned = baseOf(deployment)?.path.endsWith('/openai/v1') === true;
  return requestTo(deployment, isVersioned ? path : `/openai/v1${path}`, headers, body);
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

/** "Unsupported value: 'none' is not supported with the 'gpt-5' model. Supported values are: 'minimal', 'low', 'medium', and 'high'." */
function refusedEfforts({ code, message, param }: GatewayError): Effort[] {
  if (code !== 'upstream_rejected' || param !== 'reasoning.effort') return [];
  const [, known] = /supported values are:(.+)/i.exec(message) ?? [];
  return known === undefined ? [] : efforts.filter((effort) => !known.includes(`'${effort}'`));
}

/** Of a server that speaks the API and is older than its compaction: it names what it does not know, or passes over it. */
function refusesCompaction({ code, message }: GatewayError): boolean {
  if (message === compactedNothing) return true;
  return code === 'upstream_rejected' && /compaction_trigger|context_management/.test(message);
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
    nativeCompaction: 'sealed',
  };
}
