import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../core/errors.ts';
import { headerValues } from './header-values.ts';

/** The first that is there counts. */
const sessionHeaders = ['x-session-id', 'x-litellm-session-id'] as const;
const maxLength = 256;

/**
 * The session that the client says its turn belongs to; a parent's session comes before it.
 * @throws GatewayError 400 for one that is not 1 to 256 visible ASCII characters.
 */
export function sessionHeader(request: IncomingMessage): string | undefined {
  for (const name of sessionHeaders) {
    const [value] = headerValues(request, name);
    if (value === undefined) continue;
    if (value.length > maxLength || !/^[\x21-\x7e]+$/.test(value)) {
      const message = `Invalid header '${name}': expected 1 to ${maxLength} visible ASCII characters.`;
      throw new GatewayError('invalid_value', message, { param: name });
    }
    return value;
  }
  return undefined;
}
