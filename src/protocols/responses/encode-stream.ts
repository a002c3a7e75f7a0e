import type { PartKind } from '../../core/events.ts';
import { errorFields } from '../../core/error-body.ts';
import type { ErrorType } from '../../core/errors.ts';
import type { Item } from '../../core/items.ts';
import type { JsonObject } from '../../core/json-object.ts';
import { json, type Json, type Members, membersText, objectText } from '../../core/json-text.ts';
import type { OpenItem, OpenPart, ResponseErrorCode, ResponseState, ResponseStatus } from '../../core/response.ts';
import type { StreamEncoder } from '../codec.ts';
import type { ContentPart, ContentPlace, EventFields, ItemPlace, SummaryPart, SummaryPlace } from './event-fields.ts';
import { responseText } from './response.ts';

type EventWriter = <Type extends keyof EventFields>(type: Type, members: Members<EventFields[Type]>) => string;

/** What of one part's (or call's) events never changes: a delta is these around its number and its text. */
interface Fragments {
  /** Up to the sequence number. */
  deltaStart: string;
  /** From there to the delta's text. */
  deltaMiddle: string;
  /** From there to the end of the event, where the delta has no logprobs of its own. */
  deltaEnd: string;
  /** Undefined: it is a call. */
  at: PartPlace | undefined;
  annotations: number;
}

/** Where in the response a part stands. */
interface PartPlace {
  item: Members<ItemPlace>;
  index: Json<number>;
}

const inContent = ({ item, index }: PartPlace): Members<ContentPlace> => ({ ...item, content_index: index });
const inSummary = ({ item, index }: PartPlace): Members<SummaryPlace> => ({ ...item, summary_index: index });

/** Stands for what a delta's fragments are cut at. No JSON has this character. */
const gap = '\u0000';
const gapText = gap as Json<string>;
/** What a delta's fragment ends with before the text. */
const deltaKey = '"delta":';
const emptyText = json('');
const nothing = json<unknown[]>([]);

/** The events of one kind of part. */
interface PartEvents {
  isSummary: boolean;
  added: (at: PartPlace, write: EventWriter) => string;
  delta: (at: PartPlace, write: EventWriter) => string;
  /** @param text of the part, as JSON. */
  done: (at: PartPlace, text: Json<string>, part: OpenPart, write: EventWriter) => string;
}

const partEvents: Record<PartKind, PartEvents> = {
  output_text: {
    isSummary: false,
    added: (at, write) =>
      write('response.content_part.added', { ...inContent(at), part: textPart(nothing, nothing, emptyText) }),
    delta: (at, write) => write('response.output_text.delta', { ...inContent(at), delta: gapText, logprobs: nothing }),
    done(at, text, part, write) {
      const logprobs = json(part.logprobs);
      return (
        write('response.output_text.done', { ...inContent(at), text, logprobs }) +
        write('response.content_part.done', {
          ...inContent(at),
          part: textPart(json(part.annotations), logprobs, text),
        })
      );
    },
  },
  refusal: {
    isSummary: false,
    added: (at, write) => write('response.content_part.added', { ...inContent(at), part: refusalPart(emptyText) }),
    delta: (at, write) => write('response.refusal.delta', { ...inContent(at), delta: gapText }),
    done: (at, refusal, _, write) =>
      write('response.refusal.done', { ...inContent(at), refusal }) +
      write('response.content_part.done', { ...inContent(at), part: refusalPart(refusal) }),
  },
  reasoning_text: {
    isSummary: false,
    added: (at, write) => write('response.content_part.added', { ...inContent(at), part: thoughtPart(emptyText) }),
    delta: (at, write) => write('response.reasoning_text.delta', { ...inContent(at), delta: gapText }),
    done: (at, text, _, write) =>
      write('response.reasoning_text.done', { ...inContent(at), text }) +
      write('response.content_part.done', { ...inContent(at), part: thoughtPart(text) }),
  },
  summary_text: {
    isSummary: true,
    added: (at, write) =>
      write('response.reasoning_summary_part.added', { ...inSummary(at), part: summaryPart(emptyText) }),
    delta: (at, write) => write('response.reasoning_summary_text.delta', { ...inSummary(at), delta: gapText }),
    done: (at, text, _, write) =>
      write('response.reasoning_summary_text.done', { ...inSummary(at), text }) +
      write('response.reasoning_summary_part.done', { ...inSummary(at), part: summaryPart(text) }),
  },
};

function textPart(annotations: Json<unknown[]>, logprobs: Json<unknown[]>, text: Json<string>): Json<ContentPart> {
  return objectText({ type: json('output_text'), annotations, logprobs, text });
}
const refusalPart = (refusal: Json<string>): Json<ContentPart> => objectText({ type: json('refusal'), refusal });
const thoughtPart = (text: Json<string>): Json<ContentPart> => objectText({ type: json('reasoning_text'), text });
const summaryPart = (text: Json<string>): Json<SummaryPart> => objectText({ type: json('summary_text'), text });

/** The event of a piece of a call's arguments; undefined for what is no call. */
const callDeltas: Record<OpenItem['kind'], ((item: Members<ItemPlace>, write: EventWriter) => string) | undefined> = {
  message: undefined,
  reasoning: undefined,
  function_call: (item, write) => write('response.function_call_arguments.delta', { ...item, delta: gapText }),
  custom_tool_call: (item, write) => write('response.custom_tool_call_input.delta', { ...item, delta: gapText }),
  extension: undefined,
  native: undefined,
};

/** `undefined`: the union of events has no end for it. A reader sees the stream close. */
const terminalEvents = {
  queued: undefined,
  in_progress: undefined,
  completed: 'response.completed',
  incomplete: 'response.incomplete',
  failed: 'response.failed',
  cancelled: undefined,
} as const satisfies Record<ResponseStatus, keyof EventFields | undefined>;

/**
 * Writes the whole ceremony of the Responses API's stream, for one response.
 * @see https://platform.openai.com/docs/api-reference/responses-streaming
 */
export function createStreamEncoder(written = 0): StreamEncoder {
  let sequence = written;
  /** By item, then by part; a call has one entry. */
  const open: Fragments[][] = [];

  /** By the name of the event that is to have them. */
  const upstreams = new Map<string, JsonObject>();

  const event: EventWriter = (type, members) => {
    const given = upstreams.size === 0 ? undefined : upstreams.get(type);
    if (given !== undefined) upstreams.delete(type);
    const said = given === undefined ? members : { ...members, ...jsonOf(given) };
    return eventText(type, sequence++, membersText(said));
  };

  function fragmentsAt(item: OpenItem, part: number): Fragments {
    const fragments = open[item.index]?.[part];
    if (fragments === undefined) throw new Error(`part ${part} of item ${item.index} was never started`);
    return fragments;
  }

  return {
    begin({ head, envelope }) {
      const response = responseText(head, envelope, []);
      const created = sequence === 0 ? event('response.created', { response }) : '';
      return created + event('response.in_progress', { response });
    },

    queued({ head, envelope }) {
      const response = responseText(head, envelope, []);
      return event('response.created', { response }) + event('response.queued', { response });
    },

    itemStart(item) {
      const delta = callDeltas[item.kind];
      open[item.index] = delta === undefined ? [] : [fragmentsOf(delta(placeOf(item), withGaps))];
      const zero = zeroItem(item);
      return zero === undefined ? '' : event('response.output_item.added', itemMembers(item, zero));
    },

    partStart(item, part) {
      const { added, delta } = partEvents[partAt(item, part).kind];
      const at = partPlace(item, part);
      (open[item.index] ??= [])[part] = fragmentsOf(delta(at, withGaps), at);
      return added(at, event);
    },

    delta(item, part, delta, logprobs, words) {
      if (item.kind === 'extension' || item.kind === 'native') return '';
      const isCall = callDeltas[item.kind] !== undefined;
      const { deltaStart, deltaMiddle, deltaEnd } = fragmentsAt(item, isCall ? 0 : part);
      if (words !== undefined)
        return `${deltaStart}${sequence++}${deltaMiddle.slice(0, -deltaKey.length)}${words}}\n\n`;
      const end = logprobs === undefined ? deltaEnd : `${membersText({ logprobs: json(logprobs) })}}\n\n`;
      return deltaStart + sequence++ + deltaMiddle + JSON.stringify(delta) + end;
    },

    annotation(item, part, annotation) {
      const fragments = fragmentsAt(item, part);
      return event('response.output_text.annotation.added', {
        ...inContent(fragments.at ?? partPlace(item, part)),
        annotation_index: json(fragments.annotations++),
        annotation: json(annotation),
      });
    },

    partEnd(item, part) {
      const ended = partAt(item, part);
      const at = fragmentsAt(item, part).at ?? partPlace(item, part);
      return partEvents[ended.kind].done(at, json(ended.text), ended, event);
    },

    itemEvent: (item, name, fields) =>
      eventText(`response.${name}`, sequence++, membersText(placeOf(item)) + membersOf(fields)),

    responseEvent: (name, fields) => eventText(name, sequence++, membersOf(fields)),

    eventFields: (name, fields) => void upstreams.set(name, fields),

    itemEnd(item, { item: finished, body }) {
      open[item.index] = [];
      let before = '';
      if (finished.type === 'function_call') {
        before = event('response.function_call_arguments.done', {
          ...placeOf(item),
          name: json(finished.name),
          arguments: json(finished.arguments),
        });
      } else if (finished.type === 'custom_tool_call') {
        before = event('response.custom_tool_call_input.done', { ...placeOf(item), input: json(finished.input) });
      } else if (item.kind === 'extension') {
        // Its type is known only now, and a reader must see an item added before it is done.
        const zero = json({ id: item.id, type: finished.type, status: 'in_progress' }) as Json<Item>;
        before = event('response.output_item.added', itemMembers(item, zero));
      }
      return before + event('response.output_item.done', itemMembers(item, body as Json<Item>));
    },

    end({ state, head, envelope, output }) {
      const type = terminalEvents[state.status];
      if (type === undefined) return '';
      const bodies = output.map(({ body }) => body);
      const failure = state.status === 'failed' ? event('error', errorMembers(failureOf(state))) : '';
      return `${failure}${event(type, { response: responseText(head, envelope, bodies) })}data: [DONE]\n\n`;
    },

    error: (error) => `${event('error', errorMembers(errorFields(error)))}data: [DONE]\n\n`,
  };
}

/** @param rest the fields after the sequence number, each with the comma before it. */
function eventText(type: string, sequence: number | string, rest: string): string {
  return `event: ${type}\ndata: {"type":"${type}","sequence_number":${sequence}${rest}}\n\n`;
}

const withGaps: EventWriter = (type, members) => eventText(type, gap, membersText(members));

function fragmentsOf(event: string, at?: PartPlace): Fragments {
  const number = event.indexOf(gap);
  const text = event.indexOf(gap, number + 1);
  return {
    deltaStart: event.slice(0, number),
    deltaMiddle: event.slice(number + 1, text),
    deltaEnd: event.slice(text + 1),
    at,
    annotations: 0,
  };
}

function itemMembers(item: OpenItem, body: Json<Item>) {
  return { output_index: json(item.index), item: body };
}

function placeOf(item: OpenItem): Members<ItemPlace> {
  return { item_id: json(item.id), output_index: json(item.index) };
}

function partAt(item: OpenItem, part: number): OpenPart {
  const found = item.parts[part];
  if (found === undefined) throw new Error(`item ${item.index} has no part ${part}`);
  return found;
}

/** Summaries and content are two lists of a reasoning item, each with its own count. */
function partPlace(item: OpenItem, part: number): PartPlace {
  const { isSummary } = partEvents[partAt(item, part).kind];
  let index = 0;
  for (const { kind } of item.parts.slice(0, part)) if (partEvents[kind].isSummary === isSummary) index++;
  return { item: placeOf(item), index: json(index) };
}

function jsonOf(fields: JsonObject): Record<string, Json<unknown>> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, json(value)]));
}

/** Each with the comma before it. */
function membersOf(fields: JsonObject): string {
  const members = JSON.stringify(fields).slice(1, -1);
  return members === '' ? '' : `,${members}`;
}

/** The item before anything is in it; undefined: nothing is known of it yet but its id. */
function zeroItem({ id, kind, native, callId, name, fields }: OpenItem): Json<Item> | undefined {
  const status = 'in_progress';
  switch (kind) {
    case 'message':
      return json<Item>({ id, type: kind, status, content: [], role: 'assistant', ...fields });
    case 'reasoning':
      return json<Item>({ id, type: kind, status, summary: [], ...fields });
    case 'function_call':
      return json<Item>({ id, type: kind, status, arguments: '', call_id: callId, name, ...fields });
    case 'custom_tool_call':
      return json<Item>({ id, type: kind, status, call_id: callId, input: '', name, ...fields });
    case 'native':
      return native === undefined ? undefined : json<Item>(native);
    case 'extension':
      return undefined;
  }
}

/** OpenAI's readers want the fields flat, Open Responses' want them nested: both are there. */
function errorMembers({ type, code, message, param }: EventFields['error']['error']): Members<EventFields['error']> {
  return {
    code: json(code),
    message: json(message),
    param: json(param),
    error: json({ type, code, message, param }),
  };
}

function failureOf({ error }: ResponseState): EventFields['error']['error'] {
  const code = error?.code ?? 'server_error';
  return { type: errorTypes[code], code, message: error?.message ?? 'The response failed.', param: null };
}

const errorTypes: Record<ResponseErrorCode, ErrorType> = {
  server_error: 'server_error',
  rate_limit_exceeded: 'rate_limit_error',
  invalid_prompt: 'invalid_request_error',
};
