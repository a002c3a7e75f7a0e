import { answerHalf, callHalf, isCallType } from '../core/call-pairs.ts';
import { GatewayError } from '../core/errors.ts';
import type { IdMint } from '../core/ids.ts';
import type { ContextItem, NativeItem } from '../core/items.ts';
import { createPace } from '../core/pace.ts';
import { printAhead } from '../core/printed.ts';
import { createReport, type Report } from '../core/report.ts';
import type { Tool, TurnRequest } from '../core/request.ts';
import { toolsOfEnvelope } from '../protocols/responses/response.ts';
import type { ConversationLink } from '../store/conversation-store.ts';
import type { ParentLink, StoredContextItem, StoredItem, TenantStore } from '../store/store.ts';
import { type AttachedFiles, attachFiles } from './attach-files.ts';
import { applyConfiguration } from './apply-configuration.ts';
import {
  type BroughtItem,
  broughtItem,
  ancestorsItem,
  mayBeOurs,
  readOwnReasoning,
  readReference,
} from './bring-item.ts';
import { fromLastCompaction, isAssistants, type Split, splitOpenCalls } from './compact-context.ts';
import { type HistoryLink, type Linked, linkHistory, type Linker } from './link-history.ts';
import type { KeptWords } from './compaction-envelope.ts';
import { pairToolCalls } from './pair-tool-calls.ts';
import { type LocalParents, readPast } from './read-past.ts';
import { summaryPrompt } from './summary.ts';

/** What the model is to see, and what of it is new. */
export interface History {
  /** The request with what the conversation's `configuration_update` items change. */
  request: TurnRequest;
  /** The ancestors' items, then this turn's input: paired, in order, each call id used by one call only. */
  context: ContextItem[];
  /** The items of the context that are an ancestor's, as they are stored. */
  ancestors: readonly StoredContextItem[];
  /** This turn's input as it will be stored: references resolved, ids given. */
  input: StoredItem[];
  parent: ParentLink | undefined;
  conversation: ConversationLink | undefined;
  /** The parent's or the conversation's session; undefined where a chain begins. */
  sessionId: string | undefined;
  inheritedTools: Tool[];
  usedCallIds: Set<string>;
  /** The files that the context names. */
  files: AttachedFiles;
  /** The context from its last compaction on, before calls were paired; settings are still in it. */
  shown: ContextItem[];
  /** Where the context was too long for the upstream: what it was before, and how often it was made shorter. */
  truncation?: { whole: History; times: number };
  /** A compaction item that this turn's output begins with. */
  lead?: NativeItem;
  /** An envelope of ours that the client carried was opened. */
  opened: boolean;
  /** What of the context is not sent, whatever the target. */
  report: Report;
  /** Names the deployment whose tool calls this turn answers: the model goes on where it stopped. Undefined: there is none. */
  pinned: string | undefined;
  /** What its context is found again by, and the parent that was found so; absent: it is not to be found. */
  linked?: Linked | undefined;
  /** What stays beside the summary, where this turn compacts the context; `users`: the messages before it that stay. */
  compaction: (KeptWords & { users: ContextItem[] }) | undefined;
}

/**
 * @param linker absent: a turn that names no parent has none.
 * @throws GatewayError 400 or 404: everything that is wrong with the state is found here, before anything is spent.
 */
export async function resolveHistory(
  store: TenantStore,
  request: TurnRequest,
  ids: IdMint,
  nowMs: number,
  local?: LocalParents,
  linker?: Linker,
): Promise<History> {
  const isPreparable = local !== undefined && !request.store && request.conversationId === undefined;
  if (!request.generate && !isPreparable) throw notPrepared();
  const past = await readPast(store, request, local);
  const { items: ancestors, parent, conversation, deployment } = past;
  const known = new Set(ancestors.map((item) => item.id));
  const context: ContextItem[] = ancestors.map(ancestorsItem);
  const input: StoredItem[] = [];
  const pace = createPace();

  for (const given of request.input) {
    let brought: BroughtItem;
    if (given.type === 'item_reference') {
      // A reference to what the chain already holds points there: nothing is doubled.
      if (known.has(given.id)) continue;
      brought = await readReference(store, given.id);
    } else {
      const ours = mayBeOurs(given) ? await readOwnReasoning(store, given) : undefined;
      const ahead = printAhead(given, pace);
      if (ahead !== undefined) await ahead;
      brought = ours ?? broughtItem(store, given, ids, nowMs);
    }
    const { stored, entry } = brought;
    if (known.has(stored.id)) throw duplicateItem(stored.id);
    known.add(stored.id);
    input.push(stored);
    context.push(entry);
    const pause = pace.after(stored.body.length);
    if (pause !== undefined) await pause;
  }

  if (request.protocol === 'responses') await checkReasoning(store, context, input.length);
  if (conversation !== undefined && context.length === 0) {
    const message = "Invalid 'input': the conversation has no items yet, so there must be some in the input.";
    throw new GatewayError('invalid_value', message, { param: 'input' });
  }

  const settled = request.inheritsSettings === true ? await withParentsSettings(store, request, ancestors) : request;
  const isNamed = parent !== undefined || conversation !== undefined;
  const linked = linker === undefined || isNamed ? undefined : await linkHistory(store, context, request, linker);
  const pinned =
    linked?.link === undefined ? (isLoop(ancestors, context) ? deployment : undefined) : pinOf(linked.link, context);
  const sessionId = past.sessionId ?? linker?.sessionId ?? linked?.link?.found.sessionId;
  const own = { ancestors, input, parent, conversation, pinned, sessionId, linked };
  return historyOf(store, settled, context, own, past.tools);
}

/**
 * Reasoning that this tenant has stored is not taken without what the model said next. What followed an item that a client
 * carries itself nobody knows: codecs see to that.
 * @throws GatewayError 400 in OpenAI's words.
 */
async function checkReasoning(store: TenantStore, context: readonly ContextItem[], count: number): Promise<void> {
  for (const [at, { item }] of context.entries()) {
    if (at < context.length - count || item.type !== 'reasoning') continue;
    const next = context[at + 1]?.item;
    if (next !== undefined && isAssistants(next)) continue;
    if ((await store.readFollowing(item.id)) === undefined) continue;
    const message = `Item '${item.id}' of type 'reasoning' was provided without its required following item.`;
    throw new GatewayError('reasoning_unfollowed', message, { param: 'input' });
  }
}

/** Whether what follows the ancestors answers calls that the newest turn of theirs has made. */
function isLoop(ancestors: readonly StoredContextItem[], context: readonly ContextItem[]): boolean {
  const newest = ancestors.at(-1)?.turnId;
  const from = ancestors.findLastIndex(({ turnId }) => turnId !== newest) + 1;
  return answersCalls(context.slice(from, ancestors.length), context.slice(ancestors.length));
}

/** What the turn was made on whose calls the rest of the client's own history answers. */
function pinOf({ found, end }: HistoryLink, context: readonly ContextItem[]): string | undefined {
  const before = context.slice(0, end);
  const from =
    before.findLastIndex(({ item }) => answerHalf(item) !== undefined || ('role' in item && item.role === 'user')) + 1;
  return answersCalls(before.slice(from), context.slice(end)) ? found.deployment : undefined;
}

function answersCalls(said: readonly ContextItem[], rest: readonly ContextItem[]): boolean {
  const calls = new Set(said.flatMap(({ item }) => callHalf(item)?.id ?? []));
  return calls.size > 0 && rest.some(({ item }) => calls.has(answerHalf(item)?.id ?? ''));
}

/** As `resolveHistory` gave it when the turn was queued, read back. @param turnId its own. */
export async function storedHistory(
  store: TenantStore,
  request: TurnRequest,
  stored: readonly StoredContextItem[],
  sessionId: string,
  turnId: string,
): Promise<History> {
  const { conversationId } = request;
  // Who wrote to it last was asked when the turn was queued.
  const conversation = conversationId === undefined ? undefined : { id: conversationId, writer: null };
  const context = stored.map(ancestorsItem);
  const before = stored.filter((item) => item.turnId !== turnId);
  const parent = before.at(-1);
  const isPinned = parent !== undefined && isLoop(before, context);
  const pinned = isPinned ? (await store.readContext(parent.turnId))?.deployment : undefined;
  const past = { ancestors: [...stored], input: [], parent: undefined, conversation, sessionId, pinned };
  return historyOf(store, request, context, past);
}

/** What the model is to see of a context. @param tools those that are inherited, where the store does not know. */
async function historyOf(
  store: TenantStore,
  request: TurnRequest,
  context: ContextItem[],
  past: Pick<History, 'ancestors' | 'input' | 'parent' | 'conversation' | 'sessionId' | 'pinned' | 'linked'>,
  tools?: Tool[],
): Promise<History> {
  const report = createReport();
  const shown = fromLastCompaction(context, store.seal, report);
  const effective = applyConfiguration(request, shown, report);
  const split = request.compaction === undefined ? undefined : splitOpenCalls(shown);
  const usedCallIds = new Set<string>();
  const paired = pairToolCalls(withoutUpdates(split === undefined ? shown : toSumUp(split)), usedCallIds);
  const needsTools = request.tools.length === 0 && paired.some(({ item }) => isCallType(item.type));
  return {
    request: effective,
    context: paired,
    ancestors: past.ancestors,
    input: past.input,
    parent: past.parent,
    conversation: past.conversation,
    sessionId: past.sessionId,
    pinned: past.pinned,
    linked: past.linked,
    inheritedTools: needsTools ? (tools ?? (await readInheritedTools(store, past.ancestors))) : [],
    usedCallIds,
    files: await attachFiles(store.files, shown, request.input),
    shown,
    opened: past.input.some(({ type, origin }) => type === 'reasoning' && origin !== null),
    report,
    compaction:
      split === undefined
        ? undefined
        : { head: split.head, tail: split.tail, keepsUsers: true, users: usersOf(shown, context) },
  };
}

/** Messages of users that are shown and that users wrote: an older summary is none. */
function usersOf(shown: ContextItem[], written: ContextItem[]): ContextItem[] {
  const own = new Set(written);
  return shown.filter((entry) => own.has(entry) && entry.item.type === 'message' && entry.item.role === 'user');
}

/** What they change is in the request by now. */
export function withoutUpdates(context: ContextItem[]): ContextItem[] {
  return context.filter(({ item }) => item.type !== 'configuration_update');
}

/** @throws GatewayError 400 where nothing has been said that could be summed up. */
function toSumUp({ compactable, head }: Split): ContextItem[] {
  if (compactable.length > head.length) return [...compactable, summaryPrompt('')];
  const message = 'There is nothing to compact: the conversation is empty, or waits for outputs of tools.';
  throw new GatewayError('invalid_value', message, { param: 'input' });
}

/** What is made ready without an upstream lives as long as its connection. */
function notPrepared(): GatewayError {
  const message =
    "'generate' can be false over a WebSocket only, with 'store' set to false and without a conversation.";
  return new GatewayError('unsupported_parameter', message, { param: 'generate' });
}

function duplicateItem(id: string): GatewayError {
  const message = `Duplicate item found with id ${id}. Remove duplicate items from your input and try again.`;
  return new GatewayError('item_duplicate', message, { param: 'input' });
}

/** A thread's instructions and tools are those that its last turn had. */
async function withParentsSettings(
  store: TenantStore,
  request: TurnRequest,
  ancestors: readonly StoredContextItem[],
): Promise<TurnRequest> {
  const last = ancestors.at(-1);
  if (last === undefined || last.envelope === null) return request;
  const envelope = await store.readEnvelope(last.turnId, last.envelope);
  if (envelope === undefined) return request;
  const { instructions }: { instructions: string | null } = JSON.parse(envelope);
  return { ...request, instructions, tools: toolsOfEnvelope(envelope) };
}

/** The tools of the newest ancestor that made a call and brought tools of its own. */
async function readInheritedTools(store: TenantStore, ancestors: readonly StoredContextItem[]): Promise<Tool[]> {
  const asked = new Set<string>();
  for (const { type, turnId, envelope: name } of ancestors.toReversed()) {
    if (!isCallType(type) || name === null || asked.has(name)) continue;
    asked.add(name);
    const envelope = await store.readEnvelope(turnId, name);
    const tools = envelope === undefined ? [] : toolsOfEnvelope(envelope);
    if (tools.length > 0) return tools;
  }
  return [];
}
