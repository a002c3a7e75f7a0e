import { GatewayError } from './errors.ts';
import { isJsonObject } from './json-object.ts';
import type { Report } from './report.ts';
import type { NativeTool } from './request.ts';

/** What upstreams that run tools themselves, and are not OpenAI, cannot be told of them. */

/**
 * A container that the upstream makes for the request is all that there is.
 * @throws GatewayError 400 for what names an object in the provider's account, which many tenants share.
 */
export function refuseContainer(container: unknown, param: string): void {
  const files = isJsonObject(container) ? container['file_ids'] : undefined;
  const hasFiles = Array.isArray(files) && files.length > 0;
  if (isJsonObject(container) && !hasFiles) return;
  const message = 'Containers and files of the provider are not supported with this model: use {"type": "auto"}.';
  throw new GatewayError('unsupported_value', message, { param: hasFiles ? `${param}.file_ids` : param });
}

/** @param at the path of a field of the tool. */
export function warnOfSearchOptions(tool: NativeTool, at: (field: string) => string, report: Report): void {
  const { search_context_size: size, search_content_types: contents } = tool;
  if (typeof size === 'string' && size !== 'medium') {
    report.warn(at('search_context_size'), 'The upstream chooses the size itself; it was left out.');
  }
  if (Array.isArray(contents) && contents.includes('image')) {
    report.warn(at('search_content_types'), 'The upstream finds text only.');
  }
}
