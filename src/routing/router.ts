import { GatewayError } from '../core/errors.ts';
import { remember } from '../core/remember.ts';
import type { ModelProfile } from '../protocols/codec.ts';
import type { Deployment } from '../providers/provider.ts';
import { orderByWeight, type Random } from './choose-deployment.ts';
import { deploymentName } from './deployment-name.ts';
import { createHealth } from './health.ts';

export interface RouterOptions {
  /** Deployments with one `group` form a group. A group whose name ends in `*` serves every name that begins so. */
  deployments: readonly Deployment[];
  /** Other names of groups, of names that a pattern serves, or of aliases. */
  aliases: Readonly<Record<string, string>>;
  /** Attempts within a group after the first. */
  retries: number;
  /** Groups (or aliases) to go on with when the group's own attempts have failed, in order. */
  fallbacks: Readonly<Record<string, readonly string[]>>;
  random: Random;
  nowMs: () => number;
  /** How long a deployment that failed comes last in its group. */
  cooldownMs?: number;
}

export interface Router {
  /**
   * What to try, in order: `1 + retries` attempts in the group, then as many in each fallback group. Within a group the
   * deployments come in a random order by weight, those that failed lately last, then in the same order again.
   * @param pinned names the deployment that comes before all of these if it is one of them and has not failed lately.
   * @throws GatewayError model_not_found.
   */
  route(model: string, pinned?: string): [Deployment, ...Deployment[]];
  /** Every name that a client can ask for, but for those that only a pattern serves: groups, then aliases. */
  names(): string[];
  /** To be told of each attempt that failed; what says nothing of the next request leaves no trace. */
  failed(deployment: Deployment, error: GatewayError): void;
  /** To be told of each attempt that ended well. */
  succeeded(deployment: Deployment): void;
}

interface Group {
  name: string;
  deployments: Deployment[];
}

/** Of what a pattern serves. Clients make up names, so longer ones are not remembered at all. */
const maxRememberedNames = 1000;
const maxRememberedCharacters = 256;

function notFound(model: string): GatewayError {
  const shown = model.length > 256 ? `${model.slice(0, 256)}…` : model;
  return new GatewayError('model_not_found', `The model '${shown}' does not exist or you do not have access to it.`, {
    param: 'model',
  });
}

/** What is known of the model itself, under what the configuration says of every model of the pattern. */
function profileOf(deployment: Deployment, model: string): ModelProfile {
  const { provider, profile } = deployment;
  const assumed = provider.profileOf(deployment.model);
  const configured = Object.entries(profile).filter(([field, value]) => value !== assumed[field as keyof ModelProfile]);
  return { ...provider.profileOf(model), ...Object.fromEntries(configured) };
}

/**
 * A pattern's deployment for one name. An upstream model `*` is the name itself, without what the pattern has up to its
 * last slash: `openai/*` takes the provider's name away, `claude-*` nothing.
 */
function specialise(deployment: Deployment, name: string): Deployment {
  const model = name.slice(deployment.group.lastIndexOf('/') + 1);
  return { ...deployment, model, profile: profileOf(deployment, model) };
}

function groupsOf(deployments: readonly Deployment[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const deployment of deployments) {
    const group = groups.get(deployment.group);
    if (group === undefined) groups.set(deployment.group, { name: deployment.group, deployments: [deployment] });
    else group.deployments.push(deployment);
  }
  return groups;
}

/** The first that is meant, before all others, which stay in their order. */
function putFirst<T>(list: T[], isMeant: (each: T) => boolean): void {
  const at = list.findIndex(isMeant);
  if (at > 0) list.unshift(...list.splice(at, 1));
}

/** @throws Error for aliases in a circle, and for aliases and fallbacks that lead nowhere. */
export function createRouter(options: RouterOptions): Router {
  const { retries, random, nowMs, cooldownMs = 15_000 } = options;
  const groups = groupsOf(options.deployments);
  const aliases = new Map(Object.entries(options.aliases));
  const fallbacks = new Map(Object.entries(options.fallbacks));
  const patterns = Array.from(groups.values())
    .filter(({ name }) => name.endsWith('*'))
    .map((group) => ({ group, prefix: group.name.slice(0, -1) }))
    .toSorted((a, b) => b.prefix.length - a.prefix.length);
  const health = createHealth<Deployment>({ nowMs, cooldownMs });
  /** The pattern's deployment, of one that was made of it for a name. */
  const originals = new WeakMap<Deployment, Deployment>();
  const specialists = new Map(
    options.deployments
      .filter(({ model }) => model === '*')
      .map((original) => [original, remember(maxRememberedNames, (name) => specialistOf(original, name))]),
  );

  function specialistOf(original: Deployment, name: string): Deployment {
    const specialist = specialise(original, name);
    originals.set(specialist, original);
    return specialist;
  }

  function deploymentFor(name: string, original: Deployment): Deployment {
    if (original.model !== '*') return original;
    const remembered = name.length <= maxRememberedCharacters ? specialists.get(original) : undefined;
    return remembered?.(name) ?? specialistOf(original, name);
  }

  function resolve(name: string): string {
    const seen = new Set<string>();
    let resolved = name;
    for (let next = aliases.get(name); next !== undefined; next = aliases.get(resolved)) {
      seen.add(resolved);
      if (seen.has(next)) throw new Error(`aliases lead in a circle: ${[...seen, next].join(' → ')}`);
      resolved = next;
    }
    return resolved;
  }

  function groupOf(name: string): Group | undefined {
    if (name === '' || name.endsWith('*')) return undefined;
    const exact = groups.get(name);
    // A vendor's name alone (`groq/`) leaves no name for a model of it.
    if (exact !== undefined || name.endsWith('/')) return exact;
    return patterns.find(({ prefix }) => name.startsWith(prefix))?.group;
  }

  function attempts(name: string, pinned: string | undefined): Deployment[] {
    const resolved = resolve(name);
    const group = groupOf(resolved);
    if (group === undefined) return [];
    const order = health
      .order(orderByWeight(group.deployments, random))
      .map((original) => deploymentFor(resolved, original));
    if (pinned !== undefined) putFirst(order, (each) => isPinned(each, pinned));
    return Array.from({ length: 1 + retries }, (_, i) => order[i % order.length]).filter((each) => each !== undefined);
  }

  function isPinned(deployment: Deployment, pinned: string): boolean {
    return deploymentName(deployment) === pinned && health.isWell(originals.get(deployment) ?? deployment);
  }

  function fallbacksOf(name: string): readonly string[] {
    const resolved = resolve(name);
    return fallbacks.get(name) ?? fallbacks.get(resolved) ?? fallbacks.get(groupOf(resolved)?.name ?? '') ?? [];
  }

  for (const [name, target] of aliases) {
    if (groupOf(resolve(name)) === undefined) throw new Error(`alias ${name} leads to ${target}, which is no model`);
  }
  for (const [name, targets] of fallbacks) {
    for (const target of targets) {
      if (groupOf(resolve(target)) === undefined) throw new Error(`fallback ${target} of ${name} is no model`);
    }
  }

  return {
    route(model, pinned) {
      const [first, ...others] = attempts(model, pinned);
      if (first === undefined) throw notFound(model);
      const fallen = fallbacksOf(model).flatMap((name) => attempts(name, pinned));
      const all: [Deployment, ...Deployment[]] = [first, ...others, ...fallen];
      if (pinned !== undefined) putFirst(all, (each) => isPinned(each, pinned));
      return all;
    },
    names() {
      const exact = Array.from(groups.keys()).filter((name) => !name.endsWith('*'));
      return Array.from(new Set([...exact, ...aliases.keys()]));
    },
    failed(deployment, error) {
      health.failed(originals.get(deployment) ?? deployment, error);
    },
    succeeded(deployment) {
      health.succeeded(originals.get(deployment) ?? deployment);
    },
  };
}
