import { pendingOutput } from '../../core/async-calls.ts';
import { wrapCustomInput } from '../../core/custom-input.ts';
import { GatewayError } from '../../core/errors.ts';
import type { ContextItem, MessageItem } from '../../core/items.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import type { ToolOffer } from '../../core/offer-tools.ts';
import type { ChatQuirks, EncodeInput } from '../codec.ts';
import { type AssistantEntry, type Entry, groupItems, type Placed, type PlacedCall } from './group-items.ts';
import type { Report } from '../../core/report.ts';
import { encodePart } from './request-parts.ts';
import { signatureScope } from './signature-scope.ts';
import { inTurns, wireCallId } from './apply-quirks.ts';
import {
  callFields,
  type ChatAssistantMessage,
  type ChatMessage,
  type ChatPart,
  type ChatThinkingPart,
  type ChatToolCall,
} from './wire.ts';

interface EncodedItems {
  messages: ChatMessage[];
  /** What of the request's `extra` they hold. */
  carried: ReadonlySet<string>;
}

/**
 * The context as messages. Chat's grammar wants all that the assistant says in one go in one message, and the results of
 * its calls, all of them, directly behind it; whatever else stood between moves behind the results.
 * Texts of several parts are one, since many servers take a list of parts from users only: joined by a newline, but for the
 * assistant's, which are pieces of one text (where citations cut it, for one).
 * @throws GatewayError 400 for what chat cannot carry.
 */
export function encodeItems(input: EncodeInput, offer: ToolOffer, report: Report): EncodedItems {
  const carried = new Set<string>();
  const entries = groupItems(input, report);
  const openFrom = openLoopStart(entries);
  const { quirks } = input.profile;
  const messages: ChatMessage[] = [];
  entries.forEach((entry, position) => {
    if (entry.kind === 'system') messages.push({ role: 'system', content: encodeText(entry.message) });
    else if (entry.kind === 'user') {
      const content = encodeUserContent(entry.message, report);
      messages.push({ role: 'user', content, ...nameOf([entry.message], input, carried) });
    } else {
      const message = encodeAssistant(entry, input, offer, report);
      const empty = message.content === null && message.tool_calls === undefined;
      const wanted = position >= openFrom || (quirks?.replays === 'calls' && entry.calls.length > 0);
      const reasoning = encodeReasoning(entry, input, !empty && wanted, report);
      if (empty) return;
      messages.push({ ...withReasoning(message, reasoning, input), ...nameOf(entry.messages, input, carried) });
      messages.push(...encodeOutputs(entry.calls, quirks, report));
    }
  });
  return { messages: quirks?.alternates === true ? inTurns(messages, report) : messages, carried };
}

/** Who of several speaks, as a client of chat says it. */
function nameOf(
  messages: readonly Placed<MessageItem>[],
  { request: { protocol, extra, places = {} } }: EncodeInput,
  carried: Set<string>,
): { name?: string } {
  if (protocol !== 'chat') return {};
  for (const { path } of messages) {
    const param = `${places[path]}.name`;
    const name = extra[param];
    if (typeof name !== 'string') continue;
    carried.add(param);
    return { name };
  }
  return {};
}

/** The first entry of the tool loop that is still going on; past the end where none is. */
function openLoopStart(entries: Entry[]): number {
  const last = entries.findLast((entry) => entry.kind !== 'system');
  if (last?.kind !== 'assistant' || last.calls.length === 0) return entries.length;
  return entries.findLastIndex((entry) => entry.kind === 'user') + 1;
}

function encodeText({ item, path }: Placed<MessageItem>, separator = '\n'): string {
  const texts = item.content.map((part, index) => {
    if (part.type === 'input_text' || part.type === 'output_text') return part.text;
    if (part.type === 'refusal') return '';
    const message = `The model behind this deployment takes text only from the ${item.role}.`;
    throw new GatewayError('unsupported_value', message, { param: partPath(path, 'content', index) });
  });
  return texts.filter((text) => text !== '').join(separator);
}

function encodeUserContent({ item, path }: Placed<MessageItem>, report: Report): string | ChatPart[] {
  const parts = item.content.map((part, index) => encodePart(part, partPath(path, 'content', index), report));
  const [first] = parts;
  if (first === undefined) return '';
  return parts.length === 1 && first.type === 'text' ? first.text : parts;
}

const partPath = (path: string, field: string, index: number) =>
  path === 'input' ? path : `${path}.${field}[${index}]`;

function encodeAssistant(
  entry: AssistantEntry,
  input: EncodeInput,
  offer: ToolOffer,
  report: Report,
): ChatAssistantMessage {
  const said = entry.messages.filter(({ item }) => item.content.some((part) => part.type !== 'refusal'));
  if (entry.messages.some(({ item }) => item.content.some((part) => part.type === 'refusal'))) {
    report.warn('input', 'A refusal of the assistant was left out.');
  }
  const content = said
    .map((message) => encodeText(message, ''))
    .filter((text) => text !== '')
    .join('\n');
  const calls = entry.calls.map((call) => encodeCall(call, input, offer));
  if (calls.length > 0) return { role: 'assistant', content: content === '' ? null : content, tool_calls: calls };
  return { role: 'assistant', content: said.length === 0 ? null : content };
}

function encodeCall({ item, origin }: PlacedCall, { model, profile }: EncodeInput, offer: ToolOffer): ChatToolCall {
  const id = wireCallId(item.call_id, profile.quirks);
  const name = offer.nameOfCall(item.name, item.namespace);
  const source = sourceOf(origin, model);
  const extra = vendorFields(source);
  if (item.type === 'function_call') {
    return {
      id,
      type: 'function',
      function: { name, arguments: argumentsOf(source) ?? (item.arguments === '' ? '{}' : item.arguments) },
      ...extra,
    };
  }
  return profile.customTools
    ? { id, type: 'custom', custom: { name, input: item.input }, ...extra }
    : {
        id,
        type: 'function',
        function: { name, arguments: argumentsOf(source) ?? wrapCustomInput(item.input) },
        ...extra,
      };
}

/** What the same model sent; undefined where it is another's, or where the item says it all. */
function sourceOf(origin: ContextItem['origin'], model: string): JsonObject | undefined {
  if (origin?.protocol !== 'chat' || signatureScope(origin.model) !== signatureScope(model)) return undefined;
  return origin.source === '' ? undefined : parseJsonObject(origin.source);
}

/** Of a call whose item says less of its arguments than the model did. */
function argumentsOf(source: JsonObject | undefined): string | undefined {
  const called = source?.['function'];
  return isJsonObject(called) && typeof called['arguments'] === 'string' ? called['arguments'] : undefined;
}

/** Gemini's thought signatures, for one, travel on the call and are demanded back. */
function vendorFields(source: JsonObject = {}): JsonObject {
  return Object.fromEntries(Object.entries(source).filter(([field]) => !callFields.has(field)));
}

/** Results carry text only; what else is in them follows as a user's message. */
function encodeOutputs(calls: PlacedCall[], quirks: ChatQuirks | undefined, report: Report): ChatMessage[] {
  const messages: ChatMessage[] = [];
  const attached: ChatPart[] = [];
  for (const { item: call, output } of calls) {
    if (output === undefined) {
      messages.push({ role: 'tool', tool_call_id: wireCallId(call.call_id, quirks), content: pendingOutput });
      continue;
    }
    const { item, path } = output;
    const id = wireCallId(item.call_id, quirks);
    if (typeof item.output === 'string') {
      messages.push({ role: 'tool', tool_call_id: id, content: item.output });
      continue;
    }
    const parts = item.output.map((part, index) => encodePart(part, partPath(path, 'output', index), report));
    const texts = parts.filter((part) => part.type === 'text').map(({ text }) => text);
    const rest = parts.filter((part) => part.type !== 'text');
    if (rest.length > 0) {
      report.warn('input', 'Images and files of a tool output were moved into a user message behind it.');
      texts.push('(Its images and files are in the next user message.)');
      attached.push({ type: 'text', text: `From the output of tool call ${id}:` }, ...rest);
    }
    messages.push({ role: 'tool', tool_call_id: id, content: texts.join('\n') });
  }
  if (attached.length > 0) messages.push({ role: 'user', content: attached });
  return messages;
}

interface Reasoning {
  text: string | undefined;
  details: unknown[];
}

/**
 * Reasoning goes back to the model that it came from, while its tool loop is open: thinking models refuse to go on without
 * it. Later few want it; a quirks says of its models whether they do.
 * @see https://api-docs.deepseek.com/guides/thinking_mode
 */
function encodeReasoning(
  entry: AssistantEntry,
  { model, profile }: EncodeInput,
  isWanted: boolean,
  report: Report,
): Reasoning {
  let text: string | undefined;
  const details: unknown[] = [];
  for (const { item, origin, withheld = 'model_mismatch' } of entry.reasoning) {
    const own = sourceOf(origin, model);
    if (own === undefined || !isWanted || profile.reasoningField === 'none') {
      report.removed(item.id, own !== undefined && !isWanted ? 'turn_boundary' : withheld);
      continue;
    }
    const part = own['reasoning_content'] ?? own['reasoning'];
    if (typeof part === 'string') text = (text ?? '') + part;
    if (Array.isArray(own['reasoning_details'])) details.push(...own['reasoning_details']);
  }
  return { text, details };
}

/** Details came from the same model, so it knows them, whatever field its text goes back in. */
function withReasoning(
  message: ChatAssistantMessage,
  { text, details }: Reasoning,
  { profile: { reasoningField, quirks } }: EncodeInput,
): ChatAssistantMessage {
  if (reasoningField === 'none') return message;
  const detailed = details.length === 0 ? message : { ...message, reasoning_details: details };
  if (text === undefined) {
    const isMissed =
      reasoningField === 'reasoning_content' && quirks?.replays === 'calls' && message.tool_calls !== undefined;
    return isMissed ? { ...detailed, reasoning_content: '' } : detailed;
  }
  if (reasoningField === 'thinking') {
    const said = typeof message.content === 'string' && message.content !== '' ? message.content : undefined;
    const spoken: ChatThinkingPart[] = said === undefined ? [] : [{ type: 'text', text: said }];
    return { ...detailed, content: [{ type: 'thinking', thinking: [{ type: 'text', text }] }, ...spoken] };
  }
  return { ...detailed, [reasoningField === 'reasoning_details' ? 'reasoning' : reasoningField]: text };
}
