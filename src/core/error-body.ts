import type { GatewayError } from './errors.ts';

/**
 * An error answer's body as all of OpenAI's APIs have it, with all four fields.
 * @see https://platform.openai.com/docs/guides/error-codes
 */
export function errorBody(error: GatewayError): string {
  return JSON.stringify({ error: errorFields(error) });
}

export function errorFields({ message, type, param, wireCode: code }: GatewayError) {
  return { message, type, param, code };
}
