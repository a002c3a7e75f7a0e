import type { GatewayError } from './errors.ts';

/**
 * An error answer's body as all of OpenAI's APIs have it, with all four fields.
 * @see https://platform.openai.com/docs/guides/error-codes
 */
export function errorBody(error: GatewayError): string {
  const { message, type, param, wireCode } = error;
  return JSON.stringify({ error: { message, type, param, code: wireCode } });
}
