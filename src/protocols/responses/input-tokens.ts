import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import type { TurnRequest } from '../../core/request.ts';
import { invalidType } from '../../core/check.ts';
import { decodeRequest } from './request.ts';

/**
 * The body of `POST /v1/responses/input_tokens`: those fields of a create that its input consists of, or is changed by.
 * @throws GatewayError (400) with OpenAI's message, code and param.
 * @see https://platform.openai.com/docs/api-reference/responses/input-tokens
 */
export function decodeCountRequest(body: unknown): TurnRequest {
  if (!isJsonObject(body)) throw invalidType('', 'an object', body);
  const given: JsonObject = { ...body };
  if (typeof given['previous_response_id'] === 'string') given['input'] ??= [];
  return { ...decodeRequest(given), store: false, stream: false };
}

export function inputTokensObject(inputTokens: number) {
  return { object: 'response.input_tokens' as const, input_tokens: inputTokens };
}
