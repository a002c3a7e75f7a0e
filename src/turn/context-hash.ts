import type { Item, MessageItem } from '../core/items.ts';
import type { ContextHashes, TenantStore } from '../store/store.ts';

type Hash = TenantStore['contextHash'];

/**
 * What stands for a context as far as it has been read: a chain of hashes over what was said, one over the settings between.
 * Clients give back what they were told in spellings of their own, so ids, states, annotations and cache marks do not count,
 * nor how a text is cut into parts, nor how a call's arguments are spelled. Reasoning is left out, because most clients never
 * get it, and others drop it.
 */
export interface ContextChain {
  said: string;
  settings: string;
  /** Of the assistant's message that may go on, in this item or the next. */
  open: string;
}

/** A further answer that a chat client has asked for (`n`): the conversation goes on from the first. */
const otherAnswer = 'chat:choice';

/** @param seed chains of different seeds never meet. */
export function beginChain(hash: Hash, seed: unknown): ContextChain {
  const begun = hash(JSON.stringify(seed));
  return { said: begun, settings: begun, open: '' };
}

export function extendChain(hash: Hash, chain: ContextChain, item: Item): ContextChain {
  if (item.type === 'reasoning' || item.type === otherAnswer) return chain;
  if (item.type === 'message' && item.role === 'assistant') return { ...chain, open: chain.open + textOf(item) };
  const { said, settings } = endChain(hash, chain);
  const next = written(spelled(item));
  return isSetting(item)
    ? { said, settings: hash(`${settings}\n${said}\n${next}`), open: '' }
    : { said: hash(`${said}\n${next}`), settings, open: '' };
}

/** The context as it would be if nothing came behind. */
export function endChain(hash: Hash, { said, settings, open }: ContextChain): ContextHashes {
  return { said: open === '' ? said : hash(`${said}\n${written(['assistant', open])}`), settings };
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
      ];
    default:
      return [sorted(item, ['id', 'status', 'messages'])];
  }
}

function spelledPart(part: object): unknown {
  return 'text' in part ? part.text : sorted(part);
}

/**
 * Of arguments: what is deeper is text. Where the stack would end differs with what has been compiled, and the same words
 * would be hashed in two ways.
 */
const maxDepth = 1000;

/** JSON-equal arguments are equal, and none at all are an empty object; what is no JSON is text. */
function spelledArguments(text: string): unknown {
  if (text.trim() === '') return {};
  try {
    return sorted(JSON.parse(text), [], maxDepth);
  } catch {
    return text;
  }
}

/**
 * The same value for objects that say the same, whatever the order and whatever is null in them.
 * @throws RangeError where it is nested deeper than `depth`.
 */
function sorted(value: unknown, without: readonly string[] = [], depth = Infinity): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth === 0) throw new RangeError('nested too deeply');
  if (Array.isArray(value)) return value.map((element) => sorted(element, [], depth - 1));
  const entries = Object.entries(value)
    .filter(
      ([name, field]) => field !== null && field !== undefined && name !== 'cache_control' && !without.includes(name),
    )
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  // Pairs: an object of its own would take `__proto__` for something else.
  return entries.map(([name, field]) => [name, sorted(field, [], depth - 1)]);
}
