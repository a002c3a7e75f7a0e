import { appended } from '../../core/appended.ts';
import { unwrapCustomInput } from '../../core/custom-input.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Emit, ItemStart } from '../../core/events.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';
import { objectMembers, printMembers } from '../../core/json-slice.ts';
import { emitNativeCall } from '../../core/native-calls.ts';
import type { DecodeOptions } from '../codec.ts';
import { beginSearch, endSearch, zeroSearch } from '../../core/hosted-calls.ts';
import { annotationsOf, type Grounding, webActionsOf } from './grounding.ts';
import { type HostedCall, hostedCall } from './hosted-parts.ts';
import { createPartialArgs, type PartialArgs } from './partial-args.ts';
import { createPieces, isPlainText, type Pieces } from './pieces.ts';
import { stringOf } from './wire.ts';

/** Makes one sequence of items, each closed before the next, out of the parts of a reply. */
export interface ItemWriter {
  /**
   * @param raw the part's JSON, without white space.
   * @param logprobs of the part's text.
   * @throws GatewayError for a part that cannot be read.
   */
  part(part: JsonObject, raw: () => string, logprobs: unknown[] | undefined, emit: Emit): void;
  /**
   * @param complete false: the model stopped inside the item that is open.
   * @param grounding what is told of the whole reply.
   */
  close(complete: boolean, grounding: Grounding, emit: Emit): void;
}

interface OpenText {
  kind: 'message' | 'reasoning';
  pieces: Pieces;
  text: string;
  partOpen: boolean;
}

/** What a tool of Google's own does. */
interface OpenHosted {
  kind: 'hosted';
  call: HostedCall;
  raws: string[];
  result: JsonObject | undefined;
}

/** A call whose arguments come piece by piece. */
interface OpenCall {
  kind: 'call';
  /** The fields of its part beside the arguments, raw. */
  call: Map<string, string>;
  rest: Map<string, string>;
  args: PartialArgs;
}

const unreadable = (what: string) =>
  new GatewayError('upstream_invalid_response', `The upstream sent ${what} that cannot be read.`, { retryable: true });

const callFields: ReadonlySet<string> = new Set(['id', 'name', 'args']);
const pieceFields: ReadonlySet<string> = new Set(['partialArgs', 'willContinue']);

export function createItemWriter({ tools, include = [], singleCall = false }: DecodeOptions): ItemWriter {
  /** The client keeps what the model thought itself: it gets the signatures in items that it can bring back. */
  const carried = include.includes('reasoning.encrypted_content');
  let open: OpenText | OpenHosted | OpenCall | undefined;
  let items = 0;
  /** What was done on the web in parts of the reply. */
  const told = new Set<string | undefined>();
  let calls = 0;
  let warned = false;

  function openText(kind: OpenText['kind'], emit: Emit): OpenText {
    if (open?.kind === kind) return open;
    close(true, emit);
    emit({ type: 'item-start', index: items, start: { kind } });
    const text: OpenText = { kind, pieces: createPieces(), text: '', partOpen: false };
    open = text;
    return text;
  }

  function addText(target: OpenText, delta: string, logprobs: unknown[] | undefined, emit: Emit): void {
    if (delta === '') return;
    const kind = target.kind === 'message' ? 'output_text' : 'summary_text';
    if (!target.partOpen) emit({ type: 'part-start', index: items, part: 0, kind });
    target.partOpen = true;
    target.text = appended(target.text, delta);
    emit({ type: 'item-delta', index: items, part: 0, delta, ...(logprobs === undefined ? {} : { logprobs }) });
  }

  function endText({ kind, pieces, partOpen }: OpenText, complete: boolean, emit: Emit): void {
    if (partOpen) emit({ type: 'part-end', index: items, part: 0 });
    const source = kind === 'message' && pieces.isPlain() ? '' : pieces.print();
    emit({ type: 'item-end', index: items, complete, source });
    items += 1;
    if (kind !== 'message' || !carried) return;
    for (const signature of pieces.signatures) {
      const part = { text: '', thoughtSignature: signature };
      openText('reasoning', emit).pieces.add(part, () => JSON.stringify(part));
    }
    close(true, emit);
  }

  /**
   * The signature of a call is reasoning that nobody can read: an item of its own, or the end of the one before the call.
   * What holds nothing but a signature belongs to the part after it.
   */
  function sign(signature: string, emit: Emit): void {
    const part = { thoughtSignature: signature };
    openText('reasoning', emit).pieces.add(part, () => JSON.stringify(part));
    close(true, emit);
  }

  /** @param raw the whole part. */
  function addCall(part: JsonObject, call: JsonObject, raw: () => string, complete: boolean, emit: Emit): void {
    const name = stringOf(call['name']);
    if (name === undefined || name === '') throw unreadable('a function call');
    calls += 1;
    if (singleCall && calls > 1) {
      if (!warned) emit({ type: 'warning', warning: { param: 'parallel_tool_calls', message: onlyFirst } });
      warned = true;
      return;
    }
    const signature = stringOf(part['thoughtSignature']);
    if (signature === undefined) close(true, emit);
    else sign(signature, emit);
    const text = isJsonObject(call['args'])
      ? (objectMembers(objectMembers(raw())?.get('functionCall') ?? '')?.get('args') ?? '')
      : '';
    const called = tools.get(name);
    const callId = stringOf(call['id']) ?? '';
    const input = called?.kind === 'custom' ? unwrapCustomInput(text) : undefined;
    const isSaid =
      called?.kind !== 'native' &&
      text !== '' &&
      (called?.kind !== 'custom' || input !== undefined) &&
      isPlainCall(part, call);
    const source = isSaid ? '' : raw();
    if (called?.kind === 'native') {
      emitNativeCall(called.name, { callId, text, complete, source }, items, emit);
    } else {
      const kind = called?.kind === 'custom' ? 'custom_tool_call' : 'function_call';
      const fields = called?.fields === undefined ? {} : { fields: { ...called.fields } };
      const start: ItemStart = { kind, callId, name: called?.name ?? name, ...fields };
      emit({ type: 'item-start', index: items, start });
      const delta = input ?? text;
      if (delta !== '') emit({ type: 'item-delta', index: items, part: 0, delta });
      emit({ type: 'item-end', index: items, complete, source });
    }
    items += 1;
  }

  function endCall({ call, rest, args }: OpenCall, complete: boolean, emit: Emit): void {
    const raw = printMembers(
      new Map([['functionCall', printMembers(new Map([...call, ['args', args.print()]]))], ...rest]),
    );
    const part = JSON.parse(raw) as JsonObject & { functionCall: JsonObject };
    addCall(part, part.functionCall, () => raw, complete, emit);
  }

  function readCall(part: JsonObject, call: JsonObject, raw: () => string, emit: Emit): void {
    const goesOn = open?.kind === 'call' && call['name'] === undefined;
    const isWhole = call['willContinue'] !== true && call['partialArgs'] === undefined;
    if (!goesOn && isWhole) return addCall(part, call, raw, true, emit);
    if (!goesOn) {
      close(true, emit);
      const members = (text: string | undefined, without: (field: string) => boolean) =>
        new Map([...(objectMembers(text ?? '') ?? [])].filter(([field]) => !without(field)));
      open = {
        kind: 'call',
        call: members(objectMembers(raw())?.get('functionCall'), (field) => pieceFields.has(field)),
        rest: members(raw(), (field) => field === 'functionCall'),
        args: createPartialArgs(),
      };
    }
    if (open?.kind !== 'call') return;
    if (call['partialArgs'] !== undefined && !open.args.add(call['partialArgs']))
      throw unreadable('arguments of a call');
    if (call['willContinue'] !== true) close(true, emit);
  }

  /** A part that is neither text nor a call of a function. */
  function addOther(part: JsonObject, raw: string, emit: Emit): void {
    if (open?.kind === 'hosted' && open.call.isResult?.(part) === true) {
      open.raws.push(raw);
      open.result = part;
      return close(true, emit);
    }
    close(true, emit);
    const call = hostedCall(part, include);
    if (call === undefined) {
      const blockType =
        Object.keys(part).find((field) => field !== 'thought' && field !== 'thoughtSignature') ?? 'part';
      emit({ type: 'item-start', index: items, start: { kind: 'extension', blockType } });
      emit({ type: 'item-end', index: items, complete: true, source: raw });
      items += 1;
      return;
    }
    told.add(call.action?.type);
    emit({ type: 'item-start', index: items, start: { kind: 'native', item: call.zero } });
    call.begin(items, emit);
    open = { kind: 'hosted', call, raws: [raw], result: undefined };
    if (call.isResult === undefined) close(true, emit);
  }

  function endHosted({ call, raws, result }: OpenHosted, complete: boolean, emit: Emit): void {
    const native = complete ? { native: call.end(result, items, emit) } : {};
    emit({ type: 'item-end', index: items, complete, source: raws.join(','), ...native });
    items += 1;
  }

  /** The sources of the answer's text, told at its end. */
  function annotate(grounding: Grounding, emit: Emit): void {
    const isOpen = open?.kind === 'message' && open.partOpen;
    const annotations = annotationsOf(grounding, open?.kind === 'message' ? open.text : '');
    for (const annotation of isOpen ? annotations : []) emit({ type: 'annotation', index: items, part: 0, annotation });
    if (isOpen || annotations.length === 0) return;
    const message = 'The upstream told sources of a text that was not the last of its answer; they were left out.';
    emit({ type: 'warning', warning: { param: 'output', message } });
  }

  /** Searches that left no other trace than their queries, and pages that left their addresses. */
  function addSearches(grounding: Grounding, emit: Emit): void {
    for (const [action, failed] of webActionsOf(grounding, include.includes('web_search_call.action.sources'))) {
      if (told.has(action.type)) continue;
      emit({ type: 'item-start', index: items, start: { kind: 'native', item: zeroSearch() } });
      beginSearch(items, emit);
      const native = endSearch(action, failed, items, emit);
      emit({ type: 'item-end', index: items, complete: true, source: '', native });
      items += 1;
    }
  }

  function close(complete: boolean, emit: Emit): void {
    const item = open;
    open = undefined;
    if (item === undefined) return;
    if (item.kind === 'call') endCall(item, complete, emit);
    else if (item.kind === 'hosted') endHosted(item, complete, emit);
    else endText(item, complete, emit);
  }

  return {
    part(part, raw, logprobs, emit) {
      const { text, functionCall } = part;
      if (isJsonObject(functionCall)) return readCall(part, functionCall, raw, emit);
      if (typeof text !== 'string') return addOther(part, raw(), emit);
      if (text === '' && isPlainText(part)) return;
      // A signature without a text ends the text before it, or stands for thoughts that are not told.
      const isThought = part['thought'] === true || (text === '' && open?.kind !== 'message');
      const target = openText(isThought ? 'reasoning' : 'message', emit);
      target.pieces.add(part, raw);
      addText(target, text, logprobs, emit);
    },
    close(complete, grounding, emit) {
      annotate(grounding, emit);
      close(complete, emit);
      addSearches(grounding, emit);
    },
  };
}

const onlyFirst = 'The upstream cannot be held to one call at a time; calls after the first were left out.';

/** The item says all of it. */
function isPlainCall(part: JsonObject, call: JsonObject): boolean {
  return Object.keys(part).length === 1 && Object.keys(call).every((field) => callFields.has(field));
}
