import { z } from 'zod';
import { check, emptyArray, invalidChoice, invalidType, missing } from '../../core/check.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Item, OutputPart, ReasoningItem, ToolCallItem } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { namesShared } from '../../core/upstream-objects.ts';
import { decodeAssistantContent, decodeContent } from './decode-parts.ts';
import type { RequestNotes } from './request-notes.ts';
import { textOf } from './wire.ts';

const roles = ['developer', 'system', 'user', 'assistant', 'tool', 'function'] as const;

const text = z.string();
/** OpenAI takes 40 characters; other vendors' ids are longer, and it is the upstream's codec that fits them to its target. */
const callId = z.string().min(1).max(256);
const named = z.object({ name: text.nullish() });
const toolMessage = z.object({ tool_call_id: callId });
const functionMessage = z.object({ name: text.min(1), content: text.nullable() });
const called = z.object({ name: text.min(1), arguments: text });
const assistantMessage = z.object({
  refusal: text.nullish(),
  tool_calls: z.array(z.unknown()).nullish(),
  function_call: called.nullish(),
  reasoning_content: text.nullish(),
  reasoning: text.nullish(),
  reasoning_details: z.array(z.unknown()).nullish(),
  annotations: z.array(z.unknown()).nullish(),
});
const functionCall = z.object({ id: callId, function: called });
const customCall = z.object({ id: callId, custom: z.object({ name: text.min(1), input: text }) });
const callTypes = ['function', 'custom'] as const;

/** `parsed` is what a client's library makes of the content. */
const assistantFields = ['role', 'content', 'audio', 'parsed', ...Object.keys(assistantMessage.shape)];

/** A function called in the way that came before tools, and not answered yet: such calls have no ids. */
interface OpenFunctionCall {
  name: string;
  callId: string;
}

/**
 * The conversation as items, in the client's order: of an assistant's message what it thought, what it said and what it called.
 * Where each of them stands in the client's request is noted, since one message can become several.
 * @throws GatewayError (400) whose param names the message, or what is wrong in it: `messages[2].content[0].text`.
 */
export function decodeMessages(messages: unknown, notes: RequestNotes): Item[] {
  if (messages === undefined || messages === null) throw missing('messages');
  if (!Array.isArray(messages)) throw invalidType('messages', 'an array of objects', messages);
  if (messages.length === 0) throw emptyArray('messages');
  const items: Item[] = [];
  const customCalls = new Set<string>();
  let openFunction: OpenFunctionCall | undefined;

  const nextPath = () => `input[${items.length}]`;
  function add(item: Item, path: string): void {
    notes.place(nextPath(), path);
    items.push(item);
  }

  function addAssistant(message: JsonObject, path: string): void {
    const { refusal, tool_calls, function_call, annotations, ...thought } = check(assistantMessage, message, path);
    refuseAudio(message['audio'], `${path}.audio`);
    const thoughts = thoughtsOf(thought);
    for (const each of thoughts) add(each, path);
    const content = decodeAssistantContent(message['content'], `${path}.content`, notes);
    cite(content, annotations ?? []);
    if (typeof refusal === 'string' && refusal !== '') content.push({ type: 'refusal', refusal });
    const calls = tool_calls ?? [];
    const saysMore = calls.length > 0 || isJsonObject(function_call) || thoughts.length > 0;
    if (content.length > 0 || !saysMore) {
      if (typeof message['content'] !== 'string' && content.length === 0 && !Array.isArray(message['content'])) {
        throw invalidType(`${path}.content`, 'one of a string or an array of content parts', message['content']);
      }
      add({ type: 'message', id: '', status: 'completed', role: 'assistant', content }, path);
    }
    for (const [index, call] of calls.entries()) {
      const item = decodeCall(call, `${path}.tool_calls[${index}]`, notes);
      if (item.type === 'custom_tool_call') customCalls.add(item.call_id);
      else customCalls.delete(item.call_id);
      add(item, `${path}.tool_calls[${index}].${item.type === 'function_call' ? 'function' : 'custom'}`);
    }
    if (isJsonObject(function_call)) {
      const { name, arguments: args } = function_call;
      openFunction = { name, callId: `function_call_${items.length}` };
      add(callOf(openFunction.callId, name, args), `${path}.function_call`);
    }
  }

  function addOutput(message: JsonObject, path: string): void {
    const { tool_call_id: call_id } = check(toolMessage, message, path);
    const places = { path: `${path}.content`, itemPath: `${nextPath()}.output` };
    const output =
      typeof message['content'] === 'string'
        ? message['content']
        : decodeContent(message['content'], 'tool', places, notes);
    notes.place(places.itemPath, places.path);
    const type = customCalls.has(call_id) ? 'custom_tool_call_output' : 'function_call_output';
    add({ type, id: '', status: 'completed', call_id, output }, path);
  }

  function addFunctionOutput(message: JsonObject, path: string): void {
    const { name, content } = check(functionMessage, message, path);
    if (openFunction?.name !== name) {
      const reason = "messages with role 'function' must be a response to a preceding message with 'function_call'.";
      throw new GatewayError('invalid_value', `Invalid parameter: ${reason}`, { param: `${path}.name` });
    }
    const { callId: call_id } = openFunction;
    openFunction = undefined;
    add({ type: 'function_call_output', id: '', status: 'completed', call_id, output: content ?? '' }, path);
  }

  for (const [index, message] of messages.entries() as ArrayIterator<[number, unknown]>) {
    const path = `messages[${index}]`;
    if (!isJsonObject(message)) throw invalidType(path, 'an object', message);
    const role = roleOf(message['role'], `${path}.role`);
    check(named, message, path);
    if (role === 'assistant') {
      notes.keepUnknown(message, assistantFields, path);
      addAssistant(message, path);
    } else if (role === 'tool') {
      notes.keepUnknown(message, ['role', 'content', 'tool_call_id'], path);
      addOutput(message, path);
    } else if (role === 'function') {
      notes.keepUnknown(message, ['role', 'content', 'name'], path);
      addFunctionOutput(message, path);
    } else {
      notes.keepUnknown(message, ['role', 'content'], path);
      const places = { path: `${path}.content`, itemPath: `${nextPath()}.content` };
      const content = decodeContent(message['content'], role, places, notes);
      add({ type: 'message', id: '', status: 'completed', role, content }, path);
    }
  }
  return items;
}

function roleOf(role: unknown, param: string): (typeof roles)[number] {
  const known = roles.find((each) => each === role);
  if (known !== undefined) return known;
  throw role === undefined ? missing(param) : invalidChoice(param, role, roles);
}

/** It names an object in the provider's account, which cannot tell tenants apart. */
function refuseAudio(audio: unknown, param: string): void {
  if (audio === undefined || audio === null) return;
  throw namesShared(param);
}

/** As clients send it back: under its own names where we gave them; else its text, of which nobody knows who signed it. */
function thoughtsOf(thought: {
  reasoning_content?: string | null | undefined;
  reasoning?: string | null | undefined;
  reasoning_details?: unknown[] | null | undefined;
}): ReasoningItem[] {
  const details = (thought.reasoning_details ?? []).filter(isJsonObject);
  const named = details.flatMap((detail) => (ownId.test(String(detail['id'])) ? [String(detail['id'])] : []));
  if (named.length > 0) {
    return [...new Set(named)].map((id) =>
      thoughtOf(
        id,
        details.filter((detail) => detail['id'] === id),
      ),
    );
  }
  const written =
    textOf(thought.reasoning_content) ??
    textOf(thought.reasoning) ??
    details.map((detail) => textOf(detail['text']) ?? textOf(detail['summary']) ?? '').join('');
  return written === '' ? [] : [thoughtOf('', [{ type: 'reasoning.text', text: written }])];
}

const ownId = /^rs_[0-9a-f]{40,61}$/;

function thoughtOf(id: string, details: readonly JsonObject[]): ReasoningItem {
  const texts = (field: string) =>
    details.flatMap((detail) => (typeof detail[field] === 'string' ? [detail[field]] : []));
  const content = texts('text').map((said) => ({ type: 'reasoning_text' as const, text: said }));
  const [sealed] = texts('data');
  return {
    type: 'reasoning',
    id,
    summary: texts('summary').map((said) => ({ type: 'summary_text', text: said })),
    ...(content.length === 0 ? {} : { content }),
    ...(sealed === undefined ? {} : { encrypted_content: sealed }),
  };
}

/** Chat nests what items write flat, and says it of the message. */
function cite(content: OutputPart[], annotations: readonly unknown[]): void {
  const first = content.find((part) => part.type === 'output_text');
  if (first === undefined) return;
  first.annotations = annotations.map((annotation) =>
    isJsonObject(annotation) && isJsonObject(annotation['url_citation'])
      ? { type: 'url_citation', ...annotation['url_citation'] }
      : annotation,
  );
}

function decodeCall(call: unknown, path: string, notes: RequestNotes): ToolCallItem {
  if (!isJsonObject(call)) throw invalidType(path, 'an object', call);
  const type = call['type'] ?? 'function';
  if (type === 'custom') {
    notes.keepUnknown(call, ['id', 'type', 'index', 'custom'], path);
    const { id, custom } = check(customCall, call, path);
    return { type: 'custom_tool_call', id: '', status: 'completed', call_id: id, ...custom };
  }
  if (type !== 'function') throw invalidChoice(`${path}.type`, type, callTypes);
  notes.keepUnknown(call, ['id', 'type', 'index', 'function'], path);
  const { id, function: spec } = check(functionCall, call, path);
  return callOf(id, spec.name, spec.arguments);
}

function callOf(call_id: string, name: string, args: string): ToolCallItem {
  return { type: 'function_call', id: '', status: 'completed', call_id, name, arguments: args };
}
