import { appended } from '../../core/appended.ts';
import { unwrapCustomInput } from '../../core/custom-input.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Emit, PartKind } from '../../core/events.ts';
import { type ClientToolType, emitNativeCall } from '../../core/native-calls.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '../../core/json-object.ts';
import type { DecodeOptions } from '../codec.ts';
import { callFields, textOf } from './wire.ts';

/** Names of the fields in which vendors write what a model thinks. */
export type ReasoningField = 'reasoning_content' | 'reasoning';

/**
 * Makes one sequence of items, each closed before the next, out of the fields of a message that grow side by side. Only calls
 * can be written at the same time, each under its number.
 */
export interface ItemWriter {
  /** @param source its JSON. What is open has ended well. */
  extension(blockType: string, source: string, emit: Emit): void;
  content(text: string, logprobs: unknown[] | undefined, emit: Emit): void;
  refusal(text: string, emit: Emit): void;
  /** False: there is no text that it could belong to. */
  annotation(annotation: unknown, emit: Emit): boolean;
  reasoning(field: ReasoningField | undefined, text: string, details: JsonObject[], emit: Emit): void;
  /** @throws GatewayError when the piece belongs to a call that is closed already: its arguments were whole. */
  toolCall(piece: JsonObject, emit: Emit): void;
  /** @param complete false: the upstream stopped inside the item that is open. */
  close(complete: boolean, emit: Emit): void;
}

interface OpenMessage {
  kind: 'message';
  part: number;
  partKind: PartKind | undefined;
  content: string | undefined;
  refusal: string | undefined;
  annotations: unknown[];
}

interface OpenReasoning {
  kind: 'reasoning';
  partOpen: boolean;
  texts: Partial<Record<ReasoningField, string>>;
  details: JsonObject[];
}

interface OpenCall {
  kind: 'call';
  position: number | undefined;
  id: string;
  name: string;
  custom: boolean;
  /** Arguments, or a custom tool's input. */
  text: string;
  started: boolean;
  /** Of its item, once it is started. */
  index: number;
  /** The client knows the tool as custom, the upstream as a function: the input is inside the arguments. */
  wrapped: boolean;
  /** The client knows the tool as one of the API's own. */
  native: ClientToolType | undefined;
  /** Fields that only the vendor knows, such as Gemini's thought signatures. */
  extra: JsonObject;
}

/** Looked at each time that another call is written: what does not end as an object is not read for it. */
function isWhole(args: string): boolean {
  return args.trimEnd().endsWith('}') && parseJsonObject(args) !== undefined;
}

export function createItemWriter(options: DecodeOptions): ItemWriter {
  let open: OpenMessage | OpenReasoning | OpenCall | undefined;
  let items = 0;
  const closedPositions = new Set<number>();
  /** Calls that another was begun beside before their arguments were whole. */
  let left: OpenCall[] = [];
  /** Details without a text that came while a call was written: the call goes on, and they follow it. */
  let late: JsonObject[] = [];

  function openMessage(emit: Emit): OpenMessage {
    if (open?.kind === 'message') return open;
    close(true, emit);
    emit({ type: 'item-start', index: items, start: { kind: 'message' } });
    const message: OpenMessage = {
      kind: 'message',
      part: -1,
      partKind: undefined,
      content: undefined,
      refusal: undefined,
      annotations: [],
    };
    open = message;
    return message;
  }

  function openPart(message: OpenMessage, kind: PartKind, emit: Emit): void {
    if (message.partKind === kind) return;
    if (message.partKind !== undefined) emit({ type: 'part-end', index: items, part: message.part });
    message.part += 1;
    message.partKind = kind;
    emit({ type: 'part-start', index: items, part: message.part, kind });
  }

  function openReasoning(emit: Emit): OpenReasoning {
    if (open?.kind === 'reasoning') return open;
    close(true, emit);
    emit({ type: 'item-start', index: items, start: { kind: 'reasoning' } });
    const reasoning: OpenReasoning = { kind: 'reasoning', partOpen: false, texts: {}, details: [] };
    open = reasoning;
    return reasoning;
  }

  function openCall(piece: JsonObject, emit: Emit): OpenCall | undefined {
    const position = typeof piece['index'] === 'number' ? piece['index'] : undefined;
    const spec = specOf(piece);
    const id = textOf(piece['id']);
    const name = textOf(spec['name']);
    if (open?.kind === 'call' && !startsCall(open, position, id, name)) return open;
    const back = left.find((call) => call.position === position && !startsCall(call, position, id, name));
    if (back !== undefined) {
      leaveCall(emit);
      left = left.filter((call) => call !== back);
      open = back;
      return back;
    }
    if (position !== undefined && closedPositions.has(position) && (id === undefined || name === undefined)) {
      if (name === undefined && textOf(spec['arguments'] ?? spec['input']) === undefined) return undefined;
      throw new GatewayError('upstream_invalid_response', 'The upstream went back to a tool call that it had left.', {
        retryable: true,
      });
    }
    leaveCall(emit);
    const custom = piece['type'] === 'custom' || isJsonObject(piece['custom']);
    open = {
      kind: 'call',
      position,
      id: '',
      name: '',
      custom,
      text: '',
      started: false,
      index: -1,
      wrapped: false,
      native: undefined,
      extra: {},
    };
    return open;
  }

  /** Ends what is open, for a call to be written: a call whose arguments are not whole may go on. */
  function leaveCall(emit: Emit): void {
    const call = open?.kind === 'call' && !open.custom && open.position !== undefined ? open : undefined;
    if (call !== undefined) startCall(call, emit);
    if (call === undefined || call.native !== undefined || isWhole(call.text)) {
      if (left.length > 0) closeOpen(true, emit);
      else close(true, emit);
      return;
    }
    left.push(call);
    open = undefined;
  }

  /** Waits for the first of the arguments: until then the name may still grow. */
  function startCall(call: OpenCall, emit: Emit): void {
    if (call.started) return;
    if (call.name === '') {
      throw new GatewayError('upstream_invalid_response', 'The upstream sent a tool call without a name.', {
        retryable: true,
      });
    }
    call.started = true;
    const called = options.tools.get(call.name);
    if (called?.kind === 'native') {
      // Only the whole of its arguments tells what becomes of it.
      call.native = called.name;
      return;
    }
    call.wrapped = !call.custom && called?.kind === 'custom';
    const kind = call.custom || call.wrapped ? 'custom_tool_call' : 'function_call';
    const start = { kind, callId: call.id, name: called?.name ?? call.name } as const;
    const { fields } = called ?? {};
    call.index = items;
    items += 1;
    emit({
      type: 'item-start',
      index: call.index,
      start: fields === undefined ? start : { ...start, fields: { ...fields } },
    });
  }

  function close(complete: boolean, emit: Emit): void {
    const calls = left;
    left = [];
    for (const call of calls) closeCall(call, complete, emit);
    closeOpen(complete, emit);
    if (late.length === 0) return;
    const details = late;
    late = [];
    openReasoning(emit).details.push(...details);
    closeOpen(true, emit);
  }

  function closeOpen(complete: boolean, emit: Emit): void {
    const item = open;
    if (item === undefined) return;
    open = undefined;
    if (item.kind === 'call') return closeCall(item, complete, emit);
    if (item.kind === 'message') {
      if (item.partKind !== undefined) emit({ type: 'part-end', index: items, part: item.part });
    } else if (item.partOpen) emit({ type: 'part-end', index: items, part: 0 });
    emit({ type: 'item-end', index: items, complete, source: sourceOf(item) });
    items += 1;
  }

  function closeCall(call: OpenCall, complete: boolean, emit: Emit): void {
    startCall(call, emit);
    if (call.position !== undefined) closedPositions.add(call.position);
    if (call.native !== undefined) {
      const { id: callId, text } = call;
      emitNativeCall(call.native, { callId, text, complete, source: sourceOf(call) }, items, emit);
      items += 1;
      return;
    }
    const { index } = call;
    const input = call.wrapped ? (unwrapCustomInput(call.text) ?? call.text) : '';
    if (input !== '') emit({ type: 'item-delta', index, part: 0, delta: input });
    emit({ type: 'item-end', index, complete, source: sourceOf(call) });
  }

  return {
    extension(blockType, source, emit) {
      close(true, emit);
      emit({ type: 'item-start', index: items, start: { kind: 'extension', blockType } });
      emit({ type: 'item-end', index: items, complete: true, source });
      items += 1;
    },
    content(text, logprobs, emit) {
      const message = openMessage(emit);
      openPart(message, 'output_text', emit);
      message.content = (message.content ?? '') + text;
      if (logprobs === undefined) emit({ type: 'item-delta', index: items, part: message.part, delta: text });
      else emit({ type: 'item-delta', index: items, part: message.part, delta: text, logprobs });
    },
    refusal(text, emit) {
      const message = openMessage(emit);
      openPart(message, 'refusal', emit);
      message.refusal = (message.refusal ?? '') + text;
      emit({ type: 'item-delta', index: items, part: message.part, delta: text });
    },
    annotation(annotation, emit) {
      if (open?.kind !== 'message' || open.partKind !== 'output_text') return false;
      open.annotations.push(annotation);
      emit({ type: 'annotation', index: items, part: open.part, annotation: flatCitation(annotation) });
      return true;
    },
    reasoning(field, text, details, emit) {
      if (open?.kind === 'call' && text === '') return mergeDetails(late, details);
      const reasoning = openReasoning(emit);
      mergeDetails(reasoning.details, details);
      if (field !== undefined) reasoning.texts[field] = (reasoning.texts[field] ?? '') + text;
      if (text === '') return;
      if (!reasoning.partOpen) emit({ type: 'part-start', index: items, part: 0, kind: 'reasoning_text' });
      reasoning.partOpen = true;
      emit({ type: 'item-delta', index: items, part: 0, delta: text });
    },
    toolCall(piece, emit) {
      const call = openCall(piece, emit);
      if (call === undefined) return;
      const spec = specOf(piece);
      const name = textOf(spec['name']);
      if (!call.started) {
        if (call.id === '') call.id = textOf(piece['id']) ?? '';
        if (name !== undefined && name !== call.name) call.name += name;
      }
      for (const field in piece) if (!callFields.has(field)) call.extra[field] = piece[field];
      const delta = argumentsOf(spec);
      if (delta === '') return;
      startCall(call, emit);
      call.text = appended(call.text, delta);
      if (!call.wrapped && call.native === undefined) emit({ type: 'item-delta', index: call.index, part: 0, delta });
    },
    close,
  };
}

/** Vendors number calls, or not, or all with 0; repeat id and name in each piece, or not. */
function startsCall(
  open: OpenCall,
  position: number | undefined,
  id: string | undefined,
  name: string | undefined,
): boolean {
  if (position !== undefined && open.position !== undefined && position !== open.position) return true;
  if (name === undefined) return false;
  if (id !== undefined && open.id !== '') return id !== open.id;
  return position === undefined && id === undefined && open.text !== '';
}

function specOf(piece: JsonObject): JsonObject {
  const spec = piece['function'] ?? piece['custom'] ?? {};
  if (isJsonObject(spec)) return spec;
  throw new GatewayError('upstream_invalid_response', 'The upstream sent a tool call that is none.', {
    retryable: true,
  });
}

/** Text by the protocol; a few servers send the object itself. */
function argumentsOf(spec: JsonObject): string {
  const value = spec['arguments'] ?? spec['input'] ?? '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Chat nests what Responses writes flat. Other annotations are the vendor's own and pass as they are. */
function flatCitation(annotation: unknown): unknown {
  if (!isJsonObject(annotation) || annotation['type'] !== 'url_citation') return annotation;
  const citation = annotation['url_citation'];
  return isJsonObject(citation) ? { type: 'url_citation', ...citation } : annotation;
}

/**
 * OpenRouter streams a text or a summary as pieces with one `index`, and wants the whole back; what is encrypted comes whole,
 * and one for each call under the same index where a model calls several tools.
 * @see https://openrouter.ai/docs/use-cases/reasoning-tokens
 */
function mergeDetails(details: JsonObject[], pieces: JsonObject[]): void {
  for (const piece of pieces) {
    const last = details.at(-1);
    if (last === undefined || !continues(last, piece)) {
      details.push({ ...piece });
      continue;
    }
    for (const field in piece) {
      const value = piece[field];
      const before = last[field];
      if (value === null || value === undefined) continue;
      const grows =
        (field === 'text' || field === 'summary') && typeof before === 'string' && typeof value === 'string';
      last[field] = grows ? before + value : value;
    }
  }
}

function continues(last: JsonObject, piece: JsonObject): boolean {
  if (
    typeof piece['text'] !== 'string' &&
    typeof piece['summary'] !== 'string' &&
    textOf(piece['signature']) === undefined
  )
    return false;
  // A text is at its end when it is signed.
  if (textOf(last['signature']) !== undefined) return false;
  const named = (detail: JsonObject) => textOf(detail['id']);
  const isNamedOtherwise = named(piece) !== undefined && named(last) !== undefined && named(piece) !== named(last);
  return (
    last['index'] !== undefined &&
    last['index'] === piece['index'] &&
    last['type'] === piece['type'] &&
    !isNamedOtherwise
  );
}

/** Empty where the item says it all: a text, or a call without fields of the vendor's own. */
function sourceOf(item: OpenMessage | OpenReasoning | OpenCall): string {
  if (item.kind === 'message') {
    const { content, refusal, annotations } = item;
    if (refusal === undefined && annotations.length === 0) return '';
    return JSON.stringify({ content, refusal, annotations: annotations.length === 0 ? undefined : annotations });
  }
  if (item.kind === 'reasoning') {
    return JSON.stringify(item.details.length === 0 ? item.texts : { ...item.texts, reasoning_details: item.details });
  }
  const { id, name, text, custom, wrapped, native, extra } = item;
  const said = native === undefined && (!wrapped || unwrapCustomInput(text) !== undefined);
  if (said && Object.keys(extra).length === 0) return '';
  const spec = custom
    ? { type: 'custom', custom: { name, input: text } }
    : { type: 'function', function: { name, arguments: text } };
  return JSON.stringify({ id, ...spec, ...extra });
}
