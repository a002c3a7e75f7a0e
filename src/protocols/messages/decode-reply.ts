import { appended } from '../../core/appended.ts';
import type { Emit, ItemStart } from '../../core/events.ts';
import { GatewayError } from '../../core/errors.ts';
import { tell } from '../../core/item-events.ts';
import type { FileCitation, UrlCitation } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { emitNativeCall, emitShapedCall } from '../../core/native-calls.ts';
import type { CalledTool } from '../../core/offer-tools.ts';
import { sliceJson } from '../../core/json-slice.ts';
import { safeText } from '../../core/safe-text.ts';
import type { DecodeOptions } from '../codec.ts';
import {
  argumentsOf,
  citationsOf,
  customInputOf,
  isSaidByItem,
  mergeDelta,
  openBlock,
  sourceOf,
  type OpenBlock,
} from './decode-block.ts';
import { mapStopReason } from './map-stop-reason.ts';
import { addCounts, noCounts, usageOf } from './read-usage.ts';
import { compactionMade, inputOfCall, isServerCall, serverCall, type ServerCall } from './server-tools.ts';
import { stringOf } from './wire.ts';

/**
 * One reply of the upstream while it is read, block by block. A plain reply walks the same way with blocks that start
 * whole, so both make the same items. Methods that read answer false where the reply breaks Anthropic's grammar.
 */
interface ReplyDecoder {
  begin(message: JsonObject, emit: Emit): void;
  /** @param raw cuts the block's JSON out of the reply; `start` is the same, parsed. */
  startBlock(start: JsonObject, raw: () => string, emit: Emit): boolean;
  /** @param data the whole frame's JSON, of which `delta` is the parsed member. */
  addDelta(delta: JsonObject, data: string, emit: Emit): boolean;
  stopBlock(emit: Emit): boolean;
  /** What `message_delta` says of the end. */
  addEnd(end: JsonObject, usage: unknown, emit: Emit): void;
  /** Whether a stop reason and a usage were seen and no block is open: all that is needed to call the reply complete. */
  isWhole(): boolean;
  finish(emit: Emit): void;
}

export function invalidReply(text: string): GatewayError {
  return new GatewayError(
    'upstream_invalid_response',
    'The upstream sent a reply that is not one of the Messages API.',
    {
      retryable: true,
      cause: new Error(safeText(text)),
    },
  );
}

interface OpenItem {
  index: number;
  kind: ItemStart['kind'];
  parts: number;
  blocks: OpenBlock[];
  /** Of a tool that the upstream ran; `id`: of a call whose result is still to come. */
  server?: {
    call: ServerCall;
    input: JsonObject;
    /** The input as the model wrote it. */
    text: string;
    id?: string | undefined;
    result?: unknown;
    isError?: boolean;
  };
  /** Of a tool of the API's own that the client runs: nothing has been said of the item yet. */
  own?: { called: CalledTool & { kind: 'native' | 'shaped' }; callId: string };
}

const genericRefusal = 'The model refused to answer this request.';

// Anthropic's word for the tier that OpenAI's API calls default; its others are spelled alike.
const serviceTierOf = (tier: string): string => (tier === 'standard' ? 'default' : tier);

/**
 * Anthropic's citations say which block was said because of a source; a Responses annotation says which characters. Where in
 * a document that is has no word there: those fields stay beside it.
 */
function annotationOf(citation: unknown, textLength: number): UrlCitation | FileCitation {
  const { type: location, ...place } = isJsonObject(citation) ? citation : { type: 'unknown' };
  const title = stringOf(place.document_title) ?? stringOf(place.title) ?? '';
  const url = stringOf(place.url);
  if (location === 'web_search_result_location' && url !== undefined)
    return { type: 'url_citation', start_index: 0, end_index: textLength, title, url };
  const fileId = stringOf(place.file_id) ?? '';
  const said: FileCitation = { type: 'file_citation', file_id: fileId, filename: title, index: textLength };
  return Object.assign(place, { location }, said);
}

export function createReplyDecoder(options: DecodeOptions): ReplyDecoder {
  const include = new Set(options.include);
  /** Calls of tools that the upstream runs, in the order in which it made them, as long as nothing has come of them. */
  const waiting = new Map<string, OpenItem>();
  let items = 0;
  let item: OpenItem | undefined;
  let block: OpenBlock | undefined;
  let partOpen = false;
  let counts = noCounts;
  let endCounted = false;
  let serviceTier: string | undefined;
  let stopReason: unknown;
  let stopDetails: unknown;
  let stopSequence: string | undefined;
  let warned = false;

  const startItem = (start: ItemStart, emit: Emit): OpenItem => {
    item = { index: items++, kind: start.kind, parts: 0, blocks: [] };
    emit({ type: 'item-start', index: item.index, start });
    return item;
  };

  const startPart = (target: OpenItem, kind: 'output_text' | 'summary_text' | 'refusal', emit: Emit): void => {
    emit({ type: 'part-start', index: target.index, part: target.parts++, kind });
    partOpen = true;
  };

  const endPart = (target: OpenItem, emit: Emit): void => {
    emit({ type: 'part-end', index: target.index, part: target.parts - 1 });
    partOpen = false;
  };

  const addText = (target: OpenItem, delta: string, emit: Emit): void => {
    emit({ type: 'item-delta', index: target.index, part: Math.max(target.parts - 1, 0), delta });
  };

  const endItem = (complete: boolean, emit: Emit): void => {
    if (item === undefined) return;
    const { index, kind, blocks, server, own } = item;
    const [first] = blocks;
    if (own !== undefined && first !== undefined) {
      const text = complete || !first.changed ? argumentsOf(first) : first.text;
      const call = { callId: own.callId, text, complete, source: sourceOf(first) };
      if (own.called.kind === 'native') emitNativeCall(own.called.name, call, index, emit);
      else emitShapedCall(own.called.shape, call, index, emit);
      item = undefined;
      return;
    }
    if (server !== undefined) {
      const { call, input, result, isError = false } = server;
      const native = complete ? call.end(input, result, index, emit, server.text, isError) : undefined;
      const source = blocks.map(sourceOf).join(',');
      emit({ type: 'item-end', index, complete, source, ...(native === undefined ? {} : { native }) });
      item = undefined;
      return;
    }
    const custom = kind === 'custom_tool_call';
    // Only what comes next tells whether a call was cut. Deltas of a function's arguments have gone out as they came.
    if (first !== undefined && custom) {
      const input = complete || !first.changed ? customInputOf(first) : first.text;
      if (input !== '') addText(item, input, emit);
    } else if (first !== undefined && kind === 'function_call' && first.text === '' && (complete || !first.changed)) {
      addText(item, argumentsOf(first), emit);
    }
    const source = blocks.every((each) => isSaidByItem(each, custom)) ? '' : blocks.map(sourceOf).join(',');
    emit({ type: 'item-end', index, complete, source });
    item = undefined;
  };

  /** Goes on to another item. A call whose result may still come waits for it. */
  const leaveItem = (emit: Emit): void => {
    const id = item?.server?.id;
    if (item === undefined || id === undefined) return endItem(true, emit);
    waiting.set(id, item);
    item = undefined;
  };

  /** @param complete false: the reply ended where it should not have. @param paused what is waited for comes in the next reply. */
  const endWaiting = (complete: boolean, paused: boolean, emit: Emit): void => {
    for (const [key, call] of waiting) {
      item = call;
      const source = call.blocks.map(sourceOf).join(',');
      const { server } = call;
      const native =
        paused && server !== undefined
          ? server.call.end(server.input, undefined, call.index, () => {}, server.text, false)
          : undefined;
      if (native === undefined) endItem(complete, emit);
      else emit({ type: 'item-pause', index: call.index, key, source, native });
    }
    item = undefined;
  };

  /** The item of a call that the result belongs to becomes the one that is read; undefined: there is none. */
  const callOf = (start: JsonObject, emit: Emit): OpenItem['server'] => {
    const id = stringOf(start.tool_use_id);
    if (id === undefined) return undefined;
    if (item?.server?.id === id) return item.server;
    const mine = waiting.get(id);
    const earlier = mine === undefined ? options.openCalls?.get(id) : undefined;
    const call = earlier === undefined ? undefined : serverCall(earlier, include);
    if (mine === undefined && call === undefined) return undefined;
    leaveItem(emit);
    if (mine !== undefined) {
      waiting.delete(id);
      item = mine;
      return mine.server;
    }
    if (earlier === undefined || call === undefined) return undefined;
    const input = inputOfCall('', earlier);
    const server = { call, input, text: JSON.stringify(input), id };
    const index = items++;
    item = { index, kind: 'native', parts: 0, blocks: [], server };
    if (options.goesOn === true) emit({ type: 'item-resume', index, key: id });
    else {
      emit({ type: 'item-start', index, start: { kind: 'native', item: call.zero() } });
      call.begin(input, index, emit, server.text);
    }
    return server;
  };

  const compactionIn = (type: string): ServerCall | undefined =>
    type === 'compaction' && options.compacts === 'item' ? compactionMade : undefined;

  const warnOnce = (message: string, emit: Emit): void => {
    if (!warned) emit({ type: 'warning', warning: { param: 'output', message } });
    warned = true;
  };

  const addStartedText = (target: OpenItem, kind: 'output_text' | 'summary_text', text: string, emit: Emit): void => {
    if (text === '') return;
    if (!partOpen) startPart(target, kind, emit);
    addText(target, text, emit);
  };

  const endTextBlock = (target: OpenItem, text: OpenBlock, emit: Emit): void => {
    for (const citation of citationsOf(text)) {
      const annotation = annotationOf(citation, text.text.length);
      emit({ type: 'annotation', index: target.index, part: target.parts - 1, annotation, source: citation });
    }
  };

  const closeBlock = (emit: Emit): void => {
    if (block === undefined || item === undefined) return;
    if (block.type === 'text') endTextBlock(item, block, emit);
    if (item.server !== undefined && isServerCall(block.start)) {
      item.server.input = inputOfCall(block.text, block.start);
      item.server.text = argumentsOf(block);
      item.server.id = stringOf(block.start.id);
      item.server.call.begin(item.server.input, item.index, emit, item.server.text);
    }
    if (partOpen) endPart(item, emit);
    block = undefined;
  };

  return {
    begin(message, emit) {
      emit({ type: 'response-start', upstreamId: stringOf(message.id), upstreamModel: stringOf(message.model) });
      counts = addCounts(noCounts, message.usage);
      const tier = isJsonObject(message.usage) ? stringOf(message.usage.service_tier) : undefined;
      serviceTier = tier === undefined ? undefined : serviceTierOf(tier);
      const usage = usageOf(counts);
      if (usage !== undefined) emit({ type: 'usage', usage });
    },

    startBlock(start, raw, emit) {
      const type = stringOf(start.type);
      if (block !== undefined || type === undefined) return false;
      block = openBlock(type, start, raw);
      // The result of a call belongs to the call's item.
      const answered = callOf(start, emit);
      if (answered !== undefined) {
        answered.result = start.content;
        answered.isError = start.is_error === true;
        answered.id = undefined;
        item?.blocks.push(block);
        return true;
      }
      if (type !== 'text' || item?.kind !== 'message') leaveItem(emit);
      if (type === 'text') {
        const target = item ?? startItem({ kind: 'message' }, emit);
        startPart(target, 'output_text', emit);
        addStartedText(target, 'output_text', block.text, emit);
      } else if (type === 'thinking' || type === 'redacted_thinking') {
        const target = startItem({ kind: 'reasoning' }, emit);
        addStartedText(target, 'summary_text', block.text, emit);
      } else if (type === 'tool_use') {
        const name = stringOf(start.name);
        if (name === undefined) return false;
        const called = options.tools.get(name);
        if (called?.kind === 'native' || called?.kind === 'shaped') {
          // Only the whole of its arguments tells what becomes of it.
          const callId = stringOf(start.id) ?? '';
          item = { index: items++, kind: 'native', parts: 0, blocks: [block], own: { called, callId } };
          return true;
        }
        const said = { callId: stringOf(start.id) ?? '', name: called?.name ?? name };
        const fields = called?.fields === undefined ? {} : { fields: { ...called.fields } };
        if (called?.kind === 'custom') startItem({ kind: 'custom_tool_call', ...said, ...fields }, emit);
        else startItem({ kind: 'function_call', ...said, ...fields, block: start }, emit);
      } else {
        const call = serverCall(start, include) ?? compactionIn(type);
        if (call === undefined) startItem({ kind: 'extension', blockType: type }, emit);
        else {
          const { index } = startItem({ kind: 'native', item: call.zero() }, emit);
          if (item !== undefined) item.server = { call, input: {}, text: '' };
          if (call === compactionMade) tell(emit, index, 'compaction.compacting', {});
        }
      }
      item?.blocks.push(block);
      return true;
    },

    addDelta(delta, data, emit) {
      if (block === undefined || item === undefined) return false;
      const { type } = delta;
      if (type === 'text_delta' && block.type === 'text') {
        if (typeof delta.text !== 'string') return false;
        block.text = appended(block.text, delta.text);
        if (delta.text !== '') addText(item, delta.text, emit);
      } else if (type === 'thinking_delta' && block.type === 'thinking') {
        if (typeof delta.thinking !== 'string') return false;
        block.text = appended(block.text, delta.thinking);
        addStartedText(item, 'summary_text', delta.thinking, emit);
      } else if (type === 'input_json_delta' && block.type !== 'text' && block.type !== 'thinking') {
        if (typeof delta.partial_json !== 'string') return false;
        block.text = appended(block.text, delta.partial_json);
        if (item.kind === 'function_call' && delta.partial_json !== '') addText(item, delta.partial_json, emit);
      } else if (type === 'signature_delta' && block.type === 'thinking') {
        if (typeof delta.signature !== 'string') return false;
        block.signature += delta.signature;
      } else if (type === 'citations_delta' && block.type === 'text') {
        const citation = sliceJson(data, ['delta', 'citation']);
        if (citation === undefined) return false;
        block.citations.push(citation);
      } else {
        const raw = sliceJson(data, ['delta']);
        if (raw !== undefined) mergeDelta(block, raw);
        if (item.kind !== 'extension' && item.kind !== 'native') {
          const text = `A part of the model's answer (${String(type).slice(0, 40)}) is kept for its upstream but not shown.`;
          warnOnce(text, emit);
        }
      }
      block.changed = true;
      return true;
    },

    stopBlock(emit) {
      if (block === undefined) return false;
      closeBlock(emit);
      return true;
    },

    addEnd(end, usage, emit) {
      if (end.stop_reason !== undefined && end.stop_reason !== null) stopReason = end.stop_reason;
      stopSequence ??= stringOf(end.stop_sequence);
      if (end.stop_details !== undefined && end.stop_details !== null) stopDetails = end.stop_details;
      if (!isJsonObject(usage)) return;
      counts = addCounts(counts, usage);
      const known = addCounts(noCounts, usage).output === undefined ? undefined : usageOf(counts);
      if (known === undefined) return;
      endCounted = true;
      emit({ type: 'usage', usage: known });
    },

    isWhole: () => stopReason !== undefined && endCounted && block === undefined,

    finish(emit) {
      const isCompacted = options.compacts !== undefined && stopReason === 'compaction';
      const mapped = typeof stopReason === 'string' ? mapStopReason(stopReason) : undefined;
      const known = isCompacted ? 'completed' : mapped;
      if (known === undefined) {
        const said = typeof stopReason === 'string' ? `"${stopReason.slice(0, 40)}"` : 'none';
        const message = `The upstream ended with a stop reason that is not known (${said}); taken as completed.`;
        emit({ type: 'warning', warning: { param: 'output', message } });
      }
      const finish = known ?? 'completed';
      const cut = block !== undefined;
      closeBlock(emit);
      const isWhole = !cut && finish !== 'max_tokens' && finish !== 'content_filter';
      if (item?.server?.id !== undefined && !cut) leaveItem(emit);
      const last = item;
      endWaiting(isWhole, finish === 'paused', emit);
      item = last;
      if (finish === 'content_filter') {
        const withText = item?.kind === 'message';
        if (!withText) endItem(false, emit);
        const target = item ?? startItem({ kind: 'message' }, emit);
        startPart(target, 'refusal', emit);
        const explanation = isJsonObject(stopDetails) ? stringOf(stopDetails.explanation) : undefined;
        const refusal = explanation === undefined || explanation === '' ? genericRefusal : explanation;
        addText(target, refusal, emit);
        endPart(target, emit);
        endItem(!withText, emit);
      } else {
        endItem(isWhole, emit);
      }
      const usage = endCounted ? usageOf(counts) : undefined;
      const { searches = 0 } = counts;
      const said = { ...(searches > 0 && { searches }), ...(stopSequence !== undefined && { stopSequence }) };
      emit({ type: 'response-end', finish, usage, ...(serviceTier === undefined ? {} : { serviceTier }), ...said });
    },
  };
}
