import { GatewayError } from '../../core/errors.ts';

/**
 * An id that no conversation can have is the client's mistake, and said so; one that none has is not found.
 * @param param the client's name for it.
 * @throws GatewayError 400.
 */
export function checkConversationId(id: string, param: string): string {
  if (id.startsWith('conv_')) return id;
  const shown = id.length > 100 ? `${id.slice(0, 100)}…` : id;
  const message = `Invalid '${param}': '${shown}'. Expected an ID that begins with 'conv_'.`;
  throw new GatewayError('invalid_value', message, { param });
}
