import { wrapCustomInput } from '../../core/custom-input.ts';
import { callIdFor } from '../../core/ids.ts';
import {
  isToolCall,
  isToolOutput,
  type ContextItem,
  type ExtensionItem,
  isNative,
  type NativeItem,
  type MessageItem,
  type Origin,
  type ReasoningItem,
  type ToolCallItem,
} from '../../core/items.ts';
import { isJsonObject, parseJsonObject } from '../../core/json-object.ts';
import { arrayElements, objectMembers, printMembers, sliceJson } from '../../core/json-slice.ts';
import type { ToolOffer } from '../../core/offer-tools.ts';
import type { Report } from '../../core/report.ts';
import { leaveOut } from '../../core/unsent-item.ts';
import { type Breakpoint, breakpointOf } from './cache-wishes.ts';
import { compactionBlock } from './own-compaction.ts';
import {
  contentBlocks,
  isBlank,
  textBlocks,
  textsOf,
  toolResultBlock,
  withWords,
  wordsText,
} from './request-content.ts';
import { signatureScope } from './signature-scope.ts';
import { maxCallIdLength, wrappedArgumentsField } from './wire.ts';

export interface Block {
  /** `text` is the assistant's; what users and systems say, whatever it is, is `said`. */
  kind: 'text' | 'thinking' | 'tool_use' | 'extension' | 'compaction' | 'tool_result' | 'said';
  json: string;
  /** Of thinking: the reasoning item that it comes from. */
  itemId?: string;
  /** The client's own mark. */
  breakpoint?: Breakpoint | undefined;
}

/** An element of the context in Anthropic's words, before it has found its place in a message. */
export type Entry =
  | { kind: 'assistant'; blocks: Block[] }
  | { kind: 'call'; block: Block; id: string; name: string }
  | { kind: 'output'; block: Block; id: string }
  | UserEntry
  | SystemEntry;

export interface UserEntry {
  kind: 'user';
  blocks: Block[];
}

/** Instructions inside the conversation. Their form depends on the place that they find. */
export interface SystemEntry {
  kind: 'system';
  role: MessageItem['role'];
  texts: string[];
  breakpoint: Breakpoint | undefined;
  /** As a client of this protocol wrote it: its blocks, and what the message says beside them. */
  own?: { blocks: string[]; words: string } | undefined;
}

/** A user's block that the neutral model has no word for, or the assistant's. What a system message brings stays with users'. */
function roleOf(item: ExtensionItem | NativeItem): 'assistant' | 'user' {
  return 'role' in item && item['role'] !== undefined ? 'user' : 'assistant';
}

function textOfBlock(json: string): string | undefined {
  const raw = sliceJson(json, ['text']);
  const value: unknown = raw === undefined ? undefined : JSON.parse(raw);
  return typeof value === 'string' ? value : undefined;
}

/** Undefined: the item is encoded anew. */
function sourceOf(origin: Origin | undefined): string | undefined {
  return origin?.protocol === 'messages' && origin.source !== '' ? origin.source : undefined;
}

function assistantBlocks(item: MessageItem, origin: Origin | undefined, isOwn: boolean, report: Report): Block[] {
  if (typeof item.phase === 'string') report.warn('input', 'The upstream knows no phase of messages; it was left out.');
  const source = sourceOf(origin);
  if (source === undefined) {
    return item.content.flatMap((part) =>
      textsOf([part], 'assistant').flatMap((text) =>
        textBlocks(text, report, 'text' in part ? part : undefined).map((json): Block => ({
          kind: 'text',
          json: withWords(json, part, isOwn),
        })),
      ),
    );
  }
  return (arrayElements(`[${source}]`) ?? []).flatMap((json): Block[] => {
    const text = textOfBlock(json);
    // The model itself writes blank blocks at times, and is refused them afterwards.
    return text !== undefined && isBlank(text) && textBlocks(text, report).length === 0 ? [] : [{ kind: 'text', json }];
  });
}

function reasoningBlocks(
  item: ReasoningItem,
  { origin, withheld = 'model_mismatch' }: ContextItem,
  model: string,
  report: Report,
): Block[] {
  const source = sourceOf(origin);
  // A client of this protocol does not say which model signed what it brings: that is for the upstream to see.
  const brought = origin === undefined ? broughtThinking(item) : undefined;
  if (brought !== undefined) return [{ kind: 'thinking', json: brought, itemId: item.id }];
  if (source === undefined || origin?.model !== signatureScope(model)) {
    report.removed(item.id, withheld);
    return [];
  }
  if (item.status === 'incomplete') {
    report.warn('input', 'Reasoning that was cut off bears no signature; it was left out.');
    report.removed(item.id, 'turn_boundary');
    return [];
  }
  return [{ kind: 'thinking', json: source, itemId: item.id }];
}

/** Undefined: it bears no signature. */
function broughtThinking({ summary, messages }: ReasoningItem): string | undefined {
  if (messages === undefined) return undefined;
  if (messages['type'] !== undefined) return JSON.stringify(messages);
  if (messages['signature'] === undefined || messages['signature'] === '') return undefined;
  return JSON.stringify({ type: 'thinking', thinking: summary.map(({ text }) => text).join(''), ...messages });
}

function extensionBlocks(
  item: ExtensionItem | NativeItem,
  origin: Origin | undefined,
  path: string,
  report: Report,
): Block[] {
  const source = sourceOf(origin);
  if (source !== undefined) {
    return (arrayElements(`[${source}]`) ?? []).map((json) => ({ kind: 'extension', json }));
  }
  const words: unknown = isNative(item) ? item['messages'] : undefined;
  const brought = isJsonObject(words) ? words['blocks'] : undefined;
  if (Array.isArray(brought)) return brought.map((block) => ({ kind: 'extension', json: JSON.stringify(block) }));
  if (isNative(item)) {
    leaveOut(item, path, report);
    return [];
  }
  // A stateless client gives back what it was given.
  if (origin === undefined && item.type.startsWith('messages:') && isJsonObject(item.block)) {
    return [{ kind: 'extension', json: JSON.stringify(item.block) }];
  }
  report.warn('input', `Items of type ${item.type} mean nothing to the upstream and were left out.`);
  return [];
}

/** A call's input as the JSON object that this wire demands, spliced where the model's text is one. */
function inputOf(item: ToolCallItem, report: Report): string {
  if (item.type === 'custom_tool_call') return wrapCustomInput(item.input);
  if (item.arguments === '') return '{}';
  if (parseJsonObject(item.arguments) !== undefined) return item.arguments;
  const message = `The arguments of call ${item.call_id} are not a JSON object; they were sent as the text they are.`;
  report.warn('input', message);
  return `{"${wrappedArgumentsField}":${JSON.stringify(item.arguments)}}`;
}

function callBlock(
  item: ToolCallItem,
  { id, name, isOwn }: { id: string; name: string; isOwn: boolean },
  origin: Origin | undefined,
  report: Report,
): Block {
  const input = inputOf(item, report);
  const source = sourceOf(origin);
  const members = source === undefined ? undefined : objectMembers(source);
  if (source !== undefined && members !== undefined) {
    if (members.get('id') === JSON.stringify(id)) return { kind: 'tool_use', json: source };
    members.set('id', JSON.stringify(id));
    return { kind: 'tool_use', json: printMembers(members) };
  }
  const names = `"id":${JSON.stringify(id)},"name":${JSON.stringify(name)}`;
  return { kind: 'tool_use', json: withWords(`{"type":"tool_use",${names},"input":${input}}`, item, isOwn) };
}

export interface EntryInput {
  context: readonly ContextItem[];
  model: string;
  nameOfCall: ToolOffer['nameOfCall'];
  /** The client speaks this protocol: what it says of its own messages is in its own words. */
  isOwn: boolean;
  /** Where the client finds an item of the context: `input` for those of earlier turns. */
  pathOf: (index: number) => string;
}

/**
 * One entry per item, in order, without those that cannot be sent (each of which is reported).
 * @throws GatewayError 400 for what this wire cannot carry and what the conversation cannot do without.
 */
export function entriesOf(
  { context, model, nameOfCall, isOwn: isOwnClient, pathOf }: EntryInput,
  report: Report,
): Entry[] {
  const entries: Entry[] = [];
  const push = (kind: 'assistant' | 'user', blocks: Block[]): void => {
    if (blocks.length > 0) entries.push({ kind, blocks });
  };
  for (const [index, entry] of context.entries()) {
    const { item, origin } = entry;
    // Cache breakpoints of an earlier turn are past.
    const isOwn = isOwnClient && pathOf(index) !== 'input';
    if (isToolCall(item)) {
      if (item.status === 'incomplete') {
        report.warn('input', `Call ${item.call_id} was cut off; it was left out.`);
        continue;
      }
      const id = callIdFor(item.call_id, maxCallIdLength);
      const name = nameOfCall(item.name, item.namespace);
      entries.push({ kind: 'call', block: callBlock(item, { id, name, isOwn }, origin, report), id, name });
    } else if (isToolOutput(item)) {
      const id = callIdFor(item.call_id, maxCallIdLength);
      const breakpoint = typeof item.output === 'string' ? undefined : breakpointOf(item.output, report);
      const block: Block = { kind: 'tool_result', json: toolResultBlock(item, id, isOwn, report), breakpoint };
      entries.push({ kind: 'output', block, id });
    } else if (item.type === 'reasoning') {
      push('assistant', reasoningBlocks(item, entry, model, report));
    } else if (item.type !== 'message') {
      if (item.status === 'incomplete')
        report.warn('input', `An item of type ${item.type} was cut off; it was left out.`);
      else push(roleOf(item), extensionBlocks(item, origin, pathOf(index), report));
    } else if (item.role === 'assistant') {
      // Anthropic's rule: a conversation goes on from a refusal only without the refused output.
      if (item.content.some((part) => part.type === 'refusal')) {
        report.warn('input', 'An assistant message that holds a refusal was left out.');
      } else push('assistant', assistantBlocks(item, origin, isOwn, report));
    } else if (item.role === 'user') {
      const compaction = compactionBlock(entry);
      if (compaction !== undefined) push('assistant', [{ kind: 'compaction', json: compaction }]);
      else
        push(
          'user',
          item.content.flatMap((part) => {
            const breakpoint = breakpointOf([part], report);
            return contentBlocks([part], isOwn, report).map((json): Block => ({ kind: 'said', json, breakpoint }));
          }),
        );
    } else {
      const texts = textsOf(item.content, item.role);
      const own = isOwn
        ? { blocks: contentBlocks(item.content, isOwn, report), words: wordsText(item, isOwn) }
        : undefined;
      const breakpoint = breakpointOf(item.content, report);
      if (textBlocks(texts.join(''), report).length === 0 && (own?.words ?? '') === '') continue;
      entries.push({ kind: 'system', role: item.role, texts, breakpoint, own });
    }
  }
  return entries;
}
