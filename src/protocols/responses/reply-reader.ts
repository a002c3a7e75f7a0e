import { GatewayError } from '../../core/errors.ts';
import type { Emit, Finish, PartKind } from '../../core/events.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { objectMembers, sliceJson } from '../../core/json-slice.ts';
import { noUsage } from '../../core/usage.ts';
import { decodeErrorEvent } from './decode-error.ts';
import { createItemReader, invalidReply, type ItemReader, partKindOf } from './item-reader.ts';
import { readUsage } from './read-usage.ts';

/** Makes our few events of the Responses API's many. */
export interface ReplyReader {
  /** @throws GatewayError for what breaks the grammar of the stream, and for an upstream that says that it failed. */
  event(type: string, event: JsonObject, data: string, emit: Emit): void;
  ended(): boolean;
}

/** Deltas of parts: the list that the part is in, and what it holds. */
const partDeltas: Readonly<Record<string, { list: 'content' | 'summary'; kind: PartKind }>> = {
  'response.output_text.delta': { list: 'content', kind: 'output_text' },
  'response.refusal.delta': { list: 'content', kind: 'refusal' },
  'response.reasoning_text.delta': { list: 'content', kind: 'reasoning_text' },
  'response.reasoning.delta': { list: 'content', kind: 'reasoning_text' },
  'response.reasoning_summary_text.delta': { list: 'summary', kind: 'summary_text' },
};

/** They repeat what the part's or the item's end says. */
const repetitions: ReadonlySet<string> = new Set([
  'response.output_text.done',
  'response.refusal.done',
  'response.reasoning_text.done',
  'response.reasoning.done',
  'response.reasoning_summary_text.done',
  'response.function_call_arguments.done',
  'response.custom_tool_call_input.done',
  'response.in_progress',
  'response.queued',
]);

/** Of any event: ours to say, or padding. */
const placeFields: ReadonlySet<string> = new Set([
  'type',
  'sequence_number',
  'item_id',
  'output_index',
  'obfuscation',
  'response_id',
]);

/** Of any event that we make anew, one or another. */
const knownFields: ReadonlySet<string> = new Set([
  ...placeFields,
  'annotation',
  'annotation_index',
  'arguments',
  'content_index',
  'delta',
  'input',
  'item',
  'logprobs',
  'part',
  'refusal',
  'response',
  'summary_index',
  'text',
]);
const knownOfPart: ReadonlySet<string> = new Set(['type', 'text', 'refusal', 'annotations', 'logprobs']);

/** Events of the Response object are ours. */
const ownEvents: ReadonlySet<string> = new Set([
  'response.created',
  'response.in_progress',
  'response.queued',
  'error',
]);

/** Fields of the Response object that the gateway fills, or keeps to itself. */
const ownFields: ReadonlySet<string> = new Set([
  'id',
  'object',
  'created_at',
  'completed_at',
  'status',
  'background',
  'billing',
  'conversation',
  'error',
  'incomplete_details',
  'input',
  'instructions',
  'max_output_tokens',
  'max_tool_calls',
  'metadata',
  'model',
  'output',
  'output_text',
  'parallel_tool_calls',
  'previous_response_id',
  'prompt',
  'prompt_cache_key',
  'safety_identifier',
  'service_tier',
  'store',
  'text',
  'tool_choice',
  'tools',
  'truncation',
  'usage',
  'user',
]);

const finishes: ReadonlyMap<unknown, Finish> = new Map([
  ['max_output_tokens', 'max_tokens'],
  ['content_filter', 'content_filter'],
]);

export function createReplyReader(): ReplyReader {
  /** By the upstream's `output_index`. */
  const items = new Map<number, ItemReader>();
  let started = false;
  let ended = false;
  const warned = new Set<string>();

  function warnOnce(message: string, emit: Emit): void {
    if (warned.has(message)) return;
    warned.add(message);
    emit({ type: 'warning', warning: { param: 'model', message } });
  }

  function start(response: unknown, emit: Emit): void {
    if (started) return;
    started = true;
    const { id, model } = isJsonObject(response) ? response : {};
    emit({
      type: 'response-start',
      upstreamId: typeof id === 'string' ? id : undefined,
      upstreamModel: typeof model === 'string' ? model : undefined,
    });
  }

  function addItem(at: number, item: JsonObject, emit: Emit): ItemReader {
    if (items.has(at)) throw invalidReply('an item that had begun already');
    const reader = createItemReader(items.size, item, emit);
    items.set(at, reader);
    return reader;
  }

  function itemAt(event: JsonObject): ItemReader {
    const at = event['output_index'];
    const reader = typeof at === 'number' ? items.get(at) : undefined;
    if (reader === undefined || reader.ended()) throw invalidReply('an event of an item that is not open');
    return reader;
  }

  function endItem(reader: ItemReader, item: JsonObject, raw: string | undefined, emit: Emit): void {
    reader.end(item, raw ?? JSON.stringify(item), item['status'] !== 'incomplete', emit);
  }

  function readEnd(response: JsonObject, data: string, emit: Emit): void {
    const output: unknown = response['output'];
    if (Array.isArray(output)) {
      const ids = new Set(Array.from(items.values(), ({ id }) => id));
      output.forEach((item: unknown, at) => {
        if (!isJsonObject(item)) throw invalidReply('an item');
        const known = items.get(at);
        if (known?.ended() === true) return;
        if (known === undefined && typeof item['id'] === 'string' && ids.has(item['id'])) return;
        endItem(known ?? addItem(at, item, emit), item, sliceJson(data, ['response', 'output', at]), emit);
      });
    }
    const { status } = response;
    for (const reader of items.values()) {
      if (!reader.ended()) reader.end(undefined, '', status !== 'incomplete', emit);
    }
    const usage = readUsage(response['usage']);
    const tier = response['service_tier'];
    const fields = Object.entries(response).filter(([field, value]) => value !== null && !ownFields.has(field));
    ended = true;
    emit({
      type: 'response-end',
      finish: status === 'incomplete' ? incompleteFinish(response['incomplete_details'], emit) : 'completed',
      usage,
      ...(typeof tier === 'string' ? { serviceTier: tier } : {}),
      ...(fields.length === 0 ? {} : { fields: Object.fromEntries(fields) }),
    });
  }

  function incompleteFinish(details: unknown, emit: Emit): Finish {
    const reason = isJsonObject(details) ? details['reason'] : undefined;
    const finish = finishes.get(reason);
    if (finish === undefined) warnOnce(`The upstream stopped for a reason that is new to us: ${shown(reason)}.`, emit);
    return finish ?? 'max_tokens';
  }

  function readTerminal(event: JsonObject, data: string, emit: Emit): void {
    const { response } = event;
    if (!isJsonObject(response)) throw invalidReply('an end');
    start(response, emit);
    switch (response['status'] ?? String(event['type']).slice('response.'.length)) {
      case 'completed':
      case 'incomplete':
        readEnd(response, data, emit);
        return;
      case 'failed':
        throw failure(response['error'], response['usage'], data, emit);
      default:
        throw new GatewayError('upstream_error', 'The upstream did not finish its reply.', { retryable: true });
    }
  }

  /** An upstream that fails before it has said anything bills nothing. */
  function failure(error: unknown, reported: unknown, data: string, emit: Emit): GatewayError {
    const usage = readUsage(reported) ?? (items.size === 0 ? noUsage : undefined);
    if (usage !== undefined && started) emit({ type: 'usage', usage });
    return decodeErrorEvent(isJsonObject(error) ? error : {}, data);
  }

  /** What has no word of ours passes as it is. */
  function passOn(type: string, event: JsonObject, emit: Emit): void {
    // Signs of life, which the gateway gives by itself.
    if (type === 'keepalive') return;
    const fields = Object.fromEntries(Object.entries(event).filter(([field]) => !placeFields.has(field)));
    if (!/^[a-z0-9_.]{1,128}$/.test(type) || isJsonObject(fields['response'])) {
      warnOnce(`The upstream sent an event that is new to us, ${shown(type)}, which was left out.`, emit);
      return;
    }
    const at = event['output_index'];
    const item = typeof at === 'number' ? items.get(at) : undefined;
    if (item?.ended() === false && type.startsWith('response.'))
      item.event(type.slice('response.'.length), fields, emit);
    else
      emit({ type: 'response-event', name: type, fields: at === undefined ? fields : { output_index: at, ...fields } });
  }

  /** What a known event says beside what we shall say in it. */
  function passFields(type: string, event: JsonObject, emit: Emit): void {
    const { part } = event;
    const isNewer = isJsonObject(part) && unknownIn(part, knownOfPart) !== undefined;
    const fields = { ...unknownIn(event, knownFields), ...(isNewer ? { part } : {}) };
    if (Object.keys(fields).length > 0) emit({ type: 'event-fields', name: type, fields });
  }

  return {
    ended() {
      return ended;
    },
    event(type, event, data, emit) {
      const delta = Object.hasOwn(partDeltas, type) ? partDeltas[type] : undefined;
      if (delta !== undefined) {
        const { logprobs } = event;
        const place = placeOf(delta.list, event);
        const text = textOf(event['delta']);
        const words = wordsOf(event, data, delta.kind === 'output_text');
        itemAt(event).delta(place, delta.kind, text, Array.isArray(logprobs) ? logprobs : undefined, emit, words);
        return;
      }
      if (!ownEvents.has(type)) passFields(type, event, emit);
      if (repetitions.has(type)) {
        if (isJsonObject(event['response'])) start(event['response'], emit);
        return;
      }
      switch (type) {
        case 'response.created':
          start(event['response'], emit);
          return;
        case 'response.output_item.added':
          start(undefined, emit);
          addItem(indexOf(event), objectOf(event['item']), emit);
          return;
        case 'response.output_item.done': {
          start(undefined, emit);
          const item = objectOf(event['item']);
          const reader = items.get(indexOf(event)) ?? addItem(indexOf(event), item, emit);
          if (reader.ended()) throw invalidReply('the end of an item that had ended');
          endItem(reader, item, sliceJson(data, ['item']), emit);
          return;
        }
        case 'response.content_part.added':
        case 'response.reasoning_summary_part.added': {
          const kind = partKindOf(event['part']);
          // A kind of part that we do not know comes whole with the item's end.
          if (kind !== undefined) itemAt(event).partStart(placeOf(listOf(type), event), kind, emit);
          return;
        }
        case 'response.content_part.done':
        case 'response.reasoning_summary_part.done':
          itemAt(event).partEnd(placeOf(listOf(type), event), event['part'], emit);
          return;
        case 'response.output_text.annotation.added':
          itemAt(event).annotation(placeOf('content', event), event['annotation'], emit);
          return;
        case 'response.function_call_arguments.delta':
        case 'response.custom_tool_call_input.delta':
          itemAt(event).callDelta(textOf(event['delta']), emit, wordsOf(event, data, false));
          return;
        case 'response.completed':
        case 'response.incomplete':
        case 'response.failed':
        case 'response.cancelled':
          readTerminal(event, data, emit);
          return;
        case 'error':
          throw failure(event['error'] ?? event, undefined, data, emit);
        default:
          passOn(type, event, emit);
      }
    },
  };
}

/** Undefined: there are none. Names that are none of the API's are nobody's to pass on. */
function unknownIn(value: JsonObject, known: ReadonlySet<string>): JsonObject | undefined {
  let unknown: JsonObject | undefined;
  for (const field in value) {
    if (known.has(field) || !/^\w{1,64}$/.test(field) || field === '__proto__') continue;
    unknown ??= {};
    unknown[field] = value[field];
  }
  return unknown;
}

/**
 * What a delta says in the upstream's own spelling, where we would spell it otherwise: its text byte for byte, and the fields
 * that are new to us. Undefined: we would not.
 */
function wordsOf(event: JsonObject, data: string, hasLogprobs: boolean): string | undefined {
  const unknown = unknownIn(event, knownFields);
  // Without an escape there is one way only to spell a text.
  if (unknown === undefined && !data.includes('\\')) return undefined;
  const text = objectMembers(data)?.get('delta') ?? JSON.stringify(event['delta']);
  const rest = { ...(hasLogprobs ? { logprobs: event['logprobs'] ?? [] } : {}), ...unknown };
  const others = JSON.stringify(rest).slice(1, -1);
  return `"delta":${text}${others === '' ? '' : ','}${others}`;
}

function listOf(type: string): 'content' | 'summary' {
  return type.startsWith('response.content_part') ? 'content' : 'summary';
}

function placeOf(list: 'content' | 'summary', event: JsonObject): string {
  const at = event[`${list}_index`] ?? 0;
  if (typeof at !== 'number') throw invalidReply('a part without a place');
  return `${list}:${at}`;
}

function indexOf(event: JsonObject): number {
  const at = event['output_index'];
  if (typeof at !== 'number' || !Number.isInteger(at) || at < 0) throw invalidReply('an item without a place');
  return at;
}

function objectOf(value: unknown): JsonObject {
  if (!isJsonObject(value)) throw invalidReply('an item');
  return value;
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw invalidReply('a delta');
  return value;
}

function shown(word: unknown): string {
  return String(word).slice(0, 64);
}
