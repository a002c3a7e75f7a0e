import type { Config, ModelConfig } from './config.ts';
import { isPostgresUrl } from './schema.ts';

function describeModel({ name, provider, model, baseUrl, weight }: ModelConfig): string {
  const target = `${provider} ${model}`;
  return `  ${name} -> ${target}${baseUrl === undefined ? '' : ` at ${baseUrl}`}${weight === 1 ? '' : `, weight ${weight}`}\n`;
}

/** The user, the password and what else a URL's query may hold stay here. */
function describeStore(url: string): string {
  if (!isPostgresUrl(url)) return url;
  const { host, pathname } = new URL(url);
  return `postgres://${host}${pathname}`;
}

/**
 * What a configuration gives, in lines of text without a secret.
 * @param unpriced those of its models whose calls have no known cost.
 */
export function summarise(config: Config, unpriced: readonly ModelConfig[] = []): string {
  const { server, auth, models, aliases, routing } = config;
  const keys = [
    ...(auth.masterKey === undefined ? [] : ['the master key']),
    ...auth.keys.map(({ name, team }) => (team === undefined ? name : `${name} (${team})`)),
  ];
  let text = `file: ${config.file ?? 'none'}\nlisten: ${server.host}:${server.port}${server.workers === 1 ? '' : `, ${server.workers} workers`}\nstore: ${describeStore(config.store.url)}\n`;
  text += `keys: ${keys.length === 0 ? 'none, so loopback only' : keys.join(', ')}\nmodels:\n`;
  text += models.map(describeModel).join('');
  if (Object.keys(aliases).length > 0) text += 'aliases:\n';
  for (const [alias, group] of Object.entries(aliases)) text += `  ${alias} -> ${group}\n`;
  if (Object.keys(routing.fallbacks).length > 0) text += 'fallbacks:\n';
  for (const [group, targets] of Object.entries(routing.fallbacks)) text += `  ${group} -> ${targets.join(', ')}\n`;
  if (unpriced.length > 0) text += 'without a price, so that their cost is not known and no budget limits them:\n';
  text += unpriced.map(describeModel).join('');
  return text;
}
