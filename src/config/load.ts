import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { nanoUsdOf } from '../core/nano-usd.ts';
import { checkSchema } from './check-schema.ts';
import { type Config, defaultTimeouts, type ModelConfig } from './config.ts';
import { parseDuration } from './duration.ts';
import { modelsFromEnvironment, proxyProblems } from './environment.ts';
import { findConflicts, readDraft, resolveAlias } from './find-conflicts.ts';
import type { Environment } from './interpolate.ts';
import { ConfigError, formatPath, type Path, type Problem } from './problem.ts';
import type { PlacedProblem, YamlReading } from './read-yaml.ts';
import { decodeSecret, type FileConfig, type FileModel } from './schema.ts';

export interface LoadOptions {
  /** Undefined: `turnpike.yaml` in `cwd` if it is there, else the defaults. */
  file?: string | undefined;
  env: Environment;
  cwd: string;
  /** What the command line says in place of the file. */
  host?: string | undefined;
  port?: number | undefined;
  workers?: number | undefined;
}

const defaultFile = 'turnpike.yaml';

const start = { line: 1, column: 1 };
/** Where there is no file, no parser is loaded. */
const nothingRead: YamlReading = {
  value: undefined,
  problems: [],
  wellFormed: true,
  placeOf: () => start,
  placeOfKey: () => start,
  interpolated: new Set(),
  unresolved: new Set(),
};

/** @throws ConfigError with everything that is wrong. */
export async function loadConfig(options: LoadOptions): Promise<Config> {
  const text = await readConfigFile(options.file ?? defaultFile, options);
  const name = options.file ?? defaultFile;
  const reading = text === undefined ? nothingRead : (await import('./read-yaml.ts')).readYaml(text, options.env);
  const placed: PlacedProblem[] = [...reading.problems];
  if (!reading.wellFormed) throw new ConfigError(inOrder(placed, name));

  const told = new Set(reading.unresolved);
  const report = (path: Path, message: string, atKey: boolean): void => {
    const formatted = formatPath(path);
    if (told.has(formatted)) return;
    told.add(formatted);
    placed.push({ place: atKey ? reading.placeOfKey(path) : reading.placeOf(path), path: formatted, message });
  };

  const {
    file,
    raw,
    problems: schemaProblems,
  } = checkSchema(reading.value ?? {}, (path) => reading.interpolated.has(formatPath(path)));
  for (const { path, message, atKey } of schemaProblems) report(path, message, atKey);

  const draft = readDraft(raw);
  const address = {
    host: options.host ?? draft.server.host ?? '127.0.0.1',
    port: options.port ?? draft.server.port ?? 4000,
    workers: options.workers ?? draft.server.workers ?? 1,
  };
  const environment = modelsFromEnvironment(options.env, address);
  const elsewhere: Problem[] = [
    ...proxyProblems(options.env),
    ...(draft.models.length === 0 ? environment.problems : []),
  ];
  const conflicts = findConflicts(draft, { ...address, defaultGroups: environment.models.map((model) => model.name) });
  for (const { path, message } of conflicts) {
    const option = (['host', 'workers'] as const).find((name) => formatPath(path) === `server.${name}`);
    if (option !== undefined && options[option] !== undefined) {
      elsewhere.push({ where: 'command line', path: `--${option}`, message });
    } else report(path, message, false);
  }

  const problems = [...inOrder(placed, name), ...elsewhere];
  if (file === undefined || problems.length > 0) throw new ConfigError(problems);
  return toConfig(file, text === undefined ? undefined : name, address, environment.models);
}

function inOrder(placed: readonly PlacedProblem[], name: string): Problem[] {
  return placed
    .toSorted((a, b) => a.place.line - b.place.line || a.place.column - b.place.column)
    .map(({ place, path, message }) => ({ where: `${name}:${place.line}:${place.column}`, path, message }));
}

/** @returns undefined where the default file is not there. */
async function readConfigFile(name: string, { file, cwd }: LoadOptions): Promise<string | undefined> {
  try {
    return await readFile(resolve(cwd, name), 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    if (code === 'ENOENT' && file === undefined) return undefined;
    const message = code === 'ENOENT' ? 'there is no such file' : `cannot be read (${code})`;
    throw new ConfigError([{ where: name, path: '(file)', message }]);
  }
}

function toConfig(
  file: FileConfig,
  name: string | undefined,
  address: { host: string; port: number; workers: number },
  defaultModels: readonly ModelConfig[],
): Config {
  const aliases = file.aliases ?? {};
  const groupOf = (alias: string): string => resolveAlias(alias, aliases) ?? alias;
  const secret = file.store?.secret;
  return {
    file: name,
    server: {
      ...address,
      drainSeconds: file.server?.drain_seconds ?? 600,
      maxBodyBytes: file.server?.max_body_bytes,
    },
    store: {
      url: file.store?.url ?? 'sqlite:turnpike.db',
      secret: secret === undefined ? undefined : decodeSecret(secret),
      leaseSeconds: file.store?.lease_seconds ?? 15,
      // A client is told within a second, the gateway's own time included.
      timeoutMs: file.store?.timeout_ms ?? 800,
    },
    auth: {
      masterKey: file.auth?.master_key,
      keys: (file.auth?.keys ?? []).map(({ name: keyName, key, team, budget_usd: budget }) => ({
        name: keyName,
        key,
        team,
        budgetNanoUsd: budget === undefined ? undefined : nanoUsdOf(budget),
      })),
      teams: Object.entries(file.auth?.teams ?? {}).map(([team, { budget_usd: budget }]) => ({
        name: team,
        budgetNanoUsd: budget === undefined ? undefined : nanoUsdOf(budget),
      })),
    },
    models: modelsOf(file, defaultModels),
    aliases: Object.fromEntries(Object.entries(aliases).map(([alias, target]) => [alias, groupOf(target)])),
    background: {
      maxRunning: file.background?.max_running ?? 100,
      maxQueued: file.background?.max_queued ?? 1000,
      eventsKeptSeconds: file.background?.events_kept_seconds ?? 600,
      maxEventBytes: file.background?.max_event_bytes ?? 128 * 1024 * 1024,
    },
    retention: {
      contentMs: ageOf(file.retention?.content ?? '30d'),
      metadataMs: ageOf(file.retention?.metadata ?? '400d'),
    },
    ledger: { content: file.ledger?.content ?? 'request' },
    files: {
      maxFileBytes: file.files?.max_file_bytes ?? 512 * 1024 * 1024,
      maxTotalBytes: file.files?.max_total_bytes ?? 10 * 1024 * 1024 * 1024,
    },
    routing: {
      retries: file.routing?.retries ?? 2,
      fallbacks: Object.fromEntries(
        Object.entries(file.routing?.fallbacks ?? {}).map(([group, targets]) => [groupOf(group), targets.map(groupOf)]),
      ),
    },
  };
}

/** Undefined: never too old. */
function ageOf(text: string): number | undefined {
  const ms = parseDuration(text);
  return ms === Infinity ? undefined : ms;
}

function modelsOf(
  { models = [], prompt_caching = 'auto' }: FileConfig,
  defaults: readonly ModelConfig[],
): ModelConfig[] {
  const given = models.length === 0 ? [...defaults] : models.map(toModel);
  return given.map((model, at) => {
    if ((models[at]?.prompt_caching ?? prompt_caching) === 'auto') return model;
    return { ...model, profile: { ...model.profile, minCachedTokens: undefined } };
  });
}

function toModel(model: FileModel): ModelConfig {
  const { timeouts, quirks, price } = model;
  return {
    name: model.name,
    provider: model.provider,
    model: model.model,
    baseUrl: model.base_url?.replace(/\/+$/, ''),
    apiKey: model.api_key,
    headers: model.headers ?? {},
    timeouts: {
      connectMs: timeouts?.connect_ms ?? defaultTimeouts.connectMs,
      firstByteMs: timeouts?.first_byte_ms ?? defaultTimeouts.firstByteMs,
      idleMs: timeouts?.idle_ms ?? defaultTimeouts.idleMs,
    },
    weight: model.weight ?? 1,
    profile: {
      ...(model.max_output_tokens !== undefined && { maxOutputTokens: model.max_output_tokens }),
      ...(model.reasoning !== undefined && { reasoning: model.reasoning }),
      ...(quirks?.reasoning !== undefined && { reasoningField: quirks.reasoning }),
      ...(quirks?.max_tokens_field !== undefined && { maxTokensField: quirks.max_tokens_field }),
      ...(quirks?.mid_conversation_system !== undefined && { midConversationSystem: quirks.mid_conversation_system }),
      ...(quirks?.json_schema_output !== undefined && { jsonSchemaOutput: quirks.json_schema_output }),
      ...(quirks?.custom_tools !== undefined && { customTools: quirks.custom_tools }),
    },
    options: {
      ...(model.credential === 'client' && { clientCredential: true as const }),
      ...(model.api_version !== undefined && { apiVersion: model.api_version }),
      ...(model.region !== undefined && { region: model.region }),
      ...(model.project !== undefined && { project: model.project }),
      ...(model.package !== undefined && { package: model.package }),
      ...(model.factory !== undefined && { factory: model.factory }),
      ...(model.settings !== undefined && { settings: model.settings }),
      ...(model.aws !== undefined && {
        aws: {
          accessKeyId: model.aws.access_key_id,
          secretAccessKey: model.aws.secret_access_key,
          sessionToken: model.aws.session_token,
        },
      }),
    },
    price: price && {
      input: price.input,
      output: price.output,
      cacheRead: price.cache_read,
      cacheWrite: price.cache_write,
    },
  };
}
