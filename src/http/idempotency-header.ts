import type { IncomingMessage } from 'node:http';
import { GatewayError } from '../core/errors.ts';
import { headerValues } from './header-values.ts';

const maxLength = 255;

/** @throws GatewayError 400 for one that is not 1 to 255 visible ASCII characters, or for several. */
export function idempotencyHeader(request: IncomingMessage): string | undefined {
  const values = headerValues(request, 'idempotency-key');
  const [value] = values;
  if (value === undefined) return undefined;
  if (values.length > 1 || value.length > maxLength || !/^[\x21-\x7e]+$/.test(value)) {
    const message = `Invalid header 'Idempotency-Key': expected 1 to ${maxLength} visible ASCII characters.`;
    throw new GatewayError('invalid_value', message, { param: 'Idempotency-Key' });
  }
  return value;
}
