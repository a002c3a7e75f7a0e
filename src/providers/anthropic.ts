import type { GatewayError } from '../core/errors.ts';
import { parseJsonObject } from '../core/json-object.ts';
import { compactedNothing } from '../core/upstream-error.ts';
import type { ModelProfile, UpstreamCodec } from '../protocols/codec.ts';
import { baseOf, commonHeaders, pickFields, requestTo } from './endpoint.ts';
import type { Deployment, Provider, Transport, UpstreamRequest } from './provider.ts';
import { createRemembered } from './remembered.ts';

interface Generation {
  /** Version from which on the row holds, as major * 100 + minor. */
  from: number;
  /** Undefined: every family. */
  family?: string;
  maxOutputTokens: number;
  reasoning: 'adaptive' | 'budget' | 'none';
  jsonSchemaOutput: boolean;
  midConversationSystem: boolean;
  samplingParameters: boolean;
  minCachedTokens: number;
  /** The computer tool that it was taught. */
  computerTool?: string;
  compaction?: 'readable';
  /** False: it knows no effort between high and max. */
  xhighEffort?: false;
}

/** What the newest models have in common. */
const adaptive = {
  maxOutputTokens: 128_000,
  reasoning: 'adaptive',
  jsonSchemaOutput: true,
  midConversationSystem: false,
  samplingParameters: false,
  minCachedTokens: 1024,
  computerTool: 'computer_20251124',
  compaction: 'readable',
} as const;

const budget = {
  reasoning: 'budget',
  jsonSchemaOutput: false,
  midConversationSystem: false,
  samplingParameters: true,
  minCachedTokens: 1024,
  computerTool: 'computer_20250124',
} as const;

/**
 * Newest first; the first row that fits a model holds. Output limits, thinking and the models of structured output are
 * those of the pages below as of November 2026. Opus 4.8 was the first model to take system messages inside a
 * conversation; for Sonnet 5.0 no page says so, and user text in their place is always right. Models from Opus 4.7 on
 * answer 400 to a temperature ("`temperature` is deprecated for this model"). Where pages differ on what is
 * cached at least, or a row has several models, the larger figure is here. Compaction began with 4.6.
 * @see https://platform.claude.com/docs/en/about-claude/models/overview
 * @see https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking
 * @see https://platform.claude.com/docs/en/build-with-claude/effort
 * @see https://platform.claude.com/docs/en/build-with-claude/structured-outputs
 * @see https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages
 * @see https://platform.claude.com/docs/en/build-with-claude/prompt-caching
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/computer-use-tool
 * @see https://platform.claude.com/docs/en/build-with-claude/compaction
 */
const generations: readonly Generation[] = [
  { from: 501, ...adaptive, midConversationSystem: true },
  { from: 500, family: 'sonnet', ...adaptive },
  { from: 500, ...adaptive, midConversationSystem: true },
  { from: 408, family: 'opus', ...adaptive, midConversationSystem: true },
  { from: 407, ...adaptive, minCachedTokens: 2048 },
  { from: 406, family: 'sonnet', ...adaptive, samplingParameters: true, minCachedTokens: 2048, xhighEffort: false },
  { from: 406, ...adaptive, samplingParameters: true, minCachedTokens: 4096, xhighEffort: false },
  { from: 405, family: 'sonnet', ...budget, maxOutputTokens: 64_000, jsonSchemaOutput: true },
  {
    from: 405,
    family: 'opus',
    ...budget,
    maxOutputTokens: 64_000,
    jsonSchemaOutput: true,
    minCachedTokens: 4096,
    computerTool: 'computer_20251124',
  },
  { from: 405, ...budget, maxOutputTokens: 64_000, jsonSchemaOutput: true, minCachedTokens: 4096 },
  { from: 400, family: 'opus', ...budget, maxOutputTokens: 32_000 },
  { from: 307, ...budget, maxOutputTokens: 64_000 },
  { from: 305, ...budget, reasoning: 'none', maxOutputTokens: 8192, minCachedTokens: 2048 },
  { from: 0, ...budget, reasoning: 'none', maxOutputTokens: 4096, minCachedTokens: 2048 },
];

/** A model whose name has no version that we can read is a newer one than this table: it does as the newest do. */
const unknownGeneration: Generation = { from: 0, ...adaptive, maxOutputTokens: 64_000, minCachedTokens: 4096 };

/** Anthropic's Messages API at its own address, or at one that speaks it. */
export function createAnthropicProvider(codec: UpstreamCodec, transport: Transport): Provider {
  /** Deployments whose upstream does not compact, or does not take back what it compacted. */
  const withoutCompaction = createRemembered();
  return {
    name: 'anthropic',
    codec,
    transport,
    defaultBaseUrl: 'https://api.anthropic.com',
    priceProviderIdOf: () => 'anthropic',
    profileOf: anthropicProfile,
    buildRequest: (deployment, body, stream, headers) =>
      anthropicRequest(deployment, 'messages', body, stream, headers),
    profileNow: (deployment) =>
      withoutCompaction.has(deployment) ? { ...deployment.profile, nativeCompaction: undefined } : deployment.profile,
    learn: (deployment, error, _protocol, written = '') =>
      refusesCompaction(error) && asksForCompaction(written) && withoutCompaction.add(deployment),
    counter: {
      buildRequest: (deployment, body, headers) =>
        anthropicRequest(deployment, 'messages/count_tokens', pickFields(body, counted), false, headers),
      readCount: (body) => parseJsonObject(body)?.['input_tokens'],
    },
  } satisfies Provider;
}

function anthropicRequest(
  deployment: Deployment,
  path: string,
  body: string,
  stream: boolean,
  clientHeaders: Readonly<Record<string, string>> = {},
): UpstreamRequest {
  const headers: Record<string, string> = {
    ...commonHeaders(stream),
    'anthropic-version': '2023-06-01',
    ...clientHeaders,
  };
  if (deployment.apiKey !== undefined) headers['x-api-key'] = deployment.apiKey;
  const isVersioned = baseOf(deployment)?.path.endsWith('/v1') === true;
  const request = requestTo(deployment, isVersioned ? `/${path}` : `/v1/${path}`, headers, body);
  // A feature is switched on by the operator, the client or the request: none switches off what another wants.
  const { [beta]: wanted } = clientHeaders;
  const { [beta]: configured } = request.headers;
  const asked = [configured, wanted].flatMap((each) => each?.split(/\s*,\s*/) ?? []);
  const betas = [...asked, ...betasOf(body, asked)];
  if (betas.length > 0) request.headers[beta] = [...new Set(betas)].join(',');
  return request;
}

/** The betas that a request needs. What a text says of them is escaped, and does not match. */
function betasOf(body: string, asked: readonly string[]): string[] {
  // The computer tool is one by version.
  const computer = body.indexOf('"type":"computer_');
  const version = computer === -1 ? null : /"type":"computer_(\d{4})(\d\d)(\d\d)"/.exec(body.slice(computer));
  // A client's own compaction may be of the other kind, which has a beta of its own.
  const compacts = asked.every((each) => !each.startsWith('compact-')) && asksForCompaction(body);
  // A client that names servers itself may ask for another version.
  const connects = asked.every((each) => !each.startsWith('mcp-client-')) && body.includes('"type":"mcp_toolset"');
  return [
    ...(connects ? ['mcp-client-2026-09-15'] : []),
    ...(version === null ? [] : [`computer-use-${version.slice(1).join('-')}`]),
    ...(compacts ? ['compact-2026-09-04'] : []),
  ];
}

/** A request for one, or a conversation that begins with one. Looked for one by one: in 10 MB that takes 5 ms, and 30 as an alternative. */
const compactions = [
  '"compaction":{"type":"summarize"',
  '"messages":[{"role":"assistant","content":[{"type":"compaction"',
];
const asksForCompaction = (body: string) => compactions.some((each) => body.includes(each));

/** Of a server without it, or of a block that is not taken back; "compaction: Extra inputs are not permitted" and the like. */
function refusesCompaction({ code, message }: GatewayError): boolean {
  return message === compactedNothing || (code === 'upstream_rejected' && /compaction|compact-2026/.test(message));
}

const beta = 'anthropic-beta';

/** The counter refuses every other field. @see https://platform.claude.com/docs/en/api/messages/count_tokens */
const counted: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'output_format',
  'cache_control',
  'compaction',
  'context_management',
  'mcp_servers',
  'speed',
]);

export function anthropicProfile(model: string): ModelProfile {
  const { family, version } = generationOf(model);
  const row =
    version === undefined
      ? unknownGeneration
      : (generations.find((entry) => version >= entry.from && (entry.family ?? family) === family) ??
        unknownGeneration);
  return {
    maxOutputTokens: row.maxOutputTokens,
    reasoning: row.reasoning,
    reasoningField: 'none',
    midConversationSystem: row.midConversationSystem,
    maxTokensField: 'max_tokens',
    jsonSchemaOutput: row.jsonSchemaOutput,
    customTools: false,
    samplingParameters: row.samplingParameters,
    minCachedTokens: row.minCachedTokens,
    computerTool: row.reasoning === 'none' ? undefined : row.computerTool,
    // Another vendor's model behind Anthropic's format would answer what it is asked to compact, and be paid for it.
    nativeCompaction: model.includes('claude') ? row.compaction : undefined,
    ...(row.xhighEffort === false ? { xhighEffort: false } : {}),
  };
}

/**
 * Family and version by the name: `claude-3-5-sonnet-20241022`, `claude-opus-4-1-20250805`, `claude-sonnet-4@20250514`,
 * `us.anthropic.claude-haiku-4-5-20251001-v1:0`, `anthropic/claude-opus-4.5`. A date is no version.
 */
function generationOf(model: string): { family: string | undefined; version: number | undefined } {
  const early = /claude-(\d)(?:[-.](\d{1,2}))?(?!\d)(?:-([a-z]+))?/.exec(model);
  if (early !== null) return { family: early[3], version: versionOf(early[1], early[2]) };
  const late = /claude-([a-z]+)-(\d{1,2})(?!\d)(?:[-.](\d{1,2})(?!\d))?/.exec(model);
  if (late !== null) return { family: late[1], version: versionOf(late[2], late[3]) };
  return { family: undefined, version: model.includes('claude-instant') ? 100 : undefined };
}

function versionOf(major: string | undefined, minor: string | undefined): number {
  return Number(major) * 100 + Number(minor ?? 0);
}
