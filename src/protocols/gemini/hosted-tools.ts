import { GatewayError } from '../../core/errors.ts';
import { refuseContainer, warnOfSearchOptions } from '../../core/hosted-options.ts';
import { isJsonObject } from '../../core/json-object.ts';
import type { HostedOffer } from '../../core/offer-tools.ts';
import type { Report } from '../../core/report.ts';
import type { NativeTool } from '../../core/request.ts';

/** Tools that Google runs itself. */
export function hostedName(tool: NativeTool): 'google_search' | 'code_execution' | undefined {
  if (tool.type === 'code_interpreter') return 'code_execution';
  // Of the search without access to the web there is no equal.
  return tool.type.startsWith('web_search') && tool['external_web_access'] !== false ? 'google_search' : undefined;
}

/**
 * The tool's definitions. OpenAI's search of the web opens pages too; Google has another tool for that.
 * @throws GatewayError 400 for what the search cannot be held to, and for what names an object in the provider's account.
 * @see https://ai.google.dev/gemini-api/docs/google-search
 * @see https://ai.google.dev/gemini-api/docs/url-context
 * @see https://ai.google.dev/gemini-api/docs/code-execution
 */
export function hostedDefinitions(
  { wireName, tool, path }: HostedOffer,
  opensPages: boolean,
  report: Report,
): string[] {
  const at = (field: string): string => (path === 'tools' ? path : `${path}.${field}`);
  if (wireName === 'code_execution') {
    refuseContainer(tool['container'], at('container'));
    return ['{"codeExecution":{}}'];
  }
  warnOfSearchOptions(tool, at, report);
  const { filters, user_location: location } = tool;
  for (const list of ['allowed_domains', 'blocked_domains']) {
    const domains = isJsonObject(filters) ? filters[list] : undefined;
    if (Array.isArray(domains) && domains.length > 0) {
      const message = 'The web search of this model cannot be held to domains.';
      throw new GatewayError('unsupported_value', message, { param: at('filters') });
    }
  }
  if (isJsonObject(location)) report.warn(at('user_location'), 'The upstream is told no place; it was left out.');
  // The preview only searches.
  const opens = opensPages && !tool.type.startsWith('web_search_preview');
  return ['{"googleSearch":{}}', ...(opens ? ['{"urlContext":{}}'] : [])];
}
