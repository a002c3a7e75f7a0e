import { randomUUID } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import type { AuthConfig, Config, ModelConfig, ProviderName } from './config/config.ts';
import { createIdMint } from './core/ids.ts';
import type { Log } from './core/log.ts';
import { noUsage } from './core/usage.ts';
import type { TurnRoutes } from './http/answer-turn.ts';
import { createApp } from './http/app.ts';
import { adminKeyRoutes } from './http/routes/admin-keys.ts';
import { adminTeamRoutes } from './http/routes/admin-teams.ts';
import { chatRoutes } from './http/routes/chat.ts';
import { conversationsRoutes } from './http/routes/conversations.ts';
import { embeddingsRoutes } from './http/routes/embeddings.ts';
import { filesRoutes } from './http/routes/files.ts';
import { healthRoutes } from './http/routes/health.ts';
import { messagesRoutes } from './http/routes/messages.ts';
import { modelsRoutes } from './http/routes/models.ts';
import { responsesSocket } from './http/responses-socket.ts';
import { responsesRoutes } from './http/routes/responses.ts';
import { listen } from './http/serve.ts';
import { hashKey } from './keys/hash-key.ts';
import { configuredKeyId, createKeyring, isStoredTeam, type KeyringOptions } from './keys/keys.ts';
import { createStoredKeys } from './keys/stored-keys.ts';
import { aiSdkCodec } from './protocols/ai-sdk/index.ts';
import { chatCodec } from './protocols/chat/index.ts';
import { embeddingsCodec } from './protocols/embeddings/index.ts';
import { geminiCodec } from './protocols/gemini/index.ts';
import { messagesCodec } from './protocols/messages/index.ts';
import { responsesCodec } from './protocols/responses/index.ts';
import { responsesUpstreamCodec } from './protocols/responses/upstream.ts';
import { createAiSdkProvider } from './providers/ai-sdk/ai-sdk.ts';
import { createAiSdkTransport } from './providers/ai-sdk/transport.ts';
import { createAnthropicProvider } from './providers/anthropic.ts';
import { createBedrockProvider } from './providers/bedrock.ts';
import { createGeminiProvider } from './providers/gemini.ts';
import { createAzureChatProvider, createAzureProvider, createOpenAiProvider } from './providers/openai.ts';
import { createOpenAiCompatibleProvider, createVendorProviders } from './providers/openai-compatible.ts';
import type { Deployment, Provider } from './providers/provider.ts';
import { createSimulatorProvider, simulatorPrices } from './providers/simulator/simulator.ts';
import { createSimulatorTransport } from './providers/simulator/transport.ts';
import { createSocketTransport } from './providers/socket.ts';
import { vendorAt } from './providers/vendors.ts';
import { createVertexGeminiProvider, createVertexProvider } from './providers/vertex.ts';
import { createEmbeddingsRouter } from './routing/embeddings-router.ts';
import { createRouter } from './routing/router.ts';
import { createBudgetBook } from './spend/budget-book.ts';
import { type BudgetStore, keyBudgetId, teamBudgetId } from './store/budget-store.ts';
import { repeat } from './repeat.ts';
import { deriveKey, loadOrCreateSecret } from './store/secret.ts';
import type { FullStore } from './store/run-store.ts';
import { createBackground, defaultBackgroundLimits } from './turn/background/background.ts';
import { costOf } from './turn/cost-of.ts';
import { createKeyedRuns } from './turn/keyed-runs.ts';
import type { TurnDependencies, TurnLimits } from './turn/turn.ts';

export interface Gateway {
  /** Without a slash at the end. */
  url: string;
  /** Finishes what runs, within the configured time, then lets go of the port and the store. */
  close(): Promise<void>;
}

/** How the store knows this process from the others that share it. */
export interface Identity {
  /** Names the process in the turns that it runs; another one at every start. */
  owner: string;
  /** Owners whose processes have ended for sure: what they left running is failed at once. */
  replaces: readonly string[];
}

const turnLimits: TurnLimits = { keepAliveMs: 10_000, stallMs: 300_000, totalMs: 3_600_000, commitMs: 5_000 };

const budgetTidyMs = 1_000;
const fileSweepMs = 60_000;

/** Puts the parts together: the only file that knows them all. */
export async function startGateway(
  config: Config,
  { log, identity = { owner: randomUUID(), replaces: [] } }: { log: Log; identity?: Identity },
): Promise<Gateway> {
  const { server, auth, routing, aliases } = config;
  const { owner } = identity;
  const { store, secret } = await openStore(config, identity, log);
  await store.sweep(Date.now());

  const { providers, close: closeProviders } = createProviders(log);
  const ids = createIdMint();
  const router = createRouter({
    deployments: config.models.map((model) => deploymentOf(model, providers[providerOf(model)])),
    aliases,
    retries: routing.retries,
    fallbacks: routing.fallbacks,
    random: Math.random,
    nowMs: Date.now,
  });

  const budgets = createBudgetBook({ budgets: store.budgets, owner, nowMs: () => performance.now(), log });
  await setLimits(auth, store.budgets);
  const tidying = repeat(
    budgetTidyMs,
    () => budgets.tidy(),
    (err) => log.warn({ err }, 'leases of budgets cannot be looked after yet'),
  );

  const sweeping = repeat(
    fileSweepMs,
    async () => void (await store.files.sweep(Date.now())),
    (err) => log.warn({ err }, 'files that are due cannot be removed yet'),
  );

  const { keys } = store;
  const pepper = deriveKey(secret, 'key pepper');
  const stored = createStoredKeys({ findKey: (hash) => keys.findKey(hash), nowMs: Date.now });
  const admin = { keys, budgets: store.budgets, ids, nowMs: Date.now, onChange: stored.forget };
  // Keys that were made with a master key go on being asked for when it is taken out of the configuration.
  const closed = (await keys.listKeys({ limit: 1, after: undefined })).length > 0;
  if (closed && auth.masterKey === undefined && auth.keys.length === 0) {
    log.warn({}, 'no key is configured, but the keys of the store are asked for: set auth.master_key to change them');
  }

  const turns: TurnDependencies = {
    router,
    ids,
    nowMs: Date.now,
    owner,
    budgets,
    log,
    limits: turnLimits,
    ledger: config.ledger.content,
  };
  const background = createBackground({
    store,
    client: responsesCodec,
    dependencies: turns,
    limits: {
      ...defaultBackgroundLimits,
      maxRunning: config.background.maxRunning,
      maxQueued: config.background.maxQueued,
      keptMs: config.background.eventsKeptSeconds * 1000,
      maxBytes: config.background.maxEventBytes,
      drainMs: server.drainSeconds * 1000,
    },
  });

  const turnRoutes: TurnRoutes = { store, turns, keyedRuns: createKeyedRuns(), background };
  const embeddingsRouter = createEmbeddingsRouter(router, embeddingsCodec);

  const app = createApp({
    sockets: [responsesSocket(store, turns)],
    routes: [
      ...responsesRoutes(turnRoutes),
      ...embeddingsRoutes({ ...turnRoutes, turns: { ...turns, router: embeddingsRouter } }),
      ...messagesRoutes(turnRoutes),
      ...conversationsRoutes(store, { ids, nowMs: Date.now, commitMs: turnLimits.commitMs }),
      ...filesRoutes(store, { ids, nowMs: Date.now, ...config.files }),
      ...chatRoutes(turnRoutes),
      ...modelsRoutes(router, Date.now()),
      ...healthRoutes(store),
      ...adminTeamRoutes(admin),
      ...adminKeyRoutes({ ...admin, hashKey: (key) => hashKey(pepper, key).toString('hex') }),
    ],
    keyring: createKeyring({ ...keysOf(auth), pepper, stored, closed }),
    encodeError: responsesCodec.encodeError,
    newRequestId: () => ids.mint('req', Date.now()),
    log,
    ...(server.maxBodyBytes === undefined ? {} : { bodyLimits: { maxBytes: server.maxBodyBytes } }),
  });

  const http = await listen(app, { host: server.host, port: server.port, drainMs: server.drainSeconds * 1000 });
  return {
    url: http.url,
    async close() {
      await Promise.all([http.close(), background.close()]);
      await app.settled();
      await closeProviders();
      await tidying.stop();
      await budgets.close();
      await sweeping.stop();
      await store.close();
    },
  };
}

/** With what they call upstreams through. */
function createProviders(log: Log): { providers: Record<ProviderName, Provider>; close: () => Promise<void> } {
  const sockets = createSocketTransport({ log });
  const aiSdk = createAiSdkTransport();
  const providers: Record<ProviderName, Provider> = {
    anthropic: createAnthropicProvider(messagesCodec, sockets),
    openai: createOpenAiProvider(responsesUpstreamCodec, chatCodec, sockets),
    'openai-compatible': createOpenAiCompatibleProvider(chatCodec, sockets),
    gemini: createGeminiProvider(geminiCodec, sockets),
    simulator: createSimulatorProvider(messagesCodec, createSimulatorTransport()),
    azure: createAzureProvider(responsesUpstreamCodec, chatCodec, sockets),
    'azure-chat': createAzureChatProvider(chatCodec, sockets),
    bedrock: createBedrockProvider(messagesCodec, sockets, Date.now),
    vertex: createVertexProvider(messagesCodec, sockets),
    'vertex-gemini': createVertexGeminiProvider(geminiCodec, sockets),
    'ai-sdk': createAiSdkProvider(aiSdkCodec, aiSdk),
    ...createVendorProviders(chatCodec, sockets),
  };
  return {
    providers,
    async close() {
      await Promise.all([sockets.close(), aiSdk.close()]);
    },
  };
}

/** Models whose calls have no known cost. Of a pattern that is said only where its vendor publishes no prices at all. */
export async function findUnpriced({ models }: Config, log: Log): Promise<ModelConfig[]> {
  const { providers, close } = createProviders(log);
  const unpriced = models.filter((model) => {
    const deployment = deploymentOf(model, providers[providerOf(model)]);
    if (deployment.model !== '*') return costOf(noUsage, deployment) === undefined;
    return deployment.prices === undefined && deployment.provider.priceProviderIdOf(deployment) === undefined;
  });
  await close();
  return unpriced;
}

/** The budgets of the configuration: one that was taken out of it limits nobody. What was spent of them before stays spent. */
async function setLimits({ keys, teams }: AuthConfig, budgets: BudgetStore): Promise<void> {
  const limits = new Map<string, { tenant: string; limit: number | null }>();
  for (const { name, team, budgetNanoUsd = null } of keys) {
    const keyId = configuredKeyId(name);
    limits.set(keyBudgetId(keyId), { tenant: team ?? keyId, limit: budgetNanoUsd });
    // What is said through the admin API of a stored team stands.
    if (team !== undefined && !isStoredTeam(team)) limits.set(teamBudgetId(team), { tenant: team, limit: null });
  }
  for (const { name, budgetNanoUsd } of teams)
    if (budgetNanoUsd !== undefined) limits.set(teamBudgetId(name), { tenant: name, limit: budgetNanoUsd });
  const found = await Promise.all(
    [...limits].map(async ([id, { tenant, limit }]) => {
      const own = budgets.forTenant(tenant);
      return { id, own, limit, before: await own.read(id) };
    }),
  );
  // A start waits for nobody who uses a budget that stays as it is.
  for (const { id, own, limit, before } of found)
    if (limit !== (before?.limitNanoUsd ?? null)) await own.setLimit(id, limit);
}

function keysOf({
  masterKey,
  keys,
  teams,
}: AuthConfig): Pick<KeyringOptions, 'masterKey' | 'keys' | 'teamsWithBudget'> {
  const limited = teams.filter(({ budgetNanoUsd }) => budgetNanoUsd !== undefined).map(({ name }) => name);
  const known = keys.map((key) => ({ ...key, hasBudget: key.budgetNanoUsd !== undefined }));
  return { masterKey, keys: known, teamsWithBudget: new Set(limited) };
}

/** An engine is loaded only where it is used. */
async function openStore(
  { store: { url, secret: configured, leaseSeconds, timeoutMs }, retention }: Config,
  { owner, replaces }: Identity,
  log: Log,
): Promise<{ store: FullStore; secret: Buffer }> {
  const path = url.startsWith('sqlite:') ? resolve(url.slice('sqlite:'.length)) : undefined;
  if (path !== undefined) {
    const secret = configured ?? loadOrCreateSecret(join(dirname(path), 'turnpike.secret'));
    const { createSqliteStore } = await import('./store/sqlite/create-sqlite-store.ts');
    return { store: await createSqliteStore({ path, secret, owner, log, retention }), secret };
  }
  if (configured === undefined) throw new Error('a store that is shared has a configured secret');
  const { createPostgresStore, leaseLimits } = await import('./store/postgres/create-postgres-store.ts');
  const limits = { ...leaseLimits(leaseSeconds * 1000), timeoutMs };
  const store = await createPostgresStore({ url, secret: configured, owner, replaces, log, limits, retention });
  return { store, secret: configured };
}

/** A vendor of the table is known by its address too. */
function providerOf({ provider, baseUrl = '' }: ModelConfig): ProviderName {
  return provider === 'openai-compatible' ? (vendorAt(baseUrl) ?? provider) : provider;
}

function deploymentOf(model: ModelConfig, provider: Provider): Deployment {
  const prices = model.price ?? (model.provider === 'simulator' ? simulatorPrices : undefined);
  return {
    group: model.name,
    provider,
    model: model.model,
    baseUrl: model.baseUrl ?? provider.addressIn?.(model.options) ?? provider.defaultBaseUrl ?? '',
    apiKey: model.apiKey,
    headers: { ...model.headers },
    timeouts: model.timeouts,
    weight: model.weight,
    profile: { ...provider.profileOf(model.model), ...model.profile },
    prices,
    options: model.options,
  };
}
