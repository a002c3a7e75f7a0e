import { GatewayError } from '../../core/errors.ts';
import { refuseContainer, warnOfSearchOptions } from '../../core/hosted-options.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import type { HostedOffer, Offer } from '../../core/offer-tools.ts';
import type { Report } from '../../core/report.ts';
import type { NativeTool } from '../../core/request.ts';

/** Tools that Anthropic runs itself, by the name that the model and the replies know them by. */
export function hostedName(tool: NativeTool): 'web_search' | 'code_execution' | 'mcp' | undefined {
  if (tool.type === 'mcp') return 'mcp';
  if (tool.type === 'code_interpreter') return 'code_execution';
  // Of the search without access to the web there is no equal.
  return tool.type.startsWith('web_search') && tool['external_web_access'] !== false ? 'web_search' : undefined;
}

/**
 * The tool's definitions. Each version is the newest that every model takes. OpenAI's search of the web opens pages too, and
 * tells so by the action of its call; Anthropic has another tool for that.
 * @param hasFetch the upstream has that tool.
 * @throws GatewayError 400 for what names an object in the provider's account, which many tenants share.
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-fetch-tool
 * @see https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool
 */
export function hostedDefinitions(
  offer: HostedOffer,
  maxUses: number | undefined,
  hasFetch: boolean,
  report: Report,
): string[] {
  const at = (field: string): string => (offer.path === 'tools' ? offer.path : `${offer.path}.${field}`);
  if (offer.tool.type === 'mcp') {
    if (maxUses !== undefined) {
      report.warn('max_tool_calls', 'The upstream does not limit how often an MCP server is called; it was left out.');
    }
    return [toolset(offer.tool, at, report)];
  }
  if (offer.wireName === 'code_execution') {
    refuseContainer(offer.tool['container'], at('container'));
    if (maxUses !== undefined) {
      report.warn('max_tool_calls', 'The upstream does not limit how often code is run; it was left out.');
    }
    return ['{"type":"code_execution_20250825","name":"code_execution"}'];
  }
  warnOfSearchOptions(offer.tool, at, report);
  const { filters, user_location: location } = offer.tool;
  const domains = domainsOf(filters, at('filters'));
  const search = { type: 'web_search_20250305', name: 'web_search', max_uses: maxUses, ...domains };
  const definitions = [JSON.stringify({ ...search, user_location: locationOf(location) })];
  // The preview only searches.
  if (!hasFetch || offer.tool.type.startsWith('web_search_preview')) return definitions;
  if (maxUses !== undefined) {
    report.warn('max_tool_calls', 'The upstream limits each of its tools, not their sum; the model opens no pages.');
    return definitions;
  }
  return [...definitions, JSON.stringify({ type: 'web_fetch_20250910', name: 'web_fetch', ...domains })];
}

/**
 * All tools of a server, or those that are allowed.
 * @throws GatewayError 400 for what the upstream cannot be held to: it asks nobody before it calls.
 * @see https://platform.claude.com/docs/en/agents-and-tools/mcp-connector
 */
function toolset(tool: NativeTool, at: (field: string) => string, report: Report): string {
  const { server_label: label, server_url: url, allowed_tools: allowed, require_approval: approval, headers } = tool;
  const refuse = (field: string, message: string): GatewayError =>
    new GatewayError('unsupported_value', message, { param: at(field) });
  for (const field of ['connector_id', 'tunnel_id']) {
    if (tool[field] !== undefined && tool[field] !== null)
      throw refuse(field, 'With this model an MCP server has a URL.');
  }
  if (typeof url !== 'string') throw refuse('server_url', 'With this model an MCP server has a URL.');
  if (approval !== 'never') {
    const message = "With this model calls of an MCP server need no approval: 'require_approval' must be 'never'.";
    throw refuse('require_approval', message);
  }
  if (isJsonObject(headers) && Object.keys(headers).length > 0) {
    throw refuse('headers', "With this model an MCP server is sent no headers but its 'authorization'.");
  }
  if (isJsonObject(allowed) && allowed['read_only'] !== undefined) {
    throw refuse('allowed_tools.read_only', 'With this model tools of an MCP server are allowed by their names.');
  }
  if (tool['server_description'] !== undefined) {
    report.warn(at('server_description'), 'The upstream takes no description of a server; it was left out.');
  }
  const names: unknown = isJsonObject(allowed) ? allowed['tool_names'] : allowed;
  const isOpen = !Array.isArray(names);
  const later = tool['defer_loading'] === true ? { defer_loading: true } : {};
  return JSON.stringify({
    type: 'mcp_toolset',
    mcp_server_name: label,
    ...(!isOpen || 'defer_loading' in later
      ? { default_config: { ...later, ...(isOpen ? {} : { enabled: false }) } }
      : {}),
    ...(isOpen ? {} : { configs: Object.fromEntries(names.map((name) => [String(name), { enabled: true }])) }),
  });
}

/** The servers that toolsets name; undefined: there are none. */
export function mcpServers(offers: readonly Offer[]): string | undefined {
  const servers = offers.flatMap(({ tool }) => {
    if (tool.type !== 'mcp') return [];
    const { server_label: name, server_url: url, authorization: token } = tool;
    return [{ type: 'url', name, url, ...(typeof token === 'string' ? { authorization_token: token } : {}) }];
  });
  return servers.length === 0 ? undefined : JSON.stringify(servers);
}

/** Anthropic takes one of the two lists. */
function domainsOf(filters: unknown, param: string): JsonObject {
  if (!isJsonObject(filters)) return {};
  const { allowed_domains: allowed, blocked_domains: blocked } = filters;
  const hasAllowed = Array.isArray(allowed) && allowed.length > 0;
  const hasBlocked = Array.isArray(blocked) && blocked.length > 0;
  if (hasAllowed && hasBlocked) {
    const message = 'With this model a web search takes allowed_domains or blocked_domains, not both.';
    throw new GatewayError('unsupported_value', message, { param });
  }
  return hasAllowed ? { allowed_domains: allowed } : hasBlocked ? { blocked_domains: blocked } : {};
}

function locationOf(location: unknown): JsonObject | undefined {
  if (!isJsonObject(location)) return undefined;
  const fields = ['city', 'region', 'country', 'timezone'].flatMap((field): [string, string][] => {
    const value = location[field];
    return typeof value === 'string' && value !== '' ? [[field, value]] : [];
  });
  return fields.length === 0 ? undefined : { type: 'approximate', ...Object.fromEntries(fields) };
}
