import { z } from 'zod';
import { check, emptyArray, invalidType, missing } from '../../core/check.ts';
import { GatewayError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { refuseRouting } from '../../core/refuse-routing.ts';
import type { TurnRequest } from '../../core/request.ts';
import type { SentRequest } from '../codec.ts';
import { decodeMessages } from './decode-messages.ts';
import { blockOf } from './decode-parts.ts';
import { collectWithin, decodeFormat, decodeThinking } from './decode-thinking.ts';
import { decodeToolChoice, decodeTools } from './decode-tools.ts';
import { refuseField } from '../../core/upstream-objects.ts';

const text = z.string();

/** Everything but what has a decoder of its own. */
const requestBody = z.object({
  model: text.min(1),
  messages: z.array(z.unknown()),
  thread: z.object({ type: z.enum(['create', 'continue']) }).nullish(),
  max_tokens: z.int().min(0).nullish(),
  stream: z.boolean().nullish(),
  stop_sequences: z.array(text.min(1)).nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(0).nullish(),
  metadata: z.object({ user_id: text.max(1024).nullish() }).nullish(),
  service_tier: z.enum(['auto', 'standard_only']).nullish(),
});

const continuedThread = z.object({ previous_message_id: text });
const systemBlock = z.object({ type: z.literal('text'), text });

const decodedFields: ReadonlySet<string> = new Set([
  ...Object.keys(requestBody.shape),
  'system',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'output_format',
  'mcp_servers',
  'cache_control',
]);

/** Fields that the gateway writes itself. */
const ownFields: ReadonlySet<string> = new Set(['model', 'messages', 'stream', 'thread']);

const unsafeFields = ['__proto__', 'constructor', 'prototype'] as const;

/**
 * The body of `POST /v1/messages`. A null means that the field was not given.
 * @throws GatewayError (400) whose param is the Messages API's.
 * @see https://platform.claude.com/docs/en/api/messages
 */
export function decodeRequest(body: unknown, sent?: SentRequest): TurnRequest {
  const request = decodeCountRequest(body, sent);
  if (request.maxOutputTokens === undefined) throw missing('max_tokens');
  return request;
}

/** The body of `POST /v1/messages/count_tokens`: nothing is to be written. */
export function decodeCountRequest(body: unknown, sent?: SentRequest): TurnRequest {
  if (!isJsonObject(body)) throw invalidType('', 'an object', body);
  for (const name of unsafeFields) {
    if (!Object.hasOwn(body, name)) continue;
    throw new GatewayError('unknown_parameter', `Unknown parameter: '${name}'.`, { param: name });
  }
  refuseRouting(body);
  const fields = check(requestBody, body, '');
  const continued = decodeThread(fields.thread ?? undefined, body);
  // The state can hold all that is to be answered.
  if (fields.messages.length === 0 && continued === undefined) throw emptyArray('messages');
  for (const [name, value] of Object.entries(body)) {
    if (name !== 'messages' && name !== 'thread') refuseField(name, value, name);
  }
  const wire = Object.fromEntries(
    Object.entries(body).filter(([name, value]) => !ownFields.has(name) && value !== null),
  );
  const extra: JsonObject = {};
  const tools = decodeTools(body['tools'], body['mcp_servers'], extra);
  const { toolChoice, parallelToolCalls } = decodeToolChoice(
    body['tool_choice'],
    body['tools'],
    tools,
    continued !== undefined,
  );
  const { reasoning, isOn } = decodeThinking(body['thinking'], body['output_config'] ?? undefined);
  const instructions = decodeSystem(body['system']);
  const { input, places } = decodeMessages(fields.messages, sent?.text);
  collectExtra(body, extra);
  const headers = headersOf(sent, extra);
  return {
    protocol: 'messages',
    model: fields.model,
    input,
    instructions,
    previousResponseId: continued,
    store: true,
    stream: fields.stream ?? false,
    generate: true,
    background: false,
    tools,
    toolChoice,
    parallelToolCalls,
    maxOutputTokens: fields.max_tokens ?? undefined,
    maxToolCalls: undefined,
    temperature: fields.temperature ?? undefined,
    topP: fields.top_p ?? undefined,
    topLogprobs: undefined,
    stop: fields.stop_sequences ?? undefined,
    topK: fields.top_k ?? undefined,
    textFormat: decodeFormat(body['output_config'], body['output_format']),
    verbosity: undefined,
    reasoning,
    // Thinking of other vendors' comes with a signature that lets it come back.
    include: isOn ? ['reasoning.encrypted_content'] : [],
    metadata: {},
    truncation: 'disabled',
    user: fields.metadata?.user_id ?? undefined,
    safetyIdentifier: undefined,
    promptCacheKey: undefined,
    serviceTier: fields.service_tier === 'standard_only' ? 'default' : (fields.service_tier ?? undefined),
    extra,
    wire,
    places: saysEffort(body['output_config']) ? places : { ...places, 'reasoning.effort': 'thinking' },
    ...(headers === undefined ? {} : { headers }),
    ...(continued === undefined ? {} : { inheritsSettings: true }),
  };
}

/** Else it is what `thinking` means. */
function saysEffort(config: unknown): boolean {
  return isJsonObject(config) && typeof config['effort'] === 'string';
}

/**
 * A thread is a conversation that the server holds, under the ids of its answers: ours, whatever the upstream. What it was
 * created with is not said again.
 * @returns the message that is gone on from; undefined: none is.
 * @see https://platform.claude.com/docs/en/api/beta/messages/create
 */
function decodeThread(thread: { type: 'create' | 'continue' } | undefined, body: JsonObject): string | undefined {
  if (thread?.type !== 'continue') return undefined;
  for (const name of ['system', 'tools']) {
    if (body[name] === undefined || body[name] === null) continue;
    const message = `Invalid '${name}': a thread keeps what it was created with.`;
    throw new GatewayError('invalid_value', message, { param: name });
  }
  return check(continuedThread, thread, 'thread').previous_message_id;
}

function decodeSystem(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) throw invalidType('system', 'one of a string or an array of text blocks', value);
  const texts = value.map((raw: unknown, at) => {
    const path = `system[${at}]`;
    return check(systemBlock, blockOf(raw, path), path).text;
  });
  return texts.length === 0 ? null : texts.join('\n\n');
}

function collectExtra(body: JsonObject, extra: JsonObject): void {
  for (const [name, value] of Object.entries(body)) {
    if (value !== null && !decodedFields.has(name)) extra[name] = value;
  }
  collectWithin(body, extra);
  // Told once, wherever breakpoints stand: other vendors' caches need none.
  if (hasBreakpoint(body['cache_control'], body['system'], body['tools'], body['messages'])) {
    extra['cache_control'] = body['cache_control'] ?? { type: 'ephemeral' };
  }
  // Nor is any other told what a document is about, or asked to say where in it an answer stands.
  for (const [field, value] of documentWords(body['messages'])) extra[`document.${field}`] = value;
}

/** What documents bring beside their content and their title, each once. */
function documentWords(messages: unknown): [field: string, value: unknown][] {
  const blocks = (Array.isArray(messages) ? messages : []).flatMap((message: unknown): unknown[] =>
    isJsonObject(message) && Array.isArray(message['content']) ? message['content'] : [],
  );
  return blocks.flatMap((block): [string, unknown][] => {
    if (!isJsonObject(block) || (block['type'] !== 'document' && block['type'] !== 'search_result')) return [];
    const { citations, context } = block;
    return [
      ...(isJsonObject(citations) && citations['enabled'] === true
        ? [['citations', citations] as [string, unknown]]
        : []),
      ...(typeof context === 'string' ? [['context', context] as [string, unknown]] : []),
    ];
  });
}

/** @param own the request's own, which is one itself. */
function hasBreakpoint(own: unknown, ...lists: unknown[]): boolean {
  return isJsonObject(own) || lists.some(holdsBreakpoint);
}

function holdsBreakpoint(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(holdsBreakpoint);
  if (!isJsonObject(value)) return false;
  return isJsonObject(value['cache_control']) || holdsBreakpoint(value['content']);
}

const betaHeader = 'anthropic-beta';
const forwardedHeaders = [betaHeader, 'anthropic-version'] as const;
const maxHeaderLength = 4096;

/**
 * What of the client's headers is the upstream's: these two, and no other. Features that a client has switched on mean
 * nothing elsewhere, which it is told.
 */
function headersOf(sent: SentRequest | undefined, extra: JsonObject): TurnRequest['headers'] {
  const headers: Record<string, string> = {};
  for (const name of forwardedHeaders) {
    const value = sent?.header(name);
    if (value === undefined || value === '') continue;
    if (value.length > maxHeaderLength || !/^[\x20-\x7e]+$/.test(value)) {
      const message = `Invalid header '${name}': expected 1 to ${maxHeaderLength} visible ASCII characters.`;
      throw new GatewayError('invalid_value', message, { param: name });
    }
    headers[name] = value;
    if (name === betaHeader) extra[name] = value;
  }
  return Object.keys(headers).length === 0 ? undefined : headers;
}
