import {
  type ContextItem,
  isNative,
  isToolCall,
  isToolOutput,
  type MessageItem,
  type ReasoningItem,
  type ToolCallItem,
  type ToolOutputItem,
} from '../../core/items.ts';
import { itemPath } from '../../core/offer-tools.ts';
import { leaveOut } from '../../core/unsent-item.ts';
import type { EncodeInput } from '../codec.ts';
import type { Report } from '../../core/report.ts';

export interface Placed<T> {
  item: T;
  origin: ContextItem['origin'];
  withheld?: ContextItem['withheld'];
  /** Where the client finds the item: `input[2]`; `input` for one of an earlier turn. */
  path: string;
}

export interface PlacedCall extends Placed<ToolCallItem> {
  output: Placed<ToolOutputItem> | undefined;
}

/** What the model said in one go. */
export interface AssistantEntry {
  kind: 'assistant';
  messages: Placed<MessageItem>[];
  reasoning: Placed<ReasoningItem>[];
  calls: PlacedCall[];
}

export type Entry =
  | AssistantEntry
  | { kind: 'user'; message: Placed<MessageItem> }
  | { kind: 'system'; message: Placed<MessageItem> };

/**
 * The context by who speaks: what the assistant says between others is one entry, and each output stands with its call,
 * wherever it came.
 */
export function groupItems({ context, request }: EncodeInput, report: Report): Entry[] {
  const entries: Entry[] = [];
  const calls = new Map<string, { call: PlacedCall; entry: AssistantEntry }>();
  /** The entry that the next item of the assistant's joins. */
  let open: AssistantEntry | undefined;

  function assistantEntry(): AssistantEntry {
    if (open === undefined) {
      open = { kind: 'assistant', messages: [], reasoning: [], calls: [] };
      entries.push(open);
    }
    return open;
  }

  function answer(output: Placed<ToolOutputItem>): void {
    const called = calls.get(output.item.call_id);
    if (called === undefined) throw new Error(`an output without its call: ${output.item.call_id}`);
    called.call.output = output;
    if (entries.at(-1) !== called.entry) report.warn('input', 'Tool outputs were moved directly behind their calls.');
  }

  context.forEach(({ item, origin, withheld }, index) => {
    const path = itemPath(context, request, index);
    if (isToolOutput(item)) {
      answer({ item, origin, path });
      open = undefined;
    } else if (isToolCall(item)) {
      if (item.status === 'incomplete') {
        report.warn('input', 'A tool call that was cut was left out.');
        return;
      }
      const call: PlacedCall = { item, origin, path, output: undefined };
      const entry = assistantEntry();
      entry.calls.push(call);
      calls.set(item.call_id, { call, entry });
    } else if (isReasoning(item)) {
      assistantEntry().reasoning.push({ item, origin, path, withheld });
    } else if (isNative(item)) {
      leaveOut(item, path, report);
    } else if (!isMessage(item)) {
      report.warn('input', `An item of type ${item.type} was left out.`);
    } else if (item.role === 'assistant') {
      assistantEntry().messages.push({ item, origin, path });
    } else {
      const message = { item, origin, path };
      entries.push(item.role === 'user' ? { kind: 'user', message } : { kind: 'system', message });
      open = undefined;
    }
  });
  return entries;
}

const isMessage = (item: ContextItem['item']): item is MessageItem => item.type === 'message';
const isReasoning = (item: ContextItem['item']): item is ReasoningItem => item.type === 'reasoning';
