import { GatewayError } from '../../core/errors.ts';
import { refuseContainer, warnOfSearchOptions } from '../../core/hosted-options.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import type { HostedOffer } from '../../core/offer-tools.ts';
import type { Report } from '../../core/report.ts';
import type { NativeTool } from '../../core/request.ts';

/** Tools that Anthropic runs itself, by the name that the model and the replies know them by. */
export function hostedName(tool: NativeTool): 'web_search' | 'code_execution' | undefined {
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
