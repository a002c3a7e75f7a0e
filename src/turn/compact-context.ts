import { answerHalf, callHalf } from '../core/call-pairs.ts';
import type { ContextItem, Item } from '../core/items.ts';
import type { Report } from '../core/report.ts';
import type { Seal } from '../store/store.ts';
import { type Compaction, openCompaction } from './compaction-envelope.ts';
import { summaryMessage } from './summary.ts';

/**
 * What a model is to see of a context: from its last compaction on, that is the summary in place of all that stood before.
 * A compaction item that does not open is left out and reported; what stands before it is then all there is.
 */
export function fromLastCompaction(context: ContextItem[], seal: Seal, report: Report): ContextItem[] {
  for (let at = context.length - 1; at >= 0; at--) {
    const item = context[at]?.item;
    if (item?.type !== 'compaction') continue;
    const compaction = openCompaction(seal, item['encrypted_content']);
    const before = context.slice(0, at);
    if (compaction !== undefined && compaction.summary === undefined) {
      const placed = { item, origin: compaction.native, keepsMessages: compaction.keepsUsers };
      return [...withKept(fromLastCompaction(before, seal, report), compaction, placed), ...after(context, at)];
    }
    if (compaction !== undefined) return [...standIn(item.id, compaction, before), ...after(context, at)];
    report.removed(item.id, 'organization_mismatch');
    report.warn(
      'input',
      `The compaction item ${item.id} is not of this gateway and tenant, or was changed; it was left out.`,
    );
  }
  return after(context, -1);
}

const after = (context: ContextItem[], at: number) =>
  context.slice(at + 1).filter(({ item }) => item.type !== 'compaction');

function standIn(
  id: string,
  { summary, native, head, tail, keepsUsers }: Compaction & { summary: string },
  before: ContextItem[],
): ContextItem[] {
  const kept = keepsUsers ? before.filter(({ item }) => isInstruction(item) || isUsers(item)) : [];
  return [...unknownTo(kept, head), ...kept, summaryMessage(id, summary, native), ...tail];
}

/** A client that keeps its instructions itself sends them before the item again. */
function unknownTo(kept: ContextItem[], head: ContextItem[]): ContextItem[] {
  const known = new Set(kept.map(({ item }) => contentOf(item)));
  return head.filter(({ item }) => !known.has(contentOf(item)));
}

/**
 * What an upstream compacted itself, with all that stands before it, as far as it is known: an upstream that cannot read the
 * item is sent that. What must stay word for word comes behind it, where the one that can reads it too.
 */
function withKept(before: ContextItem[], { head, tail }: Compaction, compaction: ContextItem): ContextItem[] {
  const moved = new Set(tail.map(({ item }) => item.id));
  const rest = before.filter(({ item }) => !moved.has(item.id));
  return [...unknownTo(rest, head), ...rest, compaction, ...tail];
}

const isUsers = (item: Item) => item.type === 'message' && item.role === 'user';
export const isInstruction = (item: Item) =>
  item.type === 'configuration_update' ||
  (item.type === 'message' && (item.role === 'system' || item.role === 'developer'));
const contentOf = (item: Item) => JSON.stringify('content' in item ? item.content : item);

/** A context in two: what may be summed up, and what stays as it is. */
export interface Split {
  /** Whole pairs of calls and outputs, and messages. Ends before an assistant's words, or after them. */
  compactable: ContextItem[];
  head: ContextItem[];
  tail: ContextItem[];
}

/** All may be summed up but tool calls that wait for their outputs, with the thoughts that led to them. */
export function splitOpenCalls(context: ContextItem[]): Split {
  return split(context, openGroups(context));
}

/**
 * All may be summed up but what has been said since the model spoke last, outputs of tools with their calls; of a context that
 * ends with the model's own words, those.
 */
export function splitLastRound(context: ContextItem[]): Split {
  const open = openGroups(context);
  const groups = groupsOf(context);
  const callAt = callOfOutput(context);
  for (const member of groups.get(context.length - 1) ?? []) open.add(member);
  for (let at = context.length - 1; at >= 0; at--) {
    const item = context[at]?.item;
    if (item === undefined || isAssistants(item)) break;
    open.add(at);
    const call = callAt.get(at);
    if (call === undefined) continue;
    for (const member of groups.get(call) ?? []) open.add(member);
  }
  // Other outputs of a call's group go with it.
  for (const [output, call] of callAt) if (open.has(call)) open.add(output);
  return split(context, open);
}

function split(context: ContextItem[], stays: ReadonlySet<number>): Split {
  const compactable = context.filter((_, at) => !stays.has(at));
  return {
    compactable,
    head: compactable.filter(({ item }) => isInstruction(item)),
    tail: context.filter((_, at) => stays.has(at)),
  };
}

/** Places of all that belongs to calls without an output. */
function openGroups(context: ContextItem[]): Set<number> {
  const groups = groupsOf(context);
  const callAt = callOfOutput(context);
  const answered = new Set(callAt.values());
  const open = new Set<number>();
  context.forEach(({ item }, at) => {
    if (callHalf(item) === undefined || answered.has(at)) return;
    for (const member of groups.get(at) ?? []) open.add(member);
  });
  for (const [output, call] of callAt) if (open.has(call)) open.add(output);
  return open;
}

export const isAssistants = (item: Item) => answerHalf(item) === undefined && !isInstruction(item) && !isUsers(item);

/** For each place of what the model said: all places of what it said in one go. */
function groupsOf(context: ContextItem[]): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  let group: number[] = [];
  context.forEach(({ item }, at) => {
    if (!isAssistants(item)) {
      group = [];
      return;
    }
    group.push(at);
    groups.set(at, group);
  });
  return groups;
}

/** For each output: where its call is. A call id may be used again once it has its output. */
function callOfOutput(context: ContextItem[]): Map<number, number> {
  const waiting = new Map<string, number>();
  const calls = new Map<number, number>();
  context.forEach(({ item }, at) => {
    const call = callHalf(item);
    const answer = answerHalf(item);
    if (call !== undefined) waiting.set(call.id, at);
    if (answer === undefined) return;
    const asked = waiting.get(answer.id);
    if (asked !== undefined) calls.set(at, asked);
    waiting.delete(answer.id);
  });
  return calls;
}

/** A context in the parts that only make sense whole: a message, or what the model said in one go with its calls' outputs. */
export function contextUnits(context: ContextItem[]): ContextItem[][] {
  const groups = groupsOf(context);
  const callAt = callOfOutput(context);
  const units = new Map<number, ContextItem[]>();
  context.forEach((entry, at) => {
    const first = groups.get(callAt.get(at) ?? at)?.[0] ?? at;
    const unit = units.get(first);
    if (unit === undefined) units.set(first, [entry]);
    else unit.push(entry);
  });
  return [...units.values()];
}
