import { GatewayError } from '../core/errors.ts';
import { remember } from '../core/remember.ts';
import { objectMembers, printMembers } from '../core/json-slice.ts';
import type { Deployment, UpstreamRequest } from './provider.ts';

/** Headers that a configuration cannot set: they say where a request goes or how it is framed, which is the transport's. */
const reservedHeaders: ReadonlySet<string> = new Set([
  'host',
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

export function isReservedHeader(name: string): boolean {
  return reservedHeaders.has(name.toLowerCase()) || name.startsWith(':');
}

interface BaseUrl {
  origin: string;
  host: string;
  /** Without slashes at the end. */
  path: string;
  /** With its question mark. */
  search: string;
}

/** There are as many as the configuration names. */
const readBaseUrl = remember(1000, (text): BaseUrl | null => {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return null;
  const { origin, host, pathname, search } = url;
  return { origin, host, path: pathname.replace(/\/+$/, ''), search };
});

/** Null: it is none. */
export function baseOf({ baseUrl }: Pick<Deployment, 'baseUrl'>): BaseUrl | null {
  return readBaseUrl(baseUrl);
}

/**
 * A request of a deployment. Its headers are the provider's own, then the deployment's, each name once in lower case.
 * @param path below the deployment's base URL, whose own query (an API version, say) is kept.
 * @throws GatewayError internal_error, when the base URL is none or would take the credential to another origin.
 */
export function requestTo(
  deployment: Deployment,
  path: string,
  headers: Record<string, string>,
  body: string,
): UpstreamRequest {
  const base = baseOf(deployment);
  if (base === null) {
    throw new GatewayError('internal_error', `The base URL of the model ${deployment.group} is not a URL.`);
  }
  const target = base.path + path + base.search;
  // A path like //elsewhere/v1 would name another host to whoever resolves it, who takes \ for / and overlooks line ends.
  if (!/^\/[^/\\\t\r\n]/.test(target)) {
    throw new GatewayError('internal_error', `The base URL of the model ${deployment.group} leaves its own origin.`);
  }
  const sent: Record<string, string> = { ...headers };
  for (const [name, value] of Object.entries(deployment.headers)) {
    if (!isReservedHeader(name)) sent[name.toLowerCase()] = value;
  }
  return { origin: base.origin, path: target, headers: sent, body, timeouts: deployment.timeouts };
}

/** What every provider sends. */
export function commonHeaders(stream: boolean): Record<string, string> {
  return {
    'content-type': 'application/json',
    accept: stream ? 'text/event-stream' : 'application/json',
    'user-agent': 'turnpike',
  };
}

/** A body with these of its fields only: a vendor's counter of tokens refuses what is none of its own. */
export function pickFields(body: string, names: ReadonlySet<string>): string {
  const members = objectMembers(body) ?? new Map<string, string>();
  return printMembers(new Map([...members].filter(([name]) => names.has(name))));
}
