import { crashPoint } from '../crash-point.ts';
import { appended } from '../core/appended.ts';
import { isCallType } from '../core/call-pairs.ts';
import type { GatewayError } from '../core/errors.ts';
import type { Finish, ItemStart, UpstreamEvent } from '../core/events.ts';
import type { Grammar } from '../core/grammar/grammar.ts';
import type { Matcher } from '../core/grammar/create-matcher.ts';
import { searchUsage } from '../core/hosted-calls.ts';
import { type IdMint, type IdPrefix, nativeIdPrefixes } from '../core/ids.ts';
import {
  type Item,
  type ItemStatus,
  type MessageItem,
  type NativeItem,
  ofNative,
  type Origin,
  type OutputPart,
  type Protocol,
  type ReasoningItem,
} from '../core/items.ts';
import type { JsonObject } from '../core/json-object.ts';
import type { FinishedItem, OpenItem, OpenPart } from '../core/response.ts';
import type { Usage } from '../core/usage.ts';
import type { Warning } from '../core/warning.ts';
import type { StreamEncoder } from '../protocols/codec.ts';
import type { StoredItem } from '../store/store.ts';
import { type ItemEvent, type ItemState, move, partedItemLifecycle, plainItemLifecycle } from './lifecycle.ts';
import { printOrigin } from './stored-origin.ts';

export interface AssemblerOptions {
  ids: IdMint;
  nowMs: () => number;
  /** The protocol that the events were decoded from. */
  protocol: Protocol;
  /** Scope of signatures (see `Origin.model`) of an upstream model, as the upstream reports it. */
  signatureScope: (upstreamModel: string | undefined) => string;
  /** Every tool call id of the context. Calls of this response are added. */
  usedCallIds: Set<string>;
  /** What the input of a custom tool is held to; undefined: nothing, or by somebody else. */
  grammarOf?: ((name: string, namespace: string | undefined) => Grammar | undefined) | undefined;
  /** The envelope of a whole reasoning item; undefined: the client gets none. */
  sealReasoning?: ((origin: Origin) => string | undefined) | undefined;
  /** Undefined: the answer is plain. */
  encoder: StreamEncoder | undefined;
}

/** How the upstream's reply ended: with a finish, or with an error. */
export type ReplyEnd = { finish: Finish; error?: undefined } | { finish?: undefined; error: GatewayError };

/** Turns the events of one upstream reply into finished items, and into the client's stream as they come. */
export interface Assembler {
  /** @throws Error on an event that the lifecycles forbid: a decoder's fault. */
  accept(event: UpstreamEvent): void;
  /**
   * The reply was paused: what comes next is its continuation, in a reply of its own whose items go on from these. Until
   * then both outputs have what there is of an item that was paused too.
   */
  goOn(): void;
  /** Closes whatever is still open as incomplete; nothing cut is ever executable. */
  cut(): void;
  /** The client's stream since the last call. */
  takeText(): string;
  /** An item has been started: what the client has seen can no longer be taken back. */
  readonly itemStarted: boolean;
  readonly end: ReplyEnd | undefined;
  readonly output: FinishedItem[];
  readonly storedOutput: StoredItem[];
  readonly upstreamId: string | undefined;
  readonly upstreamModel: string | undefined;
  readonly serviceTier: string | undefined;
  readonly stopSequence: string | undefined;
  /** Of the Response object, as the upstream filled them, or would have if it spoke the Responses API. */
  readonly fields: JsonObject | undefined;
  /** The last that the upstream said of the reply that it is giving; undefined: nothing. */
  readonly usage: Usage | undefined;
  /** True: `usage` is the reply's whole, not the input side of one that never ended. */
  readonly usageFinal: boolean;
  readonly outputCharacters: number;
  readonly warnings: Warning[];
  /** What is wrong with a call that a grammar forbids: its item has ended as incomplete. Undefined: there is none. */
  readonly misfit: string | undefined;
}

/** What an item's end may say beside its source. */
interface ItemSaid {
  fields?: JsonObject;
  native?: NativeItem;
  envelope?: string | undefined;
}

interface Slot {
  item: OpenItem;
  state: ItemState;
  part: number;
  blockType: string;
  upstreamCallId: string | undefined;
  matcher: Matcher | undefined;
  /** What came of it before the reply was paused, and what resumes it. */
  paused: { key: string; source: string } | undefined;
}

const idPrefixOf: Record<Exclude<ItemStart['kind'], 'native'>, IdPrefix> = {
  message: 'msg',
  reasoning: 'rs',
  function_call: 'fc',
  custom_tool_call: 'ctc',
  extension: 'ext',
};

function prefixOf(start: ItemStart): IdPrefix {
  if (start.kind !== 'native') return idPrefixOf[start.kind];
  return ofNative(nativeIdPrefixes, start.item.type) ?? 'ext';
}

const maxCallIdLength = 64;

export function createAssembler(options: AssemblerOptions): Assembler {
  return new ReplyAssembler(options);
}

/** A class, since one is made for every turn: an object of accessors takes V8 6 µs, and 0.3 where they are its prototype's. */
class ReplyAssembler implements Assembler {
  readonly output: FinishedItem[] = [];
  readonly storedOutput: StoredItem[] = [];
  readonly warnings: Warning[] = [];
  end: ReplyEnd | undefined;
  upstreamId: string | undefined;
  upstreamModel: string | undefined;
  serviceTier: string | undefined;
  stopSequence: string | undefined;
  fields: JsonObject | undefined;
  usage: Usage | undefined;
  usageFinal = false;
  outputCharacters = 0;
  misfit: string | undefined;
  private readonly options: AssemblerOptions;
  private readonly encoder: StreamEncoder | undefined;
  private readonly slots: Slot[] = [];
  /** Of a reply that goes on from another: where its items are. */
  private places: number[] | undefined;
  private text = '';
  /** Of this reply and those before it. */
  private searches = 0;

  constructor(options: AssemblerOptions) {
    this.options = options;
    this.encoder = options.encoder;
  }

  accept(given: UpstreamEvent): void {
    const { places } = this;
    const event = places !== undefined && 'index' in given ? { ...given, index: this.placeOf(given, places) } : given;
    switch (event.type) {
      case 'response-start':
        this.upstreamId = event.upstreamId;
        this.upstreamModel = event.upstreamModel;
        return;
      case 'item-start':
        this.startItem(event.index, event.start);
        return;
      case 'part-start': {
        const slot = this.slotAt(event.index, 'part-start');
        const part: OpenPart = { kind: event.kind, text: '', annotations: [], logprobs: [] };
        slot.item.parts.push(part);
        slot.part = slot.item.parts.length - 1;
        if (this.encoder !== undefined) this.text += this.encoder.partStart(slot.item, slot.part);
        return;
      }
      case 'item-delta':
        // A token that is part of a character adds no text, and has its probability all the same.
        if (event.delta !== '' || event.logprobs !== undefined)
          this.appendDelta(this.slotAt(event.index, 'delta'), event.delta, event.logprobs, event.words);
        return;
      case 'annotation': {
        const slot = this.slotAt(event.index, 'annotation');
        slot.item.parts[slot.part]?.annotations.push(event.annotation);
        if (this.encoder !== undefined)
          this.text += this.encoder.annotation(slot.item, slot.part, event.annotation, event.source);
        return;
      }
      case 'item-event': {
        const slot = this.slotAt(event.index, 'event');
        if (this.encoder !== undefined) this.text += this.encoder.itemEvent(slot.item, event.name, event.fields);
        return;
      }
      case 'event-fields':
        this.encoder?.eventFields?.(event.name, event.fields);
        return;
      case 'response-event':
        if (this.encoder !== undefined) this.text += this.encoder.responseEvent(event.name, event.fields);
        return;
      case 'part-end':
        this.endPart(this.slotAt(event.index, 'part-end'));
        return;
      case 'item-end': {
        const open = this.slots[event.index];
        // A call without arguments reads as an empty object, in the stream as well as at its end.
        if (event.complete && open?.item.kind === 'function_call' && open.item.text === '') {
          this.appendDelta(this.slotAt(event.index, 'delta'), '{}');
        }
        this.endItem(this.slotAt(event.index, 'end'), event.complete, event.source, event);
        return;
      }
      case 'item-pause':
        this.pauseItem(this.slotAt(event.index, 'event'), event);
        return;
      case 'item-resume':
        this.slotAt(event.index, 'event');
        return;
      case 'usage':
        this.usage = event.usage;
        if (this.encoder?.usage !== undefined) this.text += this.encoder.usage(event.usage);
        return;
      case 'warning':
        this.warnings.push(event.warning);
        return;
      case 'response-end':
        this.end ??= { finish: event.finish };
        // Nothing came of it any more.
        for (const slot of event.finish === 'paused' ? [] : this.slots) {
          if (slot.paused === undefined || slot.state === 'done') continue;
          slot.state = 'done';
          this.endItem(slot, false, '', {});
        }
        this.serviceTier = event.serviceTier;
        this.stopSequence = event.stopSequence;
        this.searches += event.searches ?? 0;
        this.fields = this.searches === 0 ? event.fields : { ...event.fields, tool_usage: searchUsage(this.searches) };
        if (event.usage !== undefined) {
          this.usage = event.usage;
          this.usageFinal = true;
        }
        return;
      case 'error':
        this.end ??= { error: event.error };
        return;
    }
  }

  goOn(): void {
    this.places = [];
    this.end = undefined;
    this.usage = undefined;
    this.usageFinal = false;
    this.outputCharacters = 0;
  }

  cut(): void {
    for (const slot of this.slots) {
      if (slot.state === 'done') continue;
      if (slot.state === 'writing' && slot.part >= 0) {
        slot.state = move(partedItemLifecycle, slot.state, 'part-end');
        this.endPart(slot);
      }
      slot.state = 'done';
      this.endItem(slot, false, '', {});
    }
  }

  takeText(): string {
    const taken = this.text;
    this.text = '';
    return taken;
  }

  get itemStarted(): boolean {
    return this.slots.length > 0;
  }

  private slotAt(index: number, event: ItemEvent): Slot {
    const slot = this.slots[index];
    if (slot === undefined) throw new Error(`illegal move: ${event} of item ${index}, which never started`);
    const parted = slot.item.kind === 'message' || slot.item.kind === 'reasoning';
    slot.state = move(parted ? partedItemLifecycle : plainItemLifecycle, slot.state, event);
    return slot;
  }

  private startItem(index: number, start: ItemStart): void {
    const { ids, nowMs, usedCallIds, protocol } = this.options;
    if (index !== this.slots.length)
      throw new Error(`illegal move: start of item ${index} after ${this.slots.length} items`);
    const item: OpenItem = {
      index,
      id: ids.mint(prefixOf(start), nowMs()),
      kind: start.kind,
      parts: [],
      text: '',
      callId: '',
      name: '',
    };
    if (start.kind === 'native') item.native = { ...start.item, id: item.id };
    else if (start.kind !== 'extension') item.fields = start.fields;
    let upstreamCallId: string | undefined;
    if (start.kind === 'function_call' || start.kind === 'custom_tool_call') {
      item.name = start.name;
      if (start.kind === 'function_call') item.block = start.block;
    }
    const callId = callIdOf(start);
    if (callId !== undefined) {
      item.callId = callId;
      if (callId === '' || callId.length > maxCallIdLength || usedCallIds.has(callId)) {
        upstreamCallId = callId;
        item.callId = ids.mint('call', nowMs());
      }
      usedCallIds.add(item.callId);
      if (item.native !== undefined) item.native = { ...item.native, call_id: item.callId };
    }
    const blockType = start.kind === 'extension' ? `${protocol}:${start.blockType}` : '';
    const matcher =
      start.kind === 'custom_tool_call'
        ? this.options.grammarOf?.(start.name, namespaceOf(start.fields))?.matcher()
        : undefined;
    this.slots.push({ item, state: 'open', part: -1, blockType, upstreamCallId, matcher, paused: undefined });
    if (this.encoder !== undefined) this.text += this.encoder.itemStart(item);
  }

  private appendDelta(slot: Slot, delta: string, logprobs?: unknown[], words?: string): void {
    const { item } = slot;
    this.outputCharacters += delta.length;
    const part = item.parts[slot.part];
    if (part === undefined) {
      crashPoint('mid-tool-arguments');
      item.text = appended(item.text, delta);
      slot.matcher?.feed(delta);
    } else {
      part.text = appended(part.text, delta);
      if (logprobs !== undefined) part.logprobs.push(...logprobs);
    }
    if (this.encoder !== undefined) this.text += this.encoder.delta(item, slot.part, delta, logprobs, words);
  }

  private endPart(slot: Slot): void {
    if (this.encoder !== undefined) this.text += this.encoder.partEnd(slot.item, slot.part);
  }

  /** False: nobody may take it for a call to be run. */
  private isAllowed({ item, matcher }: Slot): boolean {
    const match = matcher?.end();
    if (match === undefined || match.outcome === 'matches') return true;
    if (match.outcome === 'unknown') {
      const message = `The call of '${item.name}' is too long to be held to the grammar of the tool.`;
      this.warnings.push({ param: 'tools', message });
      return true;
    }
    const place = match.isCut ? 'ends too early' : `differs at line ${match.line}, column ${match.column}`;
    this.misfit ??= `the call of '${item.name}' ${place}`;
    return false;
  }

  private endItem(slot: Slot, isWhole: boolean, lastSource: string, said: ItemSaid): void {
    const { item, paused } = slot;
    const complete = isWhole && this.isAllowed(slot);
    const source = paused === undefined ? lastSource : `${paused.source},${lastSource}`;
    const origin = this.originOf(source);
    const envelope = complete && item.kind === 'reasoning' ? this.options.sealReasoning?.(origin) : undefined;
    if (complete && item.kind === 'reasoning' && this.options.sealReasoning !== undefined && envelope === undefined) {
      const message = 'The reasoning is longer than an envelope may be; the client was given none.';
      this.warnings.push({ param: 'reasoning.encrypted_content', message });
    }
    const finished: FinishedItem = {
      ...finishItem(slot, complete ? 'completed' : 'incomplete', source, { ...said, envelope }),
      // A cut item has no whole source to go back to.
      origin: complete ? origin : undefined,
    };
    this.output[item.index] = finished;
    if (slot.upstreamCallId !== undefined) origin.upstreamCallId = slot.upstreamCallId;
    this.keep(finished, item.index, complete ? origin : undefined);
    if (this.encoder !== undefined) this.text += this.encoder.itemEnd(item, finished);
  }

  private originOf(source: string): Origin {
    const { protocol, signatureScope } = this.options;
    return { protocol, model: signatureScope(this.upstreamModel), source };
  }

  private keep({ item, body }: FinishedItem, index: number, origin: Origin | undefined): void {
    const printed = origin === undefined ? null : printOrigin(origin, item);
    this.storedOutput[index] = { id: item.id, type: item.type, body, origin: printed };
  }

  private pauseItem(slot: Slot, { key, source, native }: UpstreamEvent & { type: 'item-pause' }): void {
    const { index } = slot.item;
    const origin = this.originOf(source);
    slot.paused = { key, source };
    // Cut, it is what it was.
    slot.item.native = native;
    const output = { ...finishItem(slot, 'completed', source, { native }), origin };
    this.output[index] = output;
    this.keep(output, index, origin);
  }

  /** Where an item of this reply is among all. */
  private placeOf(event: UpstreamEvent & { index: number }, among: number[]): number {
    if (event.type === 'item-start' && event.index === among.length) among.push(this.slots.length);
    if (event.type === 'item-resume' && event.index === among.length) {
      among.push(this.slots.findIndex(({ paused, state }) => paused?.key === event.key && state !== 'done'));
    }
    return among[event.index] ?? -1;
  }
}

function namespaceOf(fields: JsonObject | undefined): string | undefined {
  const namespace = fields?.['namespace'];
  return typeof namespace === 'string' ? namespace : undefined;
}

/** Undefined: of no call, or of one that nobody is to answer. */
function callIdOf(start: ItemStart): string | undefined {
  if (start.kind === 'function_call' || start.kind === 'custom_tool_call') return start.callId;
  if (start.kind !== 'native' || !isCallType(start.item.type)) return undefined;
  const { call_id: callId } = start.item;
  return typeof callId === 'string' ? callId : undefined;
}

/** Keys in OpenAI's own order. */
function finishItem(
  slot: Slot,
  status: ItemStatus,
  source: string,
  { envelope, fields = slot.item.fields, native = slot.item.native }: ItemSaid,
): FinishedItem {
  const { id, kind, parts, text, callId, name } = slot.item;
  let item: Item;
  switch (kind) {
    case 'message':
      item = { id, type: 'message', status, content: parts.map(outputPart), role: 'assistant' } satisfies MessageItem;
      break;
    case 'reasoning':
      item = reasoningItem(id, status, parts, envelope);
      break;
    case 'function_call':
      item = { id, type: 'function_call', status, arguments: text, call_id: callId, name };
      break;
    case 'custom_tool_call':
      item = { id, type: 'custom_tool_call', status, call_id: callId, input: text, name };
      break;
    case 'native': {
      if (native === undefined) throw new Error(`the native item ${id} was never described`);
      const call = callId === '' ? {} : { call_id: callId };
      item = { ...native, id, ...call, ...(status === 'completed' ? {} : { status }) };
      break;
    }
    case 'extension': {
      const type = slot.blockType as `${string}:${string}`;
      const block = source === '' ? 'null' : source;
      const body = `{"id":"${id}","type":${JSON.stringify(type)},"status":"${status}","block":${block}}`;
      return { item: { id, type, status, block: JSON.parse(block) }, body };
    }
  }
  if (fields !== undefined) Object.assign(item, fields);
  return { item, body: JSON.stringify(item) };
}

function outputPart({ kind, text, annotations, logprobs }: OpenPart): OutputPart {
  return kind === 'refusal' ? { type: 'refusal', refusal: text } : { type: 'output_text', annotations, logprobs, text };
}

function reasoningItem(id: string, status: ItemStatus, parts: OpenPart[], envelope: string | undefined): ReasoningItem {
  const item: ReasoningItem = { id, type: 'reasoning', status, summary: [] };
  for (const { kind, text } of parts) {
    if (kind === 'summary_text') item.summary.push({ type: 'summary_text', text });
    else (item.content ??= []).push({ type: 'reasoning_text', text });
  }
  if (envelope !== undefined) item.encrypted_content = envelope;
  return item;
}
