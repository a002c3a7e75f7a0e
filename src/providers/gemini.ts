import { parseJsonObject } from '../core/json-object.ts';
import { objectMembers, printMembers } from '../core/json-slice.ts';
import type { GeminiProfile, ModelProfile, ThinkingLevel, UpstreamCodec } from '../protocols/codec.ts';
import { baseOf, commonHeaders, requestTo } from './endpoint.ts';
import type { Deployment, Provider, Transport, UpstreamRequest } from './provider.ts';

/** Google's Gemini API at its own address, or at one that speaks it. The model is in the address, the key in a header. */
export function createGeminiProvider(codec: UpstreamCodec, transport: Transport): Provider {
  return {
    name: 'gemini',
    codec,
    transport,
    defaultBaseUrl: 'https://generativelanguage.googleapis.com',
    priceProviderIdOf: () => 'google',
    profileOf: geminiProfile,
    buildRequest: (deployment, body, stream) =>
      geminiRequest(deployment, stream ? 'streamGenerateContent?alt=sse' : 'generateContent', body, stream),
    buildEmbeddingsRequest: embeddingsRequest,
    counter: {
      buildRequest: (deployment, body) => geminiRequest(deployment, 'countTokens', countBody(deployment, body), false),
      readCount: (body) => parseJsonObject(body)?.['totalTokens'],
    },
  } satisfies Provider;
}

function geminiRequest(deployment: Deployment, method: string, body: string, stream: boolean): UpstreamRequest {
  const headers = commonHeaders(stream);
  if (deployment.apiKey !== undefined) headers['x-goog-api-key'] = deployment.apiKey;
  return requestTo(deployment, versioned(deployment, `/${resourceOf(deployment.model)}:${method}`), headers, body);
}

/**
 * Of embeddings Google knows OpenAI's words too, under a path and with a header that are OpenAI's.
 * @see https://ai.google.dev/gemini-api/docs/openai#embeddings
 */
function embeddingsRequest(deployment: Deployment, body: string): UpstreamRequest {
  const headers = commonHeaders(false);
  if (deployment.apiKey !== undefined) headers['authorization'] = `Bearer ${deployment.apiKey}`;
  return requestTo(deployment, versioned(deployment, '/openai/embeddings'), headers, body);
}

function versioned(deployment: Deployment, path: string): string {
  const isVersioned = /\/v1(?:alpha|beta)?\d*$/.test(baseOf(deployment)?.path ?? '');
  return isVersioned ? path : `/v1beta${path}`;
}

/** The model as a path. Its name may be a client's: it stays within its segment. */
function resourceOf(model: string): string {
  const [, kind = 'models', name = model] = /^(models|tunedModels)\/(.+)$/.exec(model) ?? [];
  return `${kind}/${encodeURIComponent(name)}`;
}

/** @see https://ai.google.dev/api/tokens#request-body */
function countBody({ model }: Deployment, body: string): string {
  const request = new Map([['model', JSON.stringify(resourceOf(model))], ...(objectMembers(body) ?? [])]);
  return printMembers(new Map([['generateContentRequest', printMembers(request)]]));
}

const newestOutput = 65_536;
const noBudget = { least: 0, most: 0 };

/** Google's names go on: what is not known to be old does as the newest do. `gemini-flash-latest` names no version. */
function versionOf(model: string): number {
  const found = /gemini-(?:robotics-er-)?(\d+)(?:\.(\d+))?/.exec(model);
  return found === null ? Infinity : Number(found[1]) * 100 + Number(found[2] ?? 0);
}

/**
 * What thinking can be asked for, least first. Pro models have no `minimal`, nor have Flash models from 3.7 on; 3.0 Pro has
 * two levels. `none` is none of them: no model of these generations can be kept from thinking.
 * @see https://ai.google.dev/gemini-api/docs/thinking#levels-budgets
 */
function levelsOf(model: string, version: number): readonly ThinkingLevel[] {
  if (/-hydrogen(?:-|$)/.test(model)) return ['low', 'medium', 'high', 'xhigh'];
  if (/-pro(?:-|$)/.test(model)) return version === 300 ? ['low', 'high'] : ['low', 'medium', 'high'];
  const isLite = /-lite(?:-|$)/.test(model);
  if (!isLite && (version === Infinity || version >= 307)) return ['low', 'medium', 'high'];
  return ['minimal', 'low', 'medium', 'high'];
}

/** @see https://ai.google.dev/gemini-api/docs/thinking#set-budget */
function budgetOf(model: string): GeminiProfile['budget'] {
  return /-pro(?:-|$)/.test(model) ? { least: 128, most: 32_768 } : { least: 0, most: 24_576 };
}

/** @see https://ai.google.dev/gemini-api/docs/models */
export function geminiProfile(model: string): ModelProfile {
  const version = versionOf(model);
  const isGemini = !/(?:^|\/)gemma-/.test(model);
  const thirdGeneration = isGemini && version >= 300;
  const budgeted = version >= 205 && version < 300;
  const reasoning = thirdGeneration ? 'effort' : budgeted ? 'budget' : 'none';
  return {
    maxOutputTokens: isGemini && version >= 205 ? newestOutput : 8192,
    reasoning,
    reasoningField: 'none',
    midConversationSystem: false,
    maxTokensField: 'max_tokens',
    jsonSchemaOutput: isGemini && version >= 200,
    customTools: false,
    gemini: {
      thirdGeneration,
      levels: thirdGeneration ? levelsOf(model, version) : [],
      budget: budgeted ? budgetOf(model) : noBudget,
      opensPages: isGemini && version >= 205,
      // "Penalty is not enabled" for models of 2.5.
      penalties: !budgeted,
      // "Developer instruction is not enabled" for Gemma 3.
      systemInstruction: !/(?:^|\/)gemma-3/.test(model),
    },
  };
}
