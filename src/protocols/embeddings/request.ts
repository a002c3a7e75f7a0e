import { z } from 'zod';
import { check, emptyArray, invalidType, tooMany } from '../../core/check.ts';
import { GatewayError } from '../../core/errors.ts';
import { isJsonObject } from '../../core/json-object.ts';
import { refuseRouting } from '../../core/refuse-routing.ts';
import type { TurnRequest } from '../../core/request.ts';
import { refuseObjectsInExtra } from '../../core/upstream-objects.ts';
import { replaceLoneSurrogates } from '../../core/well-formed.ts';
import type { EncodedRequest, EncodeInput } from '../codec.ts';

const requestBody = z.object({
  model: z.string().min(1),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
  user: z.string().nullish(),
  stream: z.boolean().nullish(),
});

/** Of texts in one request, and of tokens in one text. Models take fewer tokens; that is theirs to say. */
const maxElements = 2048;
const maxTokens = 1_000_000;

/**
 * The body of `POST /v1/embeddings`, as a turn that keeps nothing. All that is to be sent is in `extra`, in the client's
 * words: there is one wire format for it, and every upstream that makes embeddings speaks it.
 * @throws GatewayError (400) with OpenAI's message, code and param.
 * @see https://platform.openai.com/docs/api-reference/embeddings/create
 */
export function decodeRequest(body: unknown): TurnRequest {
  if (!isJsonObject(body)) throw invalidType('', 'an object', body);
  refuseRouting(body);
  const { model, user, stream } = check(requestBody, body, '');
  checkInput(body['input']);
  if (stream === true) {
    throw new GatewayError('unsupported_parameter', 'Embeddings are not streamed.', { param: 'stream' });
  }
  const given = Object.entries(body).filter(([name, value]) => name !== 'model' && name !== 'stream' && value !== null);
  refuseObjectsInExtra(Object.fromEntries(given.filter(([name]) => name !== 'input')));
  return {
    protocol: 'embeddings',
    model,
    input: [],
    instructions: null,
    previousResponseId: undefined,
    store: false,
    stream: false,
    generate: true,
    background: false,
    tools: [],
    toolChoice: 'auto',
    parallelToolCalls: true,
    maxOutputTokens: 0,
    maxToolCalls: undefined,
    temperature: undefined,
    topP: undefined,
    topLogprobs: undefined,
    textFormat: { type: 'text' },
    verbosity: undefined,
    reasoning: undefined,
    include: [],
    metadata: {},
    truncation: 'disabled',
    user: user ?? undefined,
    safetyIdentifier: undefined,
    promptCacheKey: undefined,
    serviceTier: undefined,
    extra: Object.fromEntries(given),
  };
}

const text = z.string().min(1);
const token = z.int().min(0);

/** A text, its tokens, or several of either. */
function checkInput(input: unknown): void {
  if (!Array.isArray(input)) {
    if (input === undefined || typeof input === 'string') check(z.object({ input: text }), { input }, '');
    else throw invalidType('input', 'a string or an array', input);
    return;
  }
  const [first] = input as unknown[];
  const isTokens = typeof first === 'number';
  const most = isTokens ? maxTokens : maxElements;
  if (input.length === 0) throw emptyArray('input');
  if (input.length > most) throw tooMany('input', most, input.length);
  if (Array.isArray(first)) input.forEach((each, index) => checkTokens(each, `input[${index}]`));
  else check(z.array(isTokens ? token : text), input, 'input');
}

function checkTokens(tokens: unknown, param: string): void {
  if (!Array.isArray(tokens)) throw invalidType(param, 'an array', tokens);
  if (tokens.length === 0) throw emptyArray(param);
  if (tokens.length > maxTokens) throw tooMany(param, maxTokens, tokens.length);
  check(z.array(token), tokens, param);
}

export function encodeRequest({ request, model }: EncodeInput): EncodedRequest {
  const { text: body, replaced } = replaceLoneSurrogates(JSON.stringify({ model, ...request.extra }));
  const message = 'Halves of characters, which no upstream can read, were replaced by U+FFFD.';
  return {
    body,
    warnings: replaced ? [{ param: 'input', message }] : [],
    inputTransformations: [],
    decode: { tools: new Map(), vectors: wanted(request).count },
  };
}

/** How many vectors the client is to get, and written how. */
export function wanted({ extra }: TurnRequest): { count: number; format: 'float' | 'base64' } {
  const { input, encoding_format: format } = extra;
  const isList = Array.isArray(input) && typeof input[0] !== 'number';
  return { count: isList ? input.length : 1, format: format === 'base64' ? 'base64' : 'float' };
}
