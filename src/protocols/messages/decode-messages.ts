import { z } from 'zod';
import { check, invalidChoice, invalidType, missing } from '../../core/check.ts';
import { isEnvelope } from '../../core/envelope.ts';
import type {
  ExtensionItem,
  FunctionCallItem,
  FunctionCallOutputItem,
  InputPart,
  Item,
  MessageItem,
  NativeItem,
  OutputText,
  ReasoningItem,
} from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { arrayElements, objectMembers, sliceJson } from '../../core/json-slice.ts';
import { blockOf, decodePart, wholeOf, wordsOf } from './decode-parts.ts';
import { inputOfCall, serverCall } from './server-tools.ts';
import { refuseUpstreamObjects } from '../../core/upstream-objects.ts';

type Block = JsonObject & { type: string };

const roles = ['user', 'assistant', 'system'] as const;
const id = z.string().min(1).max(256);
const text = z.string();
const textBlock = z.object({ text });
const toolUse = z.object({ id, name: text.min(1).max(256), input: z.looseObject({}) });
const toolResult = z.object({ tool_use_id: id, is_error: z.boolean().nullish() });
const thinking = z.object({ thinking: text, signature: text });
const redacted = z.object({ data: text });

/** Cuts the JSON of a tool's input out of the request's text: the number of the message, then of the block in it. */
type InputText = (message: number, block: number) => string | undefined;

/**
 * The messages as items, in their order. `arguments` are the text that the client sent.
 * @param sent the request's JSON text, where it is at hand.
 * @throws GatewayError (400) whose param names the message, or what is wrong in it: `messages[2].content[0].source`.
 */
export function decodeMessages(messages: unknown[], sent: string | undefined): DecodedMessages {
  const inputText = createInputText(sent);
  const input: Item[] = [];
  const places: Record<string, string> = {};
  for (const [at, raw] of messages.entries()) {
    const path = `messages[${at}]`;
    if (!isJsonObject(raw)) throw invalidType(path, 'an object', raw);
    const role = roles.find((each) => each === raw['role']);
    if (role === undefined) {
      throw raw['role'] === undefined ? missing(`${path}.role`) : invalidChoice(`${path}.role`, raw['role'], roles);
    }
    const blocks = blocksOf(raw['content'], role, `${path}.content`);
    const words = wordsOf(raw, ['role', 'content'], path);
    const placed =
      role === 'assistant'
        ? decodeAssistant(blocks, `${path}.content`, (block) => inputText(at, block))
        : decodeSaid(role, blocks, `${path}.content`);
    for (const [index, { item, block }] of placed.entries()) {
      const parts = item.type === 'message' && 'content' in item ? item.content : undefined;
      if (Array.isArray(parts)) {
        for (const part of parts.keys()) {
          places[`input[${input.length}].content[${part}]`] = `${path}.content[${block + part}]`;
        }
      } else places[`input[${input.length}]`] = `${path}.content[${block}]`;
      places[`input[${input.length}]`] ??= path;
      input.push(index === 0 && item.type === 'message' ? { ...item, ...words } : item);
    }
  }
  return { input, places };
}

interface DecodedMessages {
  input: Item[];
  /** Where the client's messages have what is in an item. */
  places: Record<string, string>;
}

interface PlacedItem {
  item: Item;
  /** The first of its blocks in the message. */
  block: number;
}

function blocksOf(content: unknown, role: (typeof roles)[number], path: string): Block[] {
  // A system message may bring settings only.
  if ((content === undefined || content === null) && role === 'system') return [];
  if (content === undefined || content === null) throw missing(path);
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (!Array.isArray(content)) throw invalidType(path, 'one of a string or an array of content blocks', content);
  return content.map((block: unknown, at) => blockOf(block, `${path}[${at}]`));
}

function createInputText(sent: string | undefined): InputText {
  const blocks = new Map<number, string[] | undefined>();
  let messages: string[] | undefined;
  return (message, block) => {
    if (sent === undefined) return undefined;
    messages ??= arrayElements(sliceJson(sent, ['messages']) ?? '') ?? [];
    if (!blocks.has(message)) {
      blocks.set(message, arrayElements(sliceJson(messages[message] ?? '', ['content']) ?? ''));
    }
    return objectMembers(blocks.get(message)?.[block] ?? '')?.get('input');
  };
}

/** What users and systems say, and what tools gave. */
function decodeSaid(role: 'user' | 'system', blocks: Block[], path: string): PlacedItem[] {
  const items: PlacedItem[] = [];
  let parts: InputPart[] = [];
  const endMessage = (end: number): void => {
    if (parts.length > 0) items.push({ item: messageOf(role, parts), block: end - parts.length });
    parts = [];
  };
  for (const [at, block] of blocks.entries()) {
    const place = `${path}[${at}]`;
    const part = decodePart(block, place);
    if (part !== undefined) {
      parts.push(part);
      continue;
    }
    endMessage(at);
    const isResult = block.type === 'tool_result' && role === 'user';
    items.push({ item: isResult ? decodeResult(block, place) : { ...extensionOf(block, place), role }, block: at });
  }
  endMessage(blocks.length);
  return items.length === 0 ? [{ item: messageOf(role, []), block: 0 }] : items;
}

function messageOf(role: MessageItem['role'], content: MessageItem['content']): MessageItem {
  return { type: 'message', id: '', status: 'completed', role, content };
}

function decodeResult(block: Block, path: string): FunctionCallOutputItem {
  const { tool_use_id: callId, is_error: isError } = check(toolResult, block, path);
  const { content = null } = block;
  const known = ['tool_use_id', 'content', ...(isError === true ? [] : ['is_error'])];
  return {
    type: 'function_call_output',
    id: '',
    call_id: callId,
    output: outputOf(content, `${path}.content`),
    status: 'completed',
    ...wordsOf(block, known, path),
  };
}

function outputOf(content: unknown, path: string): string | InputPart[] {
  if (content === null) return '';
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) throw invalidType(path, 'one of a string or an array of content blocks', content);
  return content.map((raw: unknown, at): InputPart => {
    const place = `${path}[${at}]`;
    const block = blockOf(raw, place);
    return decodePart(block, place) ?? { type: 'input_text', text: JSON.stringify(block), ...wholeOf(block, place) };
  });
}

/** A block that travels as it is. */
function extensionOf(block: Block, path: string): ExtensionItem {
  refuseUpstreamObjects(block, path);
  return { type: `messages:${block.type}`, id: '', status: 'completed', block };
}

/** What the model said: consecutive texts are one message, as in the reply that they come from. */
function decodeAssistant(
  blocks: Block[],
  path: string,
  inputText: (block: number) => string | undefined,
): PlacedItem[] {
  const items: PlacedItem[] = [];
  let texts: OutputText[] | undefined;
  for (const [at, block] of blocks.entries()) {
    const place = `${path}[${at}]`;
    if (block.type === 'text') {
      const { text: said } = check(textBlock, block, place);
      const part: OutputText = { type: 'output_text', annotations: [], logprobs: [], text: said };
      if (texts === undefined) items.push({ item: messageOf('assistant', (texts = [])), block: at });
      texts.push({ ...part, ...wordsOf(block, ['text'], place) });
      continue;
    }
    texts = undefined;
    const call = items.at(-1);
    if (call !== undefined && isResultOf(block, call.item)) call.item = withResult(call.item, block, place);
    else items.push({ item: decodeSaidBlock(block, place, () => inputText(at)), block: at });
  }
  return items;
}

function decodeSaidBlock(block: Block, path: string, inputText: () => string | undefined): Item {
  switch (block.type) {
    case 'thinking': {
      const { thinking: thought, signature } = check(thinking, block, path);
      return reasoningOf(thought, signature, { ...wordsOf(block, ['thinking'], path) });
    }
    case 'redacted_thinking':
      return reasoningOf('', check(redacted, block, path).data, wholeOf(block, path));
    case 'tool_use': {
      const { id: callId, name, input } = check(toolUse, block, path);
      const call: FunctionCallItem = {
        type: 'function_call',
        id: '',
        status: 'completed',
        arguments: inputText() ?? JSON.stringify(input),
        call_id: callId,
        name,
      };
      return { ...call, ...wordsOf(block, ['id', 'name', 'input'], path) };
    }
    default:
      return extensionOf(block, path);
  }
}

/** A signature that is an envelope of ours holds what another vendor's model thought, or another protocol's. */
function reasoningOf(thought: string, signature: string, words: ReturnType<typeof wordsOf>): ReasoningItem {
  const summary: ReasoningItem['summary'] = thought === '' ? [] : [{ type: 'summary_text', text: thought }];
  const item: ReasoningItem = { type: 'reasoning', id: '', summary, status: 'completed' };
  return isEnvelope(signature) ? { ...item, encrypted_content: signature } : { ...item, ...words };
}

/** A call of a tool that Anthropic ran and that the Responses API has an item for, which waits for what came of it. */
function isResultOf(block: Block, call: Item): call is ExtensionItem {
  if (call.type !== 'messages:server_tool_use' || !('block' in call) || !isJsonObject(call.block)) return false;
  if (serverCall(call.block, new Set()) === undefined) return false;
  return typeof block['tool_use_id'] === 'string' && block['tool_use_id'] === call.block['id'];
}

/** Both as the item that the reply made of them, where the Responses API has one. */
function withResult({ block: use }: ExtensionItem, result: Block, path: string): Item {
  refuseUpstreamObjects(result, path);
  const called: JsonObject = isJsonObject(use) ? use : {};
  const call = serverCall(called, new Set());
  if (call === undefined) return extensionOf(result, path);
  const item: NativeItem = call.end(inputOfCall('', called), result['content'], 0, () => {}, '', false);
  return { ...item, messages: { blocks: [use, result] } };
}
