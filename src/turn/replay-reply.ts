import type { PartKind } from '../core/events.ts';
import type { FinishedItem, OpenItem, OpenPart, ResponseState } from '../core/response.ts';
import { noUsage, type Usage } from '../core/usage.ts';
import type { InputTransformation } from '../core/warning.ts';
import type { TurnRequest } from '../core/request.ts';
import { isNative, isToolCall, type Item } from '../core/items.ts';
import type { Reply, StreamEncoder } from '../protocols/codec.ts';
import { headText } from '../protocols/responses/response.ts';
import type { StoredResponse } from '../store/store.ts';
import { readOrigin } from './stored-origin.ts';

/** What a stored head says that the request does not. */
interface StoredHead {
  id: string;
  created_at: number;
  error: ResponseState['error'] | null;
  incomplete_details: { reason: NonNullable<ResponseState['incompleteReason']> } | null;
  usage: StoredUsage | null;
  input_transformations?: InputTransformation[];
}

/** As `responses/response.ts` writes it. */
interface StoredUsage {
  input_tokens: number;
  input_tokens_details: { cached_tokens: number; cache_write_tokens: number };
  output_tokens: number;
  output_tokens_details: { reasoning_tokens: number };
}

/** A stored response as its client got it. @param request the very request that it answers. */
export function storedReply(request: TurnRequest, stored: StoredResponse): Reply {
  const head = JSON.parse(stored.head) as StoredHead;
  return {
    state: {
      id: head.id,
      createdAtMs: head.created_at * 1000,
      status: stored.status,
      completedAtMs: undefined,
      error: head.error ?? undefined,
      incompleteReason: head.incomplete_details?.reason,
      request,
      usage: head.usage === null ? undefined : usageOf(head.usage),
      serviceTier: undefined,
      inputTransformations: head.input_transformations ?? [],
    },
    head: stored.head,
    envelope: stored.envelope,
    output: stored.output.map(({ body, origin }) => {
      const item = JSON.parse(body) as Item;
      return { item, body, origin: origin === null ? undefined : readOrigin(origin, item) };
    }),
  };
}

function usageOf({ input_tokens, input_tokens_details, output_tokens, output_tokens_details }: StoredUsage): Usage {
  return {
    ...noUsage,
    inputTokens: input_tokens,
    cachedTokens: input_tokens_details.cached_tokens,
    cacheWriteTokens: input_tokens_details.cache_write_tokens,
    outputTokens: output_tokens,
    reasoningTokens: output_tokens_details.reasoning_tokens,
  };
}

/** A whole stream from what it ended with: the same ids and the same texts, each in one delta. */
export function replayReply(encoder: StreamEncoder, reply: Reply): string {
  const { state, output } = reply;
  const begun: ResponseState = {
    ...state,
    status: 'in_progress',
    completedAtMs: undefined,
    error: undefined,
    incompleteReason: undefined,
    usage: undefined,
    serviceTier: undefined,
  };
  let text = encoder.begin({ ...reply, head: headText(begun), output: [] });
  for (const [index, finished] of output.entries()) text += replayItem(encoder, finished, index);
  return text + encoder.end(reply);
}

function replayItem(encoder: StreamEncoder, finished: FinishedItem, index: number): string {
  const { item } = finished;
  const open = openItem(item, index);
  let text = encoder.itemStart(open);
  const written = item.type === 'function_call' ? item.arguments : item.type === 'custom_tool_call' ? item.input : '';
  if (written !== '') text += encoder.delta(open, 0, written, undefined);
  for (const part of partsOf(item)) text += replayPart(encoder, open, part);
  return text + encoder.itemEnd(open, finished);
}

function openItem(item: Item, index: number): OpenItem {
  const blank: OpenItem = { index, id: item.id, kind: 'extension', parts: [], text: '', callId: '', name: '' };
  if (item.type === 'message' || item.type === 'reasoning') return { ...blank, kind: item.type };
  if (isNative(item)) return { ...blank, kind: 'native', native: item };
  if (!isToolCall(item)) return blank;
  return { ...blank, kind: item.type, callId: item.call_id, name: item.name };
}

function replayPart(encoder: StreamEncoder, open: OpenItem, { kind, text, annotations, logprobs }: OpenPart): string {
  const at = open.parts.length;
  const part: OpenPart = { kind, text, annotations: [], logprobs: [] };
  open.parts.push(part);
  let events = encoder.partStart(open, at);
  const told = logprobs.length === 0 ? undefined : logprobs;
  if (text !== '' || told !== undefined) events += encoder.delta(open, at, text, told);
  for (const annotation of annotations) events += encoder.annotation(open, at, annotation);
  Object.assign(part, { annotations, logprobs });
  return events + encoder.partEnd(open, at);
}

function partsOf(item: Item): OpenPart[] {
  const part = (kind: PartKind, text: string): OpenPart => ({ kind, text, annotations: [], logprobs: [] });
  if (item.type === 'reasoning') {
    const { summary, content = [] } = item;
    return [...summary, ...content].map(({ type, text }) => part(type, text));
  }
  if (item.type !== 'message') return [];
  return item.content.flatMap((content) => {
    if (content.type === 'refusal') return part('refusal', content.refusal);
    if (content.type !== 'output_text') return [];
    const { text, annotations, logprobs = [] } = content;
    return { kind: content.type, text, annotations, logprobs };
  });
}
