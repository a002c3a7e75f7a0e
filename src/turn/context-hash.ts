import type { Item, MessageItem, Origin, ReasoningItem } from '../core/items.ts';
import { parseJsonObject } from '../core/json-object.ts';
import type { FinishedItem } from '../core/response.ts';
import type { TenantStore } from '../store/store.ts';

type Hash = TenantStore['contextHash'];

/**
 * What stands for a context as far as it has been read: a chain of hashes over what was said, others over the details beside it.
 * Clients give back what they were told in spellings of their own, so states, annotations and cache marks do not count,
 * nor how a text is cut into parts, nor how a call's arguments are spelled. Settings, ids and reasoning are details: most clients
 * never get ids and reasoning, and others drop them.
 */
export interface ContextChain {
  said: string;
  /** One for each way to tell the items. */
  details: readonly string[];
  /** Of the assistant's message that may go on, in this item or the next. */
  open: string;
}

/** Which details of an item count. */
interface Told {
  id: boolean;
  /** Reasoning, and the phase of a message. */
  reasoning: boolean;
}

/** How clients give back what a model has put out. */
export const waysToTell: readonly Told[] = [
  { id: true, reasoning: true },
  { id: false, reasoning: true },
  { id: true, reasoning: false },
  { id: false, reasoning: false },
];

/** A further answer that a chat client has asked for (`n`): the conversation goes on from the first. */
const otherAnswer = 'chat:choice';

/** @param seed chains of different seeds never meet. */
export function beginChain(hash: Hash, seed: unknown): ContextChain {
  const begun = hash(JSON.stringify(seed));
  return { said: begun, details: [begun], open: '' };
}

/** @param ways as many as the chain has details. */
export function extendChain(
  hash: Hash,
  chain: ContextChain,
  { item, origin }: Pick<FinishedItem, 'item' | 'origin'>,
  ways: readonly Told[],
): ContextChain {
  if (item.type === otherAnswer) return chain;
  if (isSetting(item)) {
    const said = endChain(hash, chain);
    const setting = `${said}\n${written(spelled(item))}`;
    return { said, details: chain.details.map((before) => hash(`${before}\n${setting}`)), open: '' };
  }
  const details = chain.details.map((before, way) => {
    const told = detailsOf(item, origin, ways[way]);
    return told === '' ? before : hash(`${before}\n${chain.said}\n${told}`);
  });
  if (item.type === 'reasoning') return { ...chain, details };
  if (item.type === 'message' && item.role === 'assistant')
    return { ...chain, details, open: chain.open + textOf(item) };
  return { said: hash(`${endChain(hash, chain)}\n${written(spelled(item))}`), details, open: '' };
}

/** What was said in the context as it would be if nothing came behind. */
export function endChain(hash: Hash, { said, open }: ContextChain): string {
  return open === '' ? said : hash(`${said}\n${written(['assistant', open])}`);
}

/** Compared with others of the same `said` only. */
const detailsLength = 12;

/** Each once: of a turn that has not thought, the ways without reasoning are those with it. */
export function endDetails({ details }: ContextChain): string[] {
  return Array.from(new Set(details), (each) => each.slice(0, detailsLength));
}

/** Of one call, whatever stands before it: with its arguments, since some upstreams count their calls anew in each answer. */
export function callHash(hash: Hash, keyId: string, call: Item): string {
  return hash(`call\n${written([keyId, ...spelled(call)])}`);
}

/** What a model may have put out: after it a stored context may end. */
export function isOutput(item: Item): boolean {
  if (item.type === 'message') return item.role === 'assistant';
  if ('role' in item && item.role === 'user') return false;
  return item.type !== 'mcp_approval_response' && !item.type.endsWith('_output') && !isSetting(item);
}

/** Of the words, not of the conversation: what a client may say otherwise in each request. */
function isSetting(item: Item): boolean {
  if ('role' in item && (item.role === 'system' || item.role === 'developer')) return true;
  return item.type === 'additional_tools' || item.type === 'configuration_update';
}

function textOf({ content }: MessageItem): string {
  return content
    .map((part) => ('text' in part ? part.text : 'refusal' in part ? part.refusal : spelledPart(part)))
    .join('');
}

/** Empty: none that counts. */
function detailsOf(item: Item, origin: Origin | undefined, told: Told | undefined): string {
  const id = told?.id === true ? ['id', item.id] : [];
  if (told?.reasoning !== true) return item.type === 'reasoning' ? '' : written(id);
  if (item.type === 'reasoning') return written([...id, item.type, thoughtOf(item, origin)]);
  return written(item.type === 'message' && typeof item.phase === 'string' ? [...id, 'phase', item.phase] : id);
}

/** What can be read of it; where nothing can, what is sealed. */
function thoughtOf({ summary, content = [], encrypted_content, messages }: ReasoningItem, origin: Origin | undefined) {
  const text = [...summary, ...content].map((part) => part.text).join('');
  if (text !== '') return text;
  const block = origin === undefined ? messages : parseJsonObject(origin.source);
  const sealed = block?.['signature'] ?? block?.['data'] ?? block?.['encrypted_content'];
  return typeof sealed === 'string' ? sealed : (origin?.source ?? encrypted_content ?? '');
}

/** Unlike for unlike values. Texts, which are most of it, are taken as they are: JSON of them would cost twice the hash. */
function written(values: readonly unknown[]): string {
  let text = '';
  for (const value of values) {
    const said = typeof value === 'string' ? `"${value}` : JSON.stringify(value);
    text += `${said.length} ${said}`;
  }
  return text;
}

/** What counts of an item. */
function spelled(item: Item): unknown[] {
  switch (item.type) {
    case 'message':
      return [item.role, ...item.content.map(spelledPart)];
    case 'function_call':
      return [item.type, item.call_id, item.namespace ?? null, item.name, spelledArguments(item.arguments)];
    case 'custom_tool_call':
      return [item.type, item.call_id, item.namespace ?? null, item.name, item.input];
    case 'function_call_output':
    case 'custom_tool_call_output':
      return [
        item.type,
        item.call_id,
        ...(typeof item.output === 'string' ? [item.output] : item.output.map(spelledPart)),
        ...(item.messages?.['is_error'] === true ? [{ isError: true }] : []),
      ];
    default:
      return [sorted({ ...item, id: null, status: null, messages: null }, isUnsaid)];
  }
}

function spelledPart(part: object): unknown {
  return 'text' in part ? part.text : sorted(part, isUnsaid);
}

/**
 * Of arguments: what is deeper is text. Where the stack would end differs with what has been compiled, and the same words
 * would be hashed in two ways.
 */
const maxDepth = 1000;
/** So are longer ones: they can hold more values than there is time to put in order. */
const maxLength = 256 * 1024;
/** Nothing shorter is rounded. To look at each value takes ten times as long as to read them. */
const longNumber = /[\d.]{16}/;

/** JSON-equal arguments are equal, and none at all are an empty object; what is no JSON is text. */
function spelledArguments(text: string): unknown {
  if (text.length > maxLength) return text;
  try {
    const value: unknown = JSON.parse(
      text.trim() === '' ? '{}' : text,
      longNumber.test(text) ? exactNumber : undefined,
    );
    return sorted(value, () => false, maxDepth);
  } catch {
    return text;
  }
}

/** A number that JavaScript would round is its digits. */
function exactNumber(_: string, value: unknown, { source }: { source?: string } = {}): unknown {
  if (typeof value !== 'number' || source === undefined || source.length < 16) return value;
  return String(value) === source ? value : { digits: source };
}

/**
 * The same value for objects that say the same, whatever the order.
 * @throws RangeError where it is nested deeper than `depth`.
 */
function sorted(value: unknown, leavesOut: (name: string, field: unknown) => boolean, depth = Infinity): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) throw new RangeError('nested too deeply');
  if (Array.isArray(value)) return value.map((element) => sorted(element, leavesOut, depth - 1));
  const entries = Object.entries(value)
    .filter(([name, field]) => !leavesOut(name, field))
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  // Pairs: an object of its own would take `__proto__` for something else.
  return entries.map(([name, field]) => [name, sorted(field, leavesOut, depth - 1)]);
}

function isUnsaid(name: string, field: unknown): boolean {
  return field === null || field === undefined || name === 'cache_control';
}
