import { answerHalf, type CallHalf, callHalf } from '../core/call-pairs.ts';
import { GatewayError } from '../core/errors.ts';
import { isJsonObject } from '../core/json-object.ts';
import type { ContextItem, Item } from '../core/items.ts';

/**
 * Checks that every call has exactly one output, later, and that every output has a call before it; in OpenAI's words. Calls
 * of all kinds that something outside the model answers: of functions, of shells, of the computer, for leave to call.
 * A call that the model does not wait for (`async`) may have its output later, or not yet.
 *
 * Some backends count their calls anew in each answer (`call_0`, `call_0`, …). A later pair that uses an id again is
 * renamed, the same on every turn, since an upstream takes an id once only.
 *
 * @param usedCallIds is filled with every call id of the context as returned.
 * @throws GatewayError 400, param `input`.
 */
export function pairToolCalls(context: ContextItem[], usedCallIds: Set<string>): ContextItem[] {
  const open = new Map<string, { call: CallHalf; item: Item }>();
  const renamed = new Map<string, string>();
  const copies = new Map<string, number>();
  const answered = new Set<string>();
  const paired: ContextItem[] = [];

  for (const entry of context) {
    const { item } = entry;
    const call = callHalf(item);
    const answer = answerHalf(item);
    if (call !== undefined) {
      if (open.has(call.id)) throw refuse('item_duplicate', `Duplicate tool call found with call_id ${call.id}.`);
      open.set(call.id, { call, item });
      renamed.delete(call.id);
      if (!usedCallIds.has(call.id)) {
        usedCallIds.add(call.id);
        paired.push(entry);
        continue;
      }
      const callId = freeCallId(call.id, usedCallIds, copies);
      usedCallIds.add(callId);
      renamed.set(call.id, callId);
      paired.push(withCallId(entry, callId));
    } else if (answer !== undefined) {
      const asked = open.get(answer.id);
      if (asked?.call.answers.includes(item.type) !== true) {
        throw answered.has(answer.id) ? duplicateOutput(answer.id) : missingCall(answer.word, answer.id);
      }
      checkAcknowledged(asked.item, item);
      open.delete(answer.id);
      answered.add(answer.id);
      const callId = renamed.get(answer.id);
      paired.push(callId === undefined ? entry : withCallId(entry, callId));
    } else {
      paired.push(entry);
    }
  }

  for (const { call } of open.values()) {
    if (call.demanded) throw refuse('tool_output_missing', `No tool output found for ${call.word} ${call.id}.`);
  }
  return paired;
}

function withCallId({ item, origin }: ContextItem, callId: string): ContextItem {
  return 'call_id' in item ? { item: { ...item, call_id: callId }, origin } : { item, origin };
}

/** @param copies the last copy of each id: ids are never given back, so that to begin anew would find none sooner. */
function freeCallId(callId: string, used: Set<string>, copies: Map<string, number>): string {
  for (let copy = (copies.get(callId) ?? 1) + 1; ; copy++) {
    const candidate = `${callId}_${copy}`;
    if (used.has(candidate)) continue;
    copies.set(callId, copy);
    return candidate;
  }
}

/** What the model was warned of when it used the computer is the client's to accept. */
function checkAcknowledged(call: Item, output: Item): void {
  if (call.type !== 'computer_call' || output.type !== 'computer_call_output') return;
  const acknowledged = new Set(idsOf(output['acknowledged_safety_checks']));
  const open = idsOf(call['pending_safety_checks']).find((id) => !acknowledged.has(id));
  if (open === undefined) return;
  const message = `Computer call ${String(call['call_id'])} has a pending safety check that was not acknowledged: ${open}.`;
  throw refuse('invalid_value', message);
}

function idsOf(checks: unknown): string[] {
  return Array.isArray(checks) ? checks.filter(isJsonObject).map(({ id }) => String(id)) : [];
}

function refuse(code: 'item_duplicate' | 'tool_output_missing' | 'invalid_value', message: string): GatewayError {
  return new GatewayError(code, message, { param: 'input' });
}

function missingCall(word: string, id: string): GatewayError {
  const field = word === 'mcp approval response' ? 'approval_request_id' : 'call_id';
  return new GatewayError('tool_call_missing', `No tool call found for ${word} with ${field} ${id}.`, {
    param: 'input',
  });
}

function duplicateOutput(id: string): GatewayError {
  const message = `Duplicate tool output found for call_id ${id}. A tool call takes one output.`;
  return new GatewayError('tool_output_duplicate', message, { param: 'input' });
}
