import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { GatewayError } from '../../src/core/errors.ts';
import type { TurnRequest } from '../../src/core/request.ts';
import type { Warning } from '../../src/core/warning.ts';
import { aiSdkCodec } from '../../src/protocols/ai-sdk/index.ts';
import { chatClientCodec } from '../../src/protocols/chat/client.ts';
import { chatCodec } from '../../src/protocols/chat/index.ts';
import type { ClientCodec, ModelProfile, UpstreamCodec } from '../../src/protocols/codec.ts';
import { geminiCodec } from '../../src/protocols/gemini/index.ts';
import { messagesClientCodec } from '../../src/protocols/messages/client.ts';
import { messagesCodec } from '../../src/protocols/messages/index.ts';
import { responsesCodec } from '../../src/protocols/responses/index.ts';
import { responsesUpstreamCodec } from '../../src/protocols/responses/upstream.ts';
import { createAiSdkProvider } from '../../src/providers/ai-sdk/ai-sdk.ts';
import { anthropicProfile } from '../../src/providers/anthropic.ts';
import { createBedrockProvider } from '../../src/providers/bedrock.ts';
import { geminiProfile } from '../../src/providers/gemini.ts';
import {
  createAzureChatProvider,
  createAzureProvider,
  createOpenAiProvider,
  openAiProfile,
} from '../../src/providers/openai.ts';
import { createVendorProvider, openAiCompatibleProfile } from '../../src/providers/openai-compatible.ts';
import type { Deployment, Provider } from '../../src/providers/provider.ts';
import { createSimulatorProvider } from '../../src/providers/simulator/simulator.ts';
import { createSimulatorTransport } from '../../src/providers/simulator/transport.ts';
import { vendorNames } from '../../src/providers/vendors.ts';
import { createVertexGeminiProvider, createVertexProvider } from '../../src/providers/vertex.ts';
import { createSqliteStore } from '../../src/store/sqlite/create-sqlite-store.ts';
import type { TenantStore } from '../../src/store/store.ts';
import { refuseVerbatimOnly, withReport } from '../../src/turn/open-turn.ts';
import { resolveHistory } from '../../src/turn/resolve-history.ts';
import { sentContext, sentRequest } from '../../src/turn/sent-context.ts';
import { verbatimRequest } from '../../src/turn/verbatim-lane.ts';
import { shapes } from '../../test/fixtures/vendors/replies.ts';
import { clientGroups } from './client-features.ts';
import { type Feature, type Group, responsesGroups } from './features.ts';

interface Model {
  name: string;
  profile: ModelProfile;
}

interface Backend {
  name: string;
  codec: UpstreamCodec;
  /** Where it has more than one way to be spoken to. */
  provider?: Provider;
  /** The first is what a cell tells of; others where they differ. */
  models: Model[];
}

type Body = Record<string, unknown>;
type Result = { refused: Warning } | { body: Body; warnings: Warning[] };

const modelsOf = (profileOf: (model: string) => ModelProfile, names: string[]): Model[] =>
  names.map((name) => ({ name, profile: profileOf(name) }));

const nowhere = createSimulatorTransport();
const simulator = createSimulatorProvider(messagesCodec, nowhere);
const plainChat = openAiCompatibleProfile('qwen3-32b');

const backends: Backend[] = [
  {
    name: 'Anthropic',
    codec: messagesCodec,
    models: modelsOf(anthropicProfile, [
      'claude-opus-4-8',
      'claude-sonnet-4-6',
      'claude-sonnet-4-5',
      'claude-opus-4-1',
      'claude-3-5-haiku',
    ]),
  },
  {
    name: 'OpenAI',
    codec: responsesUpstreamCodec,
    provider: createOpenAiProvider(responsesUpstreamCodec, chatCodec, nowhere),
    models: modelsOf(openAiProfile, ['gpt-5.1', 'gpt-5', 'gpt-4.1']),
  },
  {
    name: 'OpenAI-compatible',
    codec: chatCodec,
    models: [
      ...modelsOf(openAiCompatibleProfile, ['qwen3-32b', 'gpt-oss-120b', 'gpt-5']),
      { name: 'json_schema_output: false', profile: { ...plainChat, jsonSchemaOutput: false } },
      { name: 'custom_tools: true', profile: { ...plainChat, customTools: true } },
    ],
  },
  {
    name: 'Gemini',
    codec: geminiCodec,
    models: modelsOf(geminiProfile, ['gemini-3.1-pro', 'gemini-3-flash', 'gemini-2.5-pro', 'gemini-2.5-flash']),
  },
  {
    name: 'AI SDK',
    codec: aiSdkCodec,
    models: [{ name: 'command-a', profile: createAiSdkProvider(aiSdkCodec, nowhere).profileOf('command-a') }],
  },
  {
    name: 'simulator',
    codec: messagesCodec,
    models: [{ name: 'simulator', profile: simulator.profileOf('simulator') }],
  },
];

/** What a request cannot be without, beside its model. */
const clients: Record<Group['client'], { client: ClientCodec; least: Body }> = {
  responses: { client: responsesCodec, least: { input: 'Hello.' } },
  chat: { client: chatClientCodec, least: { messages: [{ role: 'user', content: 'Hello.' }] } },
  messages: {
    client: messagesClientCodec,
    least: { max_tokens: 100, messages: [{ role: 'user', content: 'Hello.' }] },
  },
};

/** The same at every run, so that the page is. */
const ids = { mint: (prefix: string) => `${prefix}_new` } as Parameters<typeof resolveHistory>[2];

const pngStart = Buffer.from('iVBORw0KGgo=', 'base64');
const pdfStart = Buffer.from('%PDF-1.4');

async function keepFile({ files }: TenantStore, id: string, data: Uint8Array): Promise<void> {
  const size = data.length;
  await files.begin(id, 0);
  await files.append(id, 0, data, 1024);
  await files.finish({
    id,
    createdAtMs: 0,
    filename: 'a',
    purpose: 'user_data',
    mediaType: '',
    size,
    expiresAtMs: undefined,
  });
}

/** As a turn finds it: the client's own protocol where the vendor speaks it too. */
function dialectOf(asked: Group['client'], { codec, provider }: Backend, { name, profile }: Model) {
  const deployment = { model: name, profile } as Deployment;
  const own = asked === codec.protocol ? undefined : provider?.dialect?.(deployment, asked);
  return own ?? { codec, profile };
}

async function encode(
  store: TenantStore,
  asked: Group['client'],
  given: Body,
  backend: Backend,
  model: Model,
): Promise<Result> {
  const { codec, profile } = dialectOf(asked, backend, model);
  let minted = 0;
  const counted = { ...ids, mint: (prefix: string) => `${prefix}_new${(minted += 1)}` } as typeof ids;
  const { client, least } = clients[asked];
  const bodyText = JSON.stringify({ model: model.name, ...least, ...given });
  let request: TurnRequest | undefined;
  const named = ({ param, message }: Warning): Warning => ({
    param: request === undefined ? param : (client.paramName?.(param, request) ?? param),
    message,
  });
  try {
    request = client.decodeRequest(JSON.parse(bodyText), { text: bodyText, header: () => undefined });
    const history = await resolveHistory(store, request, counted, 0);
    const { inheritedTools, report } = history;
    const verbatim = verbatimRequest({ request, client, bodyText }, history, codec, model.name, profile);
    if (verbatim === undefined) refuseVerbatimOnly(request);
    const encoded =
      verbatim?.encoded ??
      codec.encodeRequest({
        ...sentRequest(history.request, inheritedTools, codec.protocol),
        context: sentContext(history, codec.protocol),
        model: model.name,
        profile,
      });
    const { body, warnings, inputTransformations } = withReport(encoded, report, request);
    const removed = inputTransformations.map(({ type, reason }) => ({
      param: 'input_transformations',
      message: `The ${type} is removed: \`${reason}\`.`,
    }));
    return {
      body: JSON.parse(body) as Body,
      warnings: [...warnings.map(named), ...(asked === 'responses' ? removed : [])],
    };
  } catch (error) {
    if (!(error instanceof GatewayError) || error.status !== 400) throw error;
    return { refused: named({ param: error.param ?? '', message: error.message }) };
  }
}

/** What stands in the body because of the feature. */
function changesOf(body: Body, before: Body): Body {
  const changes: Body = {};
  for (const [key, value] of Object.entries(body)) {
    const old = before[key];
    if (isDeepStrictEqual(value, old)) continue;
    const added: unknown[] =
      Array.isArray(value) && Array.isArray(old)
        ? value.filter((each) => !old.some((known) => isDeepStrictEqual(known, each)))
        : [];
    changes[key] = added.length > 0 ? added : value;
  }
  return changes;
}

/** Whether all that the client said is there, in its own words. */
function holds(sent: unknown, said: unknown): boolean {
  // A message's text is a message of one part.
  if (typeof said === 'string' && Array.isArray(sent)) {
    return sent.length === 1 && (sent[0] as Body)['text'] === said;
  }
  if (Array.isArray(said)) return Array.isArray(sent) && said.every((each) => sent.some((part) => holds(part, each)));
  if (typeof said !== 'object' || said === null) return isDeepStrictEqual(sent, said);
  if (typeof sent !== 'object' || sent === null) return false;
  return Object.entries(said).every(([key, value]) => holds((sent as Body)[key], value));
}

const longest = 64;

function shown([key, value]: [string, unknown]): string {
  if ((key === 'messages' || key === 'input' || key === 'contents') && Array.isArray(value)) {
    return `\`${key}: ${value.map((each) => nameOf(each as Body)).join(', ')}\``;
  }
  const text = JSON.stringify(value);
  if (text.length <= longest) return `\`${key}: ${text.replaceAll('|', String.raw`\|`)}\``;
  return `\`${key}\``;
}

/** Of a message who says it and in which kinds of blocks; of anything else what it is. */
function nameOf({ type, role, content, parts: gemini, tool_calls: calls }: Body): string {
  if (typeof role !== 'string') return String(type);
  // Google's parts are of the kind of the field that they have.
  if (Array.isArray(gemini)) return `${role} (${gemini.map((part) => Object.keys(part as Body)[0]).join(', ')})`;
  const parts = Array.isArray(content) ? content.map((part) => String((part as Body)['type'])) : [];
  if (typeof content === 'string') parts.push('text');
  if (calls !== undefined) parts.push('tool_calls');
  return `${role} (${parts.join(', ')})`;
}

function cellOf(result: Result, before: Result, { body: said }: Feature, noteOf: (warning: Warning) => string): string {
  if ('refused' in result) return `**400** ${noteOf(result.refused)}`;
  const notes = result.warnings.map(noteOf).join(' ');
  const changes = changesOf(result.body, 'refused' in before ? {} : before.body);
  const names = Object.entries(changes);
  let carried = names.length === 0 ? '' : `as ${names.map(shown).join(', ')}`;
  // Only a body that speaks the client's own words can hold them.
  if (notes === '' && holds(result.body, said)) carried = 'yes';
  if (notes === '') return carried === '' ? 'nothing to send' : carried;
  return carried === '' ? `warning ${notes}` : `${carried}; warning ${notes}`;
}

async function rowOf(
  store: TenantStore,
  client: Group['client'],
  feature: Feature,
  noteOf: (warning: Warning) => string,
): Promise<string> {
  const around = feature.around ?? {};
  const cells = [];
  for (const backend of backends) {
    const byModel: { names: string[]; cell: string }[] = [];
    for (const model of backend.models) {
      const before = await encode(store, client, around, backend, model);
      const after = await encode(store, client, { ...around, ...feature.body }, backend, model);
      const cell = cellOf(after, before, feature, noteOf);
      const same = byModel.find((other) => other.cell === cell);
      if (same === undefined) byModel.push({ names: [model.name], cell });
      else same.names.push(model.name);
    }
    const [first, ...others] = byModel;
    const differing = others.map(({ names, cell }) => `<br>${names.map((name) => `\`${name}\``).join(', ')}: ${cell}`);
    cells.push(`${first?.cell ?? ''}${differing.join('')}`);
  }
  return `| ${[feature.label, ...cells].join(' | ')} |`;
}

interface Relative {
  name: string;
  /** The column that holds of it, but for what its row says. */
  like: string;
  codec: UpstreamCodec;
  provider: Provider;
  model: string;
  base: ModelProfile;
}

const likeOpenAi = { like: 'OpenAI', codec: responsesUpstreamCodec, model: 'gpt-5.1', base: openAiProfile('gpt-5.1') };
const opus = 'claude-opus-4-8';
const likeAnthropic = { like: 'Anthropic', codec: messagesCodec, model: opus, base: anthropicProfile(opus) };
const flash = 'gemini-3-flash';

/** Clouds and vendors, each beside the column whose words it speaks. */
const relatives: Relative[] = [
  { ...likeOpenAi, name: 'azure', provider: createAzureProvider(responsesUpstreamCodec, chatCodec, nowhere) },
  {
    name: 'azure-chat',
    like: 'OpenAI-compatible',
    codec: chatCodec,
    provider: createAzureChatProvider(chatCodec, nowhere),
    model: 'gpt-5.1',
    base: openAiCompatibleProfile('gpt-5.1'),
  },
  { ...likeAnthropic, name: 'bedrock', provider: createBedrockProvider(messagesCodec, nowhere, () => 0) },
  { ...likeAnthropic, name: 'vertex', provider: createVertexProvider(messagesCodec, nowhere) },
  {
    name: 'vertex-gemini',
    like: 'Gemini',
    codec: geminiCodec,
    provider: createVertexGeminiProvider(geminiCodec, nowhere),
    model: flash,
    base: geminiProfile(flash),
  },
  ...vendorNames.map((name): Relative => ({
    name,
    like: 'OpenAI-compatible',
    codec: chatCodec,
    provider: createVendorProvider(name, chatCodec, nowhere),
    model: shapes[name].model,
    base: openAiCompatibleProfile(shapes[name].model),
  })),
];

/** Values of one field stand together. */
function list(labels: ReadonlySet<string>): string {
  const byField = new Map<string, string[]>();
  for (const label of labels) {
    const [, field = label, value] = /^`([^:`]+): ([^`]+)`$/.exec(label) ?? [];
    byField.set(field, [...(byField.get(field) ?? []), ...(value === undefined ? [] : [value])]);
  }
  const named = [...byField].map(([field, values]) =>
    values.length === 0 ? field : `\`${field}: ${values.join(', ')}\``,
  );
  return named.join('; ') || '–';
}

/** Vendors of Chat Completions differ in parameters and tools; a cloud's model takes other messages too. */
const compared = ({ title, client }: Group, like: string): boolean =>
  like !== 'OpenAI-compatible' || (client !== 'messages' && /parameters|tools/i.test(title));

/** What becomes of requests otherwise than in the column that it is like. */
async function relativeRow(
  store: TenantStore,
  { name, like, codec, provider, model, base }: Relative,
): Promise<string> {
  const warned = new Set<string>();
  const refused = new Set<string>();
  const otherwise = new Set<string>();
  const profile = provider.profileOf(model);
  const known =
    like === 'OpenAI' ? { provider: backends.find((each) => each.name === like)?.provider as Provider } : {};
  for (const group of [...responsesGroups, ...clientGroups].filter((each) => compared(each, like))) {
    const { client } = group;
    for (const { label, body, around = {} } of group.features) {
      const of = (own: Pick<Backend, 'provider'>, given: Body, its: ModelProfile) =>
        encode(store, client, given, { name, codec, ...own, models: [] }, { name: model, profile: its });
      const [usual, bare, actual] = [
        await of(known, { ...around, ...body }, base),
        await of({ provider }, around, profile),
        await of({ provider }, { ...around, ...body }, profile),
      ];
      if (isDeepStrictEqual(usual, actual)) continue;
      if ('refused' in actual) {
        refused.add(label);
        continue;
      }
      const before = 'refused' in usual ? [] : usual.warnings.map(({ message }) => message);
      if (actual.warnings.some(({ message }) => !before.includes(message))) {
        warned.add(label);
        continue;
      }
      const changes = Object.entries(changesOf(actual.body, 'refused' in bare ? {} : bare.body));
      const usually = 'refused' in usual ? {} : usual.body;
      const own = changes.filter(([field, value]) => !isDeepStrictEqual(usually[field], value));
      otherwise.add(own.length === 0 ? `${label} carried` : `${label} as ${own.map(shown).join(', ')}`);
    }
  }
  return `| \`${name}\`, \`${model}\` | ${like} | ${list(warned)} | ${list(refused)} | ${list(otherwise)} |`;
}

const relativesIntroduction = `
## Clouds and vendors
Each is as the column that it is like, but for what its row says. Other models of a vendor's can differ
([vendors](configuration.md)). Models of Bedrock's that are not Anthropic's are the column AI SDK.

| provider, model | like | warning | 400 | otherwise |
|---|---|---|---|---|
`;

const introduction = `# What each backend carries
<!-- Made by \`npm run compatibility\` from the codecs. A test compares. -->
Each row is a request with that feature alone, as the gateway sends it on: of clients of the Responses API first, then of those of Chat
Completions and of Messages, whose words go through unchanged where the backend speaks them too (OpenAI both of its own). With a *warning* the request goes on, and the warning is in
the header \`x-turnpike-warnings\`; with **400** it is refused before anything is
spent. The numbers lead to the text of either, with its \`param\`.
- *yes*: it goes as the client said it.
- *as*: what stands in the upstream's request because of it. Of messages the kinds of their blocks are shown, and of what is long its name.
- *nothing to send*: the gateway does it itself, or it is what the upstream does anyway.

A cell begins with what holds for the first of these, and names those for which something else holds:
`;

/** `docs/compatibility.md`, as the codecs are now. */
export async function compatibilityPage(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'turnpike-compatibility-'));
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const store = await createSqliteStore({
    path: join(folder, 'turnpike.db'),
    secret: Buffer.alloc(32, 1),
    owner: 'compatibility',
    log,
  });
  const tenant = store.forTenant('compatibility');
  try {
    for (const [id, start] of Object.entries({ 'file-png': pngStart, 'file-pdf': pdfStart }))
      await keepFile(tenant, id, start);
    let page = introduction;
    for (const { name, models } of backends) {
      page += `- ${name}: ${models.map((model) => `\`${model.name}\``).join(', ')}\n`;
    }
    for (const { title, client, features } of [...responsesGroups, ...clientGroups]) {
      const notes: string[] = [];
      const noteOf = ({ param, message }: Warning): string => {
        const text = `\`${param}\`: ${message}`;
        if (!notes.includes(text)) notes.push(text);
        return `(${notes.indexOf(text) + 1})`;
      };
      const rows = [];
      for (const feature of features) rows.push(await rowOf(tenant, client, feature, noteOf));
      const head = ['', ...backends.map(({ name }) => name)];
      page += `\n## ${title}\n| ${head.join(' | ')} |\n${'|---'.repeat(head.length)}|\n${rows.join('\n')}\n`;
      if (notes.length > 0) page += `\n${notes.map((note, at) => `${at + 1}. ${note}`).join('\n')}\n`;
    }
    page += relativesIntroduction;
    for (const relative of relatives) page += `${await relativeRow(tenant, relative)}\n`;
    return page;
  } finally {
    await store.close();
    rmSync(folder, { recursive: true });
  }
}
