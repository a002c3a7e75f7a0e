import { z } from 'zod';
import { isLoopback } from '../core/is-loopback.ts';
import type { Path } from './problem.ts';
import { isPostgresUrl } from './schema.ts';

export interface Conflict {
  path: Path;
  message: string;
}

export interface Effective {
  host: string;
  port: number;
  workers: number;
  /** Names of groups that are there when the file names no models. */
  defaultGroups: readonly string[];
}

const text = z.string().optional().catch(undefined);
const number = z.number().optional().catch(undefined);
/**
 * What the checks across fields read, and no more. A value of the wrong type counts as absent: the schema has told it, and
 * the others are checked all the same.
 */
const draftSchema = z.object({
  server: z
    .object({ host: text, port: number, workers: number })
    .catch({ host: undefined, port: undefined, workers: undefined }),
  store: z.object({ url: text, secret: z.unknown().optional() }).catch({ url: undefined, secret: undefined }),
  auth: z
    .object({
      master_key: z.unknown().optional(),
      keys: z
        .array(
          z.object({ name: text, key: text, team: text }).catch({ name: undefined, key: undefined, team: undefined }),
        )
        .catch([]),
      teams: z.record(z.string(), z.unknown()).catch({}),
    })
    .catch({ master_key: undefined, keys: [], teams: {} }),
  models: z
    .array(
      z
        .looseObject({ name: text, provider: text, model: text, base_url: z.unknown().optional() })
        .catch({ name: undefined, provider: undefined, model: undefined, base_url: undefined }),
    )
    .catch([]),
  aliases: z.record(z.string(), text).catch({}),
  routing: z.object({ fallbacks: z.record(z.string(), z.array(text).catch([])).catch({}) }).catch({ fallbacks: {} }),
});

export type Draft = z.infer<typeof draftSchema>;

export function readDraft(raw: unknown): Draft {
  return draftSchema.parse(typeof raw === 'object' && raw !== null && !Array.isArray(raw) ? raw : {});
}

/** True where calls to the address come back to the gateway that makes them. Clients' own variables name it easily. */
export function pointsAtItself(baseUrl: string, host: string, port: number): boolean {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url === undefined || url.protocol !== 'http:' || port === 0 || Number(url.port || 80) !== port) return false;
  const wildcard = host === '0.0.0.0' || host === '::';
  return url.hostname === host || (isLoopback(url.hostname) && (wildcard || isLoopback(host)));
}

/** The group that an alias stands for in the end; undefined where the aliases go round in a circle. */
export function resolveAlias(name: string, aliases: Readonly<Record<string, string | undefined>>): string | undefined {
  const seen = new Set<string>();
  for (let current = name; !seen.has(current);) {
    const target = Object.hasOwn(aliases, current) ? aliases[current] : undefined;
    if (target === undefined) return current;
    seen.add(current);
    current = target;
  }
  return undefined;
}

function servedBy(groups: readonly string[], name: string): boolean {
  return groups.some((group) => (group.endsWith('*') ? name.startsWith(group.slice(0, -1)) : name === group));
}

function authConflicts({ auth }: Draft): Conflict[] {
  const conflicts: Conflict[] = [];
  const names = new Set<string>();
  const keys = new Set<string>();
  auth.keys.forEach(({ name, key, team }, index) => {
    if (team === 'default' || team?.startsWith('key_') === true) {
      const message = "stands for another tenant: the master key's is default, and key_ begins those of keys";
      conflicts.push({ path: ['auth', 'keys', index, 'team'], message });
    }
    if (name !== undefined && names.has(name)) {
      conflicts.push({ path: ['auth', 'keys', index, 'name'], message: 'another key has this name' });
    }
    if (name !== undefined) names.add(name);
    if (key === undefined) return;
    const path = ['auth', 'keys', index, 'key'];
    if (key === auth.master_key) conflicts.push({ path, message: 'must differ from the master key' });
    else if (keys.has(key)) conflicts.push({ path, message: 'another entry has the same key' });
    keys.add(key);
  });
  for (const team of Object.keys(auth.teams)) {
    if (auth.keys.some((key) => key.team === team)) continue;
    conflicts.push({ path: ['auth', 'teams', team], message: 'no key is of this team' });
  }
  return conflicts;
}

function storeConflicts({ store: { url, secret } }: Draft): Conflict[] {
  if (url === undefined || !isPostgresUrl(url) || secret !== undefined) return [];
  const message =
    'is missing: every process that uses the database needs the same one, and there is no file beside it to keep it in; ' +
    'make one with `openssl rand -hex 32`';
  return [{ path: ['store', 'secret'], message }];
}

function workerConflicts({ store: { url } }: Draft, { workers }: Effective): Conflict[] {
  if (workers === 1 || (url !== undefined && isPostgresUrl(url))) return [];
  const message =
    'must be 1 with SQLite, since one process only can own its file; several need a store.url of Postgres';
  return [{ path: ['server', 'workers'], message }];
}

const withoutAddress: ReadonlySet<string> = new Set(['openai-compatible', 'azure', 'azure-chat']);

/** Keys of a model that are for some providers only. */
const keyOwners: Readonly<Record<string, readonly string[]>> = {
  api_version: ['azure-chat'],
  region: ['bedrock', 'vertex', 'vertex-gemini'],
  project: ['vertex', 'vertex-gemini'],
  aws: ['bedrock'],
  package: ['ai-sdk'],
  factory: ['ai-sdk'],
  settings: ['ai-sdk'],
  credential: ['anthropic'],
};

const googleKeys = { region: 'where the models are, such as us-east5 or global', project: 'whose models they are' };

const neededKeys: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'ai-sdk': { package: 'such as "@ai-sdk/cohere"' },
  bedrock: { region: 'where the models are, such as us-east-1' },
  vertex: googleKeys,
  'vertex-gemini': googleKeys,
};

const originOf = (baseUrl: unknown) => (typeof baseUrl === 'string' ? (URL.parse(baseUrl)?.origin ?? baseUrl) : 'own');

function modelConflicts({ models }: Draft, { host, port }: Effective): Conflict[] {
  const conflicts: Conflict[] = [];
  let lentTo: string | undefined;
  models.forEach(({ name, provider, model, base_url: baseUrl, ...others }, index) => {
    const conflict = (field: string, message: string): number =>
      conflicts.push({ path: ['models', index, field], message });
    if (provider !== undefined && baseUrl === undefined && withoutAddress.has(provider)) {
      conflict('base_url', `is missing: ${provider} has no address of its own`);
    }
    for (const [key, owners] of Object.entries(keyOwners)) {
      if (provider === undefined || !(key in others) || owners.includes(provider)) continue;
      conflict(key, `means nothing to ${provider}; it is for ${owners.join(', ')}`);
    }
    for (const [key, why] of Object.entries(neededKeys[provider ?? ''] ?? {})) {
      if (!(key in others)) conflict(key, `is missing: ${why}`);
    }
    if (provider === 'bedrock' && 'aws' in others === 'api_key' in others) {
      conflict('aws', 'or api_key must be there, and not both: the one signs requests, the other is a bearer token');
    }
    if ('credential' in others) {
      if ('api_key' in others) conflict('credential', "is the caller's own, so that there can be no api_key");
      const origin = originOf(baseUrl);
      lentTo ??= origin;
      if (origin !== lentTo) conflict('credential', 'goes to one origin only, and another model sends it elsewhere');
    }
    if (typeof baseUrl === 'string' && pointsAtItself(baseUrl, host, port)) {
      conflict('base_url', 'is this gateway itself');
    }
    if (model === '*' && name !== undefined && !name.endsWith('*')) {
      conflict('model', 'can be * only where the name ends in *');
    }
  });
  return conflicts;
}

function nameConflicts({ aliases, routing }: Draft, groups: readonly string[]): Conflict[] {
  const conflicts: Conflict[] = [];
  // A pattern is no name that a client can ask for, so that nothing else can stand for it or lead to it.
  const isPattern = (name: string): boolean => name.endsWith('*');
  const isKnown = (name: string): boolean =>
    isPattern(name) ? groups.includes(name) : servedBy(groups, name) || Object.hasOwn(aliases, name);
  const targetProblem = (name: string): string | undefined => {
    if (isPattern(name)) return `must name one model, and ${name} is a pattern`;
    return isKnown(name) ? undefined : `there is no model named ${name}`;
  };
  for (const [alias, target] of Object.entries(aliases)) {
    const path = ['aliases', alias];
    if (groups.includes(alias)) conflicts.push({ path, message: 'a model has this name already' });
    else if (isPattern(alias)) conflicts.push({ path, message: 'an alias is one name, and this is a pattern' });
    else if (target === undefined) continue;
    else {
      const message =
        targetProblem(target) ??
        (resolveAlias(alias, aliases) === undefined ? 'the aliases go round in a circle' : undefined);
      if (message !== undefined) conflicts.push({ path, message });
    }
  }
  const withFallbacks = new Set<string>();
  for (const [name, targets] of Object.entries(routing.fallbacks)) {
    const path = ['routing', 'fallbacks', name];
    const group = resolveAlias(name, aliases) ?? name;
    if (!isKnown(name)) conflicts.push({ path, message: `there is no model named ${name}` });
    else if (withFallbacks.has(group)) conflicts.push({ path, message: `${group} has fallbacks already` });
    withFallbacks.add(group);
    targets.forEach((target, index) => {
      if (target === undefined) return;
      const message =
        targetProblem(target) ??
        (resolveAlias(target, aliases) === group ? 'a model cannot fall back to itself' : undefined);
      if (message !== undefined) conflicts.push({ path: [...path, index], message });
    });
  }
  return conflicts;
}

/** What is wrong between fields that are each right by themselves. */
export function findConflicts(draft: Draft, effective: Effective): Conflict[] {
  const named = draft.models.flatMap(({ name }) => name ?? []);
  const conflicts = [
    ...storeConflicts(draft),
    ...workerConflicts(draft, effective),
    ...authConflicts(draft),
    ...modelConflicts(draft, effective),
    ...nameConflicts(draft, draft.models.length > 0 ? named : effective.defaultGroups),
  ];
  if (draft.auth.master_key === undefined && draft.auth.keys.length === 0 && !isLoopback(effective.host)) {
    conflicts.push({
      path: ['server', 'host'],
      message:
        'must be a loopback address (127.0.0.1, ::1, localhost) while no key is configured, since whoever reaches the ' +
        'gateway could spend your money; set auth.master_key or auth.keys to listen elsewhere',
    });
  }
  return conflicts;
}
