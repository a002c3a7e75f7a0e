import { GatewayError } from '../../core/errors.ts';
import type { ContextItem, Item, ItemReference } from '../../core/items.ts';
import { itemPath } from '../../core/offer-tools.ts';
import type { TurnRequest } from '../../core/request.ts';

/**
 * Amazon Bedrock takes images and documents by value only, and conversations that a user begins.
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html
 */

/** Where in the item a URL stands that somebody would have to fetch; undefined: nowhere. */
function urlIn(item: Item | ItemReference): string | undefined {
  const [field, parts] = 'output' in item ? ['output', item.output] : ['content', 'content' in item && item.content];
  if (!Array.isArray(parts)) return undefined;
  for (const [at, part] of (parts as Record<string, unknown>[]).entries()) {
    for (const name of ['image_url', 'file_url']) {
      const url = part[name];
      if (typeof url === 'string' && url !== '' && !/^data:/i.test(url)) return `${field}[${at}].${name}`;
    }
  }
  return undefined;
}

/** @throws GatewayError 400 before anything is spent: the gateway fetches nothing that a client names. */
export function refuseUrls(context: readonly ContextItem[], request: TurnRequest): void {
  for (const [at, { item }] of context.entries()) {
    const place = urlIn(item);
    if (place === undefined) continue;
    const path = itemPath(context, request, at);
    const message = 'The model behind this deployment takes images and files by value only, not by URL.';
    throw new GatewayError('unsupported_value', message, { param: path === 'input' ? path : `${path}.${place}` });
  }
}

/** Whether the client's own messages can go there as they are. */
export function fitsByValue({ input }: TurnRequest): boolean {
  const [first] = input;
  if (first === undefined || !('role' in first) || first.role !== 'user') return false;
  return input.every((item) => urlIn(item) === undefined && !('role' in item && item.role === 'system'));
}
