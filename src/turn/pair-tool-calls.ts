import { GatewayError } from '../core/errors.ts';
import { type ContextItem, isToolCall, isToolOutput, type ToolCallItem, type ToolOutputItem } from '../core/items.ts';

/**
 * Checks that every tool call has exactly one output, later, and that every output has a call before it; in OpenAI's words.
 * A call that was cut off (status incomplete) is not executable: it needs no output and takes none.
 *
 * Some backends count their calls anew in each answer (`call_0`, `call_0`, …). A later pair that uses an id again is
 * renamed, the same on every turn, since an upstream takes an id once only.
 *
 * @param usedCallIds is filled with every call id of the context as returned.
 * @throws GatewayError 400, param `input`.
 */
export function pairToolCalls(context: ContextItem[], usedCallIds: Set<string>): ContextItem[] {
  const open = new Map<string, ToolCallItem>();
  const renamed = new Map<string, string>();
  const answered = new Set<string>();
  const paired: ContextItem[] = [];

  for (const entry of context) {
    const { item } = entry;
    if (isToolCall(item) && item.status !== 'incomplete') {
      if (open.has(item.call_id)) {
        throw new GatewayError('item_duplicate', `Duplicate tool call found with call_id ${item.call_id}.`, {
          param: 'input',
        });
      }
      open.set(item.call_id, item);
      renamed.delete(item.call_id);
      if (!usedCallIds.has(item.call_id)) {
        usedCallIds.add(item.call_id);
        paired.push(entry);
        continue;
      }
      const callId = freeCallId(item.call_id, usedCallIds);
      usedCallIds.add(callId);
      renamed.set(item.call_id, callId);
      paired.push({ item: { ...item, call_id: callId }, origin: entry.origin });
    } else if (isToolOutput(item)) {
      if (!closes(open.get(item.call_id), item)) {
        throw answered.has(item.call_id) ? duplicateOutput(item) : missingCall(item);
      }
      open.delete(item.call_id);
      answered.add(item.call_id);
      const callId = renamed.get(item.call_id);
      paired.push(callId === undefined ? entry : { item: { ...item, call_id: callId }, origin: entry.origin });
    } else {
      paired.push(entry);
    }
  }

  for (const call of open.values()) {
    const kind = call.type === 'function_call' ? 'function call' : 'custom tool call';
    throw new GatewayError('tool_output_missing', `No tool output found for ${kind} ${call.call_id}.`, {
      param: 'input',
    });
  }
  return paired;
}

function closes(call: ToolCallItem | undefined, output: ToolOutputItem): boolean {
  return call !== undefined && `${call.type}_output` === output.type;
}

function freeCallId(callId: string, used: Set<string>): string {
  for (let copy = 2; ; copy++) {
    const candidate = `${callId}_${copy}`;
    if (!used.has(candidate)) return candidate;
  }
}

function missingCall({ type, call_id }: ToolOutputItem): GatewayError {
  const kind = type === 'function_call_output' ? 'function call output' : 'custom tool call output';
  return new GatewayError('tool_call_missing', `No tool call found for ${kind} with call_id ${call_id}.`, {
    param: 'input',
  });
}

function duplicateOutput({ call_id }: ToolOutputItem): GatewayError {
  const message = `Duplicate tool output found for call_id ${call_id}. A tool call takes one output.`;
  return new GatewayError('tool_output_duplicate', message, { param: 'input' });
}
