import { defaultTimeouts, type ModelConfig } from './config.ts';
import { pointsAtItself } from './find-conflicts.ts';
import type { Environment } from './interpolate.ts';
import type { Problem } from './problem.ts';
import { credential, findBaseUrlProblem } from './schema.ts';
import { isLocal, type Vendor, vendorNames, vendors } from '../providers/vendors.ts';

const ownDefaults = { headers: {}, timeouts: defaultTimeouts, weight: 1, price: undefined, options: {} } as const;

const simulator: ModelConfig = {
  ...ownDefaults,
  name: 'simulator',
  provider: 'simulator',
  model: 'simulator',
  baseUrl: undefined,
  apiKey: undefined,
  profile: {},
};

/**
 * The models that are there when no file names any: the simulator, and those that the vendors' usual variables give:
 * `ANTHROPIC_API_KEY`, `OPENAI_API_KEY`, `GEMINI_API_KEY` (or `GOOGLE_API_KEY`, which other services of Google use too) and
 * those of the table of vendors, each with its `_BASE_URL`. A variable that is empty counts as not set.
 * @param address where the gateway will listen: the same variables tell a client to call the gateway, and a gateway that
 * obeyed them would call itself.
 */
export function modelsFromEnvironment(
  env: Environment,
  address: { host: string; port: number },
): { models: ModelConfig[]; problems: Problem[] } {
  const models: ModelConfig[] = [];
  const problems: Problem[] = [];

  function read(variable: string): string | undefined {
    const value = env[variable]?.trim();
    return value === '' ? undefined : value;
  }
  function readKey(variable: string): string | undefined {
    const key = read(variable);
    const message = key === undefined ? undefined : credential.safeParse(key).error?.issues[0]?.message;
    if (message !== undefined) problems.push({ where: 'environment', path: variable, message });
    return key;
  }
  function readBaseUrl(variable: string): string | undefined {
    const url = read(variable);
    if (url === undefined) return undefined;
    const message = pointsAtItself(url, address.host, address.port)
      ? 'is this gateway itself; unset it for the gateway'
      : findBaseUrlProblem(url);
    if (message !== undefined) problems.push({ where: 'environment', path: variable, message });
    return url.replace(/\/+$/, '');
  }

  const anthropicKey = readKey('ANTHROPIC_API_KEY');
  if (anthropicKey !== undefined) {
    models.push({
      ...ownDefaults,
      name: 'claude-*',
      provider: 'anthropic',
      model: '*',
      baseUrl: readBaseUrl('ANTHROPIC_BASE_URL'),
      apiKey: anthropicKey,
      profile: {},
    });
  }
  const openaiKey = readKey('OPENAI_API_KEY');
  if (openaiKey !== undefined) {
    const baseUrl = readBaseUrl('OPENAI_BASE_URL');
    for (const name of ['gpt-*', 'o1*', 'o3*', 'o4*']) {
      models.push({
        ...ownDefaults,
        name,
        provider: 'openai',
        model: '*',
        baseUrl,
        apiKey: openaiKey,
        profile: {},
      });
    }
  }
  const geminiKey = readKey('GEMINI_API_KEY') ?? readKey('GOOGLE_API_KEY');
  if (geminiKey !== undefined) {
    models.push({
      ...ownDefaults,
      name: 'gemini-*',
      provider: 'gemini',
      model: '*',
      baseUrl: readBaseUrl('GEMINI_BASE_URL'),
      apiKey: geminiKey,
      profile: {},
    });
  }
  const bedrockToken = readKey('AWS_BEARER_TOKEN_BEDROCK');
  if (bedrockToken !== undefined) {
    const region = read('AWS_REGION') ?? read('AWS_DEFAULT_REGION');
    if (region === undefined) {
      const message = 'is missing: AWS_BEARER_TOKEN_BEDROCK is there, and its models are in a region';
      problems.push({ where: 'environment', path: 'AWS_REGION', message });
    }
    models.push({
      ...ownDefaults,
      name: 'bedrock/*',
      provider: 'bedrock',
      model: '*',
      baseUrl: readBaseUrl('AWS_ENDPOINT_URL_BEDROCK_RUNTIME'),
      apiKey: bedrockToken,
      profile: {},
      options: { region: region ?? '' },
    });
  }
  for (const provider of vendorNames) {
    const vendor: Vendor = vendors[provider];
    const urlVariable = vendor.keyVariable.replace(/_API_KEY$/, '_BASE_URL');
    if (read(isLocal(vendor) ? urlVariable : vendor.keyVariable) === undefined) continue;
    const apiKey = readKey(vendor.keyVariable);
    const baseUrl = readBaseUrl(urlVariable);
    models.push({ ...ownDefaults, name: `${provider}/*`, provider, model: '*', baseUrl, apiKey, profile: {} });
  }
  return { models: [...models, simulator], problems };
}

/** A proxy whose address cannot be read, which may hold a password, would fail every call to every upstream. */
export function proxyProblems(env: Environment): Problem[] {
  return ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'].flatMap((variable) => {
    const address = env[variable];
    if (!address || isProxyAddress(address)) return [];
    const message =
      'must be an http:// or https:// URL, since calls to upstreams go through it; in a password % is written %25';
    return { where: 'environment', path: variable, message };
  });
}

/** Its password is decoded before it is sent. */
function isProxyAddress(address: string): boolean {
  const url = URL.parse(address);
  if (url === null || !/^(https?|socks5?):$/.test(url.protocol)) return false;
  return isDecodable(url.username) && isDecodable(url.password);
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
