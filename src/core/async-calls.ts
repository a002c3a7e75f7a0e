import type { ContextItem, InputPart, Item, ToolCallItem, ToolOutputItem } from './items.ts';
import { isToolCall, isToolOutput } from './items.ts';

/** What an upstream that waits for every call is told of one that has no output yet. */
export const pendingOutput = 'The call goes on in the background. Its result will come in a later message.';

/**
 * The context for an upstream that wants each call's output directly behind it. The output of an `async` call may come after
 * the model has spoken again, having been told `pendingOutput`: it is a user's message then, in its own place, so that what
 * was sent before stays as it was.
 */
export function withLateOutputs(context: ContextItem[]): ContextItem[] {
  if (!context.some(({ item }) => isWaitedForLater(item))) return context;
  /** Calls that wait; true: the model has not spoken since, nor anybody else. */
  const open = new Map<string, 'asked' | 'passed' | 'late'>();
  return context.map((entry) => {
    const { item } = entry;
    if (isWaitedForLater(item)) {
      open.set(item.call_id, 'asked');
      return entry;
    }
    const isModels =
      isToolCall(item) || item.type === 'reasoning' || (item.type === 'message' && item.role === 'assistant');
    for (const [id, state] of open) {
      if (isModels ? state === 'passed' : state === 'asked') open.set(id, isModels ? 'late' : 'passed');
    }
    if (!isToolOutput(item)) return entry;
    const isLate = open.get(item.call_id) === 'late';
    open.delete(item.call_id);
    return isLate ? lateMessage(item) : entry;
  });
}

function isWaitedForLater(item: Item): item is ToolCallItem {
  return isToolCall(item) && item.async === true && item.status !== 'incomplete';
}

function lateMessage({ id, call_id, output }: ToolOutputItem): ContextItem {
  const head: InputPart = { type: 'input_text', text: `The result of tool call ${call_id}:` };
  const parts: InputPart[] = typeof output === 'string' ? [{ type: 'input_text', text: output }] : output;
  return { item: { type: 'message', id, role: 'user', content: [head, ...parts] }, origin: undefined };
}
