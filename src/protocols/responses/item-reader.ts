import { appended } from '../../core/appended.ts';
import { GatewayError } from '../../core/errors.ts';
import type { Emit, PartKind } from '../../core/events.ts';
import { isNative, type Item, type NativeItem } from '../../core/items.ts';
import { isJsonObject, type JsonObject } from '../../core/json-object.ts';

/** One output item of an upstream's reply, from its beginning to its end. */
export interface ItemReader {
  readonly id: string | undefined;
  ended(): boolean;
  /** @param place `content:0`, `summary:1`: the list and the index in it. */
  partStart(place: string, kind: PartKind, emit: Emit): void;
  /** @param words as of an `item-delta`. */
  delta(
    place: string,
    kind: PartKind,
    delta: string,
    logprobs: unknown[] | undefined,
    emit: Emit,
    words?: string,
  ): void;
  annotation(place: string, annotation: unknown, emit: Emit): void;
  partEnd(place: string, part: unknown, emit: Emit): void;
  callDelta(delta: string, emit: Emit, words?: string): void;
  event(name: string, fields: JsonObject, emit: Emit): void;
  /**
   * What was not streamed of the finished item is said now, so that a reply without deltas reads like one with them.
   * @param item undefined: the upstream never said how the item ended. @param raw the item's JSON.
   */
  end(item: JsonObject | undefined, raw: string, complete: boolean, emit: Emit): void;
}

type Kind = 'message' | 'reasoning' | 'function_call' | 'custom_tool_call' | 'native' | 'extension';

interface ReadPart {
  place: string;
  kind: PartKind;
  text: string;
  annotations: number;
  open: boolean;
}

const partKinds: ReadonlyMap<unknown, PartKind> = new Map([
  ['output_text', 'output_text'],
  ['refusal', 'refusal'],
  ['summary_text', 'summary_text'],
  ['reasoning_text', 'reasoning_text'],
]);

export function partKindOf(part: unknown): PartKind | undefined {
  return isJsonObject(part) ? partKinds.get(part['type']) : undefined;
}

export function invalidReply(what: string): GatewayError {
  return new GatewayError('upstream_invalid_response', `The upstream sent ${what} that the gateway cannot read.`, {
    retryable: true,
  });
}

function kindOf(item: JsonObject): Kind {
  switch (item['type']) {
    case 'message':
    case 'reasoning':
    case 'function_call':
    case 'custom_tool_call':
      return item['type'];
    default:
      return isNative(item as unknown as Item) ? 'native' : 'extension';
  }
}

/** Fields that are written by others: ids by the turn, the rest by the item's own events. */
const ownFields: Record<Kind, ReadonlySet<string>> = {
  message: new Set(['id', 'type', 'status', 'role']),
  // What is sealed goes back to the upstream with the source; a client that carries it gets an envelope of ours around that.
  reasoning: new Set(['id', 'type', 'status', 'encrypted_content']),
  function_call: new Set(['id', 'type', 'status', 'call_id', 'name', 'arguments']),
  custom_tool_call: new Set(['id', 'type', 'status', 'call_id', 'name', 'input']),
  native: new Set(),
  extension: new Set(),
};

const partLists: ReadonlySet<string> = new Set(['content', 'summary']);

/** @param added the item as it began: in a plain reply, as it ended. */
export function createItemReader(index: number, added: JsonObject, emit: Emit): ItemReader {
  const kind = kindOf(added);
  const parts: ReadPart[] = [];
  let text = '';
  let ended = false;
  let agrees = true;

  start();

  function start(): void {
    const begun = otherFields(added, (field) => !partLists.has(field));
    const fields = begun === undefined ? {} : { fields: begun };
    if (kind === 'native') {
      emit({ type: 'item-start', index, start: { kind, item: { ...added, id: '' } as NativeItem } });
    } else if (kind === 'extension') {
      emit({ type: 'item-start', index, start: { kind, blockType: wordOf(added['type']) } });
    } else if (kind === 'message' || kind === 'reasoning') {
      emit({ type: 'item-start', index, start: { kind, ...fields } });
    } else {
      const { name, call_id: callId } = added;
      if (typeof name !== 'string' || name === '') throw invalidReply('a tool call without a name');
      const id = typeof callId === 'string' ? callId : '';
      emit({ type: 'item-start', index, start: { kind, callId: id, name, ...fields } });
    }
  }

  function otherFields(item: JsonObject, isWanted: (field: string) => boolean): JsonObject | undefined {
    const entries = Object.entries(item).filter(([field]) => !ownFields[kind].has(field) && isWanted(field));
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  }

  function openPart(): ReadPart | undefined {
    const last = parts.at(-1);
    return last?.open === true ? last : undefined;
  }

  function close(part: ReadPart | undefined, to: Emit): void {
    if (part === undefined) return;
    part.open = false;
    to({ type: 'part-end', index, part: parts.indexOf(part) });
  }

  function partAt(place: string, partKind: PartKind, to: Emit): ReadPart {
    if (kind !== 'message' && kind !== 'reasoning') throw invalidReply('a part of an item that has none');
    const known = parts.find((part) => part.place === place);
    if (known !== undefined) {
      if (!known.open || known.kind !== partKind) throw invalidReply('a part after its end');
      return known;
    }
    close(openPart(), to);
    const part: ReadPart = { place, kind: partKind, text: '', annotations: 0, open: true };
    parts.push(part);
    to({ type: 'part-start', index, part: parts.length - 1, kind: partKind });
    return part;
  }

  function append(part: ReadPart, delta: string, logprobs: unknown[] | undefined, to: Emit, words?: string): void {
    const isTold = logprobs !== undefined && logprobs.length > 0;
    if (delta === '' && !isTold) return;
    part.text = appended(part.text, delta);
    const said = words === undefined ? { delta } : { delta, words };
    const at = { type: 'item-delta', index, part: parts.indexOf(part), ...said } as const;
    to(isTold ? { ...at, logprobs } : at);
  }

  function annotate(part: ReadPart, annotation: unknown, to: Emit): void {
    part.annotations += 1;
    to({ type: 'annotation', index, part: parts.indexOf(part), annotation });
  }

  /** Says of a finished part what its events did not, and ends it. */
  function complete(place: string, finished: unknown, to: Emit): void {
    const partKind = partKindOf(finished);
    if (partKind === undefined || !isJsonObject(finished)) return;
    const whole = finished[partKind === 'refusal' ? 'refusal' : 'text'];
    const known = parts.find((part) => part.place === place);
    if (
      typeof whole !== 'string' ||
      (known !== undefined && (known.kind !== partKind || !whole.startsWith(known.text)))
    ) {
      agrees = false;
      close(known?.open === true ? known : undefined, to);
      return;
    }
    if (known?.open === false) {
      agrees &&= known.text === whole;
      return;
    }
    const part = known ?? partAt(place, partKind, to);
    const { logprobs, annotations } = finished;
    const rest = whole.slice(part.text.length);
    const own = part.text === '' && rest !== '' && Array.isArray(logprobs) ? (logprobs as unknown[]) : undefined;
    append(part, rest, own, to);
    if (Array.isArray(annotations)) {
      for (const annotation of (annotations as unknown[]).slice(part.annotations)) annotate(part, annotation, to);
    }
    close(part, to);
  }

  function completeLists(item: JsonObject, to: Emit): void {
    for (const list of ['summary', 'content']) {
      const finished: unknown = item[list];
      if (!Array.isArray(finished)) continue;
      finished.forEach((part: unknown, at) => complete(`${list}:${at}`, part, to));
    }
    const said = (list: string) => parts.filter(({ place }) => place.startsWith(list)).length;
    agrees &&= ['summary', 'content'].every((list) => {
      const finished: unknown = item[list];
      return (Array.isArray(finished) ? finished.length : 0) >= said(list);
    });
    close(openPart(), to);
  }

  function completeCall(item: JsonObject, to: Emit): void {
    const whole = item[kind === 'function_call' ? 'arguments' : 'input'];
    if (typeof whole === 'string' && whole.startsWith(text)) sayCall(whole.slice(text.length), to);
    else if (whole !== undefined && whole !== null) agrees = false;
  }

  function sayCall(delta: string, to: Emit, words?: string): void {
    if (delta === '') return;
    text = appended(text, delta);
    to({ type: 'item-delta', index, part: 0, delta, ...(words === undefined ? {} : { words }) });
  }

  /** What the upstream knows the item by; the item says the rest, unless it was printed otherwise than it came. */
  function sourceOf(item: JsonObject, raw: string): string {
    if (kind === 'extension' || kind === 'reasoning') return raw;
    if (kind === 'native' && JSON.stringify(item) !== raw) return raw;
    const id = item['id'];
    return typeof id === 'string' && id !== '' ? JSON.stringify({ id }) : '';
  }

  return {
    id: typeof added['id'] === 'string' ? added['id'] : undefined,
    ended() {
      return ended;
    },
    partStart(place, partKind, to) {
      partAt(place, partKind, to);
    },
    delta(place, partKind, delta, logprobs, to, words) {
      append(partAt(place, partKind, to), delta, logprobs, to, words);
    },
    annotation(place, annotation, to) {
      annotate(partAt(place, 'output_text', to), annotation, to);
    },
    partEnd: complete,
    callDelta(delta, to, words) {
      if (kind !== 'function_call' && kind !== 'custom_tool_call')
        throw invalidReply('arguments of an item that is no call');
      sayCall(delta, to, words);
    },
    event(name, fields, to) {
      if (kind !== 'extension') to({ type: 'item-event', index, name, fields });
    },
    end(item, raw, isComplete, to) {
      ended = true;
      if (item === undefined) {
        close(openPart(), to);
        to({ type: 'item-end', index, complete: isComplete, source: '' });
        return;
      }
      if (kind === 'native') {
        const source = sourceOf(item, raw);
        to({ type: 'item-end', index, complete: isComplete, source, native: { ...item, id: '' } as NativeItem });
        return;
      }
      if (kind === 'message' || kind === 'reasoning') completeLists(item, to);
      else if (kind !== 'extension') completeCall(item, to);
      if (!agrees) {
        const message =
          'The upstream ended an item with another text than it had streamed, which is the one that holds.';
        to({ type: 'warning', warning: { param: 'model', message } });
      }
      const fields = otherFields(item, (field) =>
        partLists.has(field) ? agrees && Array.isArray(item[field]) : item[field] !== undefined,
      );
      to({
        type: 'item-end',
        index,
        complete: isComplete,
        source: isComplete ? sourceOf(item, raw) : '',
        ...(fields === undefined || kind === 'extension' ? {} : { fields }),
      });
    },
  };
}

function wordOf(type: unknown): string {
  return typeof type === 'string' && /^[a-z0-9_.:-]{1,64}$/i.test(type) ? type : 'unknown';
}
