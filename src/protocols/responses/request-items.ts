import { z } from 'zod';
import { GatewayError } from '../../core/errors.ts';
import {
  type InputPart,
  isNativeType,
  type Item,
  type ItemReference,
  type MessageItem,
  type NativeItemType,
  type OutputPart,
  type ToolOutputItem,
} from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { check, invalidChoice, invalidType, missing, nameSchema, unsupportedValue } from '../../core/check.ts';
import { refuseUpstreamObjects } from '../../core/upstream-objects.ts';
import { decodeNativeItem } from './native-items.ts';
import { decodeInputParts, decodeOutputParts } from './request-parts.ts';
import { inputItemTypes, itemStatuses, laterItemTypes } from './wire.ts';
import type { InputItemType } from './wire.ts';

/** OpenAI's bounds, which are also the store's. */
const id = nameSchema(64);
const status = z.enum(itemStatuses).nullable().exactOptional();
/** OpenAI takes 64; other vendors' ids are longer, and it is the upstream's codec that fits them to its target. */
const callId = z.string().min(1).max(256);
const text = z.string();

const message = z.object({
  id: id.nullish(),
  status,
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  phase: z.string().nullable().exactOptional(),
});

const reasoning = z.object({
  id: id.nullish(),
  status,
  summary: z.array(z.object({ type: z.literal('summary_text'), text })),
  content: z.array(z.object({ type: z.literal('reasoning_text'), text })).nullish(),
  encrypted_content: z.string().nullable().exactOptional(),
});

const callFields = { namespace: text.nullable().exactOptional(), async: z.boolean().nullable().exactOptional() };
const call = z.object({ id: id.nullish(), status, call_id: callId, name: text.min(1), ...callFields });
const functionCall = z.object({ ...call.shape, arguments: text });
const customToolCall = z.object({ ...call.shape, input: text });
const toolOutput = z.object({ id: id.nullish(), status, call_id: callId });
const itemReference = z.object({ id });

type Decode = (raw: JsonObject, path: string) => Item | ItemReference;

/**
 * Each decoder keeps the client's fields, known or not, and adds what a stored item always has: a type, an id ('' where the
 * turn is to mint one) and, where the type has one, a status.
 */
const decoders: Record<Exclude<InputItemType, NativeItemType>, Decode> = {
  message: decodeMessage,
  reasoning(raw, path) {
    const { id: given, content, ...rest } = check(reasoning, raw, path);
    const item = { ...rest, type: 'reasoning' as const, id: given ?? '' };
    return content === undefined || content === null ? item : { ...item, content };
  },
  function_call(raw, path) {
    const item = check(functionCall, raw, path);
    return { ...item, type: 'function_call', id: item.id ?? '', status: item.status ?? 'completed' };
  },
  custom_tool_call(raw, path) {
    const item = check(customToolCall, raw, path);
    return { ...item, type: 'custom_tool_call', id: item.id ?? '', status: item.status ?? 'completed' };
  },
  function_call_output: (raw, path) => decodeToolOutput('function_call_output', raw, path),
  custom_tool_call_output: (raw, path) => decodeToolOutput('custom_tool_call_output', raw, path),
  item_reference(raw, path) {
    return { type: 'item_reference', id: check(itemReference, raw, path).id };
  },
};

/** An input without the `compaction_trigger` at its end, which is no item, but what the client wants to be done. */
export function takeTrigger(input: unknown): { input: unknown; isTriggered: boolean } {
  const last: unknown = Array.isArray(input) ? input.at(-1) : undefined;
  const isTriggered = isJsonObject(last) && last['type'] === 'compaction_trigger';
  return { input: Array.isArray(input) && isTriggered ? input.slice(0, -1) : input, isTriggered };
}

/** @throws GatewayError (400) whose param names the item, or what is wrong in it: `input[2].content[0].text`. */
export function decodeInput(input: unknown): (Item | ItemReference)[] {
  if (typeof input === 'string') {
    const content: InputPart[] = [{ type: 'input_text', text: input }];
    return [{ type: 'message', id: '', status: 'completed', role: 'user', content }];
  }
  if (input === undefined || input === null) throw missing('input');
  if (!Array.isArray(input)) throw invalidType('input', 'one of a string or an array of input items', input);
  return decodeItems(input, 'input');
}

/** @param param the array's name in the request: in an `input` may be what only the upstream knows, which says so if it does not. */
export function decodeItems(items: unknown[], param: string): (Item | ItemReference)[] {
  const ids = new Set<string>();
  const referred = new Set<string>();
  return items.map((raw: unknown, index) => {
    const path = `${param}[${index}]`;
    if (!isJsonObject(raw)) throw invalidType(path, 'an object', raw);
    const type = typeOf(raw, path, param === 'input');
    const item = isNativeType(type) ? decodeNativeItem(type, raw, path) : decoders[type](raw, path);
    refuseWords(item, path);
    // The AI SDK 6 names a message once for each of its texts.
    if (item.id === '' || (item.type === 'item_reference' && referred.has(item.id))) return item;
    if (ids.has(item.id)) throw duplicate(item.id, param);
    ids.add(item.id);
    if (item.type === 'item_reference') referred.add(item.id);
    return item;
  });
}

/** Two forms have no type: the easy message `{role, content}`, and the reference that is nothing but an id. */
function typeOf(raw: JsonObject, path: string, takesUnknown: boolean): InputItemType {
  const type = raw['type'];
  if (type === undefined || type === null) {
    if (raw['role'] !== undefined || raw['content'] !== undefined) return 'message';
    if (raw['id'] !== undefined) return 'item_reference';
    throw missing(`${path}.type`);
  }
  const known = inputItemTypes.find((name) => name === type);
  if (known !== undefined) return known;
  if (typeof type === 'string') {
    if (takesUnknown && isNativeType(type)) return type;
    if (laterItemTypes.some((later) => later === type)) {
      const message = "A 'compaction_trigger' must be the last item of the input.";
      throw new GatewayError('invalid_value', message, { param: `${path}.type` });
    }
    // An upstream's raw block goes back as we stored it, never as a client wrote it: it can name objects in an account
    // that many tenants share.
    if (/^(chat|messages|gemini):/.test(type)) {
      const why = "Go on with 'previous_response_id', or send an item_reference, to keep this item in the context.";
      throw unsupportedValue(`${path}.type`, type, why);
    }
  }
  throw invalidChoice(`${path}.type`, type, inputItemTypes);
}

function decodeMessage(raw: JsonObject, path: string): MessageItem {
  const item = check(message, raw, path);
  const content = contentOf(raw['content'], item.role, `${path}.content`);
  return { ...item, type: 'message', id: item.id ?? '', status: item.status ?? 'completed', content };
}

function contentOf(content: unknown, role: MessageItem['role'], path: string): (InputPart | OutputPart)[] {
  if (typeof content === 'string') {
    return role === 'assistant'
      ? [{ type: 'output_text', text: content, annotations: [] }]
      : [{ type: 'input_text', text: content }];
  }
  if (content === undefined) throw missing(path);
  if (!Array.isArray(content)) throw invalidType(path, 'one of a string or an array of content parts', content);
  return role === 'assistant' ? decodeOutputParts(content, path) : decodeInputParts(content, path);
}

function decodeToolOutput(type: ToolOutputItem['type'], raw: JsonObject, path: string): ToolOutputItem {
  const item = check(toolOutput, raw, path);
  return {
    ...item,
    type,
    id: item.id ?? '',
    status: item.status ?? 'completed',
    output: outputOf(raw['output'], `${path}.output`),
  };
}

function outputOf(output: unknown, path: string): string | InputPart[] {
  if (typeof output === 'string') return output;
  if (output === undefined) throw missing(path);
  if (!Array.isArray(output)) throw invalidType(path, 'one of a string or an array of content parts', output);
  return decodeInputParts(output, path);
}

/** What an item that came from a client of Anthropic's says in that one's words goes there as it is. */
function refuseWords(item: object, path: string): void {
  if ('messages' in item) refuseUpstreamObjects({ messages: item.messages }, path);
  for (const list of ['content', 'output'] as const) {
    const parts = (item as JsonObject)[list];
    if (!Array.isArray(parts)) continue;
    parts.forEach((part: unknown, at) => isJsonObject(part) && refuseWords(part, `${path}.${list}[${at}]`));
  }
}

function duplicate(itemId: string, param: string): GatewayError {
  const fault = `Duplicate item found with id ${itemId}. Remove duplicate items from your input and try again.`;
  return new GatewayError('item_duplicate', fault, { param });
}
