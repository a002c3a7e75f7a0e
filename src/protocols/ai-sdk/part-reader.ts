import { appended } from '../../core/appended.ts';
import { unwrapCustomInput } from '../../core/custom-input.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Emit, Finish, PartKind } from '../../core/events.ts';
import type { FileCitation, UrlCitation } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { type ClientToolType, emitNativeCall } from '../../core/native-calls.ts';
import { decodeUpstreamStreamError } from '../../core/upstream-error.ts';
import { noUsage, tokenCount, type Usage } from '../../core/usage.ts';
import type { DecodeOptions } from '../codec.ts';
import { textOf } from './wire.ts';

/** Reads the parts of one reply, in the order in which the model's package gives them. */
export interface PartReader {
  part(part: JsonObject, emit: Emit): void;
  /** The stream is over. */
  end(emit: Emit): void;
}

interface OpenBlock {
  kind: 'text' | 'reasoning';
  id: string;
  hasPart: boolean;
  metadata: JsonObject;
}

interface OpenCall {
  kind: 'call';
  id: string;
  name: string;
  text: string;
  wrapped: boolean;
  native: ClientToolType | undefined;
  metadata: JsonObject;
}

const finishOf: Readonly<Record<string, Finish>> = {
  stop: 'completed',
  'tool-calls': 'completed',
  length: 'max_tokens',
  'content-filter': 'content_filter',
};

const broken = () =>
  new GatewayError('upstream_stream_broken', "The upstream's reply ended before it was complete.", { retryable: true });

/**
 * One item is written at a time: what comes for others while a call is written waits for it. A part that a package could not
 * read comes as an `error` among parts that go on; only what says that the reply is over ends it.
 */
export function createPartReader(options: DecodeOptions): PartReader {
  let started = false;
  let ended = false;
  let items = 0;
  let open: OpenBlock | OpenCall | undefined;
  let waiting: JsonObject[] = [];
  let failure: unknown;
  const names = new Map<string, string>();
  const closedCalls = new Set<string>();
  const warned = new Set<string>();

  function warn(param: string, message: string, emit: Emit): void {
    if (warned.has(param + message)) return;
    warned.add(param + message);
    emit({ type: 'warning', warning: { param, message } });
  }

  function start(emit: Emit, metadata: JsonObject = {}): void {
    if (started) return;
    started = true;
    emit({ type: 'response-start', upstreamId: textOf(metadata['id']), upstreamModel: textOf(metadata['modelId']) });
  }

  function close(complete: boolean, emit: Emit): void {
    const item = open;
    if (item === undefined) return;
    open = undefined;
    if (item.kind !== 'call') {
      if (item.hasPart) emit({ type: 'part-end', index: items, part: 0 });
      emit({ type: 'item-end', index: items, complete, source: sourceOf(item.metadata) });
    } else {
      closedCalls.add(item.id);
      const { id: callId, text, native, wrapped } = item;
      const source = sourceOf(item.metadata, native !== undefined || wrapped ? text : undefined);
      if (native !== undefined) emitNativeCall(native, { callId, text, complete, source }, items, emit);
      else {
        const input = wrapped ? (unwrapCustomInput(text) ?? text) : '';
        if (input !== '') emit({ type: 'item-delta', index: items, part: 0, delta: input });
        emit({ type: 'item-end', index: items, complete, source });
      }
    }
    items += 1;
    const parts = waiting;
    waiting = [];
    for (const part of parts) read(part, emit);
  }

  function openBlock(kind: OpenBlock['kind'], id: string, emit: Emit): OpenBlock {
    if (open?.kind === kind && open.id === id) return open;
    close(true, emit);
    start(emit);
    emit({ type: 'item-start', index: items, start: { kind: kind === 'text' ? 'message' : 'reasoning' } });
    const block: OpenBlock = { kind, id, hasPart: false, metadata: {} };
    open = block;
    return block;
  }

  function openCall(id: string, name: string, emit: Emit): OpenCall {
    if (open?.kind === 'call' && open.id === id) return open;
    close(true, emit);
    start(emit);
    const called = options.tools.get(name);
    const native = called?.kind === 'native' ? called.name : undefined;
    const wrapped = called?.kind === 'custom';
    if (native === undefined) {
      const kind = wrapped ? 'custom_tool_call' : 'function_call';
      const said = { kind, callId: id, name: called?.name ?? name } as const;
      const fields = called?.kind === 'native' ? undefined : called?.fields;
      emit({
        type: 'item-start',
        index: items,
        start: fields === undefined ? said : { ...said, fields: { ...fields } },
      });
    }
    const call: OpenCall = { kind: 'call', id, name, text: '', wrapped, native, metadata: {} };
    open = call;
    return call;
  }

  function write(call: OpenCall, delta: string, emit: Emit): void {
    if (delta === '') return;
    call.text = appended(call.text, delta);
    if (!call.wrapped && call.native === undefined) emit({ type: 'item-delta', index: items, part: 0, delta });
  }

  function writeBlock(block: OpenBlock, delta: string, emit: Emit): void {
    if (delta === '') return;
    const kind: PartKind = block.kind === 'text' ? 'output_text' : 'reasoning_text';
    if (!block.hasPart) emit({ type: 'part-start', index: items, part: 0, kind });
    block.hasPart = true;
    emit({ type: 'item-delta', index: items, part: 0, delta });
  }

  function annotate(source: JsonObject, place: JsonObject, emit: Emit): void {
    if (open?.kind !== 'text' || !open.hasPart) {
      warn('model', 'A source that belongs to no text was left out.', emit);
      return;
    }
    const { id: _id, type: _type, sourceType, url, title, ...others } = source;
    const start = tokenCount(place['startIndex']) ?? 0;
    const annotation: UrlCitation | FileCitation =
      sourceType === 'url'
        ? {
            type: 'url_citation',
            url: textOf(url) ?? '',
            title: textOf(title) ?? '',
            start_index: start,
            end_index: tokenCount(place['endIndex']) ?? 0,
          }
        : {
            ...others,
            type: 'file_citation',
            file_id: '',
            filename: textOf(others['filename']) ?? textOf(title) ?? '',
            index: start,
          };
    emit({ type: 'annotation', index: items, part: 0, annotation });
  }

  function readBlock(kind: OpenBlock['kind'], verb: string, part: JsonObject, emit: Emit): void {
    const id = String(part['id']);
    const known = open?.kind === kind && open.id === id ? open : undefined;
    const metadata = isJsonObject(part['providerMetadata']) ? part['providerMetadata'] : {};
    if (verb === 'end') {
      if (known === undefined) return;
      if (Array.isArray(part['citations'])) {
        for (const citation of part['citations']) {
          if (isJsonObject(citation) && isJsonObject(citation['source'])) annotate(citation['source'], citation, emit);
        }
      }
      Object.assign(known.metadata, merged(known.metadata, metadata));
      // Sources of a text come behind it: it stays open until something else begins.
      if (kind === 'reasoning') close(true, emit);
      return;
    }
    const block = openBlock(kind, id, emit);
    Object.assign(block.metadata, merged(block.metadata, metadata));
    if (verb === 'delta') writeBlock(block, typeof part['delta'] === 'string' ? part['delta'] : '', emit);
  }

  function readCall(part: JsonObject, emit: Emit): void {
    const id = textOf(part['toolCallId'] ?? part['id']) ?? '';
    const name = textOf(part['toolName']) ?? names.get(id) ?? '';
    names.set(id, name);
    if (part['providerExecuted'] === true) {
      warn('model', 'A tool that the upstream ran by itself was left out.', emit);
      return;
    }
    const isWhole = part['type'] === 'tool-call';
    if (closedCalls.has(id) && (!isWhole || id !== '')) return;
    if (part['type'] === 'tool-input-end') {
      if (open?.kind === 'call' && open.id === id)
        Object.assign(open.metadata, merged(open.metadata, metadataOf(part)));
      return;
    }
    const call = openCall(id, name, emit);
    Object.assign(call.metadata, merged(call.metadata, metadataOf(part)));
    if (!isWhole) return write(call, typeof part['delta'] === 'string' ? part['delta'] : '', emit);
    if (call.text === '') write(call, typeof part['input'] === 'string' ? part['input'] : '', emit);
    close(true, emit);
  }

  function finish(part: JsonObject, emit: Emit): void {
    const { finishReason } = part;
    const { unified, raw } = isJsonObject(finishReason) ? finishReason : {};
    const usage = usageOf(part['usage']);
    if (unified === 'error' || (unified === 'other' && textOf(raw) === undefined) || unified === 'interrupted') {
      if (usage !== undefined) {
        start(emit);
        emit({ type: 'usage', usage });
      }
      throw failure === undefined ? broken() : decodeUpstreamStreamError(failure, JSON.stringify(failure));
    }
    start(emit);
    const known = finishOf[String(unified)];
    if (known === undefined)
      warn('model', `The upstream stopped for a reason that is new to us: ${String(raw).slice(0, 64)}.`, emit);
    close(known === undefined || known === 'completed', emit);
    if (failure !== undefined) warn('model', "The upstream's package could not read all of the reply.", emit);
    ended = true;
    emit({ type: 'response-end', finish: known ?? 'completed', usage });
  }

  function read(part: JsonObject, emit: Emit): void {
    const type = textOf(part['type']) ?? '';
    const [, kind, verb] = /^(text|reasoning)-(start|delta|end)$/.exec(type) ?? [];
    const isCall = type === 'tool-call' || type.startsWith('tool-input-');
    if (open?.kind === 'call' && (kind !== undefined || isCall || type === 'source')) {
      const id = textOf(part['toolCallId'] ?? part['id']);
      if (!isCall || id !== open.id) return void waiting.push(part);
    }
    if (kind === 'text' || kind === 'reasoning') readBlock(kind, verb ?? '', part, emit);
    else if (isCall) readCall(part, emit);
    else if (type === 'stream-start') warnOf(part['warnings'], warn, emit);
    else if (type === 'response-metadata') start(emit, part);
    else if (type === 'source') annotate(part, {}, emit);
    else if (type === 'error') failure = part['error'] ?? 'unknown';
    else if (type === 'finish') finish(part, emit);
    else if (type !== 'ping' && type !== 'raw')
      warn('model', `The upstream sent a part of type ${type}, which was left out.`, emit);
  }

  return {
    part(part, emit) {
      if (!ended) read(part, emit);
    },
    end() {
      if (ended) return;
      throw failure === undefined ? broken() : decodeUpstreamStreamError(failure, JSON.stringify(failure));
    },
  };
}

const metadataOf = ({ providerMetadata }: JsonObject): JsonObject =>
  isJsonObject(providerMetadata) ? providerMetadata : {};

/** By provider, each of whose fields may come in parts of its own: a signature behind the text that it signs. */
function merged(before: JsonObject, after: JsonObject): JsonObject {
  const result = { ...before };
  for (const [provider, fields] of Object.entries(after)) {
    const known = result[provider];
    result[provider] = isJsonObject(known) && isJsonObject(fields) ? { ...known, ...fields } : fields;
  }
  return result;
}

/** Empty where the item says it all. @param input of a call whose item says less of it than the model did. */
function sourceOf(metadata: JsonObject, input?: string): string {
  const hasMetadata = Object.keys(metadata).length > 0;
  if (!hasMetadata && input === undefined) return '';
  return JSON.stringify({
    ...(hasMetadata ? { providerMetadata: metadata } : {}),
    ...(input === undefined ? {} : { input }),
  });
}

function warnOf(warnings: unknown, warn: (param: string, message: string, emit: Emit) => void, emit: Emit): void {
  if (!Array.isArray(warnings)) return;
  for (const warning of warnings) {
    if (!isJsonObject(warning)) continue;
    const feature = textOf(warning['feature'] ?? warning['setting']);
    const param = feature === undefined ? 'model' : feature.replaceAll(/[A-Z]/g, (char) => `_${char.toLowerCase()}`);
    warn(param, textOf(warning['details'] ?? warning['message']) ?? 'The upstream has no such parameter.', emit);
  }
}

function usageOf(value: unknown): Usage | undefined {
  if (!isJsonObject(value)) return undefined;
  const input = isJsonObject(value['inputTokens']) ? value['inputTokens'] : {};
  const output = isJsonObject(value['outputTokens']) ? value['outputTokens'] : {};
  const inputTokens = tokenCount(input['total']);
  const outputTokens = tokenCount(output['total']);
  if (inputTokens === undefined && outputTokens === undefined) return undefined;
  const cachedTokens = Math.min(tokenCount(input['cacheRead']) ?? 0, inputTokens ?? 0);
  return {
    ...noUsage,
    inputTokens: inputTokens ?? 0,
    cachedTokens,
    cacheWriteTokens: Math.min(tokenCount(input['cacheWrite']) ?? 0, (inputTokens ?? 0) - cachedTokens),
    outputTokens: outputTokens ?? 0,
    reasoningTokens: Math.min(tokenCount(output['reasoning']) ?? 0, outputTokens ?? 0),
    estimated: inputTokens === undefined || outputTokens === undefined,
  };
}
