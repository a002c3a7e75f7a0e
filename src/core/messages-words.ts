import {
  type ContextItem,
  type InputPart,
  isToolOutput,
  type Item,
  type MessagesWords,
  type OutputPart,
  partsOf,
} from './items.ts';

type Words = MessagesWords & { messages?: { is_error?: unknown } };

/**
 * The context for an upstream of another protocol than Anthropic's: without what only that protocol has a word for. That a
 * tool failed is told by its output, where it does not say so itself.
 */
export function withoutMessagesWords(context: ContextItem[]): ContextItem[] {
  return context.some(({ item }) => hasWords(item) || partsOf(item).some(hasWords))
    ? context.map((entry) => ({ ...entry, item: plainItem(entry.item) }))
    : context;
}

function hasWords(value: object): boolean {
  return 'messages' in value || 'cache_control' in value;
}

function plainItem(item: Item): Item {
  const { cache_control: _cache, messages, ...plain } = item as Item & Words;
  if (isToolOutput(item)) {
    const output = typeof item.output === 'string' ? item.output : item.output.map(plainPart);
    return { ...plain, output: messages?.is_error === true ? failed(output) : output } as Item;
  }
  if (item.type !== 'message') return plain;
  return { ...plain, content: partsOf(item).map(plainPart) } as Item;
}

function plainPart<P extends InputPart | OutputPart>(part: P): P {
  const { cache_control: _cache, messages: _messages, ...plain } = part as P & Words;
  return plain as unknown as P;
}

const failure = 'Error: ';

function failed(output: string | InputPart[]): string | InputPart[] {
  if (typeof output === 'string') return /^\W*error/i.test(output) ? output : `${failure}${output}`;
  const [first] = output;
  if (first?.type === 'input_text' && /^\W*error/i.test(first.text)) return output;
  return [{ type: 'input_text', text: failure.trim() }, ...output];
}
