import type { ChatQuirks, ModelProfile } from '../protocols/codec.ts';

/** What is so of a vendor's models beside what their names tell. */
type Traits = Partial<Omit<ModelProfile, 'midConversationSystem' | 'encryptedReasoning'>>;

/** A vendor that speaks Chat Completions in its own way. */
export interface Vendor extends Traits {
  /** Where the vendor says so. */
  see: string;
  /** Its own address; of a program that runs with the user, the one that it listens on by itself. */
  baseUrl: string;
  /** The variable that its users keep the key in; `_BASE_URL` in place of `_API_KEY` names another address. */
  keyVariable: string;
  /** Its id in the price source; undefined: it has no prices there. */
  priceProviderId: string | undefined;
  /** It runs without a key: its models are there where its base URL is in the environment. */
  local?: true;
  /** By the model's name; the first that fits comes before what holds of all. */
  models?: readonly (readonly [name: RegExp, Traits])[];
}

/** Fields that OpenAI's models alone heed. */
const openAiOnly = ['verbosity'];

const refusing = (...fields: string[]): ChatQuirks => ({ refuses: [...openAiOnly, ...fields] });

/** Efforts of gpt-oss and of models that were made after it. */
const lowToHigh = { none: 'low', minimal: 'low', xhigh: 'high', max: 'high' } as const;

const plain = refusing();
const gptOss = [/gpt-oss/, { quirks: { ...plain, efforts: lowToHigh } }] as const;

const deepSeek: ChatQuirks = {
  ...refusing('seed', 'parallel_tool_calls', 'service_tier'),
  efforts: { minimal: 'low', medium: 'high', xhigh: 'high' },
  thinkingSwitch: true,
  replays: 'calls',
};

const mistral: ChatQuirks = {
  ...refusing('stream_options', 'user', 'service_tier', 'logprobs', 'top_logprobs'),
  renames: { seed: 'random_seed' },
  shortCallIds: true,
};

const moonshot: ChatQuirks = { ...refusing('service_tier'), replays: 'calls' };
/** Their sampling is fixed. */
const kimi: ChatQuirks = {
  ...moonshot,
  refuses: [...openAiOnly, 'service_tier', 'presence_penalty', 'frequency_penalty'],
};
const notChosen = { minimal: null, low: null, medium: null, high: null, xhigh: null, max: null } as const;

const cerebras = refusing('frequency_penalty', 'presence_penalty', 'parallel_tool_calls', 'service_tier');
const groq = refusing('logprobs', 'top_logprobs');

/**
 * Vendors whose API is Chat Completions, a row each. Another one is another row; what a row leaves out is as OpenAI does
 * it, and what a model's own name tells.
 */
export const vendors = {
  mistral: {
    see: 'https://docs.mistral.ai/api',
    baseUrl: 'https://api.mistral.ai/v1',
    keyVariable: 'MISTRAL_API_KEY',
    priceProviderId: 'mistral',
    reasoningField: 'thinking',
    quirks: mistral,
    models: [
      [
        /^mistral-large-4/,
        { reasoning: 'effort', quirks: { ...mistral, efforts: { minimal: 'low', xhigh: 'high', max: 'high' } } },
      ],
      [
        /^mistral-(?:small|medium-3[-.]5)/,
        {
          reasoning: 'effort',
          quirks: {
            ...mistral,
            efforts: { minimal: 'high', low: 'high', medium: 'high', xhigh: 'high', max: 'high' },
          },
        },
      ],
    ],
  },
  groq: {
    see: 'https://console.groq.com/docs/openai',
    baseUrl: 'https://api.groq.com/openai/v1',
    keyVariable: 'GROQ_API_KEY',
    priceProviderId: 'groq',
    reasoningField: 'reasoning',
    quirks: groq,
    models: [[/gpt-oss/, { quirks: { ...groq, efforts: lowToHigh } }]],
  },
  xai: {
    see: 'https://docs.x.ai/docs/guides/reasoning',
    baseUrl: 'https://api.x.ai/v1',
    keyVariable: 'XAI_API_KEY',
    priceProviderId: 'x-ai',
    quirks: plain,
    models: [
      [/non-reasoning|grok-2|grok-3(?!-mini)/, {}],
      [
        /grok-3-mini/,
        {
          reasoning: 'effort',
          quirks: {
            ...refusing('presence_penalty', 'frequency_penalty', 'stop'),
            efforts: { ...lowToHigh, medium: 'high' },
          },
        },
      ],
      [
        /grok-(?:4\.[3-9]|[5-9])|grok-latest/,
        {
          reasoning: 'effort',
          quirks: {
            ...refusing('presence_penalty', 'frequency_penalty', 'stop'),
            efforts: { minimal: 'low', xhigh: 'high', max: 'high' },
          },
        },
      ],
      [/grok/, { quirks: refusing('presence_penalty', 'frequency_penalty', 'stop') }],
    ],
  },
  deepseek: {
    see: 'https://api-docs.deepseek.com/guides/thinking_mode',
    baseUrl: 'https://api.deepseek.com/v1',
    keyVariable: 'DEEPSEEK_API_KEY',
    priceProviderId: 'deepseek',
    reasoning: 'effort',
    reasoningField: 'reasoning_content',
    jsonSchemaOutput: false,
    quirks: deepSeek,
  },
  openrouter: {
    see: 'https://openrouter.ai/docs/use-cases/reasoning-tokens',
    baseUrl: 'https://openrouter.ai/api/v1',
    keyVariable: 'OPENROUTER_API_KEY',
    priceProviderId: 'openrouter',
    reasoning: 'effort',
    reasoningField: 'reasoning_details',
    maxTokensField: 'max_tokens',
    quirks: { effortField: 'reasoning', efforts: { max: 'xhigh' }, replays: 'calls' },
  },
  together: {
    see: 'https://docs.together.ai/docs/openai-api-compatibility',
    baseUrl: 'https://api.together.xyz/v1',
    keyVariable: 'TOGETHER_API_KEY',
    priceProviderId: 'together',
    reasoningField: 'reasoning',
    quirks: plain,
    models: [gptOss],
  },
  fireworks: {
    see: 'https://docs.fireworks.ai/tools-sdks/openai-compatibility',
    baseUrl: 'https://api.fireworks.ai/inference/v1',
    keyVariable: 'FIREWORKS_API_KEY',
    priceProviderId: 'fireworks',
    quirks: plain,
    models: [gptOss],
  },
  perplexity: {
    see: 'https://docs.perplexity.ai/api-reference/chat-completions-post',
    baseUrl: 'https://api.perplexity.ai',
    keyVariable: 'PERPLEXITY_API_KEY',
    priceProviderId: 'perplexity',
    quirks: {
      ...refusing('stop', 'seed', 'parallel_tool_calls', 'service_tier', 'user', 'logprobs', 'top_logprobs'),
      tools: false,
      jsonObjectOutput: false,
      alternates: true,
    },
  },
  cerebras: {
    see: 'https://inference-docs.cerebras.ai/resources/openai',
    baseUrl: 'https://api.cerebras.ai/v1',
    keyVariable: 'CEREBRAS_API_KEY',
    priceProviderId: 'cerebras',
    reasoningField: 'reasoning',
    maxTokensField: 'max_completion_tokens',
    quirks: cerebras,
    models: [[/gpt-oss/, { quirks: { ...cerebras, efforts: lowToHigh } }]],
  },
  moonshot: {
    see: 'https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model',
    baseUrl: 'https://api.moonshot.ai/v1',
    keyVariable: 'MOONSHOT_API_KEY',
    priceProviderId: 'moonshotai',
    reasoningField: 'reasoning_content',
    maxTokensField: 'max_completion_tokens',
    jsonSchemaOutput: false,
    quirks: moonshot,
    models: [
      [
        /^kimi-k3/,
        {
          reasoning: 'effort',
          jsonSchemaOutput: true,
          samplingParameters: false,
          quirks: { ...kimi, efforts: { none: 'low', minimal: 'low', medium: 'high', xhigh: 'high' } },
        },
      ],
      [
        /^kimi-k2\.[56]/,
        {
          reasoning: 'effort',
          jsonSchemaOutput: true,
          samplingParameters: false,
          quirks: { ...kimi, efforts: notChosen, thinkingSwitch: true },
        },
      ],
      [/^kimi-/, { jsonSchemaOutput: true, samplingParameters: false, quirks: kimi }],
    ],
  },
  zai: {
    see: 'https://docs.z.ai/guides/capabilities/thinking-mode',
    baseUrl: 'https://api.z.ai/api/paas/v4',
    keyVariable: 'ZAI_API_KEY',
    priceProviderId: 'zai',
    reasoning: 'effort',
    reasoningField: 'reasoning_content',
    jsonSchemaOutput: false,
    quirks: { ...refusing('seed', 'parallel_tool_calls', 'service_tier'), efforts: notChosen, thinkingSwitch: true },
  },
  nvidia: {
    see: 'https://docs.api.nvidia.com/nim/reference/llm-apis',
    baseUrl: 'https://integrate.api.nvidia.com/v1',
    keyVariable: 'NVIDIA_API_KEY',
    priceProviderId: undefined,
    quirks: plain,
    models: [gptOss],
  },
  ollama: {
    see: 'https://docs.ollama.com/api/openai-compatibility',
    baseUrl: 'http://127.0.0.1:11434/v1',
    keyVariable: 'OLLAMA_API_KEY',
    priceProviderId: undefined,
    local: true,
    reasoningField: 'reasoning',
    quirks: refusing('parallel_tool_calls', 'user', 'service_tier'),
  },
  vllm: {
    see: 'https://docs.vllm.ai/en/latest/features/reasoning_outputs.html',
    baseUrl: 'http://127.0.0.1:8000/v1',
    keyVariable: 'VLLM_API_KEY',
    priceProviderId: undefined,
    local: true,
    reasoningField: 'reasoning',
    quirks: plain,
  },
  lmstudio: {
    see: 'https://lmstudio.ai/docs/developer/openai-compat/structured-output',
    baseUrl: 'http://127.0.0.1:1234/v1',
    keyVariable: 'LMSTUDIO_API_KEY',
    priceProviderId: undefined,
    local: true,
    reasoningField: 'reasoning_content',
    quirks: { ...refusing('parallel_tool_calls', 'service_tier'), jsonObjectOutput: false },
  },
  'llama-cpp': {
    see: 'https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md',
    baseUrl: 'http://127.0.0.1:8080/v1',
    keyVariable: 'LLAMA_CPP_API_KEY',
    priceProviderId: undefined,
    local: true,
    reasoningField: 'reasoning_content',
    quirks: refusing('service_tier'),
  },
} as const satisfies Record<string, Vendor>;

export type VendorName = keyof typeof vendors;

export const vendorNames = Object.keys(vendors) as VendorName[];

/** The vendor whose own address it is. */
export function vendorAt(baseUrl: string): VendorName | undefined {
  const host = URL.parse(baseUrl)?.host;
  return vendorNames.find((name) => !isLocal(vendors[name]) && URL.parse(vendors[name].baseUrl)?.host === host);
}

export function isLocal({ local }: Vendor): boolean {
  return local === true;
}

/** What is known of a vendor's model by its name, beside what the name alone tells. */
export function traitsOf(
  {
    see: _see,
    baseUrl: _baseUrl,
    keyVariable: _key,
    priceProviderId: _price,
    local: _local,
    models = [],
    ...all
  }: Vendor,
  model: string,
): Traits {
  const [, own] = models.find(([name]) => name.test(model)) ?? [];
  return { ...all, ...own };
}
